//! Reads (thesis 6.4): what was asked here and is not answered yet.
//!
//! A read is confirmed by a round of heartbeats made after it arrived, and is ready when the state
//! machine has applied what was committed then. A follower asks the leader for that index.

use core::num::NonZeroU64;
use thin_vec::ThinVec;

use crate::output::{Output, ReadFailure};
use crate::types::{LogIndex, ReadId, Tick};

/// A read that was accepted and has not ended.
#[derive(Clone, Copy, Debug)]
struct Read {
    id: ReadId,
    deadline: Tick,
    state: ReadState,
}

/// What has become of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadState {
    /// Waits for the answer to this question: a round of the leader here, a request to the leader.
    Asking {
        token: u64,
    },
    /// Waits until this much is applied.
    Confirmed {
        index: LogIndex,
    },
    Failed(ReadFailure),
}

impl Read {
    /// The question whose answer it waits for.
    const fn token(&self) -> Option<u64> {
        if let ReadState::Asking { token } = self.state { Some(token) } else { None }
    }

    const fn has_failed(&self) -> bool {
        matches!(self.state, ReadState::Failed(_))
    }
}

/// The reads of this node, whoever answers them. Each ends in exactly one output, by its deadline
/// at the latest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    open: ThinVec<Read>,
    /// When the first of them times out.
    deadline: Option<NonZeroU64>,
    /// The newest question to a leader that was sent; never used twice in a life, whatever roles
    /// come and go, so that a late answer fits no later question.
    asked: u64,
}

impl Reads {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.deadline.map(|at| Tick(at.get()))
    }

    /// The question that reads arriving now wait for.
    pub(crate) const fn next_question(&self) -> u64 {
        self.asked.saturating_add(1)
    }

    /// The question to send now: the newest that a read waits for.
    pub(crate) fn question(&mut self) -> Option<u64> {
        self.asked = self.asked.max(self.tokens().max()?);
        Some(self.asked)
    }

    /// A leader answered the questions up to `token`. Says whether they were ever sent.
    pub(crate) fn answered(&mut self, token: u64, index: LogIndex) -> bool {
        let sent = token <= self.asked;
        if sent {
            self.confirm(token, index);
        }
        sent
    }

    /// Takes a read.
    pub(crate) fn push(&mut self, id: ReadId, deadline: Tick, state: ReadState) {
        self.deadline = self.deadline.into_iter().chain(NonZeroU64::new(deadline.0)).min();
        self.open.push(Read { id, deadline, state });
    }

    /// The tokens that reads wait for.
    fn tokens(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.iter().filter_map(Read::token)
    }

    /// Whether some read waits for an answer.
    pub(crate) fn is_asking(&self) -> bool {
        self.tokens().next().is_some()
    }

    /// The questions up to `token` are answered: what was committed then ends at `index`.
    pub(crate) fn confirm(&mut self, token: u64, index: LogIndex) {
        let answered = |read: &Read| read.token().is_some_and(|asked| asked <= token);
        self.turn(answered, ReadState::Confirmed { index });
    }

    /// Nobody will answer the questions any more.
    pub(crate) fn fail_asking(&mut self, reason: ReadFailure) {
        self.turn(|read| read.token().is_some(), ReadState::Failed(reason));
    }

    /// Fails what waits too long.
    pub(crate) fn on_tick(&mut self, now: Tick) {
        let late = |read: &Read| now >= read.deadline && !read.has_failed();
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.turn(late, ReadState::Failed(ReadFailure::TimedOut));
            let open = self.open.iter().filter(|read| !read.has_failed());
            self.deadline = open.filter_map(|read| NonZeroU64::new(read.deadline.0)).min();
        }
    }

    fn turn(&mut self, which: impl Fn(&Read) -> bool, state: ReadState) {
        for read in self.open.iter_mut().filter(|read| which(read)) {
            read.state = state;
        }
    }

    pub(crate) fn trim(&mut self) {
        self.open.shrink_to_fit();
    }

    fn ended(&self, applied: LogIndex) -> Option<usize> {
        self.open.iter().position(|read| match read.state {
            ReadState::Asking { .. } => false,
            ReadState::Confirmed { index } => index <= applied,
            ReadState::Failed(_) => true,
        })
    }

    pub(crate) fn has_output(&self, applied: LogIndex) -> bool {
        self.ended(applied).is_some()
    }

    /// The next read that ended.
    pub(crate) fn poll(&mut self, applied: LogIndex) -> Option<Output> {
        let Read { id, state, .. } = self.open.remove(self.ended(applied)?);
        if self.open.is_empty() {
            self.deadline = None;
        }
        Some(match state {
            ReadState::Failed(reason) => Output::ReadFailed { id, reason },
            _ => Output::ReadReady(id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Tick = Tick(100);

    #[test]
    fn a_read_is_ready_when_it_is_confirmed_and_applied() {
        let mut reads = Reads::default();
        reads.push(ReadId(7), LATE, ReadState::Asking { token: 3 });
        reads.confirm(2, LogIndex(5));
        assert_eq!(reads.poll(LogIndex(9)), None, "another question was answered");
        reads.confirm(3, LogIndex(5));
        assert_eq!(reads.poll(LogIndex(4)), None);
        assert_eq!(reads.poll(LogIndex(5)), Some(Output::ReadReady(ReadId(7))));
        assert_eq!((reads.len(), reads.deadline()), (0, None));
    }

    #[test]
    fn a_read_ends_at_its_deadline_whatever_it_waits_for() {
        let mut reads = Reads::default();
        reads.push(ReadId(1), LATE, ReadState::Asking { token: 1 });
        reads.push(ReadId(2), LATE, ReadState::Confirmed { index: LogIndex(50) });
        reads.on_tick(LATE.prev());
        assert!(!reads.has_output(LogIndex(0)));
        reads.on_tick(LATE);
        let reason = ReadFailure::TimedOut;
        for id in [ReadId(1), ReadId(2)] {
            assert_eq!(reads.poll(LogIndex(0)), Some(Output::ReadFailed { id, reason }));
        }
    }

    #[test]
    fn only_open_questions_fail_with_their_leader() {
        let mut reads = Reads::default();
        reads.push(ReadId(1), LATE, ReadState::Asking { token: 1 });
        reads.confirm(1, LogIndex(4));
        reads.push(ReadId(2), LATE, ReadState::Asking { token: 2 });
        reads.fail_asking(ReadFailure::LeaderLost);
        let reason = ReadFailure::LeaderLost;
        assert_eq!(reads.poll(LogIndex(0)), Some(Output::ReadFailed { id: ReadId(2), reason }));
        assert_eq!(reads.poll(LogIndex(4)), Some(Output::ReadReady(ReadId(1))));
    }
}
