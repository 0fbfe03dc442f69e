//! Three kinds of errors, three types: [`Misuse`] is yours, [`RejectedMessage`] is theirs,
//! [`Refused`] is "not now". Starting and decoding have types of their own.

use thiserror::Error;

use crate::config::ConfigError;
use crate::entries::EntriesError;
use crate::membership::MembershipError;
use crate::output::HaltReason;
use crate::types::{EntryId, GroupId, Identity, LogIndex, NodeId, Term, WriteId};

/// The caller broke the contract; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A completion names a write that was never handed out.
    #[error("write {id} was never handed out")]
    UnknownWrite {
        /// The write.
        id: WriteId,
    },
    /// A completion names a request that was never made.
    #[error("no such request was made")]
    UnknownRequest,
    /// `applied` names an entry that was not handed out for `Apply`.
    #[error("entry {index} was not handed out for Apply; the last one was {handed_out}")]
    NotHandedOut {
        /// The entry.
        index: LogIndex,
        /// The last one handed out.
        handed_out: LogIndex,
    },
    /// `snapshot_taken` names an entry that the state machine has not applied.
    #[error("a snapshot at {index}, but only {applied} is applied")]
    BeyondApplied {
        /// The entry.
        index: LogIndex,
        /// The last one applied.
        applied: LogIndex,
    },
    /// An answer is not what was asked for: longer, or of another place.
    #[error("the answer does not fit the request")]
    WrongAnswer,
    /// The node has halted and takes no completions.
    #[error("the node has halted: {reason:?}")]
    Halted {
        /// Why.
        reason: HaltReason,
    },
}

/// A message from a peer is wrong; nothing was adopted from it, not even its term.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RejectedMessage {
    /// It belongs to another group.
    #[error("message of group {group}")]
    WrongGroup {
        /// That group.
        group: GroupId,
    },
    /// It is for another node.
    #[error("message for node {to}")]
    WrongNode {
        /// That node.
        to: NodeId,
    },
    /// It claims to come from this node itself.
    #[error("message from this node itself")]
    FromSelf,
    /// Its term is zero, or too far beyond this node's to be true.
    #[error("term {term} is out of range")]
    TermOutOfRange {
        /// The term.
        term: Term,
    },
    /// Two leaders in one term: one of them forgot its vote (Raft 5.2).
    #[error("node {from} claims to lead term {term}, which {leader} leads")]
    SecondLeader {
        /// The sender.
        from: NodeId,
        /// The term.
        term: Term,
        /// The leader known here.
        leader: NodeId,
    },
    /// Its entries do not follow each other, its predecessor or its term.
    #[error("entries out of order: {0}")]
    Entries(#[from] EntriesError),
    /// It names an entry that cannot be, or holds entries newer than itself.
    #[error("entries do not follow entry {prev} in term {term}")]
    Sequence {
        /// The entry named.
        prev: EntryId,
        /// The message's term.
        term: Term,
    },
    /// It contradicts a committed entry.
    #[error("contradicts the committed entry {at}")]
    ContradictsCommitted {
        /// That entry.
        at: EntryId,
    },
    /// Same term and index, other content: Log Matching is broken (Raft 5.3).
    #[error("entry {at} differs in content")]
    Diverged {
        /// That entry.
        at: EntryId,
    },
    /// It confirms entries that this leader never sent.
    #[error("confirms entry {matched}, the last is {last}")]
    BeyondLog {
        /// The entry.
        matched: LogIndex,
        /// The last entry here.
        last: LogIndex,
    },
    /// A piece of a snapshot that cannot be: its place, its length or its last entry; or more of a
    /// snapshot is confirmed than there is.
    #[error("impossible piece of a snapshot at {index}")]
    Snapshot {
        /// The last entry the snapshot contains.
        index: LogIndex,
    },
    /// The node has halted.
    #[error("the node has halted: {reason:?}")]
    Halted {
        /// Why.
        reason: HaltReason,
    },
}

