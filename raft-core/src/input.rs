//! Every input as a value: the single door for simulators, recorders and fuzzers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::entries::Entries;
use crate::error::{Misuse, Refused, RejectedMessage};
use crate::membership::MembershipChange;
use crate::message::Message;
use crate::output::{Output, ReadConsistency};
use crate::types::{ChunkId, EntryId, LogIndex, LogReadId, NodeId, ReadId, Tick, WriteId};

/// One call on a [`Node`](crate::Node), as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the method of its name")]
pub enum Input {
    Tick(Tick),
    Receive(Message),
    Propose(Bytes),
    ProposeMembership(MembershipChange),
    Read { id: ReadId, consistency: ReadConsistency },
    TransferLeadership { to: NodeId },
    Campaign,
    StepDown,
    Trim { max_bytes: usize },
    Persisted(WriteId),
    Applied(LogIndex),
    LogRead { request: LogReadId, entries: Result<Entries, Unavailable> },
    SnapshotTaken(LogIndex),
    SnapshotChunk { request: ChunkId, chunk: Result<Chunk, Unavailable> },
    StorageFailed,
    Poll,
}

/// Storage cannot give what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable;

/// Bytes of a snapshot, as read for a [`ChunkRequest`](crate::ChunkRequest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Length of the whole snapshot, in bytes.
    pub total: u64,
    /// The bytes at the requested offset.
    pub data: Bytes,
}

/// What a call on a [`Node`](crate::Node) gave back, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken.
    Done,
    /// The entry a proposal became.
    Proposed(EntryId),
    /// The result of a poll.
    Output(Option<Output>),
    /// Not now.
    Refused(Refused),
    /// A peer's message was wrong.
    Rejected(RejectedMessage),
    /// The call was wrong.
    Misuse(Misuse),
}
