"""The oracle: folds what was asked and promised into the models, and compares with them what recovery shows.

A history is fed the markers of a trace, one by one; at any crash point it knows what is allowed. Its ``key`` is equal
exactly where the allowed is, so that each pair of image and history is judged once. The comparison is made in two
steps: a quick one that says yes or no, and, after a no, a slow one that says which violation it is.
"""

import ast
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from chaoswal.engines.adapter import Record
from chaoswal.errors import HarnessFault
from chaoswal.models.log import Log
from chaoswal.models.subscribers import Subscriber, removable
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Cleanup,
    Defer,
    Flush,
    Operation,
    Poll,
    Reopen,
    Rotate,
    Subscribe,
    Sync,
    payloads,
)
from chaoswal.trace import Begin, End, Marker
from chaoswal.verdict import Fault, Violation

ERROR = "error "
"""How the result of an operation that raised begins; the rest is the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What an engine promises, as its adapter states it."""

    promise: frozenset[str]
    promise_reads: bool = False
    capabilities: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Observed:
    """What a recovered engine shows."""

    records: list[bytes] = field(default_factory=list)
    next_position: int | None = None
    deliveries: dict[str, list[Record]] = field(default_factory=dict)
    fault: Fault | None = None
    """It could not be opened or read, or did not come to an end."""

    def differs(self, other: "Observed") -> str:
        """In what two sights differ, or the empty string."""
        for name in ("fault", "records", "next_position", "deliveries"):
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
        self._asked: dict[int, list[int]] = {}  # what an operation under way will promise when it returns

    def copy(self) -> "History":
        """An independent copy."""
        other = History(self.operations, self.traits)
        other.errors_allowed = self.errors_allowed
        other.log = self.log.copy()
        other.subscribers = {name: subscriber.copy() for name, subscriber in self.subscribers.items()}
        other.first = self.first
        other._asked = dict(self._asked)
        return other

    def key(self) -> Hashable:
        """Equal for two moments of one run only where the same is allowed. What only grows goes by its size."""
        log = self.log
        cursors = [(name, len(s.acked), len(s.promised), len(s.unsure)) for name, s in self.subscribers.items()]
        return log.changes, log.promised, log.shown, log.removed, log.removable, tuple(cursors)

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
            case Sync() | Rotate() | Reopen():
                self._asked[op_index] = [self.log.length()]
            case Cleanup():
                self.log.may_remove(removable(self.subscribers.values(), self.first))
            case Subscribe(name=name):
                self.subscribers.setdefault(name, Subscriber(self.first))
            case Ack(name=name, places=places):
                self._each_held(name, places, Subscriber.ack)
            case Defer(name=name, places=places):
                self._each_held(name, places, Subscriber.defer)
            case Flush(name=name) if name in self.subscribers:
                self._asked[op_index] = sorted(self.subscribers[name].acked)
            case _:
                pass

    def _each_held(self, name: str, places: Sequence[int], act: object) -> None:
        subscriber = self.subscribers.get(name)
        if subscriber:
            for position in held_at(subscriber.held, places):
                act(subscriber, position)  # type: ignore[operator]

    def _end(self, marker: End, operation: Operation) -> Fault | None:
        if marker.result.startswith(ERROR):
            return self._failed(marker, operation)
        result = ast.literal_eval(marker.result)
        promised = self._asked.pop(marker.op_index, [])
        match operation:
            case Append() | Batch():
                return self._appended(marker.op_index, operation, result)
            case Sync() | Rotate() | Reopen():
                if promise_word(operation) in self.traits.promise:
                    self.log.promise(promised[0])
                if isinstance(operation, Reopen):
                    self._let_go()
            case Cleanup():
                return self._cleaned(result)
            case Poll(name=name, count=count) if name in self.subscribers:
                return self._polled(name, count, result)
            case Flush(name=name) if name in self.subscribers:
                self.subscribers[name].flush(promised)
            case _:
                pass
        return None

    def _failed(self, marker: End, operation: Operation) -> Fault | None:
        """A failed call may have happened or not, never half; with no fault injected it must not fail."""
        self._asked.pop(marker.op_index, None)
        if isinstance(operation, Reopen):
            for subscriber in self.subscribers.values():
                subscriber.may_forget()
        if self.errors_allowed:
            return None
        why = f"{promise_word(operation)} failed with nothing wrong below it: {marker.result.removeprefix(ERROR)}"
        return Fault(kind=Violation.STUCK, explanation=why)

    def _let_go(self) -> None:
        for subscriber in self.subscribers.values():
            subscriber.held = []

    def _appended(self, op_index: int, operation: Append | Batch, first: int | None) -> Fault | None:
        count = len(payloads(op_index, operation))
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

    def _cleaned(self, first: int) -> Fault | None:
        if first > self.log.removable:
            why = (
                f"cleanup left records from {first} on; subscribers have finished only those below {self.log.removable}"
            )
            return Fault(kind=Violation.EARLY_CLEANUP, explanation=why)
        self.log.remove(first)
        self.first = first
        return None

    def _polled(self, name: str, count: int, given: list[Record]) -> Fault | None:
        subscriber = self.subscribers[name]
        subscriber.given_again(sequence for sequence, _ in given)
        may = subscriber.expected(count, range(self.first, len(self.log.records)))
        must = subscriber.expected(count, range(self.first, self.log.floor))
        positions = [sequence for sequence, _ in given]
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
        for name, given in observed.deliveries.items():
            if name in self.subscribers:
                fault = _judge_deliveries(name, self.subscribers[name], log.records, range(*span), given)
                if fault:
                    return fault
        return None

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
        self.first = span[0]
        self._asked = {}
        for name, subscriber in self.subscribers.items():
            given = {position for position, _ in observed.deliveries.get(name, ())}
            subscriber.adopt(given, range(*span), promise=False)


def held_at(held: Sequence[int], places: Sequence[int]) -> list[int]:
    """The held positions at these places, in the order asked, each once; places beyond the end are ignored."""
    return list(dict.fromkeys(held[place] for place in places if place < len(held)))


_WORDS = {Append: "append", Batch: "append_batch", Reopen: "close"}


def promise_word(operation: Operation) -> str:
    """The adapter's method that an operation calls, as a promise names it."""
    return _WORDS.get(type(operation), type(operation).__name__.lower())


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
        if position not in seen or payload != records[position]:
            why = f"subscriber {name} is given record {position}, which is not what was appended there"
            return Fault(kind=Violation.INVENTED, explanation=why)
    forgotten = sorted(subscriber.promised.intersection(positions))
    if forgotten:
        why = f"subscriber {name} is given {forgotten} again, whose acknowledgements were promised"
        return Fault(kind=Violation.CURSOR_LOST, explanation=why)
    skipped = sorted(set(seen).difference(positions, subscriber.acked))
    if skipped:
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
