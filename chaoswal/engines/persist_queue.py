"""The adapter of the file queue of persist-queue, as it is.

Its documentation promises that adding data with ``put`` always persists it immediately, and that what was got is
persisted to be gone at once where ``autosave`` is on, and otherwise only when ``task_done`` is called. It shows items
by handing them out, which it forgets where it is not asked to save that; so they are looked at through a second queue
that is thrown away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar


class PersistQueueEngine:
    """A queue whose files are the directory."""

    promise = "put get"
    package = "persist-queue"
    documented = "https://github.com/peter-wangxu/persist-queue#readme"
    contract = "queue"
    recorder = "patched"
    draws: ClassVar[Sequence[Mapping[str, Sequence[str]]]] = (
        {"chunksize": ("1", "3", "100"), "autosave": ("yes", "no")},
    )

    def __init__(self, root: str, *, chunksize: str = "100", autosave: str = "yes") -> None:
        """``chunksize``: so many items are in one file. ``autosave``: as its constructor takes it, yes or no."""
        self._root = root
        self._chunksize = int(chunksize)
        self._autosave = self.at_most_once = autosave == "yes"
        if not self._autosave:
            self.promise = "put ack"
        self._got = 0
        self._queue = self._opened()

    def _opened(self) -> Any:
        from persistqueue import Queue  # not before the recorder is installed

        return Queue(self._root, chunksize=self._chunksize, tempdir=self._root, autosave=self._autosave)

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

    def items(self) -> Iterator[bytes]:
        looking = self._opened()
        looking.autosave = False
        for _ in range(looking.qsize()):
            yield looking.get_nowait()

    def close(self) -> None:
        del self._queue
