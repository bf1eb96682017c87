"""The adapter of the file queue of persist-queue, as a log: what is put is never got for good.

Its documentation promises that adding data with ``put`` always persists it immediately. It shows items by handing them
out, which it forgets where it is not asked to save that; so they are looked at through a second queue that is thrown
away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar


class PersistQueueEngine:
    """A queue whose files are the directory."""

    contract = "log"
    promise = "append"
    package = "persist-queue"
    documented = "https://github.com/peter-wangxu/persist-queue#readme"
    recorder = "patched"
    draws: ClassVar[Sequence[Mapping[str, Sequence[str]]]] = (
        {"chunksize": ("1", "3", "100"), "autosave": ("yes", "no")},
    )

    def __init__(self, root: str, *, chunksize: str = "100", autosave: str = "yes") -> None:
        """``chunksize``: so many items are in one file. ``autosave``: as its constructor takes it, yes or no."""
        self._root = root
        self._chunksize = int(chunksize)
        self._autosave = autosave == "yes"
        self._queue = self._opened()

    def _opened(self) -> Any:
        from persistqueue import Queue  # not before the recorder is installed

        return Queue(self._root, chunksize=self._chunksize, tempdir=self._root, autosave=self._autosave)

    def append(self, payload: bytes) -> None:
        self._queue.put(payload)

    def sync(self) -> None:
        """There is nothing to ask for."""

    def records(self) -> Iterator[bytes]:
        looking = self._opened()
        looking.autosave = False
        for _ in range(looking.qsize()):
            yield looking.get_nowait()

    def close(self) -> None:
        del self._queue
