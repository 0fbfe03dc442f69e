//! The fold of writes: what a node last persisted.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::entries::{Entries, EntryRef, chain_seed};
use crate::error::StoredError;
use crate::log::{Log, Point};
use crate::membership::{Membership, Memberships};
use crate::output::{SnapshotMeta, Write};
use crate::types::{EntryId, HardState, Identity, LogIndex, SnapshotId, Term, WriteId};

/// Bytes of entries in one write of a checkpoint, at least one entry.
const CHECKPOINT_WRITE_BYTES: usize = 64 * 1024;

/// What a node last persisted: the fold of its [`Write`]s, oldest first.
///
/// ```
/// use raftcore::{Config, Identity, GroupId, LogIndex, Membership, Node, NodeId, Output, Stored};
///
/// let identity = Identity { group: GroupId(1), node: NodeId(1) };
/// let membership = Membership::of_voters([1])?;
/// let mut node = Node::new(Config::default(), Stored::found(identity, membership), LogIndex(0))?;
/// let mut disk = Vec::new();
/// while let Some(output) = node.poll_output() {
///     if let Output::Persist(write) = output {
///         disk.push(write.encode());
///         node.persisted(write.id)?;
///     }
/// }
///
/// let mut stored = Stored::empty();
/// for record in disk {
///     let (write, _length) = raftcore::Write::decode(&record.into())?;
///     stored.replay(write)?;
/// }
/// assert_eq!(stored.identity(), Some(identity));
/// let node = Node::new(Config::default(), stored, LogIndex(0))?;
/// assert_eq!(node.incarnation().get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stored {
    identity: Option<Identity>,
    hard_state: HardState,
    last_write: Option<WriteId>,
    base: Option<Base>,
}

/// Where the log begins, and the log.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) meta: SnapshotMeta,
    pub(crate) log: Log,
    pub(crate) memberships: Memberships,
}

impl Base {
    fn founding(identity: Identity, membership: Membership) -> Self {
        let chain = chain_seed(identity.group, &membership);
        let meta = SnapshotMeta {
            id: SnapshotId::default(),
            chain,
            membership,
            membership_index: LogIndex(0),
            length: 0,
            checksum: 0,
        };
        Self::new(identity, meta)
    }

    fn new(identity: Identity, meta: SnapshotMeta) -> Self {
        let id = EntryId { term: meta.id.term, index: meta.id.index };
        let log = Log::after(identity.group, Point { id, checksum: meta.chain });
        let memberships = Memberships::new(meta.membership_index, meta.membership.clone());
        Self { meta, log, memberships }
    }
}

impl Stored {
    /// The first start of a founding member. Demands empty storage; found a group once, with the
    /// same membership on every member.
    #[must_use]
    pub fn found(identity: Identity, membership: Membership) -> Self {
        let base = Some(Base::founding(identity, membership));
        Self { identity: Some(identity), base, ..Self::default() }
    }

    /// The first start of a node that a running group will add. Demands empty storage.
    #[must_use]
    pub fn join(identity: Identity) -> Self {
        Self { identity: Some(identity), ..Self::default() }
    }

