"""Three nodes in one process elect, replicate, crash, restart from their stored writes, apply.

The disk is slow on purpose: a write is durable one round after it was handed out, and a crash loses
the writes still under way.
"""

from dataclasses import dataclass, field

from raftcore import (
    Apply,
    BecameLeader,
    Config,
    Event,
    LeaderChanged,
    Node,
    NotLeader,
    Persist,
    Role,
    Send,
    StepDownReason,
    SteppedDown,
    Stored,
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

    def start(self, stored: Stored) -> None:
        self.node = Node(Config(seed=42), stored)
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
                case Event():
                    self.events.append(output)
                case _:
                    raise AssertionError(output)


class Cluster:
    """Three hosts and the network between them."""

    def __init__(self) -> None:
        self.now = 0
        self.hosts = {id: Host(id) for id in VOTERS}
        for id, host in self.hosts.items():
            host.start(Stored.found(group=7, node=id, voters=VOTERS))

    def round(self) -> None:
        """One tick: time, disk, outputs, network."""
        self.now += 1
        sends: list[Send] = []
        for host in self.hosts.values():
            if host.node is not None:
                host.node.tick(self.now)
                host.complete_writes(host.node)
                sends += host.poll(host.node)
        for send in sends:
            to = self.hosts[send.to].node
            if to is not None:
                to.receive(send.frame)

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


def test_three_nodes_elect_and_replicate() -> None:
    cluster = Cluster()
    cluster.propose(1, 100)
    cluster.check_equal(100)


def test_a_follower_names_the_leader_when_it_refuses_a_proposal() -> None:
    cluster = Cluster()
    cluster.propose(1, 1)
    leader = cluster.leader()
    for host in cluster.hosts.values():
        if host is leader:
            continue
        try:
            running_node(host).propose(b"2")
        except NotLeader as error:
            assert error.leader == leader.id
        else:
            raise AssertionError("a follower took a proposal")


def test_a_follower_that_crashed_catches_up_from_its_stored_writes() -> None:
    cluster = Cluster()
    cluster.propose(1, 50)
    follower = cluster.hosts[cluster.leader().id % 3 + 1]
    follower.crash()
    cluster.propose(51, 100)
    follower.restart()
    cluster.wait_until_applied(100)
    cluster.check_equal(100)
    assert running_node(follower).incarnation == 2


def test_another_node_leads_when_the_leader_crashes() -> None:
    cluster = Cluster()
    cluster.propose(1, 50)
    leader = cluster.leader()
    leader.crash()
    cluster.propose(51, 100)
    assert cluster.leader() is not leader
    leader.restart()
    cluster.wait_until_applied(100)
    cluster.check_equal(100)


def test_a_whole_cluster_restarts_from_its_stored_writes() -> None:
    cluster = Cluster()
    cluster.propose(1, 100)
    for host in cluster.hosts.values():
        host.crash()
    for host in cluster.hosts.values():
        host.restart()
    cluster.propose(101, 110)
    cluster.check_equal(110)


def test_a_checkpoint_restarts_a_node_like_all_its_writes() -> None:
    cluster = Cluster()
    cluster.propose(1, 100)
    host = cluster.leader()
    host.crash()
    stored = Stored.empty()
    rest = bytes(host.disk)
    while rest:
        rest = rest[stored.replay(rest) :]
    records = stored.checkpoint()
    assert len(b"".join(records)) < len(host.disk)
    host.disk = bytearray(b"".join(records))
    host.restart()
    cluster.propose(101, 110)
    cluster.check_equal(110)


def test_events_tell_who_leads_and_why_no_longer() -> None:
    cluster = Cluster()
    cluster.propose(1, 1)
    leader = cluster.leader()
    term = running_node(leader).term
    assert BecameLeader(term) in leader.events
    for host in cluster.hosts.values():
        if host is not leader:
            assert LeaderChanged(term, leader.id) in host.events
            host.crash()
    for _ in range(100):
        cluster.round()
    assert leader.events[-1] == SteppedDown(term, StepDownReason.NO_QUORUM)
