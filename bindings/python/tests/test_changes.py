"""Reads, leadership handed over, members added and removed, proposals lost."""

from dataclasses import replace

import pytest
from cluster import VOTERS, Cluster, Host, running_node

import raftcore
from raftcore import (
    BecameLeader,
    Config,
    Event,
    Member,
    MembershipChanged,
    Node,
    ProposalsLost,
    ReadConsistency,
    ReadFailed,
    ReadReady,
    Role,
    StepDownReason,
    SteppedDown,
    Stored,
    TransferFailed,
)

FRESH = ReadConsistency.LINEARIZABLE
OUTSIDER = 4


def led() -> tuple[Cluster, Host, Host]:
    """A cluster whose three nodes have applied value 1, its leader, and a follower."""
    cluster = Cluster()
    cluster.propose(1, 1)
    leader = cluster.leader()
    return cluster, leader, cluster.hosts[leader.id % 3 + 1]


def write_at(cluster: Cluster, leader: Host, value: int) -> None:
    """Proposes a value, and waits until this host has applied it, and perhaps no other one."""
    running_node(leader).propose(str(value).encode())
    cluster.rounds_until(lambda: value in leader.values)


def wait_for(cluster: Cluster, host: Host, kind: type[Event]) -> Event:
    """The next event of this kind."""
    known = len(host.events)

    def found() -> list[Event]:
        return [event for event in host.events[known:] if isinstance(event, kind)]

    cluster.rounds_until(found)
    return found()[0]


def test_a_linearizable_read_at_the_leader_sees_every_acknowledged_write() -> None:
    cluster, leader, _ = led()
    write_at(cluster, leader, 2)
    running_node(leader).read(10, FRESH)
    cluster.rounds_until(lambda: leader.reads)
    assert leader.reads == [(ReadReady(10), 2)]


def test_a_linearizable_read_at_a_follower_sees_every_acknowledged_write() -> None:
    cluster, leader, follower = led()
    write_at(cluster, leader, 2)
    running_node(follower).read(10, FRESH)
    cluster.rounds_until(lambda: follower.reads)
    assert follower.reads == [(ReadReady(10), 2)]


def test_a_node_that_is_cut_off_serves_stale_reads_only() -> None:
    cluster, leader, follower = led()
    cluster.cut_off = {follower.id}
    write_at(cluster, leader, 2)
    running_node(follower).read(10, ReadConsistency.STALE)
    cluster.rounds_until(lambda: follower.reads)
    assert follower.reads == [(ReadReady(10), 1)]
    running_node(follower).read(11, FRESH)
    cluster.rounds_until(lambda: len(follower.reads) == 2)
    failed, _ = follower.reads[1]
    assert isinstance(failed, ReadFailed)
    assert failed.id == 11
    with pytest.raises(raftcore.NotLeader):
        running_node(follower).read(12, FRESH)


def test_reads_have_a_limit() -> None:
    node = Node(Config(max_reads=1), Stored.found(7, 1, [1]))
    node.read(1, ReadConsistency.STALE)
    with pytest.raises(raftcore.TooManyReads) as caught:
        node.read(2, ReadConsistency.STALE)
    assert caught.value.open == 1


def test_a_lease_read_needs_no_messages() -> None:
    config = Config(lease_drift_ticks=1)
    node = Node(config, Stored.found(7, 1, [1]))
    assert config.lease_drift_ticks == 1
    node.tick(0)
    node.tick(100)
    while (output := node.poll_output()) is not None:
        if isinstance(output, raftcore.Persist):
            node.persisted(output.id)
        elif isinstance(output, raftcore.Apply):
            node.applied(output.last)
    node.read(1, ReadConsistency.LEASE)
    assert node.poll_output() == ReadReady(1)


def test_leadership_moves_to_the_named_node() -> None:
    cluster, leader, follower = led()
    running_node(leader).transfer_leadership(follower.id)
    with pytest.raises(raftcore.TransferInProgress) as caught:
        running_node(leader).propose(b"2")
    assert caught.value.to == follower.id
    assert wait_for(cluster, follower, BecameLeader) == BecameLeader(2)
    assert cluster.leader() is follower
    cluster.propose(2, 3)
    cluster.check_equal(3)


def test_leadership_moves_to_voters_only() -> None:
    _, leader, follower = led()
    with pytest.raises(raftcore.NotVoter) as caught:
        running_node(leader).transfer_leadership(OUTSIDER)
    assert caught.value.node == OUTSIDER
    with pytest.raises(raftcore.NotLeader):
        running_node(follower).transfer_leadership(leader.id)


