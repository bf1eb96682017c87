"""The adapter of ``dbm.dumb``, of Python's own library, as it is: a key-value store.

Its documentation promises that ``sync`` synchronizes the directory and the data file on the disk, and nothing of a
single store, nor of ``close``, nor of the order in which stores reach the disk.
"""

import os
import platform
from collections.abc import Iterator
from typing import Any


class DumbEngine:
    """One database, ``store``, in the directory."""

    contract = "kv"
    promise = "sync"
    version = platform.python_version()
    documented = "https://docs.python.org/3/library/dbm.html#dbm.dumb.dumbdbm.sync"
    promise_order = False
    recorder = "patched"

    def __init__(self, root: str) -> None:
        import dbm.dumb  # not before the recorder is installed

        self._database: Any = dbm.dumb.open(os.path.join(root, "store"))  # noqa: SIM115 - closed with the engine

    def put(self, key: bytes, value: bytes) -> None:
        self._database[key] = value

    def delete(self, key: bytes) -> None:
        if key in self._database:
            del self._database[key]

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._database.get(key)
        return value

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._database.items())

    def sync(self) -> None:
        self._database.sync()

    def close(self) -> None:
        self._database.close()
