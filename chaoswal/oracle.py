"""The oracle: folds what was asked and promised into the models, and compares with them what recovery shows.

A history is fed the markers of a trace, one by one; at any crash point it knows what is allowed. Its ``key`` is equal
exactly where the allowed is, so that each pair of image and history is judged once. The comparison is made in two
steps: a quick one that says yes or no, and, after a no, a slow one that says which violation it is.
"""

import ast
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaoswal.engines.adapter import Record
from chaoswal.errors import HarnessFault
from chaoswal.models.log import Log
from chaoswal.models.retention import Retention
from chaoswal.models.subscribers import Subscriber, lost, removable
from chaoswal.ops import (
    Ack,
    Activate,
    Append,
    Batch,
    Cleanup,
    Deactivate,
    Defer,
    Flush,
    Maintain,
    Operation,
    Poll,
    Reject,
    Reopen,
    Rotate,
    Subscribe,
    SubscribeLatest,
    Sync,
    Unsubscribe,
    Wait,
    payloads,
)
from chaoswal.trace import Begin, End, Marker
from chaoswal.verdict import Fault, Violation

CLOCK_SECONDS = 0.002
"""How much may be lost to the rounding of times."""

ERROR = "error "
"""How the result of an operation that raised begins; the rest is the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What an engine promises, as its adapter states it."""

    promise: frozenset[str]
    promise_reads: bool = False
    capabilities: frozenset[str] = frozenset()
    retention: tuple[tuple[str, float], ...] = ()
    """The arguments of the model's ``Retention``."""
    refusals: frozenset[str] = frozenset()
    """The errors by which it refuses an operation and changes nothing."""


