"""The reference model of a queue: what was put, what was handed out, and what its consumer is done with.

A queue is a log with one consumer, which is done with items in the order in which it got them: they are removed from
the front. What was handed out and not yet finished is handed out again after a restart::

    0 ......... removed ......... removable ......... promised ......... len(records)
      done, and    done or about         must be there     put, and perhaps
      promised     to be                                   lost
"""

from chaoswal.models.log import Log


class Queue(Log):
    """What a queue may hand out."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0  # the position behind the last item that was handed out since it was opened
        self._next = range(1)  # the positions of which one is next, were there an item at it

    def copy(self) -> "Queue":
        """An independent copy."""
        other = Queue()
        other.__dict__.update(super().copy().__dict__)
        return other

    def due(self) -> range:
        """The positions of which one may be handed out next; it is empty where there may be none."""
        return range(self._next.start, min(len(self.records), self._next.stop))

    def may_be_empty(self) -> bool:
        """Whether it may be that there is nothing to hand out."""
        return self._next.stop > self.length()

    def passed(self, payload: bytes) -> int | None:
        """The position at which this item may be handed out next, behind optional ones that then never happened.

        None where it may not.
        """
        for start in self.due():
            position = start
            while position in self.optional and self.records[position] != payload:
                position += 1
            if position < len(self.records) and self.records[position] == payload:
                self.forget(start, position)
                return start
        return None

    def take(self, position: int) -> None:
        """The item at this position was handed out."""
        self.taken = position + 1
        self._next = range(position + 1, position + 2)

    def may_take(self) -> None:
        """Handing out an item has failed: whether it counts as handed out is not known."""
        self._next = range(self._next.start, self._next.stop + 1)

    def begin_done(self) -> None:
        """The consumer says that it is done with all it has got."""
        self.may_remove(self.taken)

    def end_done(self, *, promise: bool) -> None:
        """That has returned; ``promise``: what is done is never handed out again."""
        if promise:
            self.remove(self.taken)

    def reopen(self) -> None:
        """It was opened anew: what was handed out and not finished is due again."""
        self.taken = 0
        self._next = range(self.removed, self.removable + 1)

    def begin_at(self, position: int) -> None:
        """It was opened anew, and showed that this is the position of the first item it has."""
        self.taken = 0
        self._next = range(position, position + 1)
