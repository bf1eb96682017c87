"""The adapter of litequeue, as a log: what is put is never got.

Its documentation calls the queue persistent; what has been put is taken to be promised.
"""

import os
from collections.abc import Iterator


class LitequeueEngine:
    """One queue, ``queue.db``, in the directory."""

    contract = "log"
    package = "litequeue"
    preload = ("litequeue",)
    documented = "https://github.com/litements/litequeue#readme"
    promise = "append"
    scratch = ("*-shm",)

    def __init__(self, root: str) -> None:
        import litequeue  # an extra: chaoswal[engines]

        self._queue = litequeue.LiteQueue(os.path.join(root, "queue.db"))

    def append(self, payload: bytes) -> None:
        self._queue.put(payload.hex())

    def sync(self) -> None:
        """There is nothing to ask for."""

    def records(self) -> Iterator[bytes]:
        rows = self._queue.conn.execute(f"SELECT data FROM {self._queue.table} ORDER BY rowid").fetchall()
        for row in rows:
            yield bytes.fromhex(row["data"] if isinstance(row, dict) else row[0])

    def close(self) -> None:
        self._queue.close()