def test_a_handover_that_fails_is_told() -> None:
    cluster, leader, follower = led()
    cluster.cut_off = {follower.id}
    running_node(leader).transfer_leadership(follower.id)
    assert wait_for(cluster, leader, TransferFailed) == TransferFailed(follower.id)
    write_at(cluster, leader, 2)


def test_a_leader_steps_down_when_asked() -> None:
    cluster, leader, follower = led()
    with pytest.raises(raftcore.NotLeader):
        running_node(follower).step_down()
    running_node(leader).step_down()
    assert running_node(leader).role is Role.FOLLOWER
    assert wait_for(cluster, leader, SteppedDown) == SteppedDown(1, StepDownReason.ASKED)


def test_a_learner_is_added_with_its_context_and_promoted_when_it_has_caught_up() -> None:
    cluster, leader, _ = led()
    cluster.propose(2, 200)
    added = cluster.add_host(OUTSIDER)
    before = running_node(leader).membership
    assert before == raftcore.Membership(0, tuple(Member(id) for id in VOTERS))
    learner = Member(OUTSIDER, voter=False, promote=True, context=b"host:4")
    id = running_node(leader).propose_membership(before.index, [learner, *before.members])
    now = running_node(leader).membership
    assert now == raftcore.Membership(id.index, (*before.members, learner))
    assert wait_for(cluster, leader, MembershipChanged) == MembershipChanged(id.index)
    promoted = replace(learner, voter=True, promote=False)
    cluster.rounds_until(lambda: promoted in running_node(added).membership.members)
    cluster.propose(201, 210)
    cluster.check_equal(210)


def test_a_voter_is_removed() -> None:
    cluster, leader, follower = led()
    before = running_node(leader).membership
    left = tuple(member for member in before.members if member.id != follower.id)
    running_node(leader).propose_membership(before.index, left)
    wait_for(cluster, leader, MembershipChanged)
    assert running_node(leader).membership.members == left
    follower.crash()
    cluster.propose(2, 10)
    (other,) = (member.id for member in left if member.id != leader.id)
    cluster.cut_off = {other}
    running_node(leader).propose(b"11")
    for _ in range(20):
        cluster.round()
    assert 11 not in leader.values, "one of two is no quorum"


def test_several_voters_change_through_a_joint_membership() -> None:
    cluster, leader, _ = led()
    id = running_node(leader).propose_membership(0, [Member(leader.id)])
    assert running_node(leader).membership.outgoing == tuple(VOTERS)
    assert wait_for(cluster, leader, MembershipChanged) == MembershipChanged(id.index + 1)
    alone = raftcore.Membership(id.index + 1, (Member(leader.id),))
    assert running_node(leader).membership == alone


def test_a_change_that_cannot_be_is_refused_with_its_reason() -> None:
    _, leader, _ = led()
    node = running_node(leader)
    with pytest.raises(raftcore.StaleMembership) as stale:
        node.propose_membership(9, [Member(1)])
    assert (stale.value.based_on, stale.value.current) == (9, 0)
    with pytest.raises(raftcore.Refused, match="at least one voter") as caught:
        node.propose_membership(0, [])
    assert caught.value.kind == "Membership"
    id = node.propose_membership(0, [Member(1), Member(2)])
    with pytest.raises(raftcore.ChangeInProgress):
        node.propose_membership(id.index, [Member(1)])


def test_a_group_may_be_founded_with_learners_and_contexts() -> None:
    members = [Member(2, voter=False, context=b"two"), Member(1, context=b"one")]
    node = Node(Config(), Stored.found_members(7, 1, members))
    assert node.membership == raftcore.Membership(0, (members[1], members[0]))
    with pytest.raises(raftcore.MembershipError) as caught:
        Stored.found_members(7, 1, [Member(1, promote=True)])
    assert caught.value.kind == "VoterPromoted"


def test_overwritten_proposals_are_told_as_lost_exactly_once() -> None:
    cluster, leader, _ = led()
    cluster.cut_off = {leader.id}
    first = running_node(leader).propose(b"77")
    last = running_node(leader).propose(b"78")
    wait_for(cluster, leader, SteppedDown)
    other = cluster.leader()
    assert other is not leader
    write_at(cluster, other, 2)
    assert leader.lost == []
    cluster.cut_off = set()
    cluster.wait_until_applied(2)
    cluster.propose(3, 10)
    assert leader.lost == [ProposalsLost(first, last.index)]
    cluster.check_equal(10)
