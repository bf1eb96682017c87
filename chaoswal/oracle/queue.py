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
from chaoswal.oracle.ledger import Course
from chaoswal.oracle.sight import ERROR, Observed, Traits, promise_word, value_of
from chaoswal.trace import End
from chaoswal.verdict import Fault, Violation


class QueueHistory(History):
    """What was asked of a queue and what it promised, up to one moment."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        super().__init__(operations, traits)
        self.log: Queue = Queue()
        self._done = 0  # the position behind the last item that its consumer is done with, for certain
        self._dones: list[tuple[int, int]] = []  # that position behind each call that moved it, by its number
        self._begun: dict[int, tuple[int, int]] = {}  # what had to be there, and to be gone, when a call began
        self._lost_or_done: set[bytes] = set()  # items that a recovery did not show, for the one reason or the other

    def copy(self) -> Self:
        """An independent copy."""
        other = super().copy()
        other._done, other._dones = self._done, self._dones[:]  # noqa: SLF001 - its own kind
        other._begun, other._lost_or_done = dict(self._begun), set(self._lost_or_done)  # noqa: SLF001 - its own kind
        return other

    @property
    def _at_most_once(self) -> bool:
        return "at_most_once" in self.traits.capabilities

    # -- operations ------------------------------------------------------------------------------------------

    def _begin(self, op_index: int, operation: Operation) -> None:
        self._begun[op_index] = self.log.floor, self.log.removed
        match operation:
            case Enqueue():
                self.log.begin_append(payloads(op_index, operation), op_index)
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
                self._done_with(marker.op_index, max(self._done, self.log.taken))
                return None
            case Take():
                return self._taken(marker.op_index, value_of(marker.result))
            case _:
                return super()._end(marker, operation)

    def _done_with(self, op_index: int, position: int) -> None:
        if position > self._done:
            self._dones.append((op_index, position))
        self._done = position

    def _taken(self, op_index: int, item: bytes | None) -> Fault | None:
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
            self._done_with(op_index, queue.taken)
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
        kind = Violation.HOLE if due and place >= due[0] else Violation.DUPLICATED
        if place < queue.removed:
            kind = Violation.RESURRECTED
        return Fault(kind=kind, explanation=what + records([place]))

    # -- recovery --------------------------------------------------------------------------------------------

    def compare(self, observed: Observed) -> Fault | None:
        """In what a sight differs from what is allowed when nothing is damaged, if it does."""
        fault = super().compare(observed)
        return self._front(observed.records) or fault if fault else None

    def judge(self, observed: Observed) -> Fault | None:
        """The violation in what a recovered engine shows; of a torn tail nobody knows what it told to be done with."""
        fault = super().judge(observed)
        torn = fault and fault.kind is Violation.DISHONEST and self.traits.torn_tails
        return None if torn and self._lost_or_done.intersection(observed.records) else fault

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
        perhaps_done = self.log.records[: self.log.removable]
        super().adopt(observed)
        self._lost_or_done.update(set(perhaps_done).difference(self.log.records))
        self._done = self.log.removed
        self._dones = [(call, done) for call, done in self._dones if done <= self.first]  # the others have not lasted
        self.log.begin_at(self.first)

    def unopened(self) -> None:
        """It could not be opened, for a reason: what was not promised may be there or not when it can."""
        super().unopened()
        self.log.reopen()

    def _steps(self) -> list[tuple[int, int, int]]:
        """The call of each step, in order, and what it moved: how many items there are, or how many are done with."""
        puts = [(call, position, 0) for position, call in enumerate(self.log.calls, start=1)]
        return sorted([*puts, *((call, 0, done) for call, done in self._dones)])

    def course(self) -> Course:
        """What has been done: a step is an item put, or done with."""
        steps = self._steps()
        puts = {put: step for step, (_, put, _) in enumerate(steps, start=1) if put}
        dones = [(step, done) for step, (_, _, done) in enumerate(steps, start=1) if done]

        def promised(there: int, gone: int) -> int:
            """The last step that was promised when so many items had to be there, and so many to be gone."""
            return max(puts.get(there, 0), max((step for step, done in dones if done <= gone), default=0))

        known = [promised(*self._begun[call]) for call, _, _ in steps]
        return Course(
            calls=[call for call, _, _ in steps], known=known, floor=promised(self.log.floor, self.log.removed)
        )

    def concede(self, steps: int) -> None:
        """Of what was promised no more than the first so many steps need be true."""
        conceded = self._steps()[:steps]
        self.log.concede(max((put for _, put, _ in conceded), default=0))
        self.log.removed = min(self.log.removed, max((done for _, _, done in conceded), default=0))
