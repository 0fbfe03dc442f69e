//! What is on a node's disk, as the checkers see it: a fold of its own over the durable writes.

use raftcore::{SnapshotId, SnapshotMeta, Write};

use super::{Mark, Places};
use crate::property::{Checked, Property, broken};

/// The durable image of one node.
#[derive(Clone, Default)]
pub(crate) struct Image {
    term: u64,
    vote: u64,
    incarnation: u64,
    /// The whole log since the founding: where it begins after a snapshot, with what was committed.
    log: Vec<Mark>,
    /// Entries up to here are deleted.
    base: u64,
    snapshot: Option<SnapshotMeta>,
    places: Places,
}

/// What was committed, as far as it matters to a write.
#[derive(Clone, Copy)]
pub(crate) struct Agreed<'a> {
    /// All of it.
    pub(crate) all: &'a [Mark],
    /// How much of it in terms up to the write's.
    pub(crate) settled: usize,
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

    /// The newest durable snapshot.
    pub(crate) fn snapshot(&self) -> Option<SnapshotId> {
        self.snapshot.as_ref().map(|meta| meta.id)
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.log
    }

    /// Folds in one write, field by field, in the order of the fields.
    ///
    /// A node that has not heard of a later term than the write's may still give up an entry that
    /// was committed there, for an earlier leader: it was not part of the quorum, and gets the entry
    /// back (Raft 5.4.2).
    pub(crate) fn fold(&mut self, host: usize, write: &Write, committed: Agreed<'_>) -> Checked {
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
        self.fold_snapshot(host, write, committed)?;
        if let Some(from) = write.truncate_from {
            self.truncate(host, from.0, committed)?;
            self.places.truncate(from.0);
        }
        for entry in &write.entries {
            let (index, next) = (entry.id.index.0, self.last() + 1);
            if index != next {
                let detail = format!("entry {index} is written where {next} is next");
                return broken(Property::Restartable, host, detail);
            }
            self.log.push(Mark { term: entry.id.term.0, checksum: entry.checksum });
        }
        self.places.append(&write.entries);
        self.fold_discard(host, write)
    }

    /// A snapshot that the log does not contain takes its place, even if a crash left no word of it.
    fn fold_snapshot(&mut self, host: usize, write: &Write, committed: Agreed<'_>) -> Checked {
        if let Some(meta) = &write.snapshot {
            let index = meta.id.index.0;
            let agreed = (index as usize).checked_sub(1).map(|last| committed.all.get(last));
            if self.snapshot().is_some_and(|newest| newest.index.0 > index)
                || agreed.is_some_and(|agreed| agreed.is_none())
            {
                let detail = format!("stores {:?} after {:?}", meta.id, self.snapshot());
                return broken(Property::SnapshotCoversDiscard, host, detail);
            }
            let known = self.mark(index).as_ref() == agreed.flatten();
            self.snapshot = Some((**meta).clone());
            if !known || self.last() == 0 {
                self.reset(committed.all);
            }
        }
        let Some(to) = write.reset_log_to else { return Ok(()) };
        if self.snapshot().is_none_or(|snapshot| snapshot.index != to) {
            let detail = format!("the log goes on from {to}, stored is {:?}", self.snapshot());
            return broken(Property::SnapshotCoversDiscard, host, detail);
        }
        if self.last() > to.0 {
            self.truncate(host, to.0 + 1, committed)?;
        }
        self.reset(committed.all);
        Ok(())
    }

    fn reset(&mut self, committed: &[Mark]) {
        let Some(meta) = &self.snapshot else { return };
        let index = meta.id.index.0;
        self.log.clear();
        self.log.extend_from_slice(&committed[..index as usize]);
        self.base = index;
        self.places.reset(index, meta.membership_index.0);
    }

    fn fold_discard(&mut self, host: usize, write: &Write) -> Checked {
        let covered = self.snapshot().unwrap_or_default();
        if let Some(through) = write.discard_through {
            if through > covered.index || through.0 > self.last() || through.0 <= self.base {
                let detail = format!(
                    "discards {} to {through} of {}; the snapshot is {covered:?}",
                    self.base,
                    self.last()
                );
                return broken(Property::SnapshotCoversDiscard, host, detail);
            }
            self.base = through.0;
        }
        match write.release_snapshots_below {
            Some(below) if below > covered => {
                let detail = format!("releases what is older than {below:?}, has {covered:?}");
                broken(Property::SnapshotCoversDiscard, host, detail)
            }
            _ => Ok(()),
        }
    }

    fn truncate(&mut self, host: usize, from: u64, committed: Agreed<'_>) -> Checked {
        let Some(keep) = from.checked_sub(1) else {
            return broken(Property::Restartable, host, "truncates from entry 0");
        };
        let keep = keep as usize;
        let settled = &committed.all[..committed.settled];
        if let (Some(own), Some(agreed)) = (self.log.get(keep), settled.get(keep))
            && own == agreed
        {
            let detail = format!("deletes the committed entry {from}@{}", own.term);
            return broken(Property::CommittedIsImmutable, host, detail);
        }
        self.log.truncate(keep);
        Ok(())
    }
}
