"""The adapter of ``dbm.dumb``, of Python's own library: a log whose records have numbers for keys.

Its documentation promises that ``sync`` synchronizes the directory and the data file on the disk, and nothing of a
single store, nor of ``close``.
"""

import os
from collections.abc import Iterator


class DumbEngine:
    """One database, ``log``, in the directory."""

    contract = "log"
    promise = "sync"
    documented = "https://docs.python.org/3/library/dbm.html#dbm.dumb.dumbdbm.sync"
    recorder = "patched"

    def __init__(self, root: str) -> None:
        import dbm.dumb  # not before the recorder is installed

        self._database = dbm.dumb.open(os.path.join(root, "log"))  # noqa: SIM115 - closed with the engine
        self._next = 1 + max(self._numbers(), default=-1)

    def append(self, payload: bytes) -> None:
        self._database[str(self._next)] = payload
        self._next += 1

    def sync(self) -> None:
        self._database.sync()

    def records(self) -> Iterator[bytes]:
        for number in sorted(self._numbers()):
            yield self._database[str(number)]

    def _numbers(self) -> Iterator[int]:
        return map(int, self._database.keys())

    def close(self) -> None:
        self._database.close()