@dataclass(slots=True, kw_only=True)
class Observed:
    """What a recovered engine shows."""

    records: list[bytes] = field(default_factory=list)
    next_position: int | None = None
    deliveries: dict[str, list[Record]] = field(default_factory=dict)
    registered: tuple[str, ...] | None = None
    """The subscribers, where the engine names them."""
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What each subscriber says it has rejected and skipped, where it does."""
    lost: int | None = None
    """The records it says were dropped before all had finished them, where it does."""
    fault: Fault | None = None
    """It could not be opened or read, or did not come to an end."""

    def differs(self, other: "Observed") -> str:
        """In what two sights differ, or the empty string."""
        for name in ("fault", "records", "next_position", "deliveries", "registered", "counts", "lost"):
            if getattr(self, name) != getattr(other, name):
                return name
        return ""


class History:
    """What was asked of an engine and what it promised, up to one moment."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        self.operations = operations
        self.traits = traits
        self.errors_allowed = False  # whether faults are injected, so that an operation may fail
        self.log = Log()
        self.subscribers: dict[str, Subscriber] = {}
        self.first = 0
        self.retention = Retention(**dict(traits.retention))
        self.lost = 0  # records that went before all had finished them
        self.exact = True  # whether that, and what was skipped, is known for certain: no operation has failed
        self.seconds = 0.0
        self._ages: list[tuple[float, int]] = []  # when there were how many records
        self._progress: dict[str, float] = {}  # when a subscriber last finished anything
        self._strict: set[str] = set()  # subscribers whose handle refuses to skip
        self._asked: dict[int, list[int]] = {}  # what an operation under way will promise when it returns

    def copy(self) -> "History":
        """An independent copy."""
        other = History(self.operations, self.traits)
        other.errors_allowed = self.errors_allowed
        other.log = self.log.copy()
        other.subscribers = {name: subscriber.copy() for name, subscriber in self.subscribers.items()}
        other.first, other.lost, other.exact, other.seconds = self.first, self.lost, self.exact, self.seconds
        other._ages, other._progress = self._ages[:], dict(self._progress)
        other._strict, other._asked = set(self._strict), dict(self._asked)
        return other

    def key(self) -> Hashable:
        """Equal for two moments of one run only where the same is allowed. What only grows goes by its size."""
        log = self.log
        cursors = [
            (name, len(s.acked), len(s.promised), len(s.unsure), *s.marks()) for name, s in self.subscribers.items()
        ]
        return log.changes, log.promised, log.shown, log.removed, log.removable, self.lost, self.exact, tuple(cursors)

    def apply(self, marker: Marker) -> Fault | None:
        """Let one operation begin or end; a fault where its result alone is already wrong."""
        operation = self.operations[marker.op_index]
        if isinstance(marker, Begin):
            self._begin(marker.op_index, operation)
            return None
        return self._end(marker, operation)

    # -- operations ------------------------------------------------------------------------------------------

    def _begin(self, op_index: int, operation: Operation) -> None:
        match operation:
            case Append() | Batch():
                self.log.begin_append(payloads(op_index, operation))
                self._asked[op_index] = [self.log.removable]
                self.log.may_remove(self._droppable())
            case Sync() | Rotate() | Reopen():
                self._asked[op_index] = [self.log.length()]
            case Cleanup():
                self.log.may_remove(removable(self.subscribers.values(), self.first))
            case Maintain():
                self._asked[op_index] = [self.log.removable]
                self._maintaining()
            case Wait(milliseconds=milliseconds):
                self._ages.append((self.seconds, len(self.log.records)))
                self.seconds += milliseconds / 1000
            case Flush(name=name) if name in self.subscribers:
                self._asked[op_index] = sorted(self.subscribers[name].acked)
            case _:
                self._begin_subscriber(operation)

    def _begin_subscriber(self, operation: Operation) -> None:
        match operation:
            case Subscribe(name=name) | SubscribeLatest(name=name) if name not in self.subscribers:
                new = Subscriber(self.first)
                if isinstance(operation, SubscribeLatest):
                    new = Subscriber(min(self.log.floor, self.log.length()), len(self.log.records))
                new.optional = "registered" in self.traits.capabilities
                self.subscribers[name] = new
                self._progress[name] = self.seconds
            case Unsubscribe(name=name) if name in self.subscribers:
                self.subscribers[name].optional = True
            case Ack(name=name, places=places):
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
            self._progress[name] = self.seconds
            for position in held_at(subscriber.held, places):
                act(subscriber, position)  # type: ignore[operator]

    def _droppable(self) -> int:
        sizes = [len(record) for record in self.log.records]
        return self.retention.droppable(sizes, self.first, self.log.halves)

    def _maintaining(self) -> None:
        """What is cleaned, expired, dropped, skipped or unregistered by maintenance, at most."""
        self.log.may_remove(removable(self.subscribers.values(), self.first))
        self.log.may_remove(self._droppable())
        if self.retention.age_seconds:
            old = self.seconds - self.retention.age_seconds + CLOCK_SECONDS
            self.log.may_remove(max([0, *(length for when, length in self._ages if when <= old)]))
        for name, subscriber in self.subscribers.items():
            limit = self._late(name, subscriber)
            if self.retention.unregisters and limit > subscriber.finished():
                subscriber.optional = True
            elif limit > subscriber.finished():
                subscriber.skippable = limit

    def _late(self, name: str, subscriber: Subscriber) -> int:
        idle = self.seconds - self._progress.get(name, 0.0) + CLOCK_SECONDS
        return self.retention.late(max(subscriber.finished(), self.first), len(self.log.records), idle)

    def _end(self, marker: End, operation: Operation) -> Fault | None:
        if marker.result.startswith(ERROR):
            return self._failed(marker, operation)
        result = ast.literal_eval(marker.result)
        promised = self._asked.pop(marker.op_index, [])
        match operation:
            case Append() | Batch():
                return self._appended(marker.op_index, operation, result, promised[0])
            case Sync() | Rotate() | Reopen():
                if promise_word(operation) in self.traits.promise:
                    self.log.promise(promised[0])
                if isinstance(operation, Reopen):
                    self._let_go()
            case Cleanup():
                return self._moved(result)
            case Maintain():
                return self._maintained(result, promised[0])
            case Poll(name=name, count=count) if name in self.subscribers:
                return self._polled(name, count, result)
            case Flush(name=name) if name in self.subscribers:
                self.subscribers[name].flush(promised)
            case _:
                return self._end_subscriber(operation, result)
        return None

    def _end_subscriber(self, operation: Operation, result: object) -> Fault | None:
        match operation:
            case Unsubscribe(name=name):
                self._unregistered(name)
            case Subscribe(name=name) | SubscribeLatest(name=name):
                subscriber = self.subscribers[name]
                subscriber.optional = False
                if isinstance(operation, SubscribeLatest) and subscriber.start_max > subscriber.start:
                    return self._begins(name, subscriber, result)
            case Activate(name=name) | Deactivate(name=name) if name in self.subscribers:
                self.subscribers[name].held = []
                self._strict.discard(name)
                if isinstance(operation, Activate):
                    self._strict.add(name)
            case _:
                pass
        return None

    def _begins(self, name: str, subscriber: Subscriber, position: object) -> Fault | None:
        if not isinstance(position, int) or not subscriber.start <= position <= subscriber.start_max:
            why = f"subscriber {name} begins at {position}, which is not behind the last durable record"
            return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
        subscriber.start = subscriber.start_max = position
        return None

    def _unregistered(self, name: str) -> None:
        self.subscribers.pop(name, None)
        self._strict.discard(name)

    def _failed(self, marker: End, operation: Operation) -> Fault | None:
        """A failed call may have happened or not, never half; with no fault injected it must not fail."""
        why = marker.result.removeprefix(ERROR)
        before = self._asked.pop(marker.op_index, [])
        if why.partition(":")[0] in self.traits.refusals:
            return self._refused(marker.op_index, operation, why, before)
        if isinstance(operation, Reopen):
            self._let_go()
            for subscriber in self.subscribers.values():
                subscriber.may_forget()
        if self.errors_allowed:
            self._doubt(operation)
            return None
        why = f"{promise_word(operation)} failed with nothing wrong below it: {why}"
        return Fault(kind=Violation.STUCK, explanation=why)

    def _doubt(self, operation: Operation) -> None:
        """A call failed, for a reason: what it was about is known less well."""
        self.exact = False
        for name, subscriber in self.subscribers.items():
            if isinstance(operation, Maintain) or getattr(operation, "name", "") == name:
                doubtful = isinstance(operation, Subscribe | SubscribeLatest | Unsubscribe | Maintain)
                subscriber.optional = subscriber.optional or (doubtful and "registered" in self.traits.capabilities)
                subscriber.vague = subscriber.vague or subscriber.optional or subscriber.skippable > 0

    def _refused(self, op_index: int, operation: Operation, why: str, before: list[int]) -> Fault | None:
        """An operation was refused, and nothing was changed: there must be a reason for it."""
        name = getattr(operation, "name", "")
        if isinstance(operation, Append | Batch):
            if self.retention.full([len(record) for record in self.log.records[self.first :]]):
                self.log.withdraw(len(payloads(op_index, operation)))
                self.log.removable = before[0]
                return None
        elif name in self.subscribers and isinstance(operation, Activate | Poll):
            if isinstance(operation, Activate):
                self.subscribers[name].held = []
                self._strict.discard(name)
            if self.subscribers[name].untold or not self.exact:
                return None
        return Fault(kind=Violation.STUCK, explanation=f"{promise_word(operation)} was refused without a reason: {why}")

    def _let_go(self) -> None:
        self._strict = set()
        for subscriber in self.subscribers.values():
            subscriber.held = []

    def _appended(
        self, op_index: int, operation: Append | Batch, result: object, removable_before: int
    ) -> Fault | None:
        count = len(payloads(op_index, operation))
        first = result if isinstance(result, int) else None
        if isinstance(result, tuple):
            first, left = result
            fault = self._moved(left, removable_before)
            if fault:
                return fault
        self.log.end_append(count, first)
        expected = len(self.log.records) - count
        if promise_word(operation) in self.traits.promise:
            self.log.promise(len(self.log.records))
        if first is None or first == expected:
            return None
        return Fault(
            kind=Violation.DUPLICATED if first < expected else Violation.HOLE,
            explanation=f"the record got sequence number {first}; the next free one was {expected}",
        )

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
            subscriber.flush(subscriber.acked)
        fault = self._moved(done["first"], removable_before)
        for name, position in done["skipped"]:
            subscriber = self.subscribers[name]
            if position > subscriber.skippable:
                why = f"subscriber {name} was skipped ahead to {position}; the limit is {subscriber.skippable}"
                fault = fault or Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
            subscriber.skip(position)
        for name in done["unregistered"]:
            if not self.subscribers[name].optional:
                why = f"subscriber {name} was unregistered; it was not slow"
                fault = fault or Fault(kind=Violation.CURSOR_LOST, explanation=why)
            self._unregistered(name)
        for subscriber in self.subscribers.values():
            subscriber.skippable = 0
            subscriber.optional = subscriber.vague
        return fault

    def _polled(self, name: str, count: int, given: list[Record]) -> Fault | None:
        subscriber = self.subscribers[name]
        subscriber.given_again(sequence for sequence, _ in given)
        may = subscriber.expected(count, range(self.first, len(self.log.records)))
        must = subscriber.expected(count, range(self.first, self.log.floor))
        positions = [sequence for sequence, _ in given]
        if subscriber.vague:
            subscriber.give(positions)
            return None
        if positions and self.exact and subscriber.untold and name in self._strict:
            why = f"subscriber {name} was given {positions}, and not told that records before them are gone"
            return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
        subscriber.untold = False
        if positions != may[: len(positions)]:
            return _wrong_deliveries(name, positions, may)
        if len(positions) < len(must):
            why = f"subscriber {name} was given {positions}, though {must} are there for it"
            return Fault(kind=Violation.STUCK, explanation=why)
        for position, payload in given:
            if self.log.records[position] != payload:
                return Fault(kind=Violation.INVENTED, explanation=f"subscriber {name}: record {position} was changed")
        subscriber.give(positions)
        if self.traits.promise_reads and positions:
            self.log.show(max(positions) + 1)
        return None

    # -- recovery --------------------------------------------------------------------------------------------

    def judge(self, observed: Observed) -> Fault | None:
        """The violation in what a recovered engine shows, if there is one."""
        if observed.fault:
            return observed.fault
        log = self.log.settled(observed.records, observed.next_position)
        span = log.allows(observed.records, observed.next_position) if log else None
        if log is None or span is None:
            return _explain_log(self.log, observed)
        fault = self._judge_names(observed)
        if fault:
            return fault
        for name, given in observed.deliveries.items():
            if name in self.subscribers:
                subscriber = _begun(self.subscribers[name], given, span[1])
                fault = _judge_deliveries(name, subscriber, log.records, range(*span), given)
                fault = fault or self._judge_counts(name, subscriber, observed, span)
                if fault:
                    return fault
        return self._judge_losses(observed, span[0])

    def _judge_names(self, observed: Observed) -> Fault | None:
        if observed.registered is None:
            return None
        missing = [name for name, s in self.subscribers.items() if not s.optional and name not in observed.registered]
        if missing:
            return Fault(kind=Violation.CURSOR_LOST, explanation=f"subscribers {missing} are not registered any more")
        back = [name for name in observed.registered if name not in self.subscribers]
        if back:
            return Fault(kind=Violation.RESURRECTED, explanation=f"subscribers {back} were unregistered and are back")
        return None

    def _judge_counts(
        self, name: str, subscriber: Subscriber, observed: Observed, span: tuple[int, int]
    ) -> Fault | None:
        told = observed.counts.get(name)
        if told is None or not self.exact:
            return None
        delivered = {position for position, _ in observed.deliveries[name]}
        passed = subscriber.passed(delivered, range(*span))
        right = subscriber.counts(delivered, max([span[0], *(p + 1 for p in passed)]))
        if told == right:
            return None
        why = "subscriber {} says it rejected {} records and skipped {}; it was {} and {}"
        return Fault(kind=Violation.DISHONEST, explanation=why.format(name, *told, *right))

    def _judge_losses(self, observed: Observed, first: int) -> Fault | None:
        if observed.lost is None or not self.exact:
            return None
        right = self.lost + lost(self.subscribers.values(), range(self.first, first))
        if observed.lost == right:
            return None
        why = f"{observed.lost} records are said to have been dropped unfinished; it was {right}"
        return Fault(kind=Violation.DISHONEST, explanation=why)

    def open(self, observed: Observed) -> Fault | None:
        """The engine was opened and showed this: judge it and go on from it."""
        fault = self.judge(observed)
        if not fault:
            self.adopt(observed)
        return fault

    def adopt(self, observed: Observed) -> None:
        """Go on from what a completed recovery showed; it must have been judged before."""
        log = self.log.settled(observed.records, observed.next_position)
        span = log.allows(observed.records, observed.next_position) if log else None
        if log is None or span is None:
            raise HarnessFault("a recovery is adopted that was not judged, or was found wrong")
        self.log = log
        self.log.adopt(span[1], promise=self.traits.promise_reads)
        self.lost += lost(self.subscribers.values(), range(self.first, span[0]))
        self.first = span[0]
        registered = observed.registered
        self.subscribers = {n: s for n, s in self.subscribers.items() if registered is None or n in registered}
        self._asked, self._strict = {}, set()
        for name, subscriber in self.subscribers.items():
            given = {position for position, _ in observed.deliveries.get(name, ())}
            subscriber.adopt(given, range(*span), promise=False)
            subscriber.untold = False  # whoever looked was told


