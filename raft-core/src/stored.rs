//! The fold of writes: what a node last persisted.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::entries::{Entries, EntryRef, chain_seed};
use crate::error::StoredError;
use crate::input::Unavailable;
use crate::log::{Log, Point};
use crate::membership::{Membership, Memberships};
use crate::output::{LogRequest, SnapshotMeta, Write};
use crate::types::{EntryId, GroupId, HardState, Identity, LogIndex, SnapshotId, Term, WriteId};

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
    pub(crate) identity: Option<Identity>,
    pub(crate) hard_state: HardState,
    pub(crate) last_write: Option<WriteId>,
    pub(crate) base: Option<Base>,
}

/// Where the log begins, and the log.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) meta: SnapshotMeta,
    pub(crate) log: Log,
    pub(crate) memberships: Memberships,
}

impl Base {
    /// Whether the log contains what the snapshot ends in, or goes on after it. If not, a crash came
    /// between a received snapshot and the reset of the log to it.
    pub(crate) fn is_whole(&self) -> bool {
        self.log.agrees(self.meta.point()) || put_back!(TornResetIgnored)
    }

    /// The entry that the log may begin after, if the snapshot contains it.
    fn discardable(&self, through: LogIndex) -> Option<Point> {
        let (base, point) = (self.log.base(), self.meta.point());
        if through > point.id.index || !self.is_whole() {
            return None;
        }
        let known = if through <= base.id.index { Some(base) } else { self.log.point(through) };
        // What is no longer in memory is discarded up to where the log is known again.
        Some(known.unwrap_or(point))
    }

    /// The beginning of the log, in the form of a snapshot.
    fn beginning(&self) -> SnapshotMeta {
        let point = self.log.base();
        let (membership_index, membership) = self.memberships.base();
        if point == self.meta.point() {
            return self.meta.clone();
        }
        SnapshotMeta {
            id: SnapshotId { index: point.id.index, term: point.id.term, ..Default::default() },
            chain: point.checksum,
            membership: membership.clone(),
            membership_index,
            ..Default::default()
        }
    }

    /// A log that begins anew after this snapshot.
    pub(crate) fn new(group: GroupId, meta: SnapshotMeta) -> Self {
        let log = Log::after(group, meta.point());
        let memberships = Memberships::new(meta.membership_index, meta.membership.clone());
        Self { meta, log, memberships }
    }
}

impl SnapshotMeta {
    /// The founding of a group: a membership, and no bytes.
    pub(crate) fn founding(group: GroupId, membership: &Membership) -> Self {
        let chain = chain_seed(group, membership);
        Self { chain, membership: membership.clone(), ..Self::default() }
    }

    /// Whether it is the founding of a group: a membership is all there is.
    pub(crate) fn is_founding(&self) -> bool {
        self.id == SnapshotId::default()
    }

    /// Whether there can be such a snapshot in this group: a founding says nothing but its membership, and
    /// no membership is newer than the snapshot.
    pub(crate) fn is_possible(&self, group: GroupId) -> bool {
        let index = self.id.index;
        let founding = index > LogIndex(0) || *self == Self::founding(group, &self.membership);
        founding && self.membership_index <= index
    }

    /// Whether this is what a node begins with that waits to be added: a founding by nobody.
    pub(crate) fn is_of_joiner(&self) -> bool {
        self.id.index == LogIndex(0) && self.membership.members().is_empty()
    }
}

impl Stored {
    /// The first start of a founding member. Demands empty storage; found a group once, with the
    /// same membership on every member.
    #[must_use]
    pub fn found(identity: Identity, membership: Membership) -> Self {
        let meta = SnapshotMeta::founding(identity.group, &membership);
        let base = Some(Base::new(identity.group, meta));
        Self { identity: Some(identity), base, ..Self::default() }
    }

    /// The first start of a node that a running group will add. Demands empty storage.
    #[must_use]
    pub fn join(identity: Identity) -> Self {
        Self::found(identity, Membership::default())
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

    /// One entry; none if it was trimmed away.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        self.base.as_ref()?.log.entry(index)
    }

