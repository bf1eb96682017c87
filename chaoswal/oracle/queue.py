"""The oracle of a queue with one consumer: a log whose first records go when the consumer is done with them.

What is handed out must be the next item, unchanged; what was handed out and not done with is handed out again after a
restart (where the adapter says ``at_most_once``, it may be gone from then on). Behind a recovery the items are judged
as the records of a log, with these words besides:

    lost          an item that was promised, and that the consumer is not done with, is missing
    phantom       the same of what was not promised but handed out, where that promises too
    resurrected   an item is there again, though it was promised that the consumer is done with it
    duplicated    an item is handed out twice without a restart between
    hole          an item is passed over
    stuck         nothing is handed out, though there is something
"""

from collections.abc import Sequence
from typing import Self

from chaoswal.models.queue import Queue
from chaoswal.ops import Close, Done, Enqueue, Operation, Reopen, Sync, Take, payloads
from chaoswal.oracle.explaining import records
from chaoswal.oracle.history import History
from chaoswal.oracle.sight import ERROR, Observed, Traits, promise_word, value_of
from chaoswal.trace import End
from chaoswal.verdict import Fault, Violation


class QueueHistory(History):
    """What was asked of a queue and what it promised, up to one moment."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        super().__init__(operations, traits)
        self.log: Queue = Queue()
        self._done = 0  # the position behind the last item that its consumer is done with, for certain

    def copy(self) -> Self:
        """An independent copy."""
        other = super().copy()
        other._done = self._done  # noqa: SLF001 - its own kind
        return other

    @property
    def _at_most_once(self) -> bool:
        return "at_most_once" in self.traits.capabilities

    # -- operations ------------------------------------------------------------------------------------------

    def _begin(self, op_index: int, operation: Operation) -> None:
        match operation:
            case Enqueue():
                self.log.begin_append(payloads(op_index, operation))
            case Take() if self._at_most_once:
                self.log.may_remove(max(self.log.due(), default=-1) + 1)
            case Done():
                self.log.begin_done()
            case _:
                super()._begin(op_index, operation)

    def _end(self, marker: End, operation: Operation) -> Fault | None:
        failed = marker.result.startswith(ERROR)
        fault = super()._end(marker, operation) if failed else self._went_well(marker, operation)
        promises = promise_word(operation) in self.traits.promise
        if not failed and promises and isinstance(operation, Sync | Reopen | Close | Done | Take):
            self.log.remove(self._done)
        if isinstance(operation, Reopen | Close):
            self.log.reopen()
        if failed and isinstance(operation, Take):
            self.log.may_take()
        return fault

    def _went_well(self, marker: End, operation: Operation) -> Fault | None:
        match operation:
            case Enqueue():
                return self._appended(marker.op_index, operation, None, 0)
            case Done():
                self._done = max(self._done, self.log.taken)
                return None
            case Take():
                return self._taken(value_of(marker.result))
            case _:
                return super()._end(marker, operation)

    def _taken(self, item: bytes | None) -> Fault | None:
        queue = self.log
        if item is None:
            why = f"nothing is handed out, though {records(queue.due())} should be"
            return None if queue.may_be_empty() else Fault(kind=Violation.STUCK, explanation=why)
        places = queue.passed(item)
        if not places:
            return self._wrong_item(item)
        queue.take(places)
        if self._at_most_once:
            queue.may_remove(queue.perhaps_taken)
            self._done = queue.taken
        if self.traits.promise_reads:
            queue.show(queue.taken)
        return None

    def _wrong_item(self, item: bytes) -> Fault:
        queue, due = self.log, self.log.due()
        what = f"an item is handed out that is not next ({records(due)}): "
        if item not in queue.records:
            back = item in queue.buried
            why = what + ("cut by an earlier recovery" if back else f"never put: {len(item)} bytes {item[:24]!r}")
            return Fault(kind=Violation.RESURRECTED if back else Violation.INVENTED, explanation=why)
        place = queue.records.index(item)
        kind = Violation.HOLE if place >= min(due, default=0) else Violation.DUPLICATED
        if place < queue.removed:
            kind = Violation.RESURRECTED
        return Fault(kind=kind, explanation=what + records([place]))

    # -- recovery --------------------------------------------------------------------------------------------

    def compare(self, observed: Observed) -> Fault | None:
        """In what a sight differs from what is allowed when nothing is damaged, if it does."""
        fault = super().compare(observed)
        return self._front(observed.records) or fault if fault else None

    def _front(self, shown: list[bytes]) -> Fault | None:
        """The violation in where a queue begins, if that is all that is wrong with what it shows."""
        queue, count = self.log, len(shown)
        starts = [start for start in range(len(queue.records) + 1) if queue.records[start : start + count] == shown]
        start = min(starts, key=lambda start: abs(start - queue.removed), default=queue.removed)
        if start < queue.removed:
            back = records(range(start, queue.removed))
            why = f"{back} came back, though it was promised that the consumer is done with them"
            return Fault(kind=Violation.RESURRECTED, explanation=why)
        for kind, floor, how in (
            (Violation.LOST, queue.promised, "promised"),
            (Violation.PHANTOM, queue.shown, "served"),
        ):
            missing = range(queue.removable, min(start, floor))
            if missing:
                why = f"{records(missing)} were {how} and are missing, and the consumer is not done with them"
                return Fault(kind=kind, explanation=why)
        return None

    def adopt(self, observed: Observed) -> None:
        """Go on from what a completed recovery showed; it must have been judged before."""
        super().adopt(observed)
        self._done = self.log.removed
        self.log.begin_at(self.first)

    def unopened(self) -> None:
        """It could not be opened, for a reason: what was not promised may be there or not when it can."""
        super().unopened()
        self.log.reopen()
