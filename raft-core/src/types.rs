//! Identifiers, terms, indexes and the small durable records built from them.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The bare number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The number after this one; the largest stays where it is.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The number before this one; zero stays where it is.
            #[must_use]
            pub const fn prev(self) -> Self {
                Self(self.0.saturating_sub(1))
            }

            /// This number plus `count`, at most `u64::MAX`.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How far this number is beyond `earlier`; zero if it is not.
            #[must_use]
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }
    };
}

number! {
    /// One participant of a group. Never reused after its disk was lost.
    NodeId
}
number! {
    /// One Raft group. Messages of another group are rejected.
    GroupId
}
number! {
    /// A term of leadership (Raft 5.1); zero before the first election.
    Term
}
number! {
    /// A position in the log; the first entry has index 1, zero is "before the log".
    LogIndex
}
number! {
    /// A point in time, in ticks of the caller's choosing, absolute and monotonic.
    Tick
}
number! {
    /// How often this node was started; raised in durable state by each `Node::new`.
    Incarnation
}
number! {
    /// The caller's name for a read; each accepted read ends in exactly one output with it.
    ReadId
}

/// Who a node is: its group and its own id. Part of every durable write.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Identity {
    /// The Raft group.
    pub group: GroupId,
    /// The node within the group.
    pub node: NodeId,
}

/// Names one entry for ever: no two different entries share term and index (Raft 5.3, Log Matching).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EntryId {
    /// The term in which a leader created the entry.
    pub term: Term,
    /// Its position in the log.
    pub index: LogIndex,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// Names one [`Write`](crate::Write): the life of the node that made it, and its place therein.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WriteId {
    /// The life of the node.
    pub incarnation: Incarnation,
    /// 1 for the first write of that life, then one more each.
    pub sequence: u64,
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.sequence)
    }
}

/// Names one [`LogRequest`](crate::LogRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogReadId {
    /// The life of the node that asked.
    pub incarnation: Incarnation,
    /// Its place in that life.
    pub sequence: u64,
}

/// Names one [`ChunkRequest`](crate::ChunkRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId {
    /// The life of the node that asked.
    pub incarnation: Incarnation,
    /// Its place in that life.
    pub sequence: u64,
}

/// What a node must never forget (Raft figure 2, persistent state), besides its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term this node has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// How often it was started.
    pub incarnation: Incarnation,
}

/// Names one snapshot for ever; two snapshots of one index by two makers are two snapshots.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SnapshotId {
    /// The last entry it contains.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// The node that made it.
    pub maker: NodeId,
    /// The life of the maker.
    pub incarnation: Incarnation,
    /// Its number within that life.
    pub counter: u64,
}
