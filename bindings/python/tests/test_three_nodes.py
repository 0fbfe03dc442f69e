"""Three nodes in one process elect, replicate, crash, restart from their stored writes, apply."""

from cluster import Cluster, running_node

from raftcore import BecameLeader, LeaderChanged, NotLeader, StepDownReason, SteppedDown, Stored


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


def test_a_node_reads_back_what_its_window_does_not_hold() -> None:
    cluster = Cluster()
    cluster.propose(1, 100)
    host = cluster.hosts[2]
    host.crash()
    cluster.propose(101, 200)
    host.restart()
    cluster.wait_until_applied(200)
    cluster.check_equal(200)
    assert all(host.log_reads > 5 for host in cluster.hosts.values())
