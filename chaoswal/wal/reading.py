"""Reading runs of records back from a file of frames, a bounded piece at a time."""

from chaoswal.vfs.protocol import File
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.frames import Codec, Record

RECENT_BYTES = 64 * 1024
RECENT_RUNS = 4


def read_frames(
    file: File, name: str, codec: Codec, seed: int, at: tuple[int, int], end: tuple[int, int], max_bytes: int
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


def damage(file: File, name: str, codec: Codec, seed: int, at: tuple[int, int], end: tuple[int, int]) -> CorruptLog:
    """The error for a bad frame: it names the records up to the next good frame."""
    sequence, offset = at
    limit, following = end
    data = file.read(offset, limit - offset)
    for later, _ in codec.later_frames(data, seed, sequence + 1, 0, offset, name):
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
