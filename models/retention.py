"""The reference model of retention: what may be dropped from a log although somebody has not finished it, and when.

These are bounds from above: what lies beyond them must not be dropped. They know payloads and the options, and of
the format only how much a record can cost at most. How exactly the engine counts its bytes is its own business.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate

RECORD_BYTES = 192
"""A record costs at most so much besides its payload: a frame, an entry in an index, and a segment of its own."""

SPARE_BYTES = 256
"""The empty WAL, and the room that is kept for finishing it and beginning another."""


class Retention:
    """The options that let records go, or keep new ones out."""

    def __init__(
        self,
        *,
        budget_bytes: float = 0,
        drops: float = 0,
        chunk_bytes: float = 0,
        age_seconds: float = 0,
        lag_records: float = 0,
        lag_seconds: float = 0,
        unregisters: float = 0,
    ) -> None:
        """``drops``: the oldest go where the budget is spent. ``chunk_bytes``: of payload that goes at once."""
        self.budget_bytes = budget_bytes
        self.drops = bool(drops)
        self.chunk_bytes = chunk_bytes
        self.age_seconds = age_seconds
        self.lag_records = int(lag_records)
        self.lag_seconds = lag_seconds
        self.unregisters = bool(unregisters)

    def after(self, before: "Retention") -> "Retention":
        """These options, in a log that was written under others: its chunks may be as large as theirs."""
        self.chunk_bytes = max(self.chunk_bytes, before.chunk_bytes)
        return self

    def full(self, sizes: Sequence[int]) -> bool:
        """Whether records of these sizes may be more than the budget allows."""
        return 0 < self.budget_bytes < sum(sizes) + RECORD_BYTES * len(sizes) + SPARE_BYTES

    def droppable(
        self,
        sizes: Sequence[int],
        first: int,
        together: Collection[int] = (),
        *,
        unsure: Sequence[Sequence[int]] = (),
    ) -> int:
        """Below which position records may be dropped: ``sizes`` of all records; those below ``first`` are gone.

        A chunk may go if with it there is more than the budget allows. ``together``: positions inside a batch.
        ``unsure``: the sizes of those behind them that may be there or not, in any order, by calls.
        """
        sizes = [*sizes, *sorted(size for call in unsure for size in call)]  # the smaller in front, the more may go
        if not self.drops or not self.full(sizes[first:]):
            return first
        start = first
        while start + 1 < len(sizes) and self.full(sizes[start + 1 :]):
            start += 1
        if unsure:
            return min(len(sizes), start + self._chunk_records(sizes[first:]) + max(map(len, unsure)))
        stop, taken = start + 1, sizes[start]
        while stop < len(sizes) and (stop in together or taken + sizes[stop] <= self.chunk_bytes):
            taken += sizes[stop]
            stop += 1
        return stop

    def _chunk_records(self, sizes: Sequence[int]) -> int:
        """How many of these may be in one chunk, at most; what is longer than a chunk has one of its own."""
        taken = accumulate(sorted(sizes))
        return max(1, sum(size <= self.chunk_bytes for size in taken))

    def late(self, finished: int, end: int, idle_seconds: float) -> int:
        """Up to where a subscriber may be skipped ahead (or else unregistered): its own position if it is in time."""
        if self.lag_seconds and finished < end and idle_seconds >= self.lag_seconds:
            return end
        if self.lag_records and end - finished > self.lag_records:
            return end - self.lag_records
        return finished


class Clock:
    """What is known of the time, and of who did what when.

    It is between two readings, for nobody looks at the clock in the very moment an engine does. Whatever time allows is
    then taken at its most: since the first reading for what happened, up to the second for what happens now.
    """

    def __init__(self) -> None:
        self.earliest = 0.0
        self.latest = 0.0
        self._lengths: list[tuple[float, int]] = []  # since when there may be how many records
        self._progress: dict[str, float] = {}  # since when a subscriber may have finished nothing more
        self._since = 0.0, 0.0

    def copy(self) -> "Clock":
        """An independent copy."""
        other = Clock()
        other.earliest, other.latest, other._since = self.earliest, self.latest, self._since
        other._lengths, other._progress = self._lengths[:], dict(self._progress)
        return other

    def read(self, earliest: float, latest: float) -> None:
        """What happens next happens between these two, in seconds."""
        self.earliest, self.latest = earliest, latest

    def pass_by(self, seconds: float, *, others: bool = False) -> None:
        """So much later; what ``others`` do meanwhile may happen earlier."""
        self.read(self.earliest + (0.0 if others else seconds), self.latest + seconds)

    def fork(self) -> None:
        """Several things happen at once from now on."""
        self._since = self.earliest, self.latest

    def join(self, seconds: float | None) -> None:
        """They are over, so many seconds after that; None where nobody knows."""
        if seconds is not None:
            self.earliest, self.latest = (since + seconds for since in self._since)

    def grown(self, length: int) -> None:
        """The log may have so many records from now on."""
        if self._lengths and self._lengths[-1][0] >= self.earliest:
            self._lengths[-1] = (self._lengths[-1][0], length)
        else:
            self._lengths.append((self.earliest, length))

    def cut(self, length: int) -> None:
        """The log has turned out to have no more than so many records."""
        self._lengths = [(when, min(length, longer)) for when, longer in self._lengths]

    def older(self, seconds: float) -> int:
        """How many of the records may be older than this."""
        place = bisect_right(self._lengths, self.latest - seconds, key=_when)
        return self._lengths[place - 1][1] if place else 0

    def progressed(self, name: str) -> None:
        """A subscriber has finished something, or is new."""
        self._progress[name] = self.earliest

    def idle(self, name: str) -> float:
        """For how many seconds a subscriber may have finished nothing."""
        return self.latest - self._progress.get(name, 0.0)


def _when(entry: tuple[float, int]) -> float:
    return entry[0]
