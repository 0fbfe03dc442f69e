"""Outputs: the duties of the caller, as immutable values. Carry them out in the order given."""

from dataclasses import dataclass
from enum import StrEnum

from raftcore.values import EntryId, Snapshot, SnapshotChunk, SnapshotId, WriteId


@dataclass(frozen=True, slots=True)
class Send:
    """A frame for a peer. May leave now; dropping, delaying, repeating it costs only time."""

    to: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """What a write changes, in the order in which it is carried out.

    The record says all of it; this is for hosts that keep snapshots or entries apart. After a crash
    any prefix of the writes, down to between two of these fields, is legal.
    """

    chunk: SnapshotChunk | None
    """Bytes of a snapshot to keep."""
    snapshot: Snapshot | None
    """The newest snapshot: one whose bytes were kept before, or, if its maker is this node, the one
    that `snapshot_taken` told of for its index. By itself it deletes nothing."""
    resets_log: bool
    """The log begins anew after the snapshot, without any entry."""
    truncate_from: int | None
    """Delete this entry and all after it."""
    first_entry: int | None
    """The first entry to append."""
    last_entry: int | None
    """The last entry to append."""
    discard_through: int | None
    """Entries up to here may be deleted."""
    release_below: SnapshotId | None
    """Snapshots older than this one may be deleted, finished or not."""


@dataclass(frozen=True, slots=True)
class Persist:
    """A record to make durable, in order; then `node.persisted(id)`."""

    id: WriteId
    record: bytes
    changes: Changes


@dataclass(frozen=True, slots=True)
class Command:
    """One committed proposal."""

    id: EntryId
    payload: bytes


@dataclass(frozen=True, slots=True)
class Apply:
    """Committed entries `first` to `last`, and the commands among them.

    Apply the commands in order; then `node.applied(last)`.
    """

    first: int
    last: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """Replace the state machine by a durable snapshot, all or nothing; then `node.applied`.

    Apply nothing that comes after it before that is done. Also the first duty of a node that is
    started from less than its snapshot holds.
    """

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class ReadSnapshot:
    """Read a piece of a snapshot to send.

    Answer with `Node.snapshot_chunk` or `Node.snapshot_unavailable`, at any later time.
    """

    incarnation: int
    sequence: int
    snapshot: SnapshotId
    offset: int
    """Where the piece begins."""
    max_bytes: int
    """How long it may be."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read durable entries that are no longer kept in memory; answer with `Node.log_read`.

    A shorter answer is legal, but only one of two entries or more is of use.
    """

    incarnation: int
    sequence: int
    first: int
    """The first entry wanted."""
    last: int
    """The last one."""
    max_bytes: int
    """About this many bytes after the first entry will do."""


@dataclass(frozen=True, slots=True)
class ReadReady:
    """The state machine may be read now for the read of this id."""

    id: int


class ReadFailure(StrEnum):
    """Why a read was not served."""

    LEADER_LOST = "leader-lost"
    TIMED_OUT = "timed-out"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The read of this id will not be served."""

    id: int
    reason: ReadFailure


@dataclass(frozen=True, slots=True)
class ProposalsLost:
    """Own proposals, from `start` through an index, were overwritten: certainly not applied."""

    start: EntryId
    through: int


@dataclass(frozen=True, slots=True)
class ProposalsUnknown:
    """A received snapshot passed own proposals: applied or not, nobody can tell."""

    start: EntryId
    through: int


class HaltReason(StrEnum):
    """Why a node stopped for good."""

    STORAGE_FAILED = "storage-failed"
    OUT_OF_RANGE = "out-of-range"
    DIVERGED = "diverged"
    LOG_DAMAGED = "log-damaged"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Halted:
    """The node refuses everything from now on. Restart it from disk, or replace it.

    `at` is the first entry that differs, if it diverged.
    """

    reason: HaltReason
    at: EntryId | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth knowing; may be ignored. Of a newer kind if it is none of the subclasses."""


@dataclass(frozen=True, slots=True)
class BecameLeader(Event):
    """This node became leader (Raft 5.2)."""

    term: int


class StepDownReason(StrEnum):
    """Why a leader stopped leading."""

    HIGHER_TERM = "higher-term"
    NO_QUORUM = "no-quorum"
    DISK_STALLED = "disk-stalled"
    ASKED = "asked"
    REMOVED = "removed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SteppedDown(Event):
    """This node is no longer leader."""

    term: int
    reason: StepDownReason


@dataclass(frozen=True, slots=True)
class LeaderChanged(Event):
    """Another node is known to lead."""

    term: int
    leader: int


@dataclass(frozen=True, slots=True)
class MembershipChanged(Event):
    """A membership change is over: the membership of the entry at `index` is committed."""

    index: int


@dataclass(frozen=True, slots=True)
class TransferFailed(Event):
    """Leadership could not be handed to node `to` in time; proposals are taken again."""

    to: int


@dataclass(frozen=True, slots=True)
class Diverged(Event):
    """A peer's log contradicts this one: same term and index, other content."""

    peer: int
    at: EntryId


Output = (
    Send
    | Persist
    | Apply
    | Restore
    | ReadLog
    | ReadSnapshot
    | ReadReady
    | ReadFailed
    | ProposalsLost
    | ProposalsUnknown
    | Halted
    | Event
)
"""Everything `Node.poll_output` hands out."""
