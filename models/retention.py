"""The reference model of retention: what may be dropped from a log although somebody has not finished it, and when.

These are bounds from above: what lies beyond them must not be dropped. They know payloads and the options, and of
the format only how much a record can cost at most. How exactly the engine counts its bytes is its own business.
"""

from collections.abc import Collection, Sequence

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

    def full(self, sizes: Sequence[int]) -> bool:
        """Whether records of these sizes may be more than the budget allows."""
        return 0 < self.budget_bytes < sum(sizes) + RECORD_BYTES * len(sizes) + SPARE_BYTES

    def droppable(self, sizes: Sequence[int], first: int, together: Collection[int] = ()) -> int:
        """Below which position records may be dropped: ``sizes`` of all records; those below ``first`` are gone.

        A chunk may go if with it there is more than the budget allows. ``together``: positions inside a batch.
        """
        if not self.drops or not self.full(sizes[first:]):
            return first
        start = first
        while start + 1 < len(sizes) and self.full(sizes[start + 1 :]):
            start += 1
        stop, taken = start + 1, sizes[start]
        while stop < len(sizes) and (stop in together or taken + sizes[stop] <= self.chunk_bytes):
            taken += sizes[stop]
            stop += 1
        return stop

    def late(self, finished: int, end: int, idle_seconds: float) -> int:
        """Up to where a subscriber may be skipped ahead (or else unregistered): its own position if it is in time."""
        if self.lag_seconds and finished < end and idle_seconds >= self.lag_seconds:
            return end
        if self.lag_records and end - finished > self.lag_records:
            return end - self.lag_records
        return finished
