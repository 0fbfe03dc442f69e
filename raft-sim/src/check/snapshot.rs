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
