"""The reference model of a queue: what was put, what was handed out, and what its consumer is done with.

A queue is a log with one consumer, which is done with items in the order in which it got them: they are removed from
the front. What was handed out and not yet finished is handed out again after a restart::

    0 ......... removed ......... removable ......... promised ......... len(records)
      done, and    done or about         must be there     put, and perhaps
      promised     to be                                   lost
"""

from collections.abc import Iterable

from chaoswal.models.log import Log


class Queue(Log):
    """What a queue may hand out."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0  # the position behind the last item that was handed out since it was opened, or an earlier one
        self.perhaps_taken = 0  # the same, or a later one, where several items with the same bytes may be meant
        self._next: tuple[int, ...] = (0,)  # the positions of which one is next, were there an item at it

    def copy(self) -> "Queue":
        """An independent copy."""
        other = Queue()
        other.__dict__.update(super().copy().__dict__)
        return other

    def due(self) -> list[int]:
        """The positions of which one may be handed out next, in order; there may be none."""
        return [position for position in self._next if position < len(self.records)]

    def may_be_empty(self) -> bool:
        """Whether it may be that there is nothing to hand out."""
        return self._next[-1] >= self.length()

    def passed(self, payload: bytes) -> list[int]:
        """The positions at which this item may be handed out next; empty where it may not.

        Where there is none, one behind optional items, which then never happened.
        """
        found = [position for position in self.due() if self.records[position] == payload]
        return found or self._behind_optional(payload)

    def _behind_optional(self, payload: bytes) -> list[int]:
        for start in self.due():
            position = start
            while position in self.optional and self.records[position] != payload:
                position += 1
            if position < len(self.records) and self.records[position] == payload:
                self.forget(start, position)
                return [start]
        return []

    def take(self, positions: Iterable[int]) -> None:
        """The item at one of these positions was handed out."""
        self._next = tuple(position + 1 for position in positions)
        self.taken, self.perhaps_taken = self._next[0], self._next[-1]

    def may_take(self) -> None:
        """Handing out an item has failed: whether it counts as handed out is not known."""
        self._next = tuple(sorted({*self._next, *(position + 1 for position in self._next)}))

    def begin_done(self) -> None:
        """The consumer says that it is done with all it has got."""
        self.may_remove(self.perhaps_taken)

    def end_done(self, *, promise: bool) -> None:
        """That has returned; ``promise``: what is done is never handed out again."""
        if promise:
            self.remove(self.taken)

    def reopen(self) -> None:
        """It was opened anew: what was handed out and not finished is due again."""
        self.taken = self.perhaps_taken = 0
        self._next = tuple(range(self.removed, self.removable + 1))

    def begin_at(self, position: int) -> None:
        """It was opened anew, and showed that this is the position of the first item it has."""
        self.taken = self.perhaps_taken = 0
        self._next = (position,)
