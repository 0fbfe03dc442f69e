"""`journal.py FILE LINE` adds a line to a journal and prints the whole of it.

The journal is what one node alone in its group has committed; the file holds its writes.
"""

import os
import sys
from itertools import count
from typing import BinaryIO

import raftcore


def read(file: BinaryIO) -> raftcore.Stored:
    """Folds the stored writes; cuts off the last one if a crash tore it."""
    data = file.read()
    stored = raftcore.Stored.empty()
    whole = 0
    while whole < len(data):
        try:
            whole += stored.replay(memoryview(data)[whole:])
        except raftcore.DecodeError as error:
            if error.kind != "Truncated":
                raise
            break
    file.truncate(whole)
    if stored.is_empty:
        return raftcore.Stored.found(group=1, node=1, voters=[1])
    return stored


def main(path: str, line: str) -> None:
    with open(path, "a+b", buffering=0) as file:
        file.seek(0)
        # The whole journal stays in memory: it is never read back with `ReadLog`.
        node = raftcore.Node(raftcore.Config(window_bytes=sys.maxsize), read(file))
        proposed = None
        # Nobody waits for a network here, so time may run as fast as it can.
        for now in count():
            node.tick(now)
            if node.role == raftcore.Role.LEADER and proposed is None:
                proposed = node.propose(line.encode())
            while (output := node.poll_output()) is not None:
                match output:
                    case raftcore.Persist(id, record):
                        file.write(record)
                        os.fsync(file.fileno())
                        node.persisted(id)
                    case raftcore.Apply() as apply:
                        for command in apply.commands:
                            print(command.payload.decode())
                        node.applied(apply.last)
                        if proposed is not None and proposed.index <= apply.last:
                            return
                    case raftcore.Halted(reason):
                        sys.exit(f"halted: {reason}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: journal.py FILE LINE")
    main(sys.argv[1], sys.argv[2])
