//! What clients were told: accepted, applied, lost. Every payload is unique and names itself.

use std::collections::VecDeque;

use raftcore::{EntryId, LogIndex};

use super::history::History;
use crate::property::{Checked, Property, broken};

/// Shortest payload: its number.
const NUMBER_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Accepted; nothing more is known.
    Open,
    /// The client was told that it is applied.
    Acknowledged,
    /// The client was told that it never will be.
    Lost,
    /// The client was told that nobody can tell.
    Unknown,
}

#[derive(Clone, Copy)]
struct Proposal {
    id: EntryId,
    host: u8,
    life: u32,
    state: State,
}

/// A payload that a node accepted.
pub(crate) struct Proposed {
    pub(crate) host: usize,
    pub(crate) life: u32,
    pub(crate) id: EntryId,
}

/// All proposals of a run, by number.
pub(crate) struct Clients {
    proposals: Vec<Proposal>,
    /// Per host the proposals of its present life that are still open, oldest first.
    open: Vec<VecDeque<usize>>,
    /// Per host all proposals of its present life, in the order of their ids.
    lives: Vec<Vec<usize>>,
    /// The highest index that some client was told to be applied.
    acknowledged: u64,
    payload: Vec<u8>,
    pub(crate) history: History,
}

impl Clients {
    pub(crate) fn new(hosts: usize, history: History) -> Self {
        Self {
            proposals: Vec::new(),
            open: vec![VecDeque::new(); hosts],
            lives: vec![Vec::new(); hosts],
            acknowledged: 0,
            payload: Vec::new(),
            history,
        }
    }

    /// How many proposals were accepted.
    pub(crate) const fn accepted(&self) -> u64 {
        self.proposals.len() as u64
    }

    /// The highest index that some client was told to be applied.
    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// The next payload: the number it will have, filled up to a length.
    pub(crate) fn next_payload(&mut self, length: u64) -> &[u8] {
        let number = self.proposals.len() as u64;
        self.payload.clear();
        self.payload.extend_from_slice(&number.to_le_bytes());
        self.payload.resize((length as usize).max(NUMBER_BYTES), filler(number));
        &self.payload
    }

    /// A node took the payload made last.
    pub(crate) fn accepted_by(&mut self, Proposed { host, life, id }: Proposed) -> Checked {
        if let Some(last) = self.proposals.last()
            && last.host as usize == host
            && last.life == life
            && (id.index <= last.id.index && id.term <= last.id.term)
        {
            let detail = format!("two proposals became {} and then {id}", last.id);
            return broken(Property::ClientPromise, host, detail);
        }
        self.open[host].push_back(self.proposals.len());
        self.lives[host].push(self.proposals.len());
        self.proposals.push(Proposal { id, host: host as u8, life, state: State::Open });
        Ok(())
    }

    /// A node applies a payload; its proposer tells the client.
    pub(crate) fn applied(
        &mut self,
        host: usize,
        life: u32,
        id: EntryId,
        payload: &[u8],
    ) -> Checked {
        let number = payload.first_chunk::<NUMBER_BYTES>().map(|bytes| u64::from_le_bytes(*bytes));
        let known = number.and_then(|number| self.proposals.get_mut(number as usize));
        let (Some(number), Some(proposal)) = (number, known) else {
            return broken(Property::ClientPromise, host, format!("applies {id}, never proposed"));
        };
        if payload[NUMBER_BYTES..].iter().any(|&byte| byte != filler(number)) {
            return broken(Property::ClientPromise, host, format!("applies {id}, damaged"));
        }
        if proposal.id != id {
            let detail = format!("proposal {number} was to be {}, applied as {id}", proposal.id);
            return broken(Property::ClientPromise, host, detail);
        }
        if proposal.state == State::Lost {
            let detail = format!("proposal {number}, told to be lost, is applied as {id}");
            return broken(Property::ClientPromise, host, detail);
        }
        self.history.applies(id.index.0, number);
        if proposal.host as usize == host && proposal.life == life {
            if proposal.state == State::Unknown {
                let detail = format!("proposal {number}, told to be unknown, is applied as {id}");
                return broken(Property::ClientPromise, host, detail);
            }
            proposal.state = State::Acknowledged;
            self.history.acknowledged(number);
            self.acknowledged = self.acknowledged.max(id.index.0);
            let open = &mut self.open[host];
            if let Some(place) = open.iter().position(|&open| open as u64 == number) {
                open.remove(place);
            }
        }
        Ok(())
    }

    /// A node applies a membership; if it was proposed there in this life, the client is told.
    pub(crate) fn changed(&mut self, host: usize, id: EntryId) {
        let Self { proposals, open, lives, .. } = self;
        let mine = &lives[host];
        let place = mine.partition_point(|&number| proposals[number].id < id);
        if let Some(&number) = mine.get(place).filter(|&&number| proposals[number].id == id) {
            proposals[number].state = State::Acknowledged;
            open[host].retain(|&open| open != number);
            self.acknowledged = self.acknowledged.max(id.index.0);
        }
    }

    /// A node says that its proposals from one entry to another were overwritten.
    pub(crate) fn lost(&mut self, host: usize, from: EntryId, through: LogIndex) -> Checked {
        self.ended(host, from, through, State::Lost)
    }

