"""System calls as strace counts them, so that it can strike one: which thread, which call, the how manieth.

Theory of operation. strace counts each call by its name in each thread from the moment it is attached, and so is
counted here, from a trace that was made in the same way. Threads have no numbers that a second run would give out
again: they go by the order in which they are first seen. Two runs of an engine with threads may differ, so what was
aimed at is one thing, and what was struck another: the trace of the second run tells. A call that never returned is
followed no further: whoever was killed at its entry has not made it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaoswal.record.calls import Recording
from chaoswal.record.marks import is_mark
from chaoswal.record.strace import Call, Met, Phase, path_of
from chaoswal.trace import Begin, End, Event, Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The entry of one call."""

    thread: int
    """From 0, in the order in which they are seen."""
    call: str
    nth: int
    """Of its name in its thread, from 1."""
    operation: int | None
    """The operation that was under way; None between them, and in the opening."""

    def __str__(self) -> str:
        where = "the opening" if self.operation is None else f"operation {self.operation + 1}"
        thread = f" in thread {self.thread}" if self.thread else ""
        return f"{self.call} nth {self.nth}{thread} in {where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call that was met, and the events that it came to."""

    point: Point
    entered: Call
    events: tuple[Event, ...]

    @property
    def mark(self) -> bool:
        """Whether it says something of the process that makes it, and changes nothing."""
        return self.entered.name == "unlink" and is_mark(path_of(self.entered.text))

    @property
    def changes(self) -> bool:
        """Whether it changes a file or a name, or makes it durable."""
        return any(not isinstance(event, Marker) for event in self.events)


def walk(recording: Recording, met: Sequence[Met]) -> list[Step]:
    """Let these calls happen, and say what each came to; one that is met twice is one or two steps of one point."""
    threads: dict[int, int] = {}
    counts: Counter[tuple[int, str]] = Counter()
    points: dict[int, Point] = {}
    steps, under_way = [], None
    for phase, call in met:
        if phase is not Phase.EXIT:
            thread = threads.setdefault(call.pid, len(threads))
            counts[call.pid, call.name] += 1
            nth = counts[call.pid, call.name]
            points[id(call)] = Point(thread=thread, call=call.name, nth=nth, operation=under_way)
        before = len(recording.tree.events)
        if call.result is not None:
            recording.follow([(phase, call)])
        events = tuple(recording.tree.events[before:])
        under_way = _under_way(events, under_way)
        steps.append(Step(point=points[id(call)], entered=call, events=events))
    return steps


def _under_way(events: Sequence[Event], before: int | None) -> int | None:
    for event in events:
        if isinstance(event, Begin | End):
            before = event.op_index if isinstance(event, Begin) else None
    return before


def entries(steps: Sequence[Step], *, marks: bool) -> list[Point]:
    """The entry of each call that changes something, in their order; with ``marks`` also the end of what it was for.

    There, between the last change and the promise, the disk is that of the promise and the promise is not given.
    """
    return list(dict.fromkeys(_entries(steps, marks=marks)))


def _entries(steps: Sequence[Step], *, marks: bool) -> Iterator[Point]:
    changed = False
    for step in steps:
        if step.changes or (step.mark and changed and marks):
            yield step.point
            changed = step.changes


def cut_off(steps: Sequence[Step]) -> list[Point]:
    """The calls that never returned, each the last of its thread."""
    return list(dict.fromkeys(step.point for step in steps if step.entered.result is None))
