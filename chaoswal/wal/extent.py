"""The good frames at the start of a WAL: how far they go, and they themselves, a bounded piece at a time.

Theory of operation
-------------------
A WAL is gone through once to see how far it is good (``survey.py``), and once more to copy that into a segment
(``segment.py``). What is remembered of the first time is a few numbers for each *run*, the frames that lay whole in one
piece, so that memory does not grow with the WAL but by these. The second time they need not be tested again, for
copying makes no bad frame good (``frames.py``). A WAL that is no longer than a piece is one run, and still in memory.
"""

from collections.abc import Iterable, Iterator

from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import HEADER_BYTES
from chaoswal.wal.frames import Codec, Resealer, Scan
from chaoswal.wal.window import Window


class Extent:
    """The good frames of a WAL: where they end, the number that follows, and how many there are."""

    __slots__ = ("count", "end", "first", "name", "next", "runs", "seed", "window")

    def __init__(self, name: str, first: int, window: Window) -> None:
        """None yet."""
        self.name = name
        self.first = self.next = first
        self.window = window
        self.end = HEADER_BYTES
        self.seed = self.count = 0
        self.runs: list[tuple[int, int, int]] = []
        """Where each begins, where it ends, and the number of its first record."""

    def gather(self, codec: Codec, seed: int) -> None:
        """Find them, from the header on; ``seed`` is that of the file."""
        window, self.seed = self.window, seed
        for found in scans(window, codec, seed, self.first, HEADER_BYTES):
            start, self.end = self.end, window.base + found.end
            self.runs.append((start, self.end, self.next))
            self.count += len(found.offsets)
            self.next = found.next

    def reseal(self, run: tuple[int, int, int], resealer: Resealer) -> tuple[bytearray, list[int]]:
        """A run as it is in another file, and number and offset of each frame; CorruptLog if it is not as it was."""
        start, end, first = run
        window = self.window
        at = window.cover(start, end - start)
        try:
            return resealer.reseal(window.data, at, at + end - start, window.base, first)
        except ValueError as error:
            raise CorruptLog(self.name, start, first, self.next - 1, str(error)) from error


def scans(window: Window, codec: Codec, seed: int, first: int, offset: int) -> Iterable[Scan]:
    """The good frames from ``offset`` on, as many at a time as lie whole in the window; offsets are those in its data.

    A frame that is longer than a piece is read whole.
    """
    found = codec.scan(window.data, seed, first, offset - window.base, window.base)
    if window.end < window.size:
        return _scans(window, codec, seed, found, offset)
    return (found,) if found.offsets else ()


def _scans(window: Window, codec: Codec, seed: int, found: Scan, offset: int) -> Iterator[Scan]:
    while True:
        if found.offsets:
            offset = window.base + found.end
            yield found
        if not _further(window, codec, offset):
            return
        found = codec.scan(window.data, seed, found.next, offset - window.base, window.base)


def _further(window: Window, codec: Codec, offset: int) -> bool:
    """Whether there was more of the file to be had, for the frame at ``offset`` to be whole; now it is there."""
    if window.end >= window.size:
        return False
    length = 0
    if offset == window.base:
        length = codec.frame_length(window.data)
        if not len(window.data) < length <= window.size - offset:
            return False
    window.move(offset, length)
    return True
