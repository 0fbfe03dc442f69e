"""A cluster in one process: nodes, their disks, their state machines, the network between them.

The disk is slow on purpose: a write is durable one round after it was handed out, and a crash loses
the writes still under way.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from raftcore import (
    Apply,
    Changes,
    Config,
    Event,
    Node,
    Persist,
    ProposalsLost,
    ProposalsUnknown,
    ReadFailed,
    ReadLog,
    ReadReady,
    ReadSnapshot,
    Restore,
    Role,
    Send,
    SnapshotId,
    Stored,
    record_entries,
)

VOTERS = [1, 2, 3]
MAX_ROUNDS = 5000


@dataclass
class Shelf:
    """The snapshots on a disk."""

    taken: dict[int, bytes] = field(default_factory=dict)
    """Those the state machine has taken and the node has not named yet, by index."""
    named: dict[SnapshotId, bytes] = field(default_factory=dict)
    """Whole ones, and those of which bytes have arrived so far."""
    reads: int = 0

    def keep(self, id: int, changes: Changes) -> None:
        """A write is durable: what it says of snapshots."""
        if chunk := changes.chunk:
            bytes_before = self.named.get(chunk.snapshot, b"")[: chunk.offset]
            assert len(bytes_before) == chunk.offset
            self.named[chunk.snapshot] = bytes_before + chunk.data
        newest = changes.snapshot
        if newest and newest.id.index > 0 and newest.id not in self.named:
            assert newest.id.maker == id
            self.named[newest.id] = self.taken.pop(newest.id.index)
        if below := changes.release_below:
            self.named = {name: data for name, data in self.named.items() if name >= below}
            self.taken = {at: data for at, data in self.taken.items() if at > below.index}

    def answer(self, node: Node, request: ReadSnapshot) -> None:
        """Reads a piece of a snapshot; now and then it cannot."""
        self.reads += 1
        if self.reads % 7 == 0:
            return node.snapshot_unavailable(request)
        data = self.named[request.snapshot]
        piece = memoryview(data)[request.offset :][: request.max_bytes]
        return node.snapshot_chunk(request, len(data), piece)


@dataclass
class Host:
    """A node, its disk and its state machine, a list of numbers in memory."""

    id: int
    node: Node | None = None
    config: Config = field(default_factory=lambda: Config(seed=42, window_bytes=256))
    disk: bytearray = field(default_factory=bytearray)
    shelf: Shelf = field(default_factory=Shelf)
    writing: list[Persist] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reads: list[tuple[ReadReady | ReadFailed, int]] = field(default_factory=list)
    """How each read ended, and how many values the state machine held then."""
    lost: list[ProposalsLost] = field(default_factory=list)
    log_reads: int = 0
    """How often it read back what its node no longer held."""
    restored: list[int] = field(default_factory=list)
    """The last entries of the snapshots that its state machine was replaced by."""
    unknown: list[ProposalsUnknown] = field(default_factory=list)

    def start(self, stored: Stored) -> None:
        self.node = Node(self.config, stored)
        self.values.clear()

    def restart(self) -> None:
        stored = Stored.empty()
        rest = memoryview(bytes(self.disk))
        while rest:
            rest = rest[stored.replay(rest) :]
        newest = stored.snapshot and stored.snapshot.id
        self.shelf.named = {n: data for n, data in self.shelf.named.items() if n == newest}
        self.shelf.taken.clear()
        assert len(self.shelf.named) == (newest is not None)
        self.start(stored)

    def take_snapshot(self) -> int:
        """The state machine takes a snapshot of all it has applied, and the node is told."""
        node = running_node(self)
        self.shelf.taken[node.applied_index] = json.dumps(self.values).encode()
        node.snapshot_taken(node.applied_index)
        return node.applied_index

    def crash(self) -> None:
        self.node = None
        self.writing.clear()

    def complete_writes(self, node: Node) -> None:
        for write in self.writing:
            self.disk += write.record
            self.shelf.keep(self.id, write.changes)
            node.persisted(write.id)
        self.writing.clear()

    def records(self, asked: ReadLog) -> list[memoryview]:
        """The records that hold these entries. A disk this small is read as a whole."""
        found: list[memoryview] = []
        rest = memoryview(bytes(self.disk))
        while rest:
            first, last, length = record_entries(rest)
            if first <= asked.last and last >= asked.first:
                found.append(rest[:length])
            rest = rest[length:]
        return found

    def poll(self, node: Node) -> list[Send]:
        """Carries out every duty the node has now, but for sending."""
        sends: list[Send] = []
        while True:
            has_output = node.has_output
            output = node.poll_output()
            assert has_output == (output is not None)
            match output:
                case None:
                    return sends
                case Send():
                    sends.append(output)
                case Persist():
                    self.writing.append(output)
                case Apply(first, last, commands):
                    assert all(first <= command.id.index <= last for command in commands)
                    self.values += [int(command.payload) for command in commands]
                    node.applied(last)
                case Restore(snapshot):
                    self.values = json.loads(self.shelf.named[snapshot.id])
                    self.restored.append(snapshot.id.index)
                    node.applied(snapshot.id.index)
                case ReadSnapshot():
                    self.shelf.answer(node, output)
                case ProposalsUnknown():
                    self.unknown.append(output)
                case ReadLog():
                    self.log_reads += 1
                    busy = self.log_reads % 5 == 0
                    node.log_read(output, [] if busy else self.records(output))
                case ReadReady() | ReadFailed():
                    self.reads.append((output, len(self.values)))
                case ProposalsLost():
                    self.lost.append(output)
                case Event():
                    self.events.append(output)
                case _:
                    raise AssertionError(output)


class Cluster:
    """Three founders, perhaps outsiders, and the network between them."""

    def __init__(self, config: Config | None = None) -> None:
        self.now = 0
        self.config = config or Config(seed=42, window_bytes=256)
        self.cut_off: set[int] = set()
        """Frames from or to these nodes are lost."""
        self.hosts: dict[int, Host] = {}
        for id in VOTERS:
            self.add_host(id, Stored.found(group=7, node=id, voters=VOTERS))

    def add_host(self, id: int, stored: Stored | None = None) -> Host:
        """Starts one more node: a founder, or one that waits to be added."""
        host = self.hosts[id] = Host(id, config=self.config)
        host.start(stored or Stored.join(group=7, node=id))
        return host

    def round(self) -> None:
        """One tick: time, disk, outputs, network."""
        self.now += 1
        sends: list[tuple[int, Send]] = []
        for host in self.hosts.values():
            if host.node is not None:
                host.node.tick(self.now)
                host.complete_writes(host.node)
                sends += [(host.id, send) for send in host.poll(host.node)]
        for sender, send in sends:
            to = self.hosts[send.to].node
            if to is not None and not self.cut_off & {sender, send.to}:
                to.receive(send.frame)

    def rounds_until(self, done: Callable[[], object]) -> None:
        for _ in range(MAX_ROUNDS):
            if done():
                return
            self.round()
        raise AssertionError("what was waited for came")

    def leader(self) -> Host:
        """Whoever leads, as soon as somebody does."""
        for _ in range(MAX_ROUNDS):
            running = [host for host in self.hosts.values() if host.node is not None]
            leaders = [host for host in running if running_node(host).role is Role.LEADER]
            if leaders:
                return max(leaders, key=lambda host: running_node(host).term)
            self.round()
        raise AssertionError("no leader was elected")

    def propose(self, first: int, last: int) -> None:
        """Proposes the values from first to last, a few each round, until all nodes hold them."""
        for value in range(first, last + 1):
            id = running_node(self.leader()).propose(str(value).encode())
            assert id.index > 0
            assert id.term > 0
            if value % 7 == 0:
                self.round()
        self.wait_until_applied(last)

    def wait_until_applied(self, count: int) -> None:
        for _ in range(MAX_ROUNDS):
            running = [host for host in self.hosts.values() if host.node is not None]
            if all(len(host.values) >= count for host in running):
                return
            self.round()
        raise AssertionError("not every running node applied every value")

    def check_equal(self, count: int) -> None:
        index = min(running_node(host).commit_index for host in self.hosts.values())
        checksums = {running_node(host).checksum_at(index) for host in self.hosts.values()}
        assert len(checksums) == 1
        assert None not in checksums
        for host in self.hosts.values():
            assert host.values == list(range(1, count + 1))


def running_node(host: Host) -> Node:
    assert host.node is not None
    return host.node
