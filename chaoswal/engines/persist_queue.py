"""The adapter of the file queue of persist-queue, as it is.

Its documentation promises that adding data with ``put`` always persists it immediately, and that what was got is
persisted to be gone at once where ``autosave`` is on, and otherwise only when ``task_done`` is called. It shows items
by handing them out, which it forgets where it is not asked to save that; so they are looked at through a second queue
that is thrown away.

``kind=sqlite`` is its ``FIFOSQLiteQueue``, of which it says the same: one table of one database, in which each ``put``,
``get`` and ``task_done`` is a transaction. SQLite is no Python, so that one is recorded by its system calls.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from chaoswal.engines.keyed import yes


class PersistQueueEngine:
    """A queue whose files, or whose database, are the directory."""

    promise = "put get"
    package = "persist-queue"
    documented = "https://github.com/peter-wangxu/persist-queue#readme"
    contract = "queue"
    recorder = "patched"
    scratch = ("*-shm",)
    draws: ClassVar[Sequence[Mapping[str, Sequence[str]]]] = (
        {"chunksize": ("1", "3", "100"), "autosave": ("yes", "no"), "kind": ("file",)},
    )

    def __init__(self, root: str, *, kind: str = "file", chunksize: str = "100", autosave: str = "yes") -> None:
        """``chunksize``: so many items are in one file. ``autosave``: as its constructor takes it, yes or no."""
        self._autosave = self.at_most_once = yes("autosave", autosave)
        if not self._autosave:
            self.promise = "put ack"
        self._got = 0
        if kind not in ("file", "sqlite"):
            raise ValueError(f"kind={kind}: it is file or sqlite")
        self._kind = _Table(root) if kind == "sqlite" else _Files(root, int(chunksize))
        self._queue = self._kind.opened(self._autosave)

    def put(self, payload: bytes) -> None:
        self._queue.put(payload)

    def get(self) -> bytes | None:
        if self._queue.empty():
            return None
        item: bytes = self._queue.get_nowait()
        self._got += 1
        return item

    def ack(self) -> None:
        for _ in range(self._got):
            self._queue.task_done()
        self._got = 0

    def items(self) -> Iterable[bytes]:
        return self._kind.items(self._queue)

    def close(self) -> None:
        self._kind.close(self._queue)
        del self._queue


class _Files:
    """The queue in files."""

    def __init__(self, root: str, chunksize: int) -> None:
        self._root, self._chunksize = root, chunksize

    def opened(self, autosave: bool) -> Any:  # noqa: FBT001 - as its constructor takes it
        from persistqueue import Queue  # not before the recorder is installed

        return Queue(self._root, chunksize=self._chunksize, tempdir=self._root, autosave=autosave)

    def items(self, _queue: Any) -> Iterator[bytes]:
        looking = self.opened(autosave=False)
        for _ in range(looking.qsize()):
            yield looking.get_nowait()

    def close(self, queue: Any) -> None:
        """There is nothing to close: it is forgotten."""


class _Table:
    """The queue in a database."""

    def __init__(self, root: str) -> None:
        self._root = root

    def opened(self, autosave: bool) -> Any:  # noqa: FBT001 - as its constructor takes it
        from persistqueue import FIFOSQLiteQueue

        return FIFOSQLiteQueue(self._root, auto_commit=autosave)

    def items(self, queue: Any) -> Iterator[bytes]:
        for row in queue.queue():
            yield row["data"]

    def close(self, queue: Any) -> None:
        queue.close()
