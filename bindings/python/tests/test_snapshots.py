"""Nodes that keep no entries behind their snapshots: transfer, restore, joining, wrong answers."""

import pytest
from cluster import VOTERS, Cluster, Host, running_node

import raftcore
from raftcore import Config, Member, ReadSnapshot, Role, SnapshotId

CONFIG = Config(
    seed=42, window_bytes=256, max_retained_bytes=0, max_chunk_bytes=64, max_in_flight_bytes=256
)


def compact(cluster: Cluster) -> None:
    """Every running node takes a snapshot, and deletes what it no longer needs."""
    running = [host for host in cluster.hosts.values() if host.node is not None]
    for host in running:
        host.take_snapshot()
    for _ in range(20):
        cluster.round()
    for host in running:
        assert len(host.shelf.named) == 1
        assert not host.shelf.taken


def behind() -> tuple[Cluster, Host]:
    """A cluster that has compacted value 1 to 120, and a node that is down and has the first 50."""
    cluster = Cluster(CONFIG)
    cluster.propose(1, 50)
    away = cluster.hosts[cluster.leader().id % 3 + 1]
    away.crash()
    cluster.propose(51, 120)
    compact(cluster)
    return cluster, away


def test_a_node_that_was_away_while_the_others_compacted_gets_a_snapshot() -> None:
    cluster, away = behind()
    away.restart()
    cluster.propose(121, 130)
    cluster.check_equal(130)
    assert len(away.restored) == 1


def test_a_crash_in_the_middle_of_a_transfer_leaves_nothing_behind() -> None:
    cluster, away = behind()
    away.restart()
    cluster.rounds_until(lambda: any(map(len, away.shelf.named.values())))
    assert not away.restored
    away.crash()
    away.restart()
    assert not away.shelf.named
    cluster.wait_until_applied(120)
    cluster.check_equal(120)
    assert len(away.restored) == 1


def test_a_start_restores_the_newest_snapshot_and_applies_what_came_after_it() -> None:
    cluster = Cluster(CONFIG)
    cluster.propose(1, 50)
    compact(cluster)
    cluster.propose(51, 60)
    for host in cluster.hosts.values():
        host.crash()
        host.restart()
        host.poll(running_node(host))
        assert host.values == list(range(1, 51))
    cluster.wait_until_applied(60)
    cluster.check_equal(60)


def test_a_node_joins_with_nothing_and_gets_everything_and_a_vote() -> None:
    cluster = Cluster(CONFIG)
    cluster.propose(1, 50)
    compact(cluster)
    added = cluster.add_host(4)
    for _ in range(200):
        cluster.round()
    assert running_node(added).role is Role.FOLLOWER
    assert running_node(added).membership.members == ()
    members = [*map(Member, VOTERS), Member(4, voter=False, promote=True)]
    running_node(cluster.leader()).propose_membership(0, members)
    cluster.wait_until_applied(50)
    assert len(added.restored) == 1
    cluster.rounds_until(lambda: Member(4) in running_node(added).membership.members)
    cluster.propose(51, 60)
    cluster.check_equal(60)


def test_proposals_that_a_snapshot_passed_are_unknown() -> None:
    cluster = Cluster(CONFIG)
    cluster.propose(1, 10)
    old = cluster.leader()
    cluster.cut_off.add(old.id)
    entry = running_node(old).propose(b"999")
    cluster.rounds_until(lambda: cluster.leader() is not old)
    leader = cluster.leader()
    for value in range(11, 21):
        running_node(leader).propose(str(value).encode())
    cluster.rounds_until(lambda: len(leader.values) == 20)
    compact(cluster)
    cluster.cut_off.clear()
    cluster.rounds_until(lambda: old.unknown)
    assert [(unknown.start, unknown.through) for unknown in old.unknown] == [(entry, entry.index)]
    assert not old.lost
    cluster.wait_until_applied(20)
    cluster.check_equal(20)


def test_wrong_answers_are_misuse_and_change_nothing() -> None:
    cluster = Cluster(CONFIG)
    cluster.propose(1, 1)
    node = running_node(cluster.leader())
    name = SnapshotId(index=1, term=1, maker=1, incarnation=1, counter=1)
    never_made = ReadSnapshot(99, 1, name, offset=0, max_bytes=1)
    with pytest.raises(raftcore.Misuse) as caught:
        node.snapshot_chunk(never_made, 0, b"")
    assert caught.value.kind == "UnknownRequest"
    with pytest.raises(raftcore.Misuse) as caught:
        node.snapshot_unavailable(never_made)
    assert caught.value.kind == "UnknownRequest"
    with pytest.raises(raftcore.Misuse) as caught:
        node.snapshot_taken(node.applied_index + 1)
    assert caught.value.kind == "BeyondApplied"
    with pytest.raises(TypeError):
        node.snapshot_chunk(never_made, 0, "text")  # type: ignore[arg-type]
    cluster.propose(2, 3)
    cluster.check_equal(3)
