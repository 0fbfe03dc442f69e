"""Raft as a value: a consensus state machine without sockets, disks, clocks or threads.

What the caller promises:

1. Carry out `Persist` outputs in the order given. `persisted(id)` means: every write up to `id`
   survives a crash. The bytes of a snapshot are durable before `snapshot_taken`.
2. Start a node only from what it last persisted; one copy; never again under an id whose disk was
   lost. Found a group once.
3. Apply in order and deterministically, from the `applied` given at start; call `applied(i)` when
   it is done.

Everything else is the library's duty. Dropping, delaying, repeating or reordering messages,
forgetting to poll, acknowledging late or twice: these cost time, never safety. Only who asks for
lease reads promises a fourth thing: the time given before each input is true, within
`lease_drift_ticks`.

A `Node` and a `Stored` may be used from any thread; calls on one object run one after the other.
Outputs are immutable and depend on nothing.
"""

from raftcore._raftcore import Node, Stored, __version__, record_entries
from raftcore.errors import (
    Busy,
    ChangeInProgress,
    DecodeError,
    InternalError,
    LeaderAlive,
    MayNotCampaign,
    MembershipError,
    Misuse,
    NodeHalted,
    NotLeader,
    NotVoter,
    RaftcoreError,
    Refused,
    RejectedMessage,
    StaleMembership,
    StartError,
    StoredError,
    TooLarge,
    TooManyReads,
    TransferInProgress,
)
from raftcore.outputs import (
    Apply,
    BecameLeader,
    Changes,
    Command,
    Diverged,
    Event,
    Halted,
    HaltReason,
    LeaderChanged,
    MembershipChanged,
    Output,
    Persist,
    ProposalsLost,
    ProposalsUnknown,
    ReadFailed,
    ReadFailure,
    ReadLog,
    ReadReady,
    ReadSnapshot,
    Restore,
    Send,
    StepDownReason,
    SteppedDown,
    TransferFailed,
)
from raftcore.values import (
    Config,
    EntryId,
    Member,
    Membership,
    ReadConsistency,
    Role,
    Snapshot,
    SnapshotChunk,
    SnapshotId,
    WriteId,
)

__all__ = [
    "Apply",
    "BecameLeader",
    "Busy",
    "ChangeInProgress",
    "Changes",
    "Command",
    "Config",
    "DecodeError",
    "Diverged",
    "EntryId",
    "Event",
    "HaltReason",
    "Halted",
    "InternalError",
    "LeaderAlive",
    "LeaderChanged",
    "MayNotCampaign",
    "Member",
    "Membership",
    "MembershipChanged",
    "MembershipError",
    "Misuse",
    "Node",
    "NodeHalted",
    "NotLeader",
    "NotVoter",
    "Output",
    "Persist",
    "ProposalsLost",
    "ProposalsUnknown",
    "RaftcoreError",
    "ReadConsistency",
    "ReadFailed",
    "ReadFailure",
    "ReadLog",
    "ReadReady",
    "ReadSnapshot",
    "Refused",
    "RejectedMessage",
    "Restore",
    "Role",
    "Send",
    "Snapshot",
    "SnapshotChunk",
    "SnapshotId",
    "StaleMembership",
    "StartError",
    "StepDownReason",
    "SteppedDown",
    "Stored",
    "StoredError",
    "TooLarge",
    "TooManyReads",
    "TransferFailed",
    "TransferInProgress",
    "WriteId",
    "__version__",
    "record_entries",
]
