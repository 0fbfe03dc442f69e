//! Raft as a value: a state machine that takes inputs (messages, ticks, proposals), gives outputs
//! (messages to send, writes to persist, entries to apply), and does nothing else: no sockets, no
//! disk, no clock, no threads, no callbacks. Chapters and sections named in these docs are those of
//! the Raft paper (Ongaro, Ousterhout 2014) and of Ongaro's thesis.
//!
//! # What the caller promises
//!
//! 1. Carry out `Persist` outputs in the order given. `persisted(id)` means: every write up to `id`
//!    survives a crash. The bytes of a snapshot are durable before `snapshot_taken`.
//! 2. Start a node only from what it last persisted; one copy; never again under an id whose disk
//!    was lost. Found a group once.
//! 3. Apply in order and deterministically, from the `applied` given at start; call `applied(i)`
//!    when it is done.
//!
//! Everything else is the library's duty. Dropping, delaying, repeating or reordering messages,
//! forgetting to poll, acknowledging late or twice: these cost time, never safety.
//!
//! # A cluster in one thread
//!
//! ```
//! use raftcore::{
//!     Config, GroupId, Identity, LogIndex, Membership, Node, NodeId, Output, Stored, Tick,
//! };
//!
//! let membership = Membership::of_voters([1, 2, 3])?;
//! let mut nodes = Vec::new();
//! for id in 1..=3 {
//!     let identity = Identity { group: GroupId(1), node: NodeId(id) };
//!     let stored = Stored::found(identity, membership.clone());
//!     nodes.push(Node::new(Config::default(), stored, LogIndex(0))?);
//! }
//!
//! let mut applied = 0;
//! let mut proposed = false;
//! for now in 0.. {
//!     let mut messages = Vec::new();
//!     for node in &mut nodes {
//!         node.tick(Tick(now));
//!         while let Some(output) = node.poll_output() {
//!             match output {
//!                 Output::Send(message) => messages.push(message),
//!                 Output::Persist(write) => node.persisted(write.id)?, // after it is on disk
//!                 Output::Apply(committed) => {
//!                     applied += committed.commands().count();
//!                     node.applied(committed.last())?;
//!                 }
//!                 _ => {} // events; a halted node
//!             }
//!         }
//!         proposed = proposed || node.propose(b"y = 7").is_ok(); // only the leader takes it
//!     }
//!     for message in messages {
//!         let to = message.to().get() as usize - 1;
//!         nodes[to].receive(message)?;
//!     }
//!     if applied == 3 {
//!         break; // on all three
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Three kinds, three types: [`Misuse`] is yours, [`RejectedMessage`] is theirs, [`Refused`] is "not
//! now". None changes anything. A node never panics on what a peer, a disk or a caller gives it; if a
//! promise below it was broken it halts, which is a value too ([`Output::Halted`]). Running out of
//! memory aborts, as in all of `alloc`.
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

#[cfg(feature = "put-back")]
#[macro_use]
mod put_back;

/// Whether the named bug is put back: never.
#[cfg(not(feature = "put-back"))]
macro_rules! put_back {
    ($bug:ident) => {
        false
    };
}

mod codec;
mod config;
mod durability;
mod election;
mod entries;
mod error;
mod input;
mod log;
mod log_reads;
mod membership;
mod message;
mod node;
mod output;
mod proposals;
mod quorum;
mod read;
mod replication;
mod rng;
mod role;
mod shared;
mod snapshot;
mod sources;
mod status;
mod stored;
mod types;

pub use codec::{FORMAT_VERSION, Frame, Header, MAX_FRAME_BYTES};
pub use config::{Config, ConfigError, MAX_OUTPUT_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY};
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
pub use message::{Message, MessageKind};
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

/// The README's examples are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
