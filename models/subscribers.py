"""The reference model of subscribers: who was given which record, who is done with it, what may be cleaned.

A subscriber is given records in order and acknowledges them in any order. An acknowledgement may be forgotten
in a crash until it was promised (flushed): the record is then delivered again. It is never invented: a record
that was not acknowledged is delivered again after a crash, whatever happened. Positions are those of the log.
"""

from collections.abc import Iterable


class Subscriber:
    """One named subscriber."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.acked: set[int] = set()
        self.promised: set[int] = set()
        self.unsure: set[int] = set()  # acknowledged, not promised, and perhaps forgotten since
        self.held: list[int] = []

    def copy(self) -> "Subscriber":
        """An independent copy."""
        other = Subscriber(self.start)
        other.acked, other.promised, other.held = set(self.acked), set(self.promised), self.held[:]
        other.unsure = set(self.unsure)
        return other

    def expected(self, count: int, visible: Iterable[int]) -> list[int]:
        """The next ``count`` positions a poll must give, of those that are visible."""
        due = (p for p in visible if p >= self.start and p not in self.acked and p not in self.held)
        return [p for p, _ in zip(due, range(count), strict=False)]

    def give(self, positions: Iterable[int]) -> None:
        """These records are now held."""
        self.held = sorted({*self.held, *positions})

    def ack(self, position: int) -> None:
        """Done with a held record; not yet promised."""
        self.held.remove(position)
        self.acked.add(position)

    def defer(self, position: int) -> None:
        """A held record was handed back."""
        self.held.remove(position)

    def may_forget(self) -> None:
        """The engine was opened anew without a promise: acknowledgements that were not promised may be forgotten."""
        self.held = []
        self.unsure = self.acked - self.promised

    def given_again(self, positions: Iterable[int]) -> None:
        """These were given: where one was acknowledged and may be forgotten, it was."""
        forgotten = self.unsure.intersection(positions)
        self.acked -= forgotten
        self.unsure -= forgotten

    def flush(self, acked: Iterable[int]) -> None:
        """These acknowledgements were promised."""
        self.promised.update(acked)
        self.unsure -= self.promised

    def finished(self) -> int:
        """Every record below this position is acknowledged."""
        position = self.start
        while position in self.acked:
            position += 1
        return position

    def adopt(self, delivered: set[int], visible: range, *, promise: bool) -> None:
        """A completed recovery delivered these of the visible records: the others were acknowledged."""
        self.held = []
        self.unsure = set()
        self.acked = {p for p in self.acked if p not in delivered and (p < visible.start or p in visible)}
        if promise:
            self.promised = set(self.acked)
        else:
            self.promised &= self.acked


def removable(subscribers: Iterable[Subscriber], first: int) -> int:
    """Every record below this position may be cleaned: each registered subscriber has finished it.

    Without a subscriber nothing may be cleaned beyond ``first``.
    """
    return max(first, min((subscriber.finished() for subscriber in subscribers), default=first))