    /// The term of an entry, or of the one before the first.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.base.as_ref()?.log.term(index)
    }

    /// The membership before the first entry: the founders', or that of a snapshot.
    #[must_use]
    pub fn base_membership(&self) -> Option<&Membership> {
        self.base.as_ref().map(|base| base.memberships.base().1)
    }

    /// The newest snapshot: others that are stored may be deleted before a node is started.
    #[must_use]
    pub fn snapshot(&self) -> Option<&SnapshotMeta> {
        let meta = &self.base.as_ref()?.meta;
        (meta.id.index > LogIndex(0)).then_some(meta)
    }

    /// Gives memory back while a long log is folded: keeps about `max_bytes` of the newest entries.
    ///
    /// A truncation that reaches further back, and a [`checkpoint`](Self::checkpoint), are
    /// [`StoredError::Trimmed`] afterwards.
    pub fn trim(&mut self, max_bytes: usize) {
        if let Some(Base { log, .. }) = &mut self.base {
            log.evict(max_bytes, log.last_index());
        }
    }

    /// The answer to a `ReadLog`, for a host that keeps what it stored in memory.
    ///
    /// # Errors
    /// [`Unavailable`] if the entries are not here.
    pub fn read(&mut self, request: &LogRequest) -> Result<Entries, Unavailable> {
        let LogRequest { first, last, max_bytes, .. } = *request;
        let log = &mut self.base.as_mut().ok_or(Unavailable)?.log;
        let before = log.slice(first, first, 0);
        let rest = log.slice(first.next(), last, max_bytes);
        if before.is_empty() {
            return Err(Unavailable);
        }
        let bytes = [&before.bytes()[..], rest.bytes()].concat();
        Ok(Entries::from_parts(first, rest.count().saturating_add(1), bytes.into()))
    }

    /// Folds in one stored write; oldest first. Never repairs.
    ///
    /// # Errors
    /// [`StoredError`] says how the write contradicts those before; nothing is changed then.
    pub fn replay(&mut self, write: Write) -> Result<(), StoredError> {
        let (begun, end) = self.check(&write)?;
        self.identity = Some(write.identity);
        self.last_write = Some(write.id);
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if begun.is_some() {
            self.base = begun;
        } else if let (Some(meta), Some(base)) = (write.snapshot, &mut self.base) {
            base.meta = *meta;
        }
        if let Some(base) = &mut self.base {
            if let Some(from) = write.truncate_from {
                base.log.truncate(from);
                base.memberships.truncated(from);
            }
            if let Some(end) = end {
                base.log.extend(&write.entries, end);
                base.memberships.extended(&write.entries);
            }
            if let Some(point) = write.discard_through.and_then(|through| base.discardable(through))
            {
                base.log.discard_through(point);
                base.memberships.discarded(point.id.index);
            }
        }
        Ok(())
    }

    /// Checks a write against the fold so far; gives the new beginning of the log, if it sets one, and
    /// the end of its entries, if it has any.
    fn check(&self, write: &Write) -> Result<(Option<Base>, Option<Point>), StoredError> {
        if let Some(expected) = self.identity.filter(|&expected| expected != write.identity) {
            return Err(StoredError::ForeignIdentity { found: write.identity, expected });
        }
        if let Some(last) = self.last_write.filter(|&last| !follows(last, write.id)) {
            return Err(StoredError::OutOfOrder { last, found: write.id });
        }
        let hard_state = write.hard_state.unwrap_or(self.hard_state);
        self.check_hard_state(hard_state, write)?;
        let begun = self.check_snapshot(write)?;
        let Some(base) = begun.as_ref().or(self.base.as_ref()) else {
            // A founding write that a crash cut short: nothing can have come after it.
            let nothing = write.id.sequence == 1
                && write.entries.is_empty()
                && write.truncate_from.is_none()
                && write.discard_through.is_none();
            return if nothing { Ok((None, None)) } else { Err(StoredError::NoMembership) };
        };
        let newest = write.snapshot.as_ref().map_or(base.meta.id, |meta| meta.id);
        if let Some(below) = write.release_snapshots_below.filter(|&below| below > newest) {
            return Err(StoredError::Snapshot { index: below.index });
        }
        let end = check_entries(base, write, hard_state.term)?;
        if let Some(index) = write.discard_through
            && base.discardable(index).is_none()
        {
            let (first, last) = (base.log.base().id.index.next(), base.log.last_index());
            return Err(StoredError::OutsideLog { index, first, last });
        }
        Ok((begun, end))
    }

    /// Checks what a write says of snapshots; gives the new beginning of the log, if it sets one.
    fn check_snapshot(&self, write: &Write) -> Result<Option<Base>, StoredError> {
        let known = self.base.as_ref().map(|base| &base.meta);
        let said = write.snapshot.as_deref();
        let Some(index) = said.map(|meta| meta.id.index).or(write.reset_log_to) else {
            return Ok(None);
        };
        // What resets the log alone does so to the snapshot that is known.
        let meta = said.or(known).ok_or(StoredError::Snapshot { index })?;
        let newer = known.is_none_or(|known| {
            known.is_of_joiner() || meta.id.index > known.id.index || meta == known
        });
        let resets_elsewhere = write.reset_log_to.is_some_and(|to| to != meta.id.index);
        if !meta.is_possible(write.identity.group) || !newer || resets_elsewhere {
            return Err(StoredError::Snapshot { index });
        }
        let begins = known.is_none() || write.reset_log_to.is_some();
        Ok(begins.then(|| Base::new(write.identity.group, meta.clone())))
    }

    fn check_hard_state(&self, new: HardState, write: &Write) -> Result<(), StoredError> {
        let id = write.id;
        // A founding write that a crash cut short promised nothing: it is written anew.
        let founds = self.base.is_none() && write.snapshot.is_some();
        let again = founds && self.last_write == Some(id);
        let old = if again { HardState::default() } else { self.hard_state };
        let vote_kept = old.vote.is_none() || new.vote == old.vote;
        let rises = new.term > old.term || new.term == old.term && vote_kept;
        if !rises || new.incarnation < old.incarnation || new.incarnation != id.incarnation {
            return Err(StoredError::HardStateFell { id });
        }
        Ok(())
    }

    /// The few writes that say the same: write them to a new file, and the old one can go.
    ///
    /// They carry the id of the last write, so that the node's next write follows them.
    ///
    /// # Errors
    /// [`StoredError::Trimmed`] if entries are missing because of [`trim`](Self::trim).
    pub fn checkpoint(&self) -> Result<Vec<Write>, StoredError> {
        let (Some(identity), Some(id)) = (self.identity, self.last_write) else {
            return Ok(Vec::new());
        };
        let mut first = Write::empty(identity, id);
        first.hard_state = Some(self.hard_state);
        let Some(base) = &self.base else { return Ok(alloc::vec![first]) };
        first.snapshot = Some(Box::new(base.beginning()));
        let Base { meta, log, .. } = base;
        let mut writes = alloc::vec![first];
        let mut log = log.clone();
        let last = log.last_index();
        let mut next = log.base().id.index.next();
        while next <= last {
            let entries = log.slice(next, last, CHECKPOINT_WRITE_BYTES);
            if entries.is_empty() {
                return Err(StoredError::Trimmed { index: next });
            }
            next = entries.last().next();
            writes.push(Write { entries, ..Write::empty(identity, id) });
        }
        let newer = meta.point() != log.base();
        if newer || writes.len() > 1 {
            // The last one names the end of the log: if one before it is missing, that is noticed.
            let snapshot = newer.then(|| Box::new(meta.clone()));
            let truncate_from = base.is_whole().then(|| last.next());
            writes.push(Write { snapshot, truncate_from, ..Write::empty(identity, id) });
        }
        Ok(writes)
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

fn check_entries(base: &Base, write: &Write, term: Term) -> Result<Option<Point>, StoredError> {
    let log = &base.log;
    let changes_log = write.truncate_from.is_some() || !write.entries.is_empty();
    if changes_log && !base.is_whole() {
        return Err(StoredError::Snapshot { index: base.meta.id.index });
    }
    // What a snapshot contains is committed: it is never truncated.
    let (base, last) = (base.meta.id.index, log.last_index());
    let mut end = last;
    if let Some(from) = write.truncate_from {
        if from <= base || from > last.next() {
            return Err(StoredError::OutsideLog { index: from, first: base.next(), last });
        }
        end = from.prev();
        if log.point(end).is_none() {
            return Err(StoredError::Trimmed { index: end });
        }
    }
    let entries = &write.entries;
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