def held_at(held: Sequence[int], places: Sequence[int]) -> list[int]:
    """The held positions at these places, in the order asked, each once; places beyond the end are ignored."""
    return list(dict.fromkeys(held[place] for place in places if place < len(held)))


_WORDS = {Append: "append", Batch: "append_batch", Reopen: "close", Unsubscribe: "unregister"}


def promise_word(operation: Operation) -> str:
    """The adapter's method that an operation calls, as a promise names it."""
    return _WORDS.get(type(operation), type(operation).__name__.lower())


def _begun(subscriber: Subscriber, given: list[Record], stop: int) -> Subscriber:
    """The subscriber; a copy that knows where it begins, if only what it is given tells."""
    if subscriber.start_max == subscriber.start:
        return subscriber
    copy = subscriber.copy()
    copy.begin([position for position, _ in given], stop)
    return copy


def _judge_deliveries(
    name: str, subscriber: Subscriber, records: list[bytes], visible: range, given: list[Record]
) -> Fault | None:
    """The violation in what a subscriber is given after a recovery, if there is one."""
    seen = range(max(visible.start, subscriber.start), visible.stop)
    if given == [(p, records[p]) for p in seen if p not in subscriber.acked]:
        return None
    positions = [position for position, _ in given]
    if positions != sorted(set(positions)):
        return _wrong_deliveries(name, positions, list(seen))
    for position, payload in given:
        if position not in visible or payload != records[position]:
            why = f"subscriber {name} is given record {position}, which is not what was appended there"
            return Fault(kind=Violation.INVENTED, explanation=why)
    if subscriber.vague:
        return None
    if positions and positions[0] < seen.start:
        return _wrong_deliveries(name, positions, list(seen))
    forgotten = sorted(subscriber.promised.intersection(positions))
    if forgotten:
        why = f"subscriber {name} is given {forgotten} again, whose acknowledgements were promised"
        return Fault(kind=Violation.CURSOR_LOST, explanation=why)
    skipped = sorted(subscriber.passed(positions, seen))
    if not subscriber.may_pass(skipped, positions):
        why = f"subscriber {name} is not given {skipped}, which it never acknowledged"
        return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
    return None


