//! What nodes say to each other. Plain data, no logic.
#![cfg_attr(not(feature = "inspect"), allow(unreachable_pub, reason = "bodies are opaque outside"))]

use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

use crate::entries::{Checksum, Entries};
use crate::output::{SnapshotChunk, SnapshotMeta};
use crate::types::{EntryId, GroupId, LogIndex, NodeId, SnapshotId, Term};

/// A message from one node of a group to another.
///
/// Opaque: move it, [`encode`](Message::encode) it, [`decode`](Message::decode) it. A new kind is no
/// breaking change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub(crate) group: GroupId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) term: Term,
    pub(crate) body: Body,
}

impl Message {
    /// The group it belongs to.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// The node that made it.
    #[must_use]
    pub const fn from(&self) -> NodeId {
        self.from
    }

    /// The node it is for.
    #[must_use]
    pub const fn to(&self) -> NodeId {
        self.to
    }

    /// The sender's term when it was made.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// What kind of message it is.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        MessageKind::of(&self.body)
    }

    /// The body, for simulators and transcripts; no stability promise.
    #[cfg(feature = "inspect")]
    #[doc(hidden)]
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// A message made by hand, for simulators and fuzzers; no stability promise.
    #[cfg(feature = "inspect")]
    #[doc(hidden)]
    #[must_use]
    pub const fn forge(group: GroupId, from: NodeId, to: NodeId, term: Term, body: Body) -> Self {
        Self { group, from, to, term, body }
    }
}

/// The kinds of messages, listed once; a body is a variant of the same name.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal,)*) => {
        /// The kinds of messages. The numbers are those of the wire and are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum MessageKind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl MessageKind {
            /// The kind with this number.
            pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($number => Some(Self::$kind),)*
                    _ => None,
                }
            }

            const fn of(body: &Body) -> Self {
                match body {
                    $(Body::$kind { .. } => Self::$kind,)*
                }
            }
        }
    };
}

kinds! {
    /// "Would you vote for me?" (thesis 9.6)
    PreVote = 1,
    /// Answer to a `PreVote`.
    PreVoteReply = 2,
    /// "Vote for me." (Raft 5.2)
    RequestVote = 3,
    /// Answer to a `RequestVote`.
    VoteReply = 4,
    /// Entries to store (Raft 5.3).
    Append = 5,
    /// Answer to an `Append`.
    AppendReply = 6,
    /// "I lead." (Raft 5.2)
    Heartbeat = 7,
    /// Answer to a `Heartbeat`.
    HeartbeatReply = 8,
    /// The commit index, when nothing else carries it.
    Commit = 9,
    /// A piece of a snapshot (Raft 7).
    SnapshotChunk = 10,
    /// Answer to a `SnapshotChunk`.
    SnapshotReply = 11,
    /// A follower asks for a read index (thesis 6.4).
    ReadIndex = 12,
    /// Answer to a `ReadIndex`.
    ReadIndexReply = 13,
    /// "Start an election now." (thesis 3.10)
    TimeoutNow = 14,
}

/// What a message says. Rare, large bodies are boxed, so that messages stay cheap to move; frequent
/// ones are not `Copy`, so that what takes them leaves nothing to drop. With a tag of a whole word, what
/// is put into one is moved at once and in large steps. As a head it is written without its kind.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
#[repr(u64)]
pub enum Body {
    PreVote(PreVote),
    PreVoteReply(PreVoteReply),
    RequestVote(RequestVote),
    VoteReply(VoteReply),
    Append(Append),
    AppendReply(AppendReply),
    Heartbeat(Heartbeat),
    HeartbeatReply(HeartbeatReply),
    Commit(Commit),
    SnapshotChunk(Box<SnapshotPiece>),
    SnapshotReply(Box<SnapshotReply>),
    ReadIndex(ReadIndex),
    ReadIndexReply(ReadIndexReply),
    TimeoutNow,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreVote {
    /// The last entry of the asker's log.
    pub last: EntryId,
    /// An entry of the asker's log, and its checksum, that a leader has contradicted.
    pub doubt: Option<(EntryId, Checksum)>,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreVoteReply {
    /// The asker's term when it asked.
    pub asked: Term,
    pub granted: bool,
    /// The replier has committed something else in the place of the entry in doubt.
    pub differs: bool,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestVote {
    /// The last entry of the candidate's log.
    pub last: EntryId,
    /// The leader itself asked for this election: a live leader is no reason to refuse (thesis 3.10).
    pub transfer: bool,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteReply {
    pub granted: bool,
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The leader's counter of replication sessions with this peer, within its term.
    pub session: u32,
    /// Of the entry before the first of `entries`.
    pub prev_checksum: Checksum,
    /// Of that entry.
    pub prev_term: Term,
    /// The leader's commit index.
    pub commit: LogIndex,
    pub entries: Entries,
}

impl Append {
    /// The entry before the first of `entries`.
    #[must_use]
    pub const fn prev(&self) -> EntryId {
        EntryId { term: self.prev_term, index: self.entries.first().prev() }
    }
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendReply {
    /// The session of the append that is answered; zero if the sender's term was old.
    pub session: u32,
    pub outcome: AppendOutcome,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// Everything up to here equals the leader's log and is durable.
    Success { matched: LogIndex },
    /// The entry before the append is missing or of another term; try again from the hint.
    Conflict { prev: LogIndex, hint: EntryId },
    /// Out of room until the disk catches up.
    NotNow { verified: LogIndex },
    /// Same term and index, other checksum; or a conflict with what is committed.
    Diverged { at: EntryId, checksum: Checksum },
    /// The sender's term is over.
    OldTerm,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub session: u32,
    pub commit: LogIndex,
    /// What the leader knows to be durable here; a follower that knows more says so again.
    pub matched: LogIndex,
    /// Made by the leader, one more each round, echoed in the reply.
    pub token: u64,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    pub session: u32,
    pub token: u64,
    /// The end of what was verified in this session; says nothing about durability.
    pub verified: LogIndex,
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub session: u32,
    pub commit: LogIndex,
}

#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPiece {
    pub session: u32,
    pub meta: SnapshotMeta,
    pub chunk: SnapshotChunk,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReply {
    pub session: u32,
    pub snapshot: SnapshotId,
    /// Bytes that are durable here, from the start.
    pub received: u64,
    /// What lies before the piece is missing, or the whole was damaged: send again from there.
    pub again: bool,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadIndex {
    /// The asker's life and its counter within it.
    pub incarnation: u64,
    pub token: u64,
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadIndexReply {
    pub incarnation: u64,
    pub token: u64,
    /// `None`: not now, ask again.
    pub index: Option<LogIndex>,
}
