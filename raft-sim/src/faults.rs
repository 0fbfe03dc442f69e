//! The kinds of faults, and how often each fired.

use core::fmt;
use core::ops::{Index, IndexMut};

macro_rules! fault_kinds {
    ($($(#[$meta:meta])* $kind:ident => $name:literal,)*) => {
        /// A kind of fault that a run injects, or of wish that clients and operators have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FaultKind {
            $($(#[$meta])* $kind,)*
        }

        impl FaultKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

fault_kinds! {
    /// A message is lost.
    Drop => "drop",
    /// A message arrives more than once.
    Duplicate => "duplicate",
    /// A message overtakes an earlier one.
    Reorder => "reorder",
    /// A message arrives late.
    Delay => "delay",
    /// A link holds its messages back.
    Clog => "clog",
    /// A clogged link lets go of several messages at once.
    Burst => "burst",
    /// Two sides cannot reach each other.
    Partition => "partition",
    /// One side cannot reach the other, which reaches it.
    OneWayPartition => "one-way partition",
    /// A message of an earlier term comes back.
    StaleTerm => "stale term replay",
    /// A message of, or to, an earlier life comes back.
    StaleLife => "stale life replay",
    /// A node stops at once.
    Crash => "crash",
    /// A node stops between two outputs of one round.
    CrashAtOutput => "crash at output",
    /// A crash loses a write that was not synced.
    LostWrite => "lost write",
    /// A crash leaves a write between two of its fields.
    TornWrite => "torn write",
    /// A crash leaves the entries of a write between two of them, or a record between two bytes.
    TornEntries => "torn entries",
    /// The disk reports that a sync failed.
    FailedSync => "failed sync",
    /// A process stands still and then goes on.
    Pause => "pause",
    /// A clock runs too fast or too slow.
    UnevenTicks => "uneven ticks",
    /// A host calls `tick` rarely.
    CoarseTicks => "coarse ticks",
    /// A sync takes long.
    SlowDisk => "slow disk",
    /// A sync is acknowledged long after it is done.
    LateAck => "late ack",
    /// One acknowledgement stands for several writes.
    CumulativeAck => "cumulative ack",
    /// A write is acknowledged again.
    RepeatedAck => "repeated ack",
    /// A host polls long after its inputs.
    LatePoll => "late poll",
    /// A host reports an applied entry late.
    LateApply => "late apply",
    /// A node asks its disk for entries that it no longer keeps in memory.
    LogRead => "log read",
    /// The disk gives back only a part of them.
    ShortLogRead => "short log read",
    /// The disk cannot give them.
    FailedLogRead => "failed log read",
    /// The disk takes long to give them.
    SlowLogRead => "slow log read",
    /// The disk gives the same entries twice.
    RepeatedAnswer => "repeated answer",
    /// A state machine takes a snapshot.
    Snapshot => "snapshot",
    /// A snapshot of an older state is taken, or one is told of twice.
    OldSnapshot => "old snapshot",
    /// A node hears of a snapshot after its restart.
    SnapshotBeforeRestart => "snapshot before restart",
    /// A state machine is replaced by a snapshot.
    Restore => "restore",
    /// A piece of a snapshot is read late.
    LateChunk => "late chunk",
    /// Less of a snapshot is read than was asked for.
    ShortChunk => "short chunk",
    /// A piece of a snapshot cannot be read.
    FailedChunk => "failed chunk",
    /// A node stops while it receives a snapshot.
    CrashInTransfer => "crash in transfer",
    /// A node starts with a state machine that lags behind what it had applied.
    LaggingMachine => "lagging machine",
    /// A snapshot passes proposals, and their node says so.
    UnknownProposals => "unknown proposals",
    /// A bit of a stored record flips.
    BitRot => "bit rot",
    /// A part of a disk cannot be read.
    UnreadableSector => "unreadable sector",
    /// A write went to the place of another one.
    MisdirectedWrite => "misdirected write",
    /// A write that was acknowledged never arrived.
    StaleWrite => "stale write",
    /// A whole disk is gone.
    LostDisk => "lost disk",
    /// A node under a new id takes the place of one whose disk is damaged or lost.
    ReplacedNode => "replaced node",
    /// A node waits for a group to add it.
    Join => "join",
    /// A client waits no longer for the outcome of its write.
    ClientTimeout => "client timeout",
    /// A client whose write has no outcome tries again at another leader, or the same.
    ClientRetry => "client retry",
    /// A leader refuses a write because too much is open.
    Overload => "overload",
    /// A client reads what was acknowledged before.
    LinearizableRead => "linearizable read",
    /// A client reads what was acknowledged before, by lease if there is one.
    LeaseRead => "lease read",
    /// A client reads whatever is applied.
    StaleRead => "stale read",
    /// A node refuses a read because too many are open.
    TooManyReads => "too many reads",
    /// A read ends without an answer.
    FailedRead => "failed read",
    /// Proposals are overwritten, and their node says so.
    LostProposals => "lost proposals",
    /// A leader is told to hand over.
    Transfer => "transfer",
    /// A leader is cut off, and asked for reads, when it tells its successor to start.
    OutlivedTransfer => "outlived transfer",
    /// A leader is told to step down.
    StepDown => "step down",
    /// A node is told to run for leadership.
    Campaign => "campaign",
    /// A voter is added.
    AddedVoter => "added voter",
    /// A learner is added, or a voter made one.
    AddedLearner => "added learner",
    /// Learners are to become voters.
    Promotion => "promotion",
    /// A member is removed.
    Removal => "removal",
    /// A leader removes itself.
    RemovedLeader => "removed leader",
    /// Several voters change at once.
    JointChange => "joint change",
    /// A membership changes while links are cut.
    ChangeWhileCut => "change while cut",
    /// A change is computed from another membership than the current one.
    StaleChange => "stale change",
    /// A node stops while a joint membership is in force.
    CrashInJoint => "crash in joint change",
}

impl FaultKind {
    /// Whether the fault needs a second node.
    #[must_use]
    pub const fn needs_peers(self) -> bool {
        matches!(
            self,
            Self::Drop
                | Self::Duplicate
                | Self::Reorder
                | Self::Delay
                | Self::Clog
                | Self::Burst
                | Self::Partition
                | Self::OneWayPartition
                | Self::StaleTerm
                | Self::StaleLife
                | Self::Transfer
                | Self::OutlivedTransfer
                | Self::JointChange
                | Self::ChangeWhileCut
                | Self::CrashInJoint
                | Self::RemovedLeader
                | Self::BitRot
                | Self::UnreadableSector
                | Self::MisdirectedWrite
                | Self::StaleWrite
                | Self::LostDisk
                | Self::ReplacedNode
                | Self::LostProposals
                | Self::LateChunk
                | Self::ShortChunk
                | Self::FailedChunk
                | Self::CrashInTransfer
                | Self::UnknownProposals
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each kind of fault fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultKind::ALL.len()]);

impl Default for FaultCounts {
    fn default() -> Self {
        Self([0; FaultKind::ALL.len()])
    }
}

impl FaultCounts {
    /// Each kind with its count.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        FaultKind::ALL.iter().map(|&kind| (kind, self[kind]))
    }

    /// All faults together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }
}

impl Index<FaultKind> for FaultCounts {
    type Output = u64;

    fn index(&self, kind: FaultKind) -> &u64 {
        &self.0[kind as usize]
    }
}

impl IndexMut<FaultKind> for FaultCounts {
    fn index_mut(&mut self, kind: FaultKind) -> &mut u64 {
        &mut self.0[kind as usize]
    }
}
