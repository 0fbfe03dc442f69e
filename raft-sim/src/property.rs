//! What must hold, by name.

use core::fmt;

/// A property that is checked while a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// At most one leader in a term (Raft 5.2).
    ElectionSafety,
    /// A leader never overwrites or deletes its own entries (Raft 5.3).
    LeaderAppendOnly,
    /// Same index and term, same history (Raft 5.3).
    LogMatching,
    /// Every later leader holds every committed entry (Raft 5.4).
    LeaderCompleteness,
    /// All nodes apply the same entries in the same order (Raft 5.4.3).
    StateMachineSafety,
    /// A leader commits by counting only entries of its own term (Raft 5.4.2).
    OwnTermCommit,
    /// What is committed never leaves a durable log.
    CommittedIsImmutable,
    /// A leader was voted for by a quorum of its membership (Raft 5.2, 6).
    ElectedByQuorum,
    /// The membership in force is the newest of the log (thesis 4.1).
    MembershipInForce,
    /// What is committed is durable on a quorum of the leader's membership, of both when joint.
    DurableOnQuorum,
    /// Any quorum of the newest leader's membership meets any of the newest committed one (Raft 6).
    QuorumsIntersect,
    /// Late answers to a role that is over change nothing, and it does not come back.
    PastIsOver,
    /// What a leader believes to be durable at a peer is (Raft figure 2, matchIndex).
    MatchIsDurable,
    /// No message leaves before what it promises is durable.
    MessageBehindDurability,
    /// One vote per node and term, across restarts (Raft 5.2).
    OneVotePerTerm,
    /// Durable term and incarnation never fall.
    MonotonicDurableState,
    /// Within one life, term, commit and applied never fall.
    MonotonicState,
    /// Applied is at most commit, commit at most the last index.
    IndexOrdering,
    /// Queues, writes in flight and memory stay within their limits.
    BoundedResources,
    /// What a snapshot says is what a replay of the committed history gives (Raft 7).
    SnapshotEqualsReplay,
    /// What is deleted of log and snapshots is contained in a newer, durable snapshot.
    SnapshotCoversDiscard,
    /// A snapshot that a node names, ships or restores is on its disk, and whole.
    SnapshotIsWhole,
    /// A disk that does not hold what was made durable cannot be read.
    DamageIsNoticed,
    /// What a client was told is so, for ever.
    ClientPromise,
    /// A read shows all that was acknowledged before it was asked (thesis 6.4).
    FreshReads,
    /// What clients wrote and read could have happened one at a time, key by key (Raft 8).
    Linearizability,
    /// A read that was taken ends once, and in time.
    ReadsEnd,
    /// No honest peer's message is rejected.
    HonestPeerAccepted,
    /// No node halts without a broken promise below it.
    NeverHalts,
    /// What was stored folds and starts a node, after any crash.
    Restartable,
    /// Records and frames read back as what was written.
    CodecRoundTrip,
    /// Bad input, from host or peer, is a typed error and changes nothing.
    BadInputRefused,
    /// Completions that the contract allows are taken.
    ContractKept,
    /// Once faults stop, a leader, fresh commits and equal logs within a bound.
    Liveness,
    /// The same seed gives the same run.
    Repeatability,
    /// Nothing panics.
    NoPanic,
}

impl Property {
    /// The property's name in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ElectionSafety => "election-safety",
            Self::LeaderAppendOnly => "leader-append-only",
            Self::LogMatching => "log-matching",
            Self::LeaderCompleteness => "leader-completeness",
            Self::StateMachineSafety => "state-machine-safety",
            Self::OwnTermCommit => "own-term-commit",
            Self::CommittedIsImmutable => "committed-is-immutable",
            Self::ElectedByQuorum => "elected-by-quorum",
            Self::MembershipInForce => "membership-in-force",
            Self::DurableOnQuorum => "durable-on-quorum",
            Self::QuorumsIntersect => "quorums-intersect",
            Self::PastIsOver => "past-is-over",
            Self::MatchIsDurable => "match-is-durable",
            Self::MessageBehindDurability => "message-behind-durability",
            Self::OneVotePerTerm => "one-vote-per-term",
            Self::MonotonicDurableState => "monotonic-durable-state",
            Self::MonotonicState => "monotonic-state",
            Self::IndexOrdering => "index-ordering",
            Self::BoundedResources => "bounded-resources",
            Self::SnapshotEqualsReplay => "snapshot-equals-replay",
            Self::SnapshotCoversDiscard => "snapshot-covers-discard",
            Self::SnapshotIsWhole => "snapshot-is-whole",
            Self::DamageIsNoticed => "damage-is-noticed",
            Self::ClientPromise => "client-promise",
            Self::FreshReads => "fresh-reads",
            Self::Linearizability => "linearizable",
            Self::ReadsEnd => "reads-end",
            Self::HonestPeerAccepted => "honest-peer-accepted",
            Self::NeverHalts => "never-halts",
            Self::Restartable => "restartable",
            Self::CodecRoundTrip => "codec-round-trip",
            Self::BadInputRefused => "bad-input-refused",
            Self::ContractKept => "contract-kept",
            Self::Liveness => "liveness",
            Self::Repeatability => "repeatability",
            Self::NoPanic => "no-panic",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A property that does not hold: what, where, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) property: Property,
    /// Number of the node, if one is to blame; 1 is the first.
    pub(crate) node: Option<usize>,
    pub(crate) detail: String,
}

/// The result of one step: nothing, or the property that broke.
pub(crate) type Checked<T = ()> = Result<T, Box<Violation>>;

/// A violation by the host with this place in the cluster.
#[cold]
pub(crate) fn broken<T>(property: Property, host: usize, detail: impl Into<String>) -> Checked<T> {
    Err(Box::new(Violation { property, node: Some(host + 1), detail: detail.into() }))
}
