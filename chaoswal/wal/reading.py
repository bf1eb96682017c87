"""Reading runs of records back from a file of frames, a bounded piece at a time.

Segments are read by plain calls, or through maps (option ``read_mode``). A map stays for a while, so that readers who
jump about save the opening; what they get is copied out of it. The few that are kept are given back when their segment
is cleaned up, or the log is closed. The WAL is always read by plain calls: it grows.
"""

from collections.abc import Iterable
from typing import Protocol

from chaoswal.vfs.protocol import Map, Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.frames import Codec, Record
from chaoswal.wal.window import Readable, Window

RECENT_BYTES = 64 * 1024
RECENT_RUNS = 4
MAPS_KEPT = 8


class Opener(Protocol):
    """As much of a file system as reading needs."""

    def open(self, path: str) -> Readable:
        """Open a file for reading."""


class PlainFiles:
    """Every file is opened when it is read, and closed thereafter."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs

    def open(self, path: str) -> Readable:
        return self._vfs.open(path)

    def forget(self, paths: Iterable[str]) -> None:
        """Give back what is kept of files that are deleted."""

    def close(self) -> None:
        """Give back everything that is kept."""


class _MappedFile:
    __slots__ = ("_map",)

    def __init__(self, mapped: Map) -> None:
        self._map = mapped

    def read(self, offset: int, length: int) -> bytes:
        return self._map[offset : offset + length]

    def close(self) -> None:
        """It is kept."""

    def give_back(self) -> None:
        self._map.close()


class MappedFiles(PlainFiles):
    """Files are mapped; the maps of the last few are kept."""

    def __init__(self, vfs: Vfs) -> None:
        super().__init__(vfs)
        self._kept: dict[str, _MappedFile] = {}

    def open(self, path: str) -> Readable:
        found = self._kept.pop(path, None)
        if found is None:
            found = self.map(path)
            if len(self._kept) >= MAPS_KEPT:
                self._kept.pop(next(iter(self._kept))).give_back()
        self._kept[path] = found  # behind all others: the first is the one that was not used for longest
        return found

    def map(self, path: str) -> _MappedFile:
        """Map one file."""
        file = self._vfs.open(path)
        try:
            return _MappedFile(file.map())
        finally:
            file.close()

    def forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            found = self._kept.pop(path, None)
            if found is not None:
                found.give_back()

    def close(self) -> None:
        self.forget(list(self._kept))


READ_MODES: dict[str, type[PlainFiles]] = {"plain": PlainFiles, "mmap": MappedFiles}


def read_frames(
    file: Readable, name: str, codec: Codec, seed: int, at: tuple[int, int], end: tuple[int, int], max_bytes: int
) -> tuple[list[Record], int]:
    """The records of the frame ``at`` (its number and offset) and of those behind it, about ``max_bytes`` of them.

    ``end`` is the offset and the number that follow the last frame. A frame longer than ``max_bytes`` is read whole.
    Returns at least one record, and the offset behind the last. CorruptLog where the first frame is not good; a bad
    one further on is left for the next call, so that what stands before it can be had.
    """
    sequence, offset = at
    limit, following = end
    want = min(max_bytes, limit - offset)
    data = file.read(offset, want)
    records, stop, reached = codec.decode(data, seed, sequence, offset)
    if not records and len(data) == want < limit - offset:
        length = codec.frame_length(data)
        if want < length <= limit - offset:
            data = file.read(offset, length)
            records, stop, reached = codec.decode(data, seed, sequence, offset)
    if not records:
        raise damage(file, name, codec, seed, at, end)
    if (offset + stop == limit) != (reached == following):
        raise CorruptLog(name, offset + stop, sequence, following - 1, "the frames do not end where they should")
    return records, offset + stop


def damage(file: Readable, name: str, codec: Codec, seed: int, at: tuple[int, int], end: tuple[int, int]) -> CorruptLog:
    """The error for a bad frame: it names the records up to the next good frame."""
    sequence, offset = at
    limit, following = end
    for later, _ in codec.later_frames(Window(file, limit, offset), seed, sequence + 1, offset, name):
        return CorruptLog(name, offset, sequence, later - 1, "a record that was durable is damaged")
    return CorruptLog(name, offset, sequence, following - 1, "records that were durable are damaged")


class Recent:
    """The records of the last few small segments that were read whole: readers tend to follow each other closely."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[int, list[Record]] = {}

    def find(self, first: int, sequence: int) -> list[Record]:
        """The records from number ``sequence`` on of the segment that begins with ``first``; none if not known."""
        records = self._runs.get(first)
        if not records:
            return []
        return records if sequence == first else records[sequence - first :]

    def keep(self, first: int, records: list[Record]) -> None:
        """Remember a whole segment, and forget the oldest. Nobody may change the list after this."""
        if len(self._runs) >= RECENT_RUNS:
            del self._runs[next(iter(self._runs))]
        self._runs[first] = records
