"""The kill loop that aims: a process for each system call of a program, killed at its entry, and what it left judged.

Theory of operation
-------------------
A program is run once to its end and recorded (``record.attached``). Each call of it that changed a file or a name, or
made it durable, is then the aim of a run of its own, in a directory of its own, that is killed at the entry of that
call: what came before is done, the call is not. So a kill *behind* a call is the kill before the next one, and behind
the last change of an operation it is at the mark that ends the operation, before the promise is given; the run that is
not killed ends behind the last. No kill comes within a write: that, ``explore`` tries.

The engine is free to do something else in the second run, and threads take turns as they like. So where the kill was is
read from the trace of the run that was killed. A call that was not struck in so many tries (``TRIES``) is counted as
missed, and no verdict is a PASS then. What the run left is judged all the same: it was killed somewhere.

The directory is opened where it stands, by a process of its own, then by another one that asks it to go on and is
killed as soon as something is promised (``outside``), and judged as any state after a kill is: ``history`` says what is
allowed after the operations that had begun and ended by then.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chaoswal.anchors import step_of
from chaoswal.check import at_creation, sight_of
from chaoswal.contracts import history_of
from chaoswal.disk.crashes import Crash
from chaoswal.disk.directory import load
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import KILL
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import UsageError
from chaoswal.killloop.blows import blow_of, met_at
from chaoswal.ops import Operation
from chaoswal.oracle import ERROR, Observed, Traits, promise_word
from chaoswal.outside import Recovered, recover_in_place
from chaoswal.patience import RUN
from chaoswal.processes import ending
from chaoswal.program import Step
from chaoswal.record.attached import ASKS, KILLS, Attached, Lived
from chaoswal.record.points import Point, cut_off, entries
from chaoswal.record.traced import must_be_seen, of_engine
from chaoswal.record.traced import run_of as ended_run_of
from chaoswal.replay import pass_through
from chaoswal.run import Run
from chaoswal.text import line, word_of
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault
from chaoswal.warm import Outcome, Patience

TRIES = 3
"""So often a call is aimed at before it is missed."""

_ROOM_BYTES = 64 << 20

_FRAME = re.compile(r'File "(.*)", line (\d+) in (.*)')

OPENING = "opening"
"""The place of a kill before the first operation is begun."""


@dataclass(slots=True, kw_only=True)
class Count:
    """What was counted."""

    programs: int = 0
    processes: int = 0
    struck: int = 0
    judged: int = 0
    acks: int = 0
    left: int = 0
    """Calls of the program that is under way at which nobody has aimed yet."""
    missed: list[str] = field(default_factory=list)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(the operation, the call) to how many kills."""
    seen: set[Hashable] = field(default_factory=set)
    """The pairs of what was shown and what was allowed."""

    @property
    def aimed(self) -> int:
        """Calls that were struck or, in so many tries, missed."""
        return self.struck + len(self.missed)

    def settle(self, point: Point, *, hit: bool, last: bool) -> None:
        """Count a try."""
        self.struck += hit
        if last and not hit:
            self.missed.append(str(point))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A violation that a killed run has left, and all that is known of it."""

    number: int
    """Of the program."""
    operations: tuple[Operation, ...]
    """The program as a whole."""
    fault: Fault
    steps: tuple[Step, ...]
    """The program up to the kill."""
    at: Point | None
    """Where it was killed; None: at its end."""
    early: bool
    """Whether nothing had been promised yet."""
    before: Image
    """The directory as the first opening found it."""
    output: str


class Striker:
    """Runs programs of one engine, and strikes them. Close it."""

    def __init__(self, engine: EngineRef, factory: Factory, traits: Traits, directory: str, count: Count) -> None:
        """``directory``: where each run in its turn has its own, ``data``."""
        self.count = count
        self._engine, self._factory, self._traits = engine, factory, traits
        self._root = os.path.join(os.path.realpath(directory), "data")
        self._attached = Attached("a kill at every system call")
        self._patience = Patience()

    def between(self, operations: Sequence[Operation], at: Point | None) -> str:
        """Between which lines of Python the kill at a call came; empty where the engine is no Python, or does not say.

        Each of the two calls is met once more, by a run that is not killed, but asked.
        """
        points = entries(self._live(operations).steps, marks=False)
        if at not in points or self._engine.is_program:
            return ""
        place = points.index(at)
        told = [self._line_of(operations, point) for point in points[max(0, place - 1) : place + 1]]
        return " and ".join(told) if all(told) else ""

    def _line_of(self, operations: Sequence[Operation], point: Point) -> str:
        stack = self._live(operations, [f"{point.call}:{ASKS}:when={point.nth}"]).stack
        frames = [match for match in _FRAME.finditer(stack) if "/chaoswal/vfs/" not in match[1]]
        return f"{point.call} at {os.path.basename(frames[0][1])}:{frames[0][2]} in {frames[0][3]}" if frames else ""

    def close(self) -> None:
        """End what was started."""
        self._attached.close()

    def program(self, number: int, operations: Sequence[Operation]) -> Iterator[Strike | None]:
        """Run a program, then once for each call; what is wrong with what each has left, or None where nothing is."""
        self.count.programs += 1
        whole = self._live(operations)
        yield self._judged(number, operations, whole, None)
        points = entries(whole.steps, marks=not self._engine.is_program)
        self.count.left = len(points)
        for point in points:
            self.count.left -= 1
            yield from self._aimed(number, operations, point)

    def faulty(self, number: int, operations: Sequence[Operation], fault: DiskFault) -> Iterator[Strike | None]:
        """Run a program, then again with a fault, if it has a call that the fault is about."""
        self.count.programs += 1
        whole = self._live(operations)
        yield self._judged(number, operations, whole, None)
        blow = blow_of(fault, whole.steps)
        if blow is None:
            return
        for left in reversed(range(TRIES)):
            with _disk(blow.disk_bytes, self._root) as grow:
                lived = self._live(operations, blow.inject, blow.file_bytes)
                grow()  # who opens it again has room
                at = met_at(fault, lived.steps)
                self.count.settle(blow.point, hit=at == blow.point, last=not left)
                yield self._judged(number, operations, lived, at, fault)
            if at == blow.point:
                return

    def _aimed(self, number: int, operations: Sequence[Operation], point: Point) -> Iterator[Strike | None]:
        for left in reversed(range(TRIES)):
            lived = self._live(operations, [f"{point.call}:{KILLS}:when={point.nth}"])
            at = cut_off(lived.steps)
            hit = point in at
            self.count.settle(point, hit=hit, last=not left)
            yield self._judged(number, operations, lived, point if hit else next(reversed(at), None))
            if hit:
                return

    def _live(
        self, operations: Sequence[Operation], inject: Sequence[str] = (), file_bytes: int | None = None
    ) -> Lived:
        clear(self._root)
        self.count.processes += 1
        words = list(map(line, operations))
        seconds = self._patience.seconds(RUN.seconds)
        begun = time.monotonic()
        lived = self._attached.run(self._factory, self._root, words, inject, file_bytes=file_bytes, seconds=seconds)
        self._patience.note(time.monotonic() - begun, hung=lived.hung, whole=not lived.hung)
        return lived

    # -- the verdict ---------------------------------------------------------------------------------------------

    def _judged(
        self,
        number: int,
        operations: Sequence[Operation],
        lived: Lived,
        at: Point | None,
        met: DiskFault | None = None,
    ) -> Strike | None:
        """What is wrong with what a run has left, which met a fault, or a kill, or neither."""
        must_be_seen(self._factory, lived.recording)
        run = run_of(self._factory, lived, program=self._engine.is_program)
        run.faulty = met is not None
        run.struck = met is not None and at is not None and at.operation is None
        begun = [event.op_index for event in run.events if isinstance(event, Begin)]
        done = list(operations[: len(begun)])
        self._note(operations, run, at)
        before = load(self._root)
        history = history_of(done, self._traits)
        fault = pass_through(run, history, len(run.events))
        passed = fault is None
        if not fault:
            names = tuple(history.subscribers)
            sight = sight_of(self._open(names), lambda: self._open(names, probing=True))
            fault = history.judge(sight.observed) or sight.fault
            self.count.judged += 1
            self.count.seen.add((before.key, history.key()))
        if not fault:
            return None
        crash = Crash(point=len(run.events), power=False)
        return Strike(
            number=number,
            operations=tuple(operations),
            fault=fault,
            steps=(*([met] if met else []), *done, step_of(run, crash, KILL)),
            at=at,
            early=passed and at_creation(fault, history),  # what is wrong before the crash is no matter of that
            before=before,
            output=lived.output,
        )

    def _open(self, names: Sequence[str], *, probing: bool = False) -> Recovered:
        return recover_in_place(self._attached.server, self._factory, self._root, names, probing=probing)

    def _note(self, operations: Sequence[Operation], run: Run, at: Point | None) -> None:
        ends = [event for event in run.events if isinstance(event, End) and not event.result.startswith(ERROR)]
        self.count.acks += sum(promise_word(operations[one.op_index]) in self._traits.promise for one in ends)
        if at is not None:
            place = OPENING if at.operation is None else word_of(type(operations[at.operation]))
            self.count.kills[place, at.call] += 1


def clear(root: str) -> None:
    """Make a directory empty, which may be where a file system is mounted."""
    os.makedirs(root, exist_ok=True)
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


@contextmanager
def _disk(size: int | None, root: str) -> Iterator[Callable[[], None]]:
    """Let a directory be a file system of this size, if any, until the end; what is given makes it larger."""
    if size is None:
        yield lambda: None
        return
    _mount("mount", "-t", "tmpfs", "-o", f"size={size}", "chaoswal", root)
    try:
        yield lambda: _mount("mount", "-o", f"remount,size={size + _ROOM_BYTES}", root)
    finally:
        _mount("umount", "--lazy", root)  # who was interrupted may still be in it


def _mount(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{' '.join(words)}: {done.stderr.strip()}")


def run_of(factory: Factory, lived: Lived, *, program: bool) -> Run:
    """The trace of a run that came to its end, was killed, or died; ``program``: whether its engine is another process.

    That one is told of the kill as an error, and no more than that is known of the operation that was under way.
    """
    events, opened = of_engine(factory, lived.recording)
    killed = bool(cut_off(lived.steps))
    if killed and program and events and isinstance(events[-1], End) and events[-1].result.startswith(ERROR):
        events.pop()
    if killed and (lived.observed is None or opened is None or (program and lived.observed.fault)):
        return Run(start=Disk(), events=events, opened=len(events) + 1)  # which never comes
    if killed and (program or lived.code == -signal.SIGKILL):
        return Run(start=Disk(), events=events, opened=opened or 0, observed=lived.observed or Observed())
    begun = {event.op_index for event in events if isinstance(event, Begin)}
    whole = not begun - {event.op_index for event in events if isinstance(event, End)}
    died = "" if lived.hung or (lived.code == 0 and whole) else ending(lived.code)
    items = [lived.observed] if lived.observed else []
    outcome = Outcome(items=items, died=died, hung=lived.hung, output=lived.output if died or lived.hung else "")
    return ended_run_of(factory, Disk(), lived.recording, outcome)
