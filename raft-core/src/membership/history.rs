//! The memberships since the last snapshot, by the index of the entry that set them: a membership
//! holds from when it is appended (thesis 4.1), and rolls back with its entry.

use alloc::vec::Vec;
use thin_vec::ThinVec;

use super::Membership;
use crate::entries::Entries;
use crate::types::{LogIndex, NodeId};

/// The membership before the log, and each one set by an entry of it.
#[derive(Clone, Debug)]
pub(crate) struct Memberships {
    base: (LogIndex, Membership),
    changes: ThinVec<(LogIndex, Membership)>,
}

impl Memberships {
    pub(crate) const fn new(index: LogIndex, membership: Membership) -> Self {
        Self { base: (index, membership), changes: ThinVec::new() }
    }

    /// The membership before the log, and the index of the entry that set it.
    pub(crate) const fn base(&self) -> (LogIndex, &Membership) {
        (self.base.0, &self.base.1)
    }

    fn newest(&self) -> &(LogIndex, Membership) {
        self.changes.last().unwrap_or(&self.base)
    }

    /// The membership in force.
    pub(crate) fn current(&self) -> &Membership {
        &self.newest().1
    }

    /// The index of the entry that set it.
    pub(crate) fn index(&self) -> LogIndex {
        self.newest().0
    }

    pub(crate) fn appended(&mut self, index: LogIndex, membership: Membership) {
        self.changes.push((index, membership));
    }

    /// Takes the memberships among entries that were appended.
    #[cold]
    pub(crate) fn extended(&mut self, entries: &Entries) {
        entries.memberships().for_each(|(index, membership)| self.appended(index, membership));
    }

    /// Whether a node may run for leadership: it is a voter in the newest membership known to be
    /// committed, or in any later one. A node that removes itself must still run while others wait for
    /// the entry that only it holds (thesis 4.2.2).
    pub(crate) fn may_run(&self, id: NodeId, commit: LogIndex) -> bool {
        let all = || core::iter::once(&self.base).chain(self.changes.iter());
        let settled = all().filter(|&&(index, _)| index <= commit).map(|&(index, _)| index).max();
        let from = settled.unwrap_or_default();
        all().any(|&(index, ref membership)| index >= from && membership.is_voter(id))
    }

    /// The membership in force at an entry, and the index of the entry that set it.
    pub(crate) fn at(&self, index: LogIndex) -> &(LogIndex, Membership) {
        let earlier = self.changes.iter().rev().find(|&&(set, _)| set <= index);
        earlier.unwrap_or(&self.base)
    }

    /// The log lost everything up to `through`, which is committed: nothing there rolls back.
    pub(crate) fn discarded(&mut self, through: LogIndex) {
        while self.changes.first().is_some_and(|&(set, _)| set <= through) {
            let base = self.changes.remove(0);
            if !put_back!(DiscardForgetsMembership) {
                self.base = base;
            }
        }
    }

    pub(crate) fn trim(&mut self) {
        self.changes.shrink_to_fit();
    }

    /// The entries from `first` to `last` that set a membership other than a joint one.
    pub(crate) fn settled(&self, first: LogIndex, last: LogIndex) -> Vec<LogIndex> {
        let within = |&&(index, ref membership): &&(LogIndex, Membership)| {
            (first..=last).contains(&index) && !membership.is_joint()
        };
        self.changes.iter().filter(within).map(|&(index, _)| index).collect()
    }

    /// The log lost `from` and everything after.
    pub(crate) fn truncated(&mut self, from: LogIndex) {
        self.changes.retain(|&(index, _)| index < from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_holds_from_its_entry_and_rolls_back_with_it() {
        let of = |voters: &[u64]| Membership::of_voters(voters.iter().copied()).unwrap();
        let mut memberships = Memberships::new(LogIndex(0), of(&[1]));
        memberships.appended(LogIndex(5), of(&[1, 2]));
        memberships.appended(LogIndex(9), of(&[1, 2, 3]));
        assert_eq!((memberships.index(), memberships.current()), (LogIndex(9), &of(&[1, 2, 3])));
        memberships.truncated(LogIndex(10));
        assert_eq!((memberships.index(), memberships.current()), (LogIndex(9), &of(&[1, 2, 3])));
        memberships.truncated(LogIndex(9));
        assert_eq!((memberships.index(), memberships.current()), (LogIndex(5), &of(&[1, 2])));
        memberships.truncated(LogIndex(2));
        assert_eq!((memberships.index(), memberships.current()), (LogIndex(0), &of(&[1])));
    }
}
