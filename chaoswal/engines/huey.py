"""The adapter of huey's ``SqliteStorage``, as a log: what is enqueued is never dequeued.

With ``fsync=yes`` its documentation promises that every write is flushed to disk; by default it leaves that to SQLite's
WAL with ``synchronous=NORMAL``, so that nothing is promised but order.
"""

import os
from collections.abc import Iterator

from chaoswal.engines.keyed import yes


class HueyEngine:
    """One storage, ``huey.db``, in the directory."""

    contract = "log"
    package = "huey"
    preload = ("huey.storage",)
    documented = "https://huey.readthedocs.io/en/latest/api.html#SqliteStorage"
    promise = "append"
    scratch = ("*-shm",)

    def __init__(self, root: str, *, fsync: str = "yes") -> None:
        from huey.storage import SqliteStorage  # an extra: chaoswal[engines]

        durable = yes("fsync", fsync)
        if not durable:
            self.promise = "none"
        self._storage = SqliteStorage(filename=os.path.join(root, "huey.db"), fsync=durable)

    def append(self, payload: bytes) -> None:
        self._storage.enqueue(payload)

    def sync(self) -> None:
        """There is nothing to ask for."""

    def records(self) -> Iterator[bytes]:
        return map(bytes, self._storage.enqueued_items())

    def close(self) -> None:
        self._storage.close()
