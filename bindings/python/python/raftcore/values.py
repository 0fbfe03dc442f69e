"""Small immutable values: identifiers, roles, limits and timings."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """Names one entry for ever (Raft 5.3, Log Matching)."""

    term: int
    index: int


@dataclass(frozen=True, slots=True, order=True)
class WriteId:
    """Names one write: the life of the node that made it, and its place therein."""

    incarnation: int
    sequence: int


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId:
    """Names one snapshot for ever; two snapshots of one index by two makers are two snapshots.

    A snapshot is older than another one if its name is less.
    """

    index: int
    """The last entry it contains."""
    term: int
    """The term of that entry."""
    maker: int
    """The node that made it."""
    incarnation: int
    """The life of the maker."""
    counter: int
    """Its number within that life."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, without its bytes. Index 0 is the founding of the group, which has none."""

    id: SnapshotId
    length: int
    """In bytes; 0 for one that was taken here, whose length the library does not know."""
    checksum: int
    """XXH3 of all its bytes; 0 for one that was taken here."""


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """Bytes of a snapshot that came from a peer; `total` is the length of the whole.

    An offset that was there before begins anew from there.
    """

    snapshot: SnapshotId
    offset: int
    total: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group: a voter, or a learner, which may wish to be promoted.

    `context` is up to 256 bytes that the library carries and never reads: an address, say.
    """

    id: int
    voter: bool = True
    promote: bool = False
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who belongs to the group: all members, sorted by id.

    `index` is that of the entry that set it, 0 for the founders': the `based_on` of a change.
    `outgoing` are the voters being left behind while a joint change runs (Raft 6).
    """

    index: int
    members: tuple[Member, ...]
    outgoing: tuple[int, ...] = ()


class Role(StrEnum):
    """The part a node plays (Raft 5.1)."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class ReadConsistency(StrEnum):
    """How fresh a read must be."""

    LINEARIZABLE = "linearizable"
    """Not older than any write acknowledged before the read (thesis 6.4)."""
    LEASE = "lease"
    """The same, if the time given before each input is true, without messages (thesis 6.4.1)."""
    STALE = "stale"
    """Whatever this node has applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a node behaves. The defaults suit a small cluster at 10 ms a tick.

    All nodes of a group should run the same timings; nothing unsafe happens if they do not,
    but for lease reads, which rely on it.
    """

    seed: int = 0
    """Seed of the random election timeouts; mixed with node id and incarnation."""
    election_ticks_min: int = 20
    """Shortest election timeout, in ticks (Raft 5.2)."""
    election_ticks_max: int = 40
    """Longest election timeout, in ticks."""
    heartbeat_ticks: int = 4
    """Time between a leader's heartbeats, in ticks."""
    pre_vote: bool = True
    """Ask before disturbing the cluster with a new term (thesis 9.6)."""
    check_quorum: bool = True
    """A leader that hears no quorum for an election timeout steps down (thesis 6.2)."""
    max_payload_bytes: int = 1 << 20
    """Largest payload of one proposal, in bytes; at most 16 MiB."""
    max_append_bytes: int = 64 << 10
    """Largest run of entries in one append, in bytes; one entry always fits."""
    max_write_bytes: int = 1 << 20
    """Largest run of entries in one write, in bytes; one entry always fits."""
    max_apply_bytes: int = 64 << 10
    """Largest run of entries in one `Apply`, in bytes; one entry always fits."""
    max_in_flight_messages: int = 256
    """Appends under way to one peer."""
    max_in_flight_bytes: int = 4 << 20
    """Bytes of entries under way to one peer; one append is always allowed."""
    max_uncommitted_bytes: int = 64 << 20
    """Bytes proposed in this term and not yet handed out for `Apply`; beyond it: `Busy`."""
    max_undurable_bytes: int = 64 << 20
    """Bytes a follower holds that are not yet durable; beyond it appends get "not now"."""
    max_writes_in_flight: int = 2
    """Writes handed out and not yet acknowledged; further changes wait and merge."""
    max_reads: int = 1 << 16
    """Reads under way; beyond it: `TooManyReads`."""
    read_ticks_max: int = 100
    """A read that is not served by then fails, in ticks."""
    lease_drift_ticks: int | None = None
    """Largest difference between two nodes' clocks over an election timeout, in ticks.

    Lease reads rely on it (thesis 6.4.1), and on the same timings on all nodes. None: no leases, a
    lease read is served like a linearizable one.
    """
    disk_stall_ticks: int = 200
    """A leader whose disk does not acknowledge a write for so long steps down, in ticks."""
    priority: int = 7
    """How eager this node is to lead, 0 to 7: each step below 7 waits longer before it runs."""
    max_chunk_bytes: int = 256 << 10
    """Largest piece of a snapshot in one message, in bytes."""
    max_retained_bytes: int = 64 << 20
    """Bytes of entries kept behind the newest snapshot for followers that lag; beyond it they are sent the
    snapshot."""
    window_bytes: int = 64 << 20
    """Memory for recent log entries, in bytes."""
