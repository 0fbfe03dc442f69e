//! What clients did, and when: writes and reads of keys. At the end it must be linearizable, key by
//! key (Raft 8).
//!
//! Every payload writes a key: the number of the payload says which, and is the value; a client
//! that tries again writes the key it wrote before. Since all nodes apply the same entries, which is a
//! property of its own, what a state machine holds follows from how far it has applied.

use raftcore::ReadId;

use crate::linear::{Action, NEVER, Operation, unexplained};

/// Moments of one step.
const MOMENTS_BITS: u32 = 16;

#[derive(Clone, Copy)]
struct Written {
    key: u64,
    value: u64,
    called: u64,
    returned: u64,
    end: End,
}

/// What the client of a write knows of its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Awaited,
    Told,
    /// Nobody waits for it any more.
    Unknown,
}

#[derive(Clone, Copy)]
struct Asked {
    key: u64,
    called: u64,
    /// When, and with what, it was answered.
    answer: Option<(u64, Option<u64>)>,
}

/// The history of a run.
pub(crate) struct History {
    /// The last moment at which a client did or heard something: the step, and a count within it.
    moment: u64,
    /// By number of the payload; none if that is no payload, or was lost.
    writes: Vec<Option<Written>>,
    /// By name of the read; none if it may be stale.
    reads: Vec<Option<Asked>>,
    /// Per key all values it had, each with the entry that wrote it; rising.
    values: Vec<Vec<(u64, u64)>>,
    /// The last entry among them.
    applied: u64,
}

impl History {
    pub(crate) fn new(keys: u64) -> Self {
        Self {
            moment: 0,
            writes: Vec::new(),
            reads: Vec::new(),
            values: vec![Vec::new(); keys as usize],
            applied: 0,
        }
    }

    /// A step begins.
    pub(crate) fn begins(&mut self, step: u64) {
        self.moment = self.moment.max(step << MOMENTS_BITS);
    }

