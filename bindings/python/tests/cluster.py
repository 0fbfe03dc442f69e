"""A cluster in one process: nodes, their disks, their state machines, the network between them.

The disk is slow on purpose: a write is durable one round after it was handed out, and a crash loses
the writes still under way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from raftcore import (
    Apply,
    Config,
    Event,
    Node,
    Persist,
    ProposalsLost,
    ReadFailed,
    ReadLog,
    ReadReady,
    Role,
    Send,
    Stored,
    record_entries,
)

VOTERS = [1, 2, 3]
MAX_ROUNDS = 5000


@dataclass
class Host:
    """A node, its disk and its state machine, a list of numbers in memory."""

    id: int
    node: Node | None = None
    disk: bytearray = field(default_factory=bytearray)
    writing: list[Persist] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reads: list[tuple[ReadReady | ReadFailed, int]] = field(default_factory=list)
    """How each read ended, and how many values the state machine held then."""
    lost: list[ProposalsLost] = field(default_factory=list)
    log_reads: int = 0
    """How often it read back what its node no longer held."""

    def start(self, stored: Stored) -> None:
        self.node = Node(Config(seed=42, window_bytes=256), stored)
        self.values.clear()

    def restart(self) -> None:
        stored = Stored.empty()
        rest = memoryview(bytes(self.disk))
        while rest:
            rest = rest[stored.replay(rest) :]
        self.start(stored)

    def crash(self) -> None:
        self.node = None
        self.writing.clear()

    def complete_writes(self, node: Node) -> None:
        for write in self.writing:
            self.disk += write.record
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

    def __init__(self) -> None:
        self.now = 0
        self.cut_off: set[int] = set()
        """Frames from or to these nodes are lost."""
        self.hosts: dict[int, Host] = {}
        for id in VOTERS:
            self.add_host(id)

    def add_host(self, id: int) -> Host:
        """Starts one more node: a founder, or an outsider that knows them."""
        host = self.hosts[id] = Host(id)
        host.start(Stored.found(group=7, node=id, voters=VOTERS))
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
