//! Snapshots: what they say is what was committed, and nothing is deleted that none contains.

use std::collections::BTreeMap;

use raftcore::{EntryKind, EntryRef, LogIndex, Membership, SnapshotMeta, Write};

use super::{Checks, Mark, View};
use crate::property::{Checked, Property, broken};
use crate::shelf::Content;
use crate::trace::Members;

/// The memberships of the committed history.
pub(crate) struct Topologies(BTreeMap<u64, Membership>);

impl Topologies {
    pub(super) fn new(founders: &Membership) -> Self {
        Self(BTreeMap::from([(0, founders.clone())]))
    }

    /// An entry was applied somewhere.
    pub(super) fn applied(&mut self, entry: &EntryRef<'_>) {
        if entry.kind == EntryKind::Membership
            && let Ok(membership) = postcard::from_bytes(entry.payload)
        {
            self.0.entry(entry.id.index.0).or_insert(membership);
        }
    }

    pub(super) fn newest(&self) -> Option<&Membership> {
        self.0.last_key_value().map(|(_, membership)| membership)
    }

    /// The membership at an entry, and the index of the one that set it.
    fn at(&self, index: u64) -> Option<(u64, &Membership)> {
        self.0.range(..=index).next_back().map(|(&set, membership)| (set, membership))
    }
}

impl Checks {
    /// A node hands out a snapshot's meta, to be stored or to be sent: it speaks of the committed
    /// history.
    pub(super) fn describes(&self, host: usize, meta: &SnapshotMeta) -> Checked {
        let (index, mark) = (meta.id.index.0, Mark { term: meta.id.term.0, checksum: meta.chain });
        if index > 0 && self.committed_mark(index) != Some(mark) {
            let detail = format!(
                "a snapshot of {index}@{} {:08x}, committed is {:?}",
                mark.term,
                mark.checksum,
                self.committed_mark(index)
            );
            return broken(Property::SnapshotEqualsReplay, host, detail);
        }
        let said = (meta.membership_index.0, &meta.membership);
        let joins = index == 0 && meta.membership.members().is_empty();
        if joins || self.topologies.at(index) == Some(said) {
            return Ok(());
        }
        let (set, membership) = said;
        let detail = format!(
            "a snapshot of {index} has the membership of {set}, {}; that of {:?} was in force",
            Members(membership),
            self.topologies.at(index).map(|(set, _)| set)
        );
        broken(Property::SnapshotEqualsReplay, host, detail)
    }

    /// A node hands out a write that may speak of snapshots.
    pub(super) fn issues_snapshot(&self, host: usize, view: &View, write: &Write) -> Checked {
        let Some(meta) = &write.snapshot else { return Ok(()) };
        self.describes(host, meta)?;
        let reached = if write.reset_log_to.is_some() { view.commit } else { view.applied };
        if meta.id.index.0 > reached {
            let detail = format!("a snapshot of {}, only {reached} is reached", meta.id.index);
            return broken(Property::IndexOrdering, host, detail);
        }
        Ok(())
    }

    /// A node has its state machine replaced by a snapshot with this content.
    pub(crate) fn restores(
        &mut self,
        host: usize,
        meta: &SnapshotMeta,
        content: Content,
    ) -> Checked {
        let index = meta.id.index;
        if self.images[host].snapshot() != Some(meta.id) {
            let detail = format!("restores {:?}, which is not durable", meta.id);
            return broken(Property::MessageBehindDurability, host, detail);
        }
        if index.0 < self.next_apply[host] {
            let detail = format!("goes back to {index}, next was {}", self.next_apply[host]);
            return broken(Property::StateMachineSafety, host, detail);
        }
        let replayed = self.committed_mark(index.0).map(|mark| mark.checksum);
        if (content.index, Some(content.checksum)) != (index.0, replayed) {
            let detail = format!("restores {content:?}, a replay to {index} gives {replayed:?}");
            return broken(Property::SnapshotEqualsReplay, host, detail);
        }
        self.next_apply[host] = index.0 + 1;
        Ok(())
    }

