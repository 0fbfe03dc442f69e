//! What a node asks of its caller. Plain data, no logic.

use alloc::boxed::Box;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::entries::{Entries, EntryKind, EntryRef};
use crate::membership::Membership;
use crate::message::Message;
use crate::types::{
    ChunkId, EntryId, HardState, Identity, LogIndex, LogReadId, NodeId, ReadId, SnapshotId, Term,
    WriteId,
};

/// A duty of the caller: an owned value, carried out in the order given.
///
/// Exhaustive on purpose: a new duty must be a compile error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an output is a duty: carry it out"]
pub enum Output {
    /// May leave now. Dropping, delaying, repeating it costs time, never safety.
    Send(Message),
    /// Make durable, in order; then `persisted(write.id)`.
    Persist(Write),
    /// Apply to the state machine, in order; then `applied(committed.last())`.
    Apply(Committed),
    /// Replace the state machine by this received, durable snapshot, all or nothing; then `applied`.
    Restore(Box<SnapshotMeta>),
    /// Read durable entries that are no longer kept in memory; answer with `log_read`.
    ReadLog(LogRequest),
    /// Read a piece of a snapshot to ship; answer with `snapshot_chunk`.
    ReadSnapshot(ChunkRequest),
    /// The state machine may be read now.
    ReadReady(ReadId),
    /// The read will not be served.
    ReadFailed {
        /// The read.
        id: ReadId,
        /// Why.
        reason: ReadFailure,
    },
    /// Own proposals in whose place others were committed: certainly not applied.
    ProposalsLost {
        /// The first of them.
        from: EntryId,
        /// The index of the last.
        through: LogIndex,
    },
    /// Own proposals that a received snapshot passed: applied or not, nobody can tell.
    ProposalsUnknown {
        /// The first of them.
        from: EntryId,
        /// The index of the last.
        through: LogIndex,
    },
    /// The node refuses everything from now on.
    Halted(HaltReason),
    /// Notice only; may be ignored.
    Event(Event),
}

/// Changes to make durable. Exhaustive; the field order is the order of execution.
///
/// After a crash any prefix of the writes, down to between two fields, is legal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// Whose write this is; part of the encoded record, so that another node's data is recognised.
    pub identity: Identity,
    /// Its name.
    pub id: WriteId,
    /// Term, vote, incarnation. The commit index is not durable state.
    pub hard_state: Option<HardState>,
    /// Incoming snapshot bytes at an offset of a named snapshot.
    pub snapshot_chunk: Option<Box<SnapshotChunk>>,
    /// A snapshot taken here, or received and now whole; by itself it deletes nothing.
    pub snapshot: Option<Box<SnapshotMeta>>,
    /// The received snapshot replaces the whole log.
    pub reset_log_to: Option<LogIndex>,
    /// Delete this entry and everything after, then append. The first write of each further life
    /// names the entry after the last one: a log that ends earlier has lost something.
    pub truncate_from: Option<LogIndex>,
    /// Entries to append.
    pub entries: Entries,
    /// Entries up to here may be deleted; never beyond the durable snapshot.
    pub discard_through: Option<LogIndex>,
    /// Snapshots older than this one may be deleted.
    pub release_snapshots_below: Option<SnapshotId>,
}

impl Write {
    /// A write that changes nothing.
    #[must_use]
    pub fn empty(identity: Identity, id: WriteId) -> Self {
        Self { identity, id, ..Self::default() }
    }
}

/// What a snapshot is: everything but its bytes. Index 0 is the founding of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// Its name; holds index and term of the last entry it contains.
    pub id: SnapshotId,
    /// The checksum of that entry: where the hash chain goes on.
    pub chain: u32,
    /// The membership at that index.
    pub membership: Membership,
    /// Index of the entry that set this membership.
    pub membership_index: LogIndex,
    /// Length of the snapshot, in bytes, once known.
    pub length: u64,
    /// XXH3 of the whole, once known.
    pub checksum: u64,
}

/// Bytes of a named snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Where the bytes begin.
    pub offset: u64,
    /// Length of the whole snapshot, in bytes.
    pub total: u64,
    /// The bytes.
    pub data: Bytes,
}

/// Committed entries for the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// All of them, those of the core itself included.
    pub entries: Entries,
}

impl Committed {
    /// Only the entries that were proposed as payloads.
    pub fn commands(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.entries.iter().filter(|entry| entry.kind == EntryKind::Command)
    }

    /// Index of the last entry: the number for `applied`.
    #[must_use]
    pub const fn last(&self) -> LogIndex {
        self.entries.last()
    }
}

/// Entries the core wants back from storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// Its name.
    pub id: LogReadId,
    /// Where the answer must begin; nearly always one entry before what is needed, so that the chain
    /// can be checked.
    pub first: LogIndex,
    /// The last entry wanted. A shorter answer is legal, but only one of two entries or more is of
    /// use.
    pub last: LogIndex,
    /// Give about this many bytes after the first entry, and one entry more at least.
    pub max_bytes: usize,
}

/// A piece of a snapshot the core wants to ship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRequest {
    /// Its name.
    pub id: ChunkId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Where the piece begins.
    pub offset: u64,
    /// How long it may be.
    pub max_bytes: usize,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReadConsistency {
    /// Not older than any write acknowledged before the read (thesis 6.4, ReadIndex).
    Linearizable,
    /// The same under the fourth promise, without a round of messages (thesis 6.4.1).
    Lease,
    /// Whatever this node has applied.
    Stale,
}

/// Why a read was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReadFailure {
    /// Leadership was lost before the read was confirmed.
    LeaderLost,
    /// No confirmation came in time.
    TimedOut,
}

/// Why a node stopped for good. Restart it from disk, or replace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HaltReason {
    /// `storage_failed` was called: a failed sync may not be retried.
    StorageFailed,
    /// Terms or indexes reached the end of their range.
    OutOfRange,
    /// Storage gave back other entries than were made durable.
    LogDamaged {
        /// The first entry of the answer.
        first: LogIndex,
        /// The last one.
        last: LogIndex,
    },
    /// The log here contradicts what a quorum has committed, or, at a leader, what so many voters hold
    /// that no quorum is left. Replace the node: its disk, or another's, has lied.
    Diverged {
        /// An entry that differs.
        at: EntryId,
    },
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// This node became leader (Raft 5.2).
    BecameLeader {
        /// Its term.
        term: Term,
    },
    /// This node is no longer leader.
    SteppedDown {
        /// The term it has now.
        term: Term,
        /// Why.
        reason: StepDownReason,
    },
    /// Another node is known to lead.
    LeaderChanged {
        /// Its term.
        term: Term,
        /// The leader.
        leader: NodeId,
    },
    /// A membership change is over: this entry's membership is committed.
    MembershipChanged {
        /// The entry.
        index: LogIndex,
    },
    /// Leadership could not be handed over in time; proposals are taken again (thesis 3.10).
    TransferFailed {
        /// Who was to lead.
        to: NodeId,
    },
    /// A peer's log contradicts this one: same term and index, other content.
    Diverged {
        /// The peer.
        peer: NodeId,
        /// The entry.
        at: EntryId,
    },
}

/// Why a leader stopped leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepDownReason {
    /// A message of a higher term arrived (Raft 5.1).
    HigherTerm,
    /// No quorum was heard for an election timeout (thesis 6.2).
    NoQuorum,
    /// The disk has not acknowledged a write for `disk_stall_ticks`.
    DiskStalled,
    /// `step_down` was called.
    Asked,
    /// The node is no voter any more, and its successor did not take over in time.
    Removed,
}
