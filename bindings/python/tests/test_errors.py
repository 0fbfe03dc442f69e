"""What a careless host may do: each mistake gets its exception, and nothing is changed."""

import array
import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import raftcore
from raftcore import (
    Apply,
    BecameLeader,
    Config,
    Node,
    Output,
    Persist,
    ReadConsistency,
    Role,
    Send,
    Stored,
    WriteId,
    _raftcore,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

TOO_LARGE = 1 << 64


def new_node(voters: list[int]) -> Node:
    return Node(Config(), Stored.found(7, 1, voters))


def outputs(node: Node) -> list[Output]:
    """All there is, with every write acknowledged at once."""
    found: list[Output] = []
    while (output := node.poll_output()) is not None:
        if isinstance(output, Persist):
            node.persisted(output.id)
        found.append(output)
    return found


def new_leader() -> Node:
    """A node that is alone leads once its election timeout is over."""
    node = new_node([1])
    node.tick(0)
    node.tick(100)
    assert any(isinstance(output, BecameLeader) for output in outputs(node))
    assert node.role is Role.LEADER
    return node


def records(node: Node) -> list[bytes]:
    return [output.record for output in outputs(node) if isinstance(output, Persist)]


def flips(data: bytes) -> list[bytes]:
    """Every way to damage one bit."""
    whole = int.from_bytes(data, "little")
    return [(whole ^ 1 << bit).to_bytes(len(data), "little") for bit in range(len(data) * 8)]


def test_the_defaults_are_those_of_the_core() -> None:
    defaults = _raftcore.default_config()
    config = Config()
    assert {name: getattr(config, name) for name in Config.__slots__} == defaults


def test_a_config_that_cannot_work_starts_nothing() -> None:
    stored = Stored.found(7, 1, [1])
    with pytest.raises(raftcore.StartError, match="heartbeat_ticks must not be zero") as caught:
        Node(Config(heartbeat_ticks=0), stored)
    assert caught.value.kind == "Config"
    with pytest.raises(raftcore.StartError, match="priority"):
        Node(Config(priority=8), stored)
    assert Node(Config(), stored).incarnation == 1


@pytest.mark.parametrize("number", [-1, TOO_LARGE])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    node = new_node([1])
    calls: list[Callable[[], object]] = [
        lambda: node.tick(number),
        lambda: node.applied(number),
        lambda: node.trim(number),
        lambda: node.transfer_leadership(number),
        lambda: node.checksum_at(number),
        lambda: node.read(number, ReadConsistency.STALE),
        lambda: node.persisted(WriteId(1, number)),
        lambda: Stored.found(number, 1, [1]),
        lambda: Stored.found(1, 1, [number]),
        lambda: Node(Config(seed=number), Stored.found(7, 1, [1])),
        lambda: Node(Config(), Stored.found(7, 1, [1]), number),
    ]
    for call in calls:
        with pytest.raises((OverflowError, TypeError)):
            call()
    assert node.role is Role.FOLLOWER


def test_values_of_a_wrong_type_are_refused() -> None:
    node = new_node([1])
    with pytest.raises(TypeError):
        node.tick("1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        node.propose("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        node.propose(array.array("i", [1, 2]))
    with pytest.raises(TypeError):
        Node(Config(), None)  # type: ignore[arg-type]
    with pytest.raises(raftcore.Misuse, match="consistency"):
        node.read(1, "fresh")


def test_a_group_needs_sensible_voters() -> None:
    with pytest.raises(raftcore.MembershipError) as caught:
        Stored.found(7, 1, [])
    assert caught.value.kind == "NoVoter"
    with pytest.raises(raftcore.MembershipError, match="node 2 stands twice"):
        Stored.found(7, 1, [1, 2, 2])


def test_what_is_stored_starts_one_node() -> None:
    stored = Stored.found(7, 1, [1])
    with pytest.raises(raftcore.StartError, match="applied is 5"):
        Node(Config(), stored, 5)
    Node(Config(), stored)
    for use in (lambda: Node(Config(), stored), stored.checkpoint, lambda: stored.is_empty):
        with pytest.raises(raftcore.Misuse) as caught:
            use()
        assert caught.value.kind == "AlreadyStarted"


def test_nothing_stored_starts_nothing() -> None:
    assert Stored.empty().is_empty
    with pytest.raises(raftcore.StartError) as caught:
        Node(Config(), Stored.empty())
    assert caught.value.kind == "NothingStored"


def test_damaged_records_are_not_replayed() -> None:
    (record,) = records(new_node([1]))
    stored = Stored.empty()
    for length in range(len(record)):
        with pytest.raises(raftcore.DecodeError) as caught:
            stored.replay(record[:length])
        assert caught.value.kind == "Truncated"
    for damaged in flips(record):
        with pytest.raises(raftcore.DecodeError):
            stored.replay(damaged)
    with pytest.raises(TypeError):
        stored.replay("text")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        stored.replay(array.array("i", [1, 2]))
    assert stored.is_empty
    assert stored.replay(bytearray(record + b"more")) == len(record)


def test_a_record_of_another_node_or_out_of_order_is_refused() -> None:
    (record,) = records(new_node([1]))
    with pytest.raises(raftcore.StoredError) as caught:
        Stored.found(7, 2, [1, 2]).replay(record)
    assert caught.value.kind == "ForeignIdentity"
    leader = new_node([1])
    written = []
    for tick in (0, 100, 200):
        leader.tick(tick)
        written += records(leader)
    stored = Stored.empty()
    stored.replay(written[0])
    with pytest.raises(raftcore.StoredError) as caught:
        stored.replay(written[-1])
    assert caught.value.kind == "OutOfOrder"


def test_damaged_frames_change_nothing() -> None:
    node = new_node([1, 2])
    node.tick(0)
    node.tick(100)
    frame = next(output.frame for output in outputs(node) if isinstance(output, Send))
    before = (node.term, node.role, node.leader, node.last_index)
    for damaged in [frame[:length] for length in range(len(frame))] + flips(frame):
        with pytest.raises(raftcore.DecodeError):
            node.receive(damaged)
    with pytest.raises(raftcore.RejectedMessage) as caught:
        node.receive(frame)
    assert caught.value.kind == "WrongNode"
    assert (node.term, node.role, node.leader, node.last_index) == before


def test_a_proposal_is_any_buffer_of_bytes() -> None:
    node = new_leader()
    payloads: list[Buffer] = [b"1", bytearray(b"2"), memoryview(b"x3x")[1:2], array.array("B", b"4"), b""]
    ids = [node.propose(payload) for payload in payloads]
    applied = [output for output in outputs(node) if isinstance(output, Apply)]
    commands = [command for apply in applied for command in apply.commands]
    assert [command.id for command in commands] == ids
    assert [command.payload for command in commands] == [b"1", b"2", b"3", b"4", b""]


def test_a_node_may_be_used_from_many_threads() -> None:
    node = new_leader()
    with ThreadPoolExecutor(max_workers=4) as pool:
        ids = list(pool.map(lambda value: node.propose(str(value).encode()), range(1000)))
    assert len(set(ids)) == 1000
    applied = [output for output in outputs(node) if isinstance(output, Apply)]
    assert sum(len(apply.commands) for apply in applied) == 1000


def test_a_strided_buffer_is_copied_as_it_reads() -> None:
    node = new_leader()
    node.propose(memoryview(b"abcdef")[::2])
    (apply,) = [output for output in outputs(node) if isinstance(output, Apply)]
    assert apply.commands[0].payload == b"ace"


def test_a_payload_beyond_the_limit_is_too_large() -> None:
    node = new_leader()
    with pytest.raises(raftcore.TooLarge) as caught:
        node.propose(bytes((1 << 20) + 1))
    assert caught.value.limit == 1 << 20
    assert caught.value.size == (1 << 20) + 1


def test_a_busy_leader_says_how_much_is_under_way() -> None:
    node = Node(Config(max_uncommitted_bytes=100), Stored.found(7, 1, [1]))
    node.tick(0)
    node.tick(100)
    outputs(node)
    with pytest.raises(raftcore.Busy) as caught:
        for _ in range(100):
            node.propose(b"0123456789")
    assert caught.value.uncommitted_bytes > 0


def test_wrong_completions_are_misuse() -> None:
    node = new_leader()
    with pytest.raises(raftcore.Misuse) as caught:
        node.persisted(WriteId(1, 99))
    assert caught.value.kind == "UnknownWrite"
    with pytest.raises(raftcore.Misuse) as caught:
        node.applied(99)
    assert caught.value.kind == "NotHandedOut"
    with pytest.raises(raftcore.Misuse) as caught:
        node.log_read(raftcore.ReadLog(1, 1, first=1, last=2, max_bytes=1), [])
    assert caught.value.kind == "UnknownRequest"
    with pytest.raises(raftcore.DecodeError):
        node.log_read(raftcore.ReadLog(1, 1, first=1, last=2, max_bytes=1), [b"no record"])
    with pytest.raises(raftcore.DecodeError):
        raftcore.record_entries(b"no record")


def test_a_follower_without_a_leader_names_none() -> None:
    node = new_node([1, 2])
    with pytest.raises(raftcore.NotLeader, match="unknown") as caught:
        node.propose(b"")
    assert caught.value.leader is None
    with pytest.raises(raftcore.MayNotCampaign):
        node.campaign()


def test_a_halted_node_refuses_everything() -> None:
    node = new_leader()
    node.storage_failed()
    with pytest.raises(raftcore.NodeHalted):
        node.propose(b"")
    with pytest.raises(raftcore.Misuse) as caught:
        node.persisted(WriteId(1, 1))
    assert caught.value.kind == "Halted"
    assert outputs(node) == [raftcore.Halted(raftcore.HaltReason.STORAGE_FAILED)]
    assert node.deadline is None


def test_every_error_is_a_raftcore_error_and_can_be_pickled() -> None:
    error = raftcore.NotLeader("not the leader", "NotLeader", 3)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(twin, raftcore.NotLeader)
        assert isinstance(twin, raftcore.Refused)
        assert isinstance(twin, raftcore.RaftcoreError)
        assert (str(twin), twin.kind, twin.leader) == ("not the leader", "NotLeader", 3)


def test_a_panic_is_an_exception_like_others() -> None:
    with pytest.raises(raftcore.InternalError, match="on purpose") as caught:
        _raftcore.panic_behind_the_guard()
    assert caught.value.kind == "Panic"


def test_outputs_are_immutable_and_compare_by_value() -> None:
    send = Send(2, b"frame")
    assert send == Send(2, b"frame")
    assert hash(send) == hash(Send(2, b"frame"))
    assert send != Send(3, b"frame")
    with pytest.raises(AttributeError):
        send.to = 3  # type: ignore[misc]


def test_a_node_shows_itself() -> None:
    assert repr(new_leader()) == "<raftcore.Node 1: Leader in term 1, commit 1>"
