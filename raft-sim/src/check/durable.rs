//! What is on a node's disk, as the checkers see it: a fold of its own over the durable writes.

use raftcore::Write;

use super::{Mark, Places};
use crate::property::{Checked, Property, broken};

/// The durable image of one node.
#[derive(Clone, Default)]
pub(crate) struct Image {
    term: u64,
    vote: u64,
    incarnation: u64,
    log: Vec<Mark>,
    places: Places,
}

impl Image {
    pub(crate) const fn term(&self) -> u64 {
        self.term
    }

    pub(crate) const fn vote(&self) -> u64 {
        self.vote
    }

    pub(crate) const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Where its memberships are.
    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Index of the last durable entry.
    pub(crate) const fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// The durable entry with this index.
    pub(crate) fn mark(&self, index: u64) -> Option<Mark> {
        self.log.get((index as usize).checked_sub(1)?).copied()
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.log
    }

    /// Folds in one write, field by field, in the order of the fields.
    ///
    /// `committed` is what was committed in terms up to the write's. A node that has not heard of
    /// a later term may still give up an entry that was committed there, for an earlier leader: it
    /// was not part of the quorum, and gets the entry back (Raft 5.4.2).
    pub(crate) fn fold(&mut self, host: usize, write: &Write, committed: &[Mark]) -> Checked {
        if let Some(state) = write.hard_state {
            let vote = state.vote.map_or(0, |vote| vote.0);
            let (term, incarnation) = (state.term.0, state.incarnation.0);
            if term < self.term || incarnation < self.incarnation {
                let detail = format!(
                    "term {} and incarnation {} became {term} and {incarnation}",
                    self.term, self.incarnation
                );
                return broken(Property::MonotonicDurableState, host, detail);
            }
            if term == self.term && self.vote != 0 && vote != self.vote {
                let detail = format!("the vote for {} in term {term} became {vote}", self.vote);
                return broken(Property::OneVotePerTerm, host, detail);
            }
            (self.term, self.vote, self.incarnation) = (term, vote, incarnation);
        }
        if let Some(from) = write.truncate_from {
            self.truncate(host, from.0, committed)?;
        }
        for entry in &write.entries {
            let (index, next) = (entry.id.index.0, self.last() + 1);
            if index != next {
                let detail = format!("entry {index} is written where {next} is next");
                return broken(Property::Restartable, host, detail);
            }
            self.log.push(Mark { term: entry.id.term.0, checksum: entry.checksum });
        }
        self.places.fold(write);
        Ok(())
    }

    fn truncate(&mut self, host: usize, from: u64, committed: &[Mark]) -> Checked {
        let Some(keep) = from.checked_sub(1) else {
            return broken(Property::Restartable, host, "truncates from entry 0");
        };
        let keep = keep as usize;
        if let (Some(own), Some(agreed)) = (self.log.get(keep), committed.get(keep))
            && own == agreed
        {
            let detail = format!("deletes the committed entry {from}@{}", own.term);
            return broken(Property::CommittedIsImmutable, host, detail);
        }
        self.log.truncate(keep);
        Ok(())
    }
}