/// Not now, or not here; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// Only the leader takes this.
    #[error("not the leader; the leader is {}", match leader { Some(id) => alloc::format!("node {id}"), None => "unknown".into() })]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// Too much is under way; try again when some of it is applied.
    #[error("busy: {uncommitted_bytes} bytes wait to be committed and applied")]
    Busy {
        /// Bytes proposed and not yet handed out for `Apply`.
        uncommitted_bytes: usize,
    },
    /// The payload is larger than `max_payload_bytes`.
    #[error("payload of {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another membership change is under way.
    #[error("a membership change is under way")]
    ChangeInProgress,
    /// The change was computed from a membership that is not the current one.
    #[error("computed from the membership at {based_on}; the current one is at {current}")]
    StaleMembership {
        /// What the change names.
        based_on: LogIndex,
        /// What holds.
        current: LogIndex,
    },
    /// The wished-for membership cannot be.
    #[error("{0}")]
    Membership(#[from] MembershipError),
    /// Too many reads are under way; try again when some have ended.
    #[error("{open} reads are under way")]
    TooManyReads {
        /// How many.
        open: usize,
    },
    /// Leadership is being handed over; try again, there or here.
    #[error("leadership is being handed over to node {to}")]
    TransferInProgress {
        /// The successor.
        to: NodeId,
    },
    /// Only a voter can lead.
    #[error("node {node} is not a voter")]
    NotVoter {
        /// That node.
        node: NodeId,
    },
    /// This node has no vote, or just started and may not use it yet.
    #[error("this node may not campaign now")]
    MayNotCampaign,
    /// A leader is alive; its followers stick to it (thesis 6.2).
    #[error("leader {leader} is alive")]
    LeaderAlive {
        /// That leader.
        leader: NodeId,
    },
    /// The node has halted.
    #[error("the node has halted: {reason:?}")]
    Halted {
        /// Why.
        reason: HaltReason,
    },
}

/// Stored writes do not fold into a state. Nothing is ever repaired silently.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The write belongs to another node.
    #[error("write of node {} in group {}, expected node {} in group {}", found.node, found.group, expected.node, expected.group)]
    ForeignIdentity {
        /// Whose it is.
        found: Identity,
        /// Whose the others are.
        expected: Identity,
    },
    /// Writes are missing between two, or their order is wrong.
    #[error("write {found} does not follow write {last}")]
    OutOfOrder {
        /// The write before.
        last: WriteId,
        /// This write.
        found: WriteId,
    },
    /// Term or incarnation goes down, or the vote changes within a term.
    #[error("term, vote or incarnation went back in write {id}")]
    HardStateFell {
        /// The write.
        id: WriteId,
    },
    /// Entries do not begin where the log ends.
    #[error("entries begin at {first}, the log ends at {last}")]
    Gap {
        /// The first of them.
        first: LogIndex,
        /// The last entry before.
        last: LogIndex,
    },
    /// Entries are damaged.
    #[error("damaged entries: {0}")]
    Entries(#[from] EntriesError),
    /// A truncation or discard names entries outside the log.
    #[error("entry {index} is outside the log ({first} to {last})")]
    OutsideLog {
        /// The entry named.
        index: LogIndex,
        /// The first entry.
        first: LogIndex,
        /// The last entry.
        last: LogIndex,
    },
    /// An entry is of a term that was not reached when it was written.
    #[error("entry {entry} is newer than term {term}")]
    EntryFromFuture {
        /// The entry.
        entry: EntryId,
        /// The term at that time.
        term: Term,
    },
    /// Entries came before any membership was known.
    #[error("entries before the founding membership or a snapshot")]
    NoMembership,
    /// A snapshot is older than one before, or does not fit the log.
    #[error("the snapshot at {index} does not fit the log or the snapshots before")]
    Snapshot {
        /// The last entry it contains.
        index: LogIndex,
    },
    /// What is needed was given back by `trim`: fold again, and keep more.
    #[error("entry {index} was trimmed away; fold again and keep more")]
    Trimmed {
        /// The entry.
        index: LogIndex,
    },
}

/// Why a node could not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The founding membership cannot be.
    #[error("founding membership: {0}")]
    Membership(#[from] MembershipError),
    /// Nothing was ever stored: found or join first.
    #[error("nothing is stored; found a group or join one first")]
    NothingStored,
    /// The state machine holds more than the log ever did.
    #[error("applied is {applied}, the log ends at {last}")]
    AppliedBeyondLog {
        /// What the caller gave.
        applied: LogIndex,
        /// The last entry.
        last: LogIndex,
    },
    /// The number of starts is used up.
    #[error("the incarnation cannot be raised any more")]
    OutOfRange,
}

/// Bytes are not a message or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// More bytes than were announced.
    #[error("bytes left over")]
    Trailing,
    /// Larger than any frame may be.
    #[error("{bytes} bytes are more than the {max} allowed")]
    TooLarge {
        /// The size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Written by a version this one does not know.
    #[error("unknown format version {version}")]
    UnknownVersion {
        /// Its version byte.
        version: u8,
    },
    /// A kind of message this version does not know; harmless in a rolling upgrade.
    #[error("unknown message kind {kind}")]
    UnknownKind {
        /// Its kind byte.
        kind: u8,
    },
    /// The checksum does not fit the bytes.
    #[error("checksum mismatch")]
    Checksum,
    /// The head cannot be read.
    #[error("malformed head")]
    Head,
    /// The entries are malformed.
    #[error("{0}")]
    Entries(#[from] EntriesError),
    /// A membership is malformed.
    #[error("{0}")]
    Membership(#[from] MembershipError),
}