def _wrong_deliveries(name: str, given: list[int], expected: list[int]) -> Fault:
    kind = Violation.CURSOR_AHEAD
    if len(set(given)) < len(given):
        kind = Violation.DUPLICATED
    elif given != sorted(given):
        kind = Violation.REORDERED
    elif given and expected and given[0] < expected[0]:
        kind = Violation.DUPLICATED
    return Fault(kind=kind, explanation=f"subscriber {name} was given {given}; due were {expected}")


def _explain_log(log: Log, observed: Observed) -> Fault:
    """Which violation it is, once it is known to be one. The first that applies is the worst."""
    shown = observed.records
    places: dict[bytes, list[int]] = {}
    for position, payload in enumerate(log.records):
        places.setdefault(payload, []).append(position)
    unknown = [payload for payload in shown if payload not in places]
    if unknown:
        back = unknown[0] in log.buried
        kind = Violation.RESURRECTED if back else Violation.INVENTED
        what = "cut by an earlier recovery" if back else "never appended"
        return Fault(kind=kind, explanation=f"a record that was {what} is served: {_brief(unknown[0])}")
    return _explain_positions(log, _positions(places, shown, log.removed), observed.next_position)


def _positions(places: dict[bytes, list[int]], shown: Sequence[bytes], first: int) -> list[int]:
    """Where the records that are shown were appended; of equal ones, those that are next in order."""
    found: list[int] = []
    for payload in shown:
        after = found[-1] + 1 if found else first
        found.append(next((place for place in places[payload] if place >= after), places[payload][0]))
    return found


