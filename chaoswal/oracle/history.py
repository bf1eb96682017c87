"""Histories: what was asked of an engine and what it promised, folded into what is allowed, marker by marker."""

from collections.abc import Sequence
from typing import Any

from chaoswal.engines.adapter import Record
from chaoswal.errors import HarnessFault
from chaoswal.models.subscribers import Subscriber, lost, removable
from chaoswal.ops import (
    Ack,
    Activate,
    Append,
    Batch,
    Cleanup,
    Close,
    Deactivate,
    Defer,
    Enqueue,
    Flush,
    Maintain,
    OpenAgain,
    Operation,
    Poll,
    Read,
    Reject,
    Reopen,
    Rotate,
    Subscribe,
    SubscribeLatest,
    Sync,
    Together,
    Unsubscribe,
    Wait,
    payloads,
)
from chaoswal.oracle.allowed import Allowed
from chaoswal.oracle.explaining import wrong_deliveries
from chaoswal.oracle.judging import compare, judge_reader, judge_report, present
from chaoswal.oracle.ledger import HANGS, Course, unexcused
from chaoswal.oracle.sight import ERROR, Observed, promise_word, value_of
from chaoswal.trace import Begin, End, Marker
from chaoswal.verdict import Fault, Violation

CLOCK_SECONDS = 0.002
"""How much may be lost to the rounding of times."""


