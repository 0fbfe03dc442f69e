"""Errors: yours (`Misuse`), a peer's (`RejectedMessage`), and "not now" (`Refused`)."""


class RaftcoreError(Exception):
    """Base of all errors of this package.

    `kind` is the name of the case, the same as in Rust; `message` is for people.
    """

    def __init__(self, message: str, kind: str, *fields: object) -> None:
        super().__init__(message, kind, *fields)
        self.message = message
        self.kind = kind

    def __str__(self) -> str:
        return self.message


class Misuse(RaftcoreError):
    """The caller broke the contract; nothing was changed."""


class RejectedMessage(RaftcoreError):
    """A peer's message is wrong; nothing was adopted from it, not even its term."""


class DecodeError(RaftcoreError):
    """Bytes are not a message or a record."""


class StoredError(RaftcoreError):
    """Stored records do not fold into a state. Nothing is ever repaired silently."""


class StartError(RaftcoreError):
    """A node cannot start."""


class MembershipError(RaftcoreError):
    """A membership cannot be."""


class InternalError(RaftcoreError):
    """A bug in the library: it panicked. The object of the call cannot be used any more."""


class Refused(RaftcoreError):
    """Not now, or not here; nothing was changed."""


class NotLeader(Refused):
    """Only the leader takes this; `leader` is its id, if known."""

    def __init__(self, message: str, kind: str, leader: int | None) -> None:
        super().__init__(message, kind, leader)
        self.leader = leader


class Busy(Refused):
    """Too much is under way; try again when some of it is applied."""

    def __init__(self, message: str, kind: str, uncommitted_bytes: int) -> None:
        super().__init__(message, kind, uncommitted_bytes)
        self.uncommitted_bytes = uncommitted_bytes


class TooLarge(Refused):
    """The payload of `size` bytes is larger than `limit`, the `max_payload_bytes`."""

    def __init__(self, message: str, kind: str, size: int, limit: int) -> None:
        super().__init__(message, kind, size, limit)
        self.size = size
        self.limit = limit


class ChangeInProgress(Refused):
    """Another membership change is under way."""


class StaleMembership(Refused):
    """The change was computed from the membership at `based_on`; the `current` one is another."""

    def __init__(self, message: str, kind: str, based_on: int, current: int) -> None:
        super().__init__(message, kind, based_on, current)
        self.based_on = based_on
        self.current = current


class TooManyReads(Refused):
    """`open` reads are under way; try again when some have ended."""

    def __init__(self, message: str, kind: str, open: int) -> None:
        super().__init__(message, kind, open)
        self.open = open


class TransferInProgress(Refused):
    """Leadership is being handed over to node `to`; try again, there or here."""

    def __init__(self, message: str, kind: str, to: int) -> None:
        super().__init__(message, kind, to)
        self.to = to


class NotVoter(Refused):
    """The `node` is not a voter, and only a voter can lead."""

    def __init__(self, message: str, kind: str, node: int) -> None:
        super().__init__(message, kind, node)
        self.node = node


class MayNotCampaign(Refused):
    """This node has no vote, or just started and may not use it yet."""


class LeaderAlive(Refused):
    """The leader is alive; its followers stick to it (thesis 6.2)."""

    def __init__(self, message: str, kind: str, leader: int) -> None:
        super().__init__(message, kind, leader)
        self.leader = leader


class NodeHalted(Refused):
    """The node has halted."""