    /// Nothing yet: [`replay`](Self::replay) the stored writes into it.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether there is nothing to start from: no write, or only a first one that a crash cut
    /// short. Then [`found`](Self::found) or [`join`](Self::join) is still to be done.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.base.is_none()
    }

    /// Whose writes these are.
    #[must_use]
    pub const fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Term, vote and incarnation.
    #[must_use]
    pub const fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The last write that was folded in.
    #[must_use]
    pub const fn last_write(&self) -> Option<WriteId> {
        self.last_write
    }

    /// The last entry of the log.
    #[must_use]
    pub fn last(&self) -> EntryId {
        self.base.as_ref().map_or(EntryId::default(), |base| base.log.last().id)
    }

    /// One entry.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        self.base.as_ref()?.log.entry(index)
    }

    /// The term of an entry, or of the one before the first.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.base.as_ref()?.log.term(index)
    }

    /// The membership before the first entry: the founders'.
    #[must_use]
    pub fn base_membership(&self) -> Option<&Membership> {
        self.base.as_ref().map(|base| &base.meta.membership)
    }

    /// Folds in one stored write; oldest first. Never repairs.
    ///
    /// # Errors
    /// [`StoredError`] says how the write contradicts those before; nothing is changed then.
    pub fn replay(&mut self, write: Write) -> Result<(), StoredError> {
        let end = self.check(&write)?;
        self.identity = Some(write.identity);
        self.last_write = Some(write.id);
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(meta) = write.snapshot
            && self.base.is_none()
        {
            self.base = Some(Base::new(write.identity, *meta));
        }
        if let Some(base) = &mut self.base {
            if let Some(from) = write.truncate_from {
                base.log.truncate(from);
                base.memberships.truncated(from);
            }
            if let Some(end) = end {
                base.log.extend(&write.entries, end);
                let memberships = &mut base.memberships;
                write.entries.memberships().for_each(|(at, next)| memberships.appended(at, next));
            }
        }
        Ok(())
    }

    /// Checks a write against the fold so far; gives the end of its entries, if it has any.
    fn check(&self, write: &Write) -> Result<Option<Point>, StoredError> {
        if let Some(expected) = self.identity
            && expected != write.identity
        {
            return Err(StoredError::ForeignIdentity { found: write.identity, expected });
        }
        if let Some(last) = self.last_write
            && !follows(last, write.id)
        {
            return Err(StoredError::OutOfOrder { last, found: write.id });
        }
        let hard_state = write.hard_state.unwrap_or(self.hard_state);
        self.check_hard_state(hard_state, write.id)?;
        if write.snapshot_chunk.is_some() || write.reset_log_to.is_some() {
            return Err(StoredError::Unsupported { what: "a received snapshot" });
        }
        if write.discard_through.is_some() || write.release_snapshots_below.is_some() {
            return Err(StoredError::Unsupported { what: "compaction" });
        }
        let founded = match &write.snapshot {
            Some(meta) => Some(self.check_founding(write.identity, meta)?),
            None => None,
        };
        let base = self.base.as_ref().or(founded.as_ref());
        let Some(Base { log, .. }) = base else {
            let nothing = write.entries.is_empty() && write.truncate_from.is_none();
            return if nothing { Ok(None) } else { Err(StoredError::NoMembership) };
        };
        check_entries(log, write, hard_state.term)
    }

    fn check_hard_state(&self, new: HardState, id: WriteId) -> Result<(), StoredError> {
        let old = self.hard_state;
        let vote_kept = old.vote.is_none() || new.vote == old.vote;
        let rises = new.term > old.term || new.term == old.term && vote_kept;
        if !rises || new.incarnation < old.incarnation || new.incarnation != id.incarnation {
            return Err(StoredError::HardStateFell { id });
        }
        Ok(())
    }

    fn check_founding(&self, identity: Identity, meta: &SnapshotMeta) -> Result<Base, StoredError> {
        let founding = Base::founding(identity, meta.membership.clone());
        if founding.meta != *meta || self.base.as_ref().is_some_and(|base| base.meta != *meta) {
            return Err(StoredError::Unsupported { what: "a snapshot beyond the founding" });
        }
        Ok(founding)
    }

    /// The few writes that say the same: write them to a new file, and the old one can go.
    ///
    /// They carry the id of the last write, so that the node's next write follows them.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<Write> {
        let (Some(identity), Some(id)) = (self.identity, self.last_write) else {
            return Vec::new();
        };
        let mut first = Write::empty(identity, id);
        first.hard_state = Some(self.hard_state);
        let Some(Base { meta, log, .. }) = &self.base else { return alloc::vec![first] };
        first.snapshot = Some(Box::new(meta.clone()));
        let mut writes = alloc::vec![first];
        let mut log = log.clone();
        let last = log.last_index();
        let mut next = log.base().id.index.next();
        while next <= last {
            let entries = log.slice(next, last, CHECKPOINT_WRITE_BYTES);
            if entries.is_empty() {
                break;
            }
            next = entries.last().next();
            writes.push(Write { entries, ..Write::empty(identity, id) });
        }
        writes
    }

    /// Takes the fold apart for a start.
    pub(crate) fn into_parts(self) -> (Option<Identity>, HardState, Option<WriteId>, Option<Base>) {
        (self.identity, self.hard_state, self.last_write, self.base)
    }
}

/// Whether one write may come after another: the next one, the same one again (a checkpoint has
/// several of one name), or the first one of the next life.
const fn follows(last: WriteId, next: WriteId) -> bool {
    if next.incarnation.0 == last.incarnation.0 {
        next.sequence == last.sequence || next.sequence == last.sequence.saturating_add(1)
    } else {
        next.incarnation.0 == last.incarnation.0.saturating_add(1) && next.sequence == 1
    }
}

fn check_entries(log: &Log, write: &Write, term: Term) -> Result<Option<Point>, StoredError> {
    let (base, last) = (log.base().id.index, log.last_index());
    let mut end = last;
    if let Some(from) = write.truncate_from {
        if from <= base || from > last.next() {
            return Err(StoredError::OutsideLog { index: from, first: base.next(), last });
        }
        end = from.prev();
    }
    let entries: &Entries = &write.entries;
    if entries.is_empty() {
        return Ok(None);
    }
    let gap = StoredError::Gap { first: entries.first(), last: end };
    if entries.first() != end.next() {
        return Err(gap);
    }
    let before = log.point(end).ok_or(gap)?;
    let after = Log::verify(log.group(), before, entries)?.end;
    if after.id.term > term {
        return Err(StoredError::EntryFromFuture { entry: after.id, term });
    }
    Ok(Some(after))
}