class History(Allowed):
    """What was asked of an engine and what it promised, up to one moment."""

    def apply(self, marker: Marker) -> Fault | None:
        """Let one operation begin or end; a fault where its result alone is already wrong."""
        operation = self.operations[marker.op_index]
        if self.astray:
            return None
        if self.together and isinstance(operation, Append | Batch):
            self.order = (*self.order, marker)
        if isinstance(marker, Begin):
            self._begin(marker.op_index, operation)
            return None
        return self._end(marker, operation)

    # -- operations ------------------------------------------------------------------------------------------

    def _begin(self, op_index: int, operation: Operation) -> None:
        match operation:
            case Together():
                self.together = True
                self.clock.fork()
            case Append() | Batch():
                self._begin_append(op_index, payloads(op_index, operation))
                self.asked[op_index] = [self.log.removable]
                self.log.may_remove(self._droppable())
            case Sync() | Rotate() | Reopen() | Close():
                self.asked[op_index] = [self.log.length()]
            case Cleanup():
                self.cleaning.add(op_index)
            case Maintain():
                self.asked[op_index] = [self.log.removable]
                self._maintaining()
            case Read() | Poll():
                self.asked[op_index] = [self.log.promised, self.log.shown, self.log.removed, self.first]
            case Wait(milliseconds=milliseconds):
                self._waiting(op_index, milliseconds / 1000)
            case Flush(name=name) if name in self.subscribers:
                self.asked[op_index] = sorted(self.subscribers[name].acked - self.subscribers[name].unsure)
            case SubscribeLatest(name=name) if name not in self.subscribers:  # who is there says where it is
                self.asked[op_index] = [self.log.floor]
                self._begin_subscriber(operation)
            case _:
                self._begin_subscriber(operation)
        self._removing()
        self._taken_up(operation)

    def _waiting(self, op_index: int, seconds: float) -> None:
        self.clock.pass_by(seconds, others=self.together)
        window = self.traits.window_seconds
        if window and window + CLOCK_SECONDS < seconds and not self.together:  # of several it may be the quickest
            self.asked[op_index] = [self.log.length()]

    def _removing(self) -> None:
        """A cleanup under way may see what has begun beside it, or not.

        Who is registered while records may be dropped begins before that or behind it, and nobody tells. Nor does
        anybody tell whether what somebody is done with meanwhile counts as skipped.
        """
        if self.cleaning:
            self.log.may_remove(removable(self.subscribers.values(), self.first))
        dropping = bool(self.retention.drops) and self.log.removable > self.first
        self.exact = self.exact and not (dropping and (self.finishing or self.beginning))
        for name in self.beginning if self.cleaning or dropping else ():
            subscriber = self.subscribers[name]
            subscriber.start_max = max(subscriber.start_max, self.log.removable)

    def _taken_up(self, operation: Operation) -> None:
        """Who is asked for something and has no handle gets one, and is told by that what was skipped."""
        name = getattr(operation, "name", "")
        anew = name in self.subscribers and name not in self.handles
        if isinstance(operation, Subscribe | SubscribeLatest):
            self.subscribers[name].asked = anew
        if anew and not isinstance(operation, Activate | Deactivate | Unsubscribe):
            self.handles[name] = self.subscribers[name].untold = False

    def _begin_append(self, op_index: int, records: list[bytes]) -> None:
        if self.together or self.log.unsettled:
            self.log.take_off(op_index, records)
        else:
            self.log.begin_append(records, op_index)
        self.clock.grown(len(self.log.all_records()))

    def _begin_subscriber(self, operation: Operation) -> None:
        match operation:
            case Subscribe(name=name) | SubscribeLatest(name=name) if name not in self.subscribers:
                new = Subscriber(self.first, None if self.exact else max(self.first, self.log.removable))
                if isinstance(operation, SubscribeLatest):
                    new = Subscriber(min(self.log.floor, self.log.length()), self._newest())
                    new.at_end = True
                new.optional = "registered" in self.traits.capabilities
                self.subscribers[name] = new
                self.beginning.update([name] if self.together else [])
                self.clock.progressed(name)
            case Unsubscribe(name=name) if name in self.subscribers:
                self.subscribers[name].optional = True
            case Ack(name=name, places=places):
                self.finishing = self.together
                self._each_held(name, places, Subscriber.ack)
            case Reject(name=name, places=places):
                self._each_held(name, places, Subscriber.reject)
            case Defer(name=name, places=places):
                self._each_held(name, places, Subscriber.defer)
            case _:
                pass

    def _each_held(self, name: str, places: Sequence[int], act: object) -> None:
        subscriber = self.subscribers.get(name)
        if subscriber:
            self.clock.progressed(name)
            for position in held_at(subscriber.held, places):
                act(subscriber, position)  # type: ignore[operator]

    def _droppable(self) -> int:
        log = self.log
        sure, unsure = min(log.optional, default=None), log.unsure()
        if len(unsure) == 1 and not log.unsettled:  # the last call: it is behind all others, if it is there
            sure, unsure = None, []
        sizes = [len(record) for record in log.records[:sure]]
        loose = [[len(record) for record in records] for records in unsure]
        return self.retention.droppable(sizes, self.first, log.halves, unsure=loose)

    def _maintaining(self) -> None:
        """What is cleaned, expired, dropped, skipped or unregistered by maintenance, at most."""
        self.log.may_remove(removable(self.subscribers.values(), self.first))
        self.log.may_remove(self._droppable())
        if self.retention.age_seconds:
            self.log.may_remove(self.clock.older(self.retention.age_seconds - CLOCK_SECONDS))
        for name, subscriber in self.subscribers.items():
            limit = self._late(name, subscriber)
            if self.retention.unregisters and limit > subscriber.surely_finished():
                subscriber.dismissible = True
            elif limit > subscriber.surely_finished():
                subscriber.skippable = limit

    def _late(self, name: str, subscriber: Subscriber) -> int:
        idle = self.clock.idle(name) + CLOCK_SECONDS
        return self.retention.late(max(subscriber.surely_finished(), self.first), self._newest(), idle)

    def _newest(self) -> int:
        """The position behind the last record that may be there."""
        return max(self.log.length(), len(self.log.all_records()))

    def _end(self, marker: End, operation: Operation) -> Fault | None:
        self.cleaning.discard(marker.op_index)
        if marker.result.startswith(ERROR):
            return self._failed(marker, operation)
        result = value_of(marker.result)
        promised = self.asked.pop(marker.op_index, [])
        match operation:
            case Append() | Batch():
                return self._appended(marker.op_index, operation, result, promised[0])
            case Sync() | Rotate() | Reopen() | Close():
                if promise_word(operation) in self.traits.promise:
                    self.log.promise(promised[0])
                if isinstance(operation, Reopen | Close):
                    self._let_go()
            case Cleanup():
                return self._cleaned(result)
            case Maintain():
                return self._maintained(result, promised[0])
            case Poll(name=name, count=count) if name in self.subscribers:
                return self._polled(name, count, result, promised)
            case Flush(name=name) if name in self.subscribers:
                self.subscribers[name].flush(promised)
            case _:
                return self._end_subscriber(operation, result, promised)
        return None

    def _end_subscriber(self, operation: Operation, result: object, promised: list[int]) -> Fault | None:
        match operation:
            case Unsubscribe(name=name):
                self._unregistered(name)
            case Subscribe(name=name) | SubscribeLatest(name=name):
                subscriber = self.subscribers[name]
                subscriber.optional = subscriber.optional and not subscriber.asked
                if not (self.cleaning or self.retention.drops):
                    self.beginning.discard(name)
                if isinstance(operation, SubscribeLatest) and promised and subscriber.asked:
                    return self._begins(name, subscriber, result)
            case Activate(name=name) | Deactivate(name=name) if name in self.subscribers:
                self.subscribers[name].held = []
                self.handles.pop(name, None)
                if isinstance(operation, Activate):
                    self.handles[name] = True
            case _:
                return self._end_other(operation, result, promised)
        return None

    def _end_other(self, operation: Operation, result: Any, promised: list[int]) -> Fault | None:
        """What was done beside the one who has the engine open, or by several at once."""
        if isinstance(operation, Together):
            self.clock.join(result)
            self.together, self.beginning, self.finishing = False, set(), False
            return self._landed_all()
        if isinstance(operation, Wait) and not self.errors_allowed:  # of an error it would not hear
            self.log.promise(max(promised, default=0))
        if isinstance(operation, OpenAgain) and self.traits.locks:
            return Fault(kind=Violation.DISHONEST, explanation="it was opened a second time while it was open")
        return judge_reader(self, result, promised) if isinstance(operation, Read) else None

    def _begins(self, name: str, subscriber: Subscriber, position: object) -> Fault | None:
        if not isinstance(position, int) or not subscriber.start <= position <= subscriber.start_max:
            why = f"subscriber {name} begins at {position}, which is not behind the last durable record"
            return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
        subscriber.start = subscriber.start_max = position
        return None

    def _unregistered(self, name: str) -> None:
        self.subscribers.pop(name, None)
        self.handles.pop(name, None)
        self.beginning.discard(name)

    def _failed(self, marker: End, operation: Operation) -> Fault | None:
        """A failed call may have happened or not, never half; with no fault injected it must not fail."""
        why = marker.result.removeprefix(ERROR)
        before = self.asked.pop(marker.op_index, [])
        error = why.partition(":")[0]
        if error in HANGS:
            return Fault(kind=Violation.HUNG, explanation=why)
        if isinstance(operation, OpenAgain) and (error in self.traits.locks or not self.traits.locks):
            return None
        if error in self.traits.refusals:
            return self._refused(marker.op_index, operation, why, before)
        if isinstance(operation, Reopen | Close):
            self._let_go()
            self.log.doubt()
            for subscriber in self.subscribers.values():
                subscriber.may_forget()
        if self.errors_allowed or self.reported(error):
            self.errors_allowed = True  # once it has failed for a reason it may well do nothing more
            self.log.fail(marker.op_index)
            self._doubt(operation)
            return None
        return unexcused(operation, why)

    def _doubt(self, operation: Operation) -> None:
        """A call failed, for a reason: what it was about is known less well."""
        self.exact = False
        for name, subscriber in self.subscribers.items():
            if self.log.removable > subscriber.finished():  # it may have been skipped ahead
                subscriber.vague = True
            if isinstance(operation, Maintain) or getattr(operation, "name", "") == name:
                doubtful = isinstance(operation, Subscribe | SubscribeLatest | Unsubscribe | Maintain)
                subscriber.optional = subscriber.uncertain or (doubtful and "registered" in self.traits.capabilities)
                subscriber.vague = subscriber.vague or subscriber.optional or subscriber.skippable > 0

    def _refused(self, op_index: int, operation: Operation, why: str, before: list[int]) -> Fault | None:
        """An operation was refused, and nothing was changed: there must be a reason for it."""
        name = getattr(operation, "name", "")
        if isinstance(operation, Append | Batch):
            if self.retention.full([len(record) for record in self.log.all_records()[self.first :]]):
                alone = op_index not in self.log.flights
                self.log.withdraw(len(payloads(op_index, operation)), op_index)
                if alone:  # beside others, what it asked room for others may drop
                    self.log.removable = before[0]
                return None
        elif isinstance(operation, Read) and self.log.removable > before[3]:
            return None  # of what was there when it began, some is being cleaned
        elif name in self.subscribers and isinstance(operation, Activate | Poll):
            if isinstance(operation, Activate):
                self.subscribers[name].held = []
                self.handles.pop(name, None)
            if self.subscribers[name].untold or not self.exact:
                return None
        return Fault(kind=Violation.STUCK, explanation=f"{promise_word(operation)} was refused without a reason: {why}")

    def _let_go(self) -> None:
        self.handles = {}
        for subscriber in self.subscribers.values():
            subscriber.held = []

    def _appended(
        self, op_index: int, operation: Append | Batch | Enqueue, result: object, removable_before: int
    ) -> Fault | None:
        count = len(payloads(op_index, operation))
        first = result if isinstance(result, int) else None
        if isinstance(result, tuple):
            first, left = result
            fault = self._moved(left, None if op_index in self.log.flights else removable_before)
            if fault:
                return fault
        if op_index in self.log.flights:
            return self._landed(op_index, operation, first)
        expected = self.log.end_append(count, first)
        if promise_word(operation) in self.traits.promise:
            self.log.promise(expected + count)
        if first is None or first == expected:
            return None
        return Fault(
            kind=Violation.DUPLICATED if first < expected else Violation.HOLE,
            explanation=f"the record got sequence number {first}; the next free one was {expected}",
        )

    def _landed(self, op_index: int, operation: Append | Batch | Enqueue, first: int | None) -> Fault | None:
        """One of several appends at once has returned: its number tells where it stands among them."""
        end = self.log.land(op_index, first)
        if end is None:
            why = f"the record got sequence number {first}, which another one has, or one that came before it"
            return Fault(kind=Violation.DUPLICATED, explanation=why)
        if promise_word(operation) in self.traits.promise:
            self.log.promise(end)
        return None

    def _landed_all(self) -> Fault | None:
        """None is under way any more: there is nobody left to fill a gap but those that failed."""
        if not self.log.landed or self.log.flights:
            return None
        why = f"records got the sequence numbers {sorted(self.log.landed)} with nothing before them"
        return Fault(kind=Violation.HOLE, explanation=why)

    def _cleaned(self, first: int) -> Fault | None:
        """Records below ``first`` were cleaned. Who was registered meanwhile, and was not waited for, begins there."""
        for name in self.beginning:
            subscriber = self.subscribers[name]
            subscriber.start = subscriber.start_max = max(subscriber.start, first)
        fault = self._moved(first)
        if self.exact and not (self.cleaning or self.retention.drops):
            self.log.removable = self.log.removed
        return fault

    def _moved(self, first: int, removable_before: int | None = None) -> Fault | None:
        """Records below ``first`` are gone, durably; what else might have been is not, if it was known before."""
        if first > self.log.removable:
            why = f"records are left from {first} on; only those below {self.log.removable} may be gone"
            return Fault(kind=Violation.EARLY_CLEANUP, explanation=why)
        self.lost += lost(self.subscribers.values(), range(self.first, first))
        for subscriber in self.subscribers.values():
            subscriber.skip(first)
        self.log.remove(first)
        if removable_before is not None:
            self.log.removable = max(removable_before, first)
        self.first = first
        return None

    def _maintained(self, done: dict[str, Any], removable_before: int) -> Fault | None:
        for subscriber in self.subscribers.values():
            subscriber.flush(subscriber.acked - subscriber.unsure)
        fault = self._moved(done["first"], removable_before)
        for name, position in done["skipped"]:
            subscriber = self.subscribers[name]
            if position > subscriber.skippable:
                why = f"subscriber {name} was skipped ahead to {position}; the limit is {subscriber.skippable}"
                fault = fault or Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
            if subscriber.unsure and position <= subscriber.finished():  # so it has forgotten some of what it finished
                subscriber.vague, self.exact = True, False
            subscriber.skip(position)
        for name in done["unregistered"]:
            if not self.subscribers[name].uncertain:
                why = f"subscriber {name} was unregistered; it was not slow"
                fault = fault or Fault(kind=Violation.CURSOR_LOST, explanation=why)
            self._unregistered(name)
        for subscriber in self.subscribers.values():
            subscriber.skippable = 0
            subscriber.dismissible = False
        return fault

    def _polled(self, name: str, count: int, given: list[Record], before: list[int]) -> Fault | None:
        """``before``: the marks of the log when it began; others may have moved them since."""
        subscriber = self.subscribers[name]
        subscriber.given_again(sequence for sequence, _ in given)
        promised, shown, _, first = before
        positions = [sequence for sequence, _ in given]
        if positions:
            subscriber.begin(positions, range(self.log.removable, self._newest()))
        elif count:
            subscriber.begin_behind(max(promised, shown))
        may = subscriber.expected(count, range(self.first, len(self.log.records)))
        must = subscriber.expected(count, range(self.first, max(promised, shown)))
        if subscriber.vague or self.log.unsettled or self.first != first:
            subscriber.give(positions)
            return None
        if positions and self.exact and subscriber.untold and self.handles.get(name):
            why = f"subscriber {name} was given {positions}, and not told that records before them are gone"
            return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
        subscriber.untold = False
        if positions != may[: len(positions)]:
            return wrong_deliveries(name, positions, may, len(self.log.records))
        if len(positions) < len(must):
            why = f"subscriber {name} was given {positions}, though {must} are there for it"
            return Fault(kind=Violation.STUCK, explanation=why)
        log = self.log.with_these(dict(given))
        if log is None:
            changed = next(p for p, payload in given if self.log.records[p] != payload)
            return Fault(kind=Violation.INVENTED, explanation=f"subscriber {name}: record {changed} was changed")
        self.log = log
        subscriber.give(positions)
        if self.traits.promise_reads and positions:
            self.log.show(max(positions) + 1)
        return None

    # -- recovery --------------------------------------------------------------------------------------------

    def compare(self, observed: Observed) -> Fault | None:
        """In what a sight differs from what is allowed when nothing is damaged, if it does."""
        return compare(self, observed)

    def judge_report(self, observed: Observed) -> Fault | None:
        """Damage was reported: the violation in what was shown before that, if there is one."""
        return judge_report(self, observed)

    def unopened(self) -> None:
        """It could not be opened, for a reason: what was not promised may be there or not when it can."""
        self.exact = False
        self.log.doubt()
        self._let_go()
        for subscriber in self.subscribers.values():
            subscriber.may_forget()
            passed = max(subscriber.skippable, self.log.removable) > subscriber.finished()
            subscriber.vague = subscriber.vague or subscriber.uncertain or passed

    def course(self) -> Course:
        """What has been done: a step is a record."""
        return Course(calls=self.log.calls, known=self.log.known, floor=self.log.floor)

    def concede(self, steps: int) -> None:
        """Of what was promised no more than so many records must be there."""
        self.log.concede(steps)

    def adopt(self, observed: Observed) -> None:
        """Go on from what a completed recovery showed; it must have been judged before."""
        located = self.log.located(observed.records, observed.next_position)
        if located is None:
            raise HarnessFault("a recovery is adopted that was not judged, or was found wrong")
        self.log, span = located
        self.log.adopt(span[1], promise=self.traits.promise_reads)
        self.clock.cut(span[1])
        self.subscribers = present(self, observed, range(*span))
        if observed.lost is not None and self.exact:
            self.lost = observed.lost
        else:
            self.lost += lost(self.subscribers.values(), range(self.first, span[0]))
        self.first = span[0]
        self.asked, self.handles, self.together = {}, dict.fromkeys(self.subscribers, False), False
        self.cleaning, self.beginning, self.finishing = set(), set(), False
        for name, subscriber in self.subscribers.items():
            given = {position for position, _ in observed.deliveries.get(name, ())}
            subscriber.adopt(given, range(*span), promise=False)
            subscriber.untold = False  # whoever looked was told


def held_at(held: Sequence[int], places: Sequence[int]) -> list[int]:
    """The held positions at these places, in the order asked, each once; places beyond the end are ignored."""
    return list(dict.fromkeys(held[place] for place in places if place < len(held)))