    /// A node says that a snapshot passed its proposals from one entry to another.
    pub(crate) fn unknown(&mut self, host: usize, from: EntryId, through: LogIndex) -> Checked {
        self.ended(host, from, through, State::Unknown)
    }

    fn ended(&mut self, host: usize, from: EntryId, through: LogIndex, state: State) -> Checked {
        let Self { proposals, open, lives, .. } = self;
        let mine = &lives[host];
        let id = |number: &usize| proposals[*number].id;
        let first = mine.partition_point(|number| id(number) < from);
        let end = EntryId { term: from.term, index: through };
        let count = mine[first..].partition_point(|number| id(number) <= end);
        for &number in &mine[first..first + count] {
            let Proposal { id, state: before, .. } = proposals[number];
            if before != State::Open {
                let detail = format!("proposal {number}, {id}, is told {state:?} after {before:?}");
                return broken(Property::ClientPromise, host, detail);
            }
            proposals[number].state = state;
            if state == State::Lost {
                self.history.lost(number as u64);
            }
        }
        open[host].retain(|&number| proposals[number].state == State::Open);
        Ok(())
    }

    /// A node stopped: nobody will tell its clients more.
    pub(crate) fn stopped(&mut self, host: usize) {
        self.open[host].clear();
        self.lives[host].clear();
    }

    /// At the end, every proposal of a living node up to the last commit has its outcome, and it is the truth; `lives` has
    /// the lives of the members, `term_at` gives the term of a committed entry.
    pub(crate) fn settled(
        &self,
        lives: &[Option<u32>],
        term_at: impl Fn(LogIndex) -> Option<u64>,
    ) -> Checked {
        for (number, proposal) in self.proposals.iter().enumerate() {
            let Proposal { id, host, life, state } = *proposal;
            let host = host as usize;
            let there = term_at(id.index);
            let committed = there == Some(id.term.0);
            if state == State::Acknowledged && !committed {
                let detail = format!("proposal {number}, {id}, was acknowledged and is gone");
                return broken(Property::ClientPromise, host, detail);
            }
            if state == State::Lost && committed {
                let detail = format!("proposal {number}, {id}, was told to be lost and is there");
                return broken(Property::ClientPromise, host, detail);
            }
            if state == State::Open && there.is_some() && lives[host] == Some(life) {
                let end = if committed { "is there" } else { "is gone" };
                let detail = format!("proposal {number}, {id}, {end}, and its client was not told");
                return broken(Property::ClientPromise, host, detail);
            }
        }
        Ok(())
    }
}

const fn filler(number: u64) -> u8 {
    (number % 251) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::Term;

    fn id(index: u64, term: u64) -> EntryId {
        EntryId { term: Term(term), index: LogIndex(index) }
    }

    fn one_proposal() -> (Clients, Vec<u8>) {
        let mut clients = Clients::new(2, History::new(1));
        let payload = clients.next_payload(20).to_vec();
        assert_eq!(clients.accepted_by(Proposed { host: 0, life: 1, id: id(4, 2) }), Ok(()));
        (clients, payload)
    }

    fn breaks(checked: Checked) {
        assert_eq!(checked.unwrap_err().property, Property::ClientPromise);
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_breaks_the_promise() {
        let (mut clients, payload) = one_proposal();
        assert_eq!(clients.applied(0, 1, id(4, 2), &payload), Ok(()));
        assert_eq!(clients.settled(&[Some(1), Some(1)], |_| Some(2)), Ok(()));
        breaks(clients.settled(&[Some(1), Some(1)], |_| Some(3)));
        breaks(clients.settled(&[Some(1), Some(1)], |_| None));
    }

    #[test]
    fn a_lost_write_that_is_applied_breaks_the_promise() {
        let (mut clients, payload) = one_proposal();
        assert_eq!(clients.lost(0, id(4, 2), LogIndex(4)), Ok(()));
        assert_eq!(clients.settled(&[Some(1), Some(1)], |_| Some(3)), Ok(()));
        breaks(clients.applied(1, 1, id(4, 2), &payload));
        breaks(clients.lost(0, id(4, 2), LogIndex(4)));
    }

    #[test]
    fn a_write_without_an_outcome_breaks_the_promise_unless_its_node_stopped() {
        let (clients, _) = one_proposal();
        assert_eq!(clients.settled(&[Some(1), Some(1)], |_| None), Ok(()));
        breaks(clients.settled(&[Some(1), Some(1)], |_| Some(3)));
        breaks(clients.settled(&[Some(1), Some(1)], |_| Some(2)));
        assert_eq!(clients.settled(&[Some(2), None], |_| Some(2)), Ok(()));
    }

    #[test]
    fn a_foreign_damaged_or_moved_payload_breaks_the_promise() {
        let (mut clients, payload) = one_proposal();
        breaks(clients.applied(1, 1, id(5, 2), &payload));
        breaks(clients.applied(1, 1, id(4, 2), &payload[..7]));
        breaks(clients.applied(1, 1, id(4, 2), &[9; 20]));
        let mut damaged = payload.clone();
        damaged[15] ^= 1;
        breaks(clients.applied(1, 1, id(4, 2), &damaged));
    }
}
