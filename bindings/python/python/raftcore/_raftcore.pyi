"""The native half of `raftcore`; private."""

from collections.abc import Sequence
from typing import Any, Self, final

from typing_extensions import Buffer

from raftcore.outputs import Output, ReadLog, ReadSnapshot
from raftcore.values import Config, EntryId, Member, Membership, Role, Snapshot, WriteId

__all__ = [
    "Node",
    "Stored",
    "__version__",
    "default_config",
    "panic_behind_the_guard",
    "record_entries",
]

__version__: str

def default_config() -> dict[str, Any]:
    """The defaults of the core, by the names of `raftcore.Config`."""

def record_entries(data: Buffer) -> tuple[int, int, int]:
    """Which entries the record at the front of `data` holds, first and last, and how long it is.

    For a host that must find the records of a `ReadLog` again. Without entries both indexes are 0.
    """

def panic_behind_the_guard() -> None:
    """Panics behind the guard, to show what a bug in the library comes to."""

@final
class Stored:
    """What a node last persisted: the fold of its stored writes, from which it is started once."""

    @staticmethod
    def found(group: int, node: int, voters: Sequence[int]) -> Stored:
        """The first start of a founding member; its storage must be empty.

        Every founding member is given the same voters. Do this once for a group. A node that is
        added later starts with `join`.
        """

    @staticmethod
    def found_members(group: int, node: int, members: Sequence[Member]) -> Stored:
        """The same with learners and contexts: the members as `Node.membership` will tell them."""

    @staticmethod
    def join(group: int, node: int) -> Stored:
        """The first start of a node that a running group will add; its storage must be empty.

        It waits, without knowing anybody, for a leader that adds it.
        """

    @staticmethod
    def empty() -> Stored:
        """Nothing yet: replay the stored records into it. The beginning of every restart."""

    def replay(self, data: Buffer) -> int:
        """Folds in the record at the front of `data`, and gives its length.

        Call it for each record, oldest first. A `DecodeError` of kind "Truncated" at the end of a
        file is a write that a crash tore: it was never acknowledged, and may be cut off.
        """

    def checkpoint(self) -> list[bytes]:
        """The few records that say the same, so that a file can be rotated.

        The bytes of the newest snapshot are not among them: keep those apart.
        """

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to start from: no record, or only a first one cut short."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest snapshot. All others may be deleted before a node is started."""

@final
class Node:
    """One participant of one Raft group: a value without threads, clocks, files or sockets."""

    def __new__(cls, config: Config, stored: Stored, applied: int = 0) -> Self:
        """Starts a node: the one door for first start and every restart.

        `applied` is the last entry that the state machine durably holds, 0 if it lives in memory.
        Success uses `stored` up.
        """

    def tick(self, now: int) -> None:
        """Tells the time: absolute, monotonic, in ticks. An earlier one is ignored."""

    def receive(self, frame: Buffer) -> None:
        """Takes one whole frame from a peer. A rejected one changes nothing."""

    def propose(self, payload: Buffer) -> EntryId:
        """Proposes a command. It is applied if, and only if, an `Apply` later holds its id."""

    def propose_membership(self, based_on: int, members: Sequence[Member]) -> EntryId:
        """Proposes a complete new topology (Raft 6), computed from the membership at `based_on`.

        Takes effect at once; over when `MembershipChanged` says so.
        """

    def read(self, id: int, consistency: str) -> None:
        """Asks to read the state machine (thesis 6.4).

        Each accepted read ends in exactly one `ReadReady` or `ReadFailed` with this id, after
        `read_ticks_max` ticks at the latest. A follower asks the leader.
        """

    def transfer_leadership(self, to: int) -> None:
        """Hands leadership to another voter as soon as its log is complete (thesis 3.10).

        Proposals are refused meanwhile. If it takes too long, `TransferFailed` says so.
        """

    def campaign(self) -> None:
        """Runs for leadership now, without waiting for the timeout. Needs one `tick` before."""

    def step_down(self) -> None:
        """Gives leadership up; another election follows, which this node may win again."""

    def trim(self, max_bytes: int) -> None:
        """Gives memory back, down to about `max_bytes`; for hosts of many groups."""

    def persisted(self, write: WriteId) -> None:
        """Every write up to this one survives a crash. Cumulative; repeats are harmless."""

    def applied(self, index: int) -> None:
        """The state machine has applied everything up to `index`. Cumulative."""

    def log_read(self, request: ReadLog, records: Sequence[Buffer]) -> None:
        """Answers a `ReadLog` out of stored records, in the order in which they were written.

        Those that hold the entries asked for; others do no harm. Without records, or if they do not
        hold what is needed, the node asks again a heartbeat later. Late and repeated answers are
        harmless. Records that are not what the node wrote halt it.
        """

    def snapshot_taken(self, index: int) -> None:
        """A snapshot of the state machine at `index` was taken and its bytes are durable (Raft 7).

        A later `Persist` hands out its name, and others say what may be deleted because of it.
        Ignored if it is not newer than the newest one.
        """

    def snapshot_chunk(self, request: ReadSnapshot, total: int, data: Buffer) -> None:
        """Answers a `ReadSnapshot`: bytes at its offset, of a snapshot of `total` bytes.

        A short answer is legal; one that nobody waits for any more is ignored.
        """

    def snapshot_unavailable(self, request: ReadSnapshot) -> None:
        """Answers a `ReadSnapshot`: it cannot be read. The node tries again later."""

    def storage_failed(self) -> None:
        """A write failed. Never retry a failed sync: the node halts; start it from disk."""

    def poll_output(self) -> Output | None:
        """The next duty, or None if there is none now. Carry duties out in the order given."""

    @property
    def has_output(self) -> bool:
        """Whether `poll_output` would hand out a duty."""

    @property
    def deadline(self) -> int | None:
        """The tick at which the next timer fires; nothing happens by itself before."""

    @property
    def group(self) -> int:
        """The group it belongs to."""

    @property
    def id(self) -> int:
        """Its id within the group."""

    @property
    def incarnation(self) -> int:
        """How often it was started."""

    @property
    def role(self) -> Role:
        """Its role."""

    @property
    def term(self) -> int:
        """Its term."""

    @property
    def leader(self) -> int | None:
        """The leader it knows of in its term."""

    @property
    def commit_index(self) -> int:
        """The last entry known to be committed."""

    @property
    def applied_index(self) -> int:
        """The last entry that the state machine has applied."""

    @property
    def last_index(self) -> int:
        """The last entry of its log."""

    @property
    def membership(self) -> Membership:
        """The membership in force."""

    def checksum_at(self, index: int) -> int | None:
        """The checksum of the log up to and including `index`, if the node holds it."""
