"""The reference model of a log: what was appended, what was promised, what may be gone.

Positions count records from 0 for ever: they never restart. Three marks move over them::

    0 ......... removed ......... removable ......... promised ......... len(records)
      promised      may be gone        must be there       may be lost, but only
      to be gone    or be back                             from the end

A log may show ``records[c:n]`` for any c from ``removed`` to ``removable`` and any n from ``promised`` to the end,
but never half a batch. Records of a call that failed or was cut short are *optional*: there or not, never in part.
"""

from collections.abc import Sequence


class Log:
    """What a log may show."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.optional: set[int] = set()  # positions of records that may have happened or not
        self.halves: set[int] = set()  # positions inside a batch, where nothing may end
        self.changes = 0  # how often the records or what is known of them has changed
        self.promised = 0  # by a call that returned
        self.shown = 0  # to a reader, where that promises too
        self.removed = 0
        self.removable = 0
        self.buried: set[bytes] = set()  # records that a completed recovery did not show: gone for good

    def copy(self) -> "Log":
        """An independent copy."""
        other = Log()
        other.__dict__.update(
            self.__dict__,
            records=self.records[:],
            optional=set(self.optional),
            halves=set(self.halves),
            buried=set(self.buried),
        )
        return other

    def begin_append(self, payloads: Sequence[bytes]) -> None:
        """An append, or one atomic batch, has begun: from now on it may have happened."""
        self.changes += 1
        start = len(self.records)
        self.records += payloads
        self.optional.update(range(start, len(self.records)))
        self.halves.update(range(start + 1, len(self.records)))

    def end_append(self, count: int, first: int | None = None) -> None:
        """The last ``count`` records are in the log; ``first``: the sequence number the engine gave the first.

        A number tells which of the optional records before these never happened: it leaves no room for them.
        """
        self.changes += 1
        start = len(self.records) - count
        self.optional.difference_update(range(start, len(self.records)))
        if first is not None:
            if first < start and all(p in self.optional for p in range(first, start)):
                self.forget(first, start)
            self.optional.clear()  # the others took their numbers: they happened

    def forget(self, start: int, stop: int) -> None:
        """The optional records from ``start`` to ``stop`` never happened: later ones and their marks move down."""
        del self.records[start:stop]
        gap = stop - start
        self.promised -= max(0, min(stop, self.promised) - start)
        self.shown -= max(0, min(stop, self.shown) - start)
        self.optional = {p if p < start else p - gap for p in self.optional if not start <= p < stop}
        self.halves = {p if p <= start else p - gap for p in self.halves if not start < p <= stop}

    def withdraw(self, count: int) -> None:
        """The append that had begun last was refused: none of its records is there."""
        self.changes += 1
        self.forget(len(self.records) - count, len(self.records))

    def length(self) -> int:
        """The position behind the last record that certainly is there."""
        end = len(self.records)
        while end - 1 in self.optional:
            end -= 1
        return end

    def promise(self, upto: int) -> None:
        """Everything below position ``upto`` was promised to be durable."""
        self.promised = max(self.promised, upto)

    def show(self, upto: int) -> None:
        """Everything below position ``upto`` was shown by an engine that promises what it shows."""
        self.shown = max(self.shown, upto)

    @property
    def floor(self) -> int:
        """Everything below this position must be there, but for what may be removed."""
        return max(self.promised, self.shown)

    def may_remove(self, below: int) -> None:
        """From now on records below this position may be gone."""
        self.removable = max(self.removable, below)

    def remove(self, below: int) -> None:
        """Records below this position were promised to be gone."""
        self.removed = max(self.removed, below)
        self.may_remove(below)

    def allows(self, shown: Sequence[bytes], next_position: int | None = None) -> tuple[int, int] | None:
        """The positions (c, n) at which ``shown`` is a legal sight of this log; None where it is not.

        ``next_position``: the number the engine says its next record will get, where it says so.
        """
        for c in self._starts(len(shown), next_position):
            n = c + len(shown)
            possible = self.floor <= n <= len(self.records) and n not in self.halves
            if possible and self.records[c:n] == list(shown):
                return c, n
        return None

    def settled(self, shown: Sequence[bytes], next_position: int | None = None) -> "Log | None":
        """This log, or one without the optional records that were seen not to have happened, that allows ``shown``."""
        if self.allows(shown, next_position):
            return self
        absent = self.optional.difference(self._matched(shown)) if self.optional else set()
        if any((p in absent) != (p - 1 in absent) for p in self.halves & self.optional):
            return None  # half a batch
        other = self.copy()
        for position in sorted(absent, reverse=True):
            other.forget(position, position + 1)
        return other if absent and other.allows(shown, next_position) else None

    def _matched(self, shown: Sequence[bytes]) -> set[int]:
        """The optional positions whose records are shown, taken in order."""
        wanted, place = set(), 0
        for position, payload in enumerate(self.records):
            if place < len(shown) and shown[place] == payload:
                wanted.add(position)
                place += 1
        return {p for p in wanted if p in self.optional}

    def _starts(self, count: int, next_position: int | None) -> range:
        if next_position is None:
            return range(self.removed, self.removable + 1)
        start = next_position - count
        return range(start, start + 1) if self.removed <= start <= self.removable else range(0)

    def adopt(self, n: int, *, promise: bool) -> None:
        """A completed recovery showed the log up to position n: what lies beyond is gone for good.

        ``promise``: what was shown to a reader is promised too.
        """
        self.changes += 1
        self.buried.update(self.records[n:])
        del self.records[n:]
        self.optional.clear()
        self.halves = {p for p in self.halves if p < n}
        if promise:
            self.show(n)