    const fn now(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    const fn keys(&self) -> u64 {
        self.values.len() as u64
    }

    /// A node took the payload with this number; it writes the key that another one wrote, or its
    /// own.
    pub(crate) fn writes(&mut self, number: u64, again: Option<u64>) {
        let first = again.and_then(|again| *self.writes.get(again as usize)?);
        let key = first.map_or(number % self.keys(), |first| first.key);
        let written =
            Written { key, value: number, called: self.now(), returned: NEVER, end: End::Awaited };
        self.writes.resize(number as usize, None);
        self.writes.push(Some(written));
    }

    fn awaited(&mut self, number: u64) -> Option<&mut Written> {
        let written = self.writes.get_mut(number as usize)?.as_mut()?;
        (written.end == End::Awaited).then_some(written)
    }

    /// The client with this payload hears that it is applied, if it still waits.
    pub(crate) fn acknowledged(&mut self, number: u64) {
        let now = self.now();
        if let Some(written) = self.awaited(number) {
            (written.returned, written.end) = (now, End::Told);
        }
    }

    /// The client with this payload stops waiting; says whether it still did.
    pub(crate) fn gives_up(&mut self, number: u64) -> bool {
        let written = self.awaited(number);
        written.map(|written| written.end = End::Unknown).is_some()
    }

    /// The payload never was, and never will be, applied.
    pub(crate) fn lost(&mut self, number: u64) {
        if let Some(written) = self.writes.get_mut(number as usize) {
            *written = None;
        }
    }

    /// Some node applies the entry with this payload.
    pub(crate) fn applies(&mut self, index: u64, number: u64) {
        if let (true, Some(Some(written))) =
            (index > self.applied, self.writes.get(number as usize))
        {
            self.applied = index;
            self.values[written.key as usize].push((index, written.value));
        }
    }

    /// A client asks for the value of some key, chosen by a number; it may be `stale`.
    pub(crate) fn asks(&mut self, choice: u64, stale: bool) {
        let asked = Asked { key: choice % self.keys(), called: self.now(), answer: None };
        self.reads.push((!stale).then_some(asked));
    }

    /// A read is answered from a state machine that has applied so much.
    pub(crate) fn answers(&mut self, id: ReadId, applied: u64) {
        let now = self.now();
        let place = (id.0 as usize).checked_sub(1);
        if let Some(Some(asked)) = place.and_then(|place| self.reads.get_mut(place)) {
            let values = &self.values[asked.key as usize];
            let count = values.partition_point(|&(index, _)| index <= applied);
            let value = count.checked_sub(1).map(|last| values[last].1);
            asked.answer = Some((now, value));
        }
    }

    /// What is wrong with the history, if it is not linearizable.
    pub(crate) fn unexplained(&self) -> Option<String> {
        let mut keys = vec![Vec::new(); self.values.len()];
        for &Written { key, value, called, returned, .. } in self.writes.iter().flatten() {
            let action = Action::Write(value);
            keys[key as usize].push(Operation { called, returned, action });
        }
        for &Asked { key, called, answer } in self.reads.iter().flatten() {
            if let Some((returned, value)) = answer {
                let action = Action::Read(value);
                keys[key as usize].push(Operation { called, returned, action });
            }
        }
        keys.iter().enumerate().find_map(|(key, operations)| {
            let Operation { called, returned, action } = operations[unexplained(operations)?];
            let (from, to) = (called >> MOMENTS_BITS, returned >> MOMENTS_BITS);
            Some(format!(
                "no order of the operations on key {key} explains {action:?}, called in step \
                 {from} and ended in step {to}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two writes of one key, applied as the first two entries; only the first was acknowledged.
    fn two_writes() -> History {
        let mut history = History::new(1);
        history.begins(3);
        history.writes(0, None);
        history.applies(1, 0);
        history.acknowledged(0);
        history.writes(1, None);
        history.applies(2, 1);
        history
    }

    fn reads(history: &mut History, id: u64, applied: u64) {
        history.asks(id, false);
        history.answers(ReadId(id), applied);
    }

    #[test]
    fn a_read_of_an_older_state_machine_than_was_acknowledged_is_not_explained() {
        let mut history = two_writes();
        history.begins(9);
        reads(&mut history, 1, 1);
        assert_eq!(history.unexplained(), None);
        reads(&mut history, 2, 0);
        let detail = history.unexplained().unwrap();
        let expected = "key 0 explains Read(None), called in step 9 and ended in step 9";
        assert!(detail.ends_with(expected), "{detail}");
    }

    #[test]
    fn a_read_that_may_be_stale_or_was_not_answered_is_no_part_of_the_history() {
        let mut history = two_writes();
        history.asks(0, true);
        history.answers(ReadId(1), 0);
        history.asks(0, false);
        assert_eq!(history.unexplained(), None);
    }

    #[test]
    fn a_write_that_nobody_waits_for_may_still_take_effect_but_a_lost_one_may_not() {
        let mut history = two_writes();
        assert!(history.gives_up(1));
        assert!(!history.gives_up(0) && !history.gives_up(1) && !history.gives_up(2));
        reads(&mut history, 1, 1);
        history.acknowledged(1);
        reads(&mut history, 2, 1);
        reads(&mut history, 3, 2);
        assert_eq!(history.unexplained(), None);
        history.lost(1);
        assert!(history.unexplained().is_some());
    }

    #[test]
    fn a_client_that_tries_again_writes_the_same_key() {
        let mut history = History::new(2);
        history.writes(0, None);
        history.writes(3, Some(0));
        history.applies(1, 3);
        reads(&mut history, 1, 1);
        reads(&mut history, 2, 1);
        assert_eq!(history.unexplained(), None);
        history.lost(3);
        assert!(history.unexplained().unwrap().contains("key 0 explains Read(Some(3))"));
    }

    #[test]
    fn each_key_has_a_history_of_its_own() {
        let mut history = History::new(2);
        for number in 0..4 {
            history.writes(number, None);
            history.applies(1 + number, number);
            history.acknowledged(number);
        }
        reads(&mut history, 1, 4);
        reads(&mut history, 2, 3);
        assert_eq!(history.unexplained(), None);
        reads(&mut history, 3, 3);
        assert!(history.unexplained().unwrap().contains("key 1 explains Read(Some(1))"));
    }
}
