"""The child: a process that opens the engine (which is its recovery), says what it shows, and works until it is killed.

It tells what it does in the notes only, each before and after the fact, so that there is nothing it must say at its
end. Where the plan arms a kill, it sends itself a real SIGKILL at that moment; otherwise it goes on until somebody
else does, and when it has done all it was asked to do it says so and waits. It dies with its parent, and what it or
its engine prints goes to a file.
"""

import ctypes
import gc
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chaoswal.engines.adapter import LogEngine
from chaoswal.engines.registry import Factory
from chaoswal.errors import Exit, HarnessFault, StepLimit
from chaoswal.killloop.journal import HARNESS, Offers, observed_note, offers_note
from chaoswal.killloop.notes import Notes
from chaoswal.killloop.places import place_of
from chaoswal.killloop.plans import Plan, Program
from chaoswal.limits import PAGE_BYTES
from chaoswal.ops import Operation
from chaoswal.oracle import Observed
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation
from chaoswal.vfs.noted import CODES, Moment, NotedVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.workload import Driver, traits_of

OPENED_BYTE, DONE_BYTE = b"o", b"d"
"""What a child says to its parent: the engine is open; everything is done."""

_ROOM_MIN = 16 << 20
"""A child that has less room than this for its notes begins no other operation."""

_BEGIN, _END = CODES[Begin], CODES[End]
_LIBC = ctypes.CDLL(None)  # found once, before anything forks
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a child is to do."""

    factory: Factory
    root: str
    plan: Plan
    notes: Notes
    report: Callable[[bytes], object]
    output: int
    """The descriptor that takes what is printed."""
    first_index: int
    """The number of its first operation."""
    subscribers: tuple[str, ...]
    names: Mapping[tuple[int, str], int]
    """The inode numbers of what the directory holds."""
    next_inode: int
    tickets: int
    places: Mapping[str, str]


def run(task: Task, parent: int) -> None:
    """The whole life of a child, as the target of a process."""
    die_with(parent)
    gc.disable()  # it lives for milliseconds, and shares its pages with its parent
    os.dup2(task.output, 1)
    os.dup2(task.output, 2)
    try:
        _Child(task).work()
        task.report(DONE_BYTE)
        while True:
            signal.pause()
    except Exception:  # noqa: BLE001 - the engine's own are contained: this is ours
        task.notes.note((HARNESS, traceback.format_exc()))
        os._exit(Exit.INTERNAL)


def live(task: Task) -> None:
    """A life without a death: do the work here, and close."""
    one = _Child(task)
    one.work()
    one.close()


def die_with(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is dead."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        die()


def die() -> None:
    """The real thing: no handler, no flush, no return."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trigger:
    """Keeps the notes of a child, and kills it where its plan says."""

    def __init__(self, plan: Plan, notes: Notes, places: Mapping[str, str]) -> None:
        self.note = notes.note
        self.operation: Operation | None = None
        self.opened = False
        self.places = dict(places)
        self._plan = plan
        self._left = plan.nth
        self._due = False

    def reach(self, moment: Moment, code: int, path: str) -> None:
        """Count the changes in the armed place, and end the process at its moment of the n-th."""
        if not self._plan.armed:
            return
        if moment is Moment.BEFORE:
            self._due = self.is_due(code, path)
        if self._due and moment is self._plan.moment:
            die()

    def is_due(self, code: int, path: str | None) -> bool:
        """Count one more in the armed place; whether it is the one to end at."""
        place = self._plan.place
        if place and place != place_of(self.operation, self.opened, code, path, self.places):
            return False
        self._left -= 1
        return self._left == 0

    def part(self, offset: int, length: int, path: str) -> int | None:
        """Of a write that is to be cut short: how much is made, up to a page boundary, as a kill leaves it."""
        if not (self._due and self._plan.moment is Moment.INSIDE):
            return None
        stops: list[int] = [0, *range(PAGE_BYTES - offset % PAGE_BYTES, length, PAGE_BYTES)]
        return stops[int(self._plan.part * len(stops))]


class _Child:
    """An engine open on a real directory."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._factory = task.factory
        self._note = task.notes.note
        self._trigger = Trigger(task.plan, task.notes, task.places)
        self._vfs: NotedVfs | None = None
        if task.factory.simulated:
            self._vfs = NotedVfs(
                task.root, self._trigger, names=task.names, next_inode=task.next_inode, tickets=task.tickets
            )
        self._driver = Driver(self._open)
        self._offers: Offers | None = None

    def work(self) -> None:
        """Open, look, and perform operations."""
        task = self._task
        observed = self._contained()
        self._note(observed_note(observed, time.monotonic()))
        self._trigger.opened = True
        task.report(OPENED_BYTE)
        if observed.fault or self._offers is None:
            return
        program = Program(task.plan, self._offers.traits.capabilities, task.subscribers)
        for op_index in range(task.first_index, task.first_index + task.plan.operations_max):
            if task.notes.room < _ROOM_MIN:
                return
            self._perform(op_index, program.next())

    def close(self) -> None:
        """Close the engine."""
        self._driver.close()

    def _contained(self) -> Observed:
        try:
            return self._open_and_look()
        except StepLimit as error:
            return Observed(fault=Fault(kind=Violation.HUNG, explanation=str(error)))
        except HarnessFault:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an engine raises in recovery is an observation
            why = f"recovery raised {type(error).__name__}: {error}"
            return Observed(fault=Fault(kind=Violation.UNOPENABLE, explanation=why))

    def _open_and_look(self) -> Observed:
        engine = self._driver.engine
        traits = traits_of(engine)
        scratch, places = tuple(getattr(engine, "scratch", ())), dict(getattr(engine, "places", {}))
        self._offers = Offers(traits=traits, scratch=scratch, places=places)
        self._note(offers_note(self._offers))
        self._trigger.places = places
        observed = self._driver.observe(self._task.subscribers)
        self._driver.resume(observed)
        return observed

    def _open(self) -> LogEngine:
        if self._vfs is None:
            return self._factory.open_directory(self._task.root)
        return self._factory.open_simulated(self._vfs, RealRuntime())

    def _perform(self, op_index: int, operation: Operation) -> None:
        """Perform one operation; it counts as one of its place beside the changes it makes, for it may make none."""
        plan, trigger = self._task.plan, self._trigger
        self._note((_BEGIN, op_index, time.monotonic()))
        trigger.operation = operation
        moment = plan.moment if plan.armed and trigger.is_due(0, None) else None
        if moment in (Moment.BEFORE, Moment.INSIDE):
            die()
        result = self._driver.perform(op_index, operation)
        if moment is Moment.MADE:
            die()
        self._note((_END, op_index, result))
        if moment is Moment.AFTER:
            die()
        trigger.operation = None