def _explain_positions(log: Log, positions: list[int], next_position: int | None) -> Fault:
    shown = _spans(positions)
    starts, ends = f"{log.removed} <= c <= {log.removable}", f"{log.floor} <= n <= {len(log.records)}"
    repeated = [position for position, count in Counter(positions).items() if count > 1]
    end = positions[-1] + 1 if positions else log.removable
    missing = sorted(set(range(positions[0], end)).difference(positions)) if positions else []
    rules = (
        (bool(repeated), Violation.DUPLICATED, f"records {repeated} are served more than once"),
        (positions != sorted(positions), Violation.REORDERED, f"records come in the order {positions}"),
        (bool(positions) and positions[0] < log.removed, Violation.RESURRECTED, f"{shown} came back after cleanup"),
        (bool(missing), Violation.HOLE, f"{_spans(missing)} are missing before later ones"),
        (end < log.promised, Violation.LOST, f"{_spans(range(end, log.promised))} were promised and are missing"),
        (end < log.shown, Violation.PHANTOM, f"{_spans(range(end, log.shown))} were served and are gone"),
        (bool(positions) and positions[0] > log.removable > 0, Violation.EARLY_CLEANUP, f"only {shown} are left"),
        (bool(positions) and positions[0] > log.removable, Violation.HOLE, f"only {shown} are left"),
        (end in log.halves, Violation.HOLE, f"half a batch is served: {shown}"),
        ((next_position or 0) > end, Violation.HOLE, f"the next sequence number is {next_position}, beyond {shown}"),
        (True, Violation.DUPLICATED, f"the next sequence number is {next_position} behind {shown}"),
    )
    kind, what = next((kind, what) for applies, kind, what in rules if applies)
    return Fault(kind=kind, explanation=f"{what}; allowed are records[c:n] with {starts}, {ends}")


def _spans(positions: Sequence[int]) -> str:
    """``records 0-3, 7``."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1][1] = position
        else:
            runs.append([position, position])
    words = [f"{start}" if start == stop else f"{start}-{stop}" for start, stop in runs]
    return f"records {', '.join(words)}" if words else "no record"


def _brief(payload: bytes) -> str:
    return f"{len(payload)} bytes {payload[:24]!r}" + ("…" if len(payload) > 24 else "")