    /// What a state machine that has applied so much says of itself in a snapshot.
    pub(crate) fn content(&self, index: LogIndex, maker: u64) -> Option<Content> {
        let mark = self.committed_mark(index.0)?;
        Some(Content { index: index.0, checksum: mark.checksum, maker })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{breaks, follower, two_committed, write};
    use super::*;
    use raftcore::{NodeId, SnapshotId, Term};

    /// What a snapshot of one of the two committed entries says.
    fn meta(index: u64, chain: u32) -> SnapshotMeta {
        let id = SnapshotId {
            index: LogIndex(index),
            term: Term(1),
            maker: NodeId(1),
            ..SnapshotId::default()
        };
        let membership = Membership::of_voters(1..=3).unwrap();
        let membership_index = LogIndex(0);
        SnapshotMeta { id, chain, membership, membership_index, length: 0, checksum: 0 }
    }

    fn names(meta: &SnapshotMeta) -> Write {
        Write { snapshot: Some(Box::new(meta.clone())), ..write() }
    }

    #[test]
    fn a_snapshot_of_another_history_or_membership_breaks_its_equality_with_replay() {
        let mut checks = two_committed();
        let view = follower(1, 2, 2, 2);
        assert_eq!(checks.issues(0, &view, &names(&meta(2, 12))), Ok(()));
        breaks(checks.issues(0, &view, &names(&meta(2, 99))), Property::SnapshotEqualsReplay);
        breaks(checks.issues(0, &view, &names(&meta(3, 13))), Property::SnapshotEqualsReplay);
        let membership = Membership::of_voters(1..=2).unwrap();
        let other = SnapshotMeta { membership, ..meta(2, 12) };
        breaks(checks.issues(0, &view, &names(&other)), Property::SnapshotEqualsReplay);
        let beyond = checks.issues(0, &follower(1, 1, 2, 2), &names(&meta(2, 12)));
        breaks(beyond, Property::IndexOrdering);
    }

    #[test]
    fn a_restored_state_machine_is_the_one_that_a_replay_gives_and_never_an_older_one() {
        let mut checks = two_committed();
        let content = Content { index: 2, checksum: 12, maker: 1 };
        let early = checks.restores(0, &meta(2, 12), content);
        breaks(early, Property::MessageBehindDurability);
        checks.durable(0, &names(&meta(2, 12))).unwrap();
        let damaged = Content { checksum: 13, ..content };
        breaks(checks.restores(0, &meta(2, 12), damaged), Property::SnapshotEqualsReplay);
        assert_eq!(checks.restores(0, &meta(2, 12), content), Ok(()));
        breaks(checks.restores(0, &meta(2, 12), content), Property::StateMachineSafety);
    }

    #[test]
    fn nothing_is_deleted_that_no_durable_snapshot_contains() {
        let mut checks = two_committed();
        let discard = |through| Write { discard_through: Some(LogIndex(through)), ..write() };
        let release = |id| Write { release_snapshots_below: Some(id), ..write() };
        let reset = |to| Write { reset_log_to: Some(LogIndex(to)), ..write() };
        breaks(checks.durable(0, &discard(1)), Property::SnapshotCoversDiscard);
        checks.durable(0, &names(&meta(1, 11))).unwrap();
        breaks(checks.durable(0, &discard(2)), Property::SnapshotCoversDiscard);
        breaks(checks.durable(0, &release(meta(2, 12).id)), Property::SnapshotCoversDiscard);
        breaks(checks.durable(0, &reset(2)), Property::SnapshotCoversDiscard);
        assert_eq!(checks.durable(0, &discard(1)), Ok(()));
        assert_eq!(checks.durable(0, &release(meta(1, 11).id)), Ok(()));
        checks.durable(0, &names(&meta(2, 12))).unwrap();
        breaks(checks.durable(0, &names(&meta(1, 11))), Property::SnapshotCoversDiscard);
    }

    #[test]
    fn a_snapshot_takes_the_place_of_a_log_that_lacks_it_and_of_no_committed_entry() {
        let mut checks = two_committed();
        let reset = Write { reset_log_to: Some(LogIndex(2)), ..names(&meta(2, 12)) };
        checks.durable(2, &reset).unwrap();
        assert_eq!(checks.image(2).last(), 2);
        let older = Write { reset_log_to: Some(LogIndex(1)), ..names(&meta(1, 11)) };
        breaks(checks.durable(1, &older), Property::CommittedIsImmutable);
    }
}
