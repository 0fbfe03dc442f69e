//! Raft as a value.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

#[macro_use]
mod put_back;

mod codec;
mod config;
mod durability;
mod election;
mod entries;
mod error;
mod input;
mod log;
mod membership;
mod message;
mod node;
mod output;
mod quorum;
mod replication;
mod rng;
mod role;
mod shared;
mod status;
mod stored;
mod types;

pub use codec::{FORMAT_VERSION, Header, MAX_FRAME_BYTES};
pub use config::{Config, ConfigError, MAX_PAYLOAD_BYTES};
pub use entries::{Entries, EntriesError, EntriesIter, EntryKind, EntryRef};
pub use error::{DecodeError, Misuse, Refused, RejectedMessage, StartError, StoredError};
pub use input::{Answer, Chunk, Input, Unavailable};
pub use membership::{
    MAX_CONTEXT_BYTES, MAX_MEMBERS, MAX_VOTERS, Member, Membership, MembershipChange,
    MembershipError,
};
#[cfg(feature = "inspect")]
#[doc(hidden)]
pub use message::{
    Append, AppendOutcome, AppendReply, Body, Commit, Heartbeat, HeartbeatReply, PreVote,
    PreVoteReply, ReadIndex, ReadIndexReply, RequestVote, SnapshotPiece, SnapshotReply, VoteReply,
};
pub use message::{Frame, Message, MessageKind};
pub use node::Node;
pub use output::{
    ChunkRequest, Committed, Event, HaltReason, LogRequest, Output, ReadConsistency, ReadFailure,
    SnapshotChunk, SnapshotMeta, StepDownReason, Write,
};
#[cfg(feature = "put-back")]
#[doc(hidden)]
pub use put_back::PutBack;
pub use status::{Counters, PeerState, PeerStatus, RoleName, Status};
pub use stored::Stored;
pub use types::{
    ChunkId, EntryId, GroupId, HardState, Identity, Incarnation, LogIndex, LogReadId, NodeId,
    ReadId, SnapshotId, Term, Tick, WriteId,
};
