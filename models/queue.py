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

    def copy(self) -> "Queue":
        """An independent copy."""
        other = Queue()
        other.__dict__.update(super().copy().__dict__)
        return other

    def due(self) -> range:
        """The positions of which one may be handed out next; it is empty where there may be none."""
        first = max(self.taken, self.removed)
        return range(first, min(len(self.records), max(first, self.removable) + 1))

    def take(self, position: int) -> None:
        """The item at this position was handed out."""
        self.taken = position + 1

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
