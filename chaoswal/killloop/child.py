"""The child: a process that opens the engine (which is its recovery), says what it shows, and works until it is killed.

It tells what it does in the notes only, each before and after the fact, so that there is nothing it must say at its
end. Where the plan arms a kill, it sends itself a real SIGKILL at that moment; otherwise it goes on until somebody
else does, and when it has done all it was asked to do it says so and waits. It dies with its parent, and what it or
its engine prints goes to a file.
"""

import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from chaoswal.engines.adapter import LogEngine
from chaoswal.engines.registry import Factory
from chaoswal.errors import Exit, place_and_text
from chaoswal.killloop.journal import HARNESS, OUTSIDE, STRUCK, Offers, observed_note, offers_from, offers_note
from chaoswal.killloop.notes import Notes
from chaoswal.killloop.places import place_of
from chaoswal.killloop.plans import Plan, Program
from chaoswal.limits import PAGE_BYTES
from chaoswal.ops import Operation, Together
from chaoswal.oracle import Observed
from chaoswal.patched.announced import tell_outside
from chaoswal.patched.unseen import watch_no_more
from chaoswal.processes import close_pipes, die, die_with
from chaoswal.trace import Begin, End
from chaoswal.vfs.noted import CODES, SYNC_BEGIN, Moment, NotedVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.workload import Driver, contained, look

OPENED_BYTE, DONE_BYTE = b"o", b"d"
"""What a child says to its parent: the engine is open; everything is done."""

_SWITCH_SECONDS = 2e-5
"""Threads of a child take turns so often."""

_SYNC_SECONDS = 2e-4
"""So much longer a sync takes than a file system in memory needs, while several threads are at work."""

_ROOM_MIN = 16 << 20
"""A child that has less room than this for its notes begins no other operation."""

_EPOCH = time.time() - time.monotonic()  # once, before anything forks
_BEGIN, _END = CODES[Begin], CODES[End]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One child to be forked and killed."""

    engine: str
    root: str
    plan: Plan
    wait: float
    """Of a kill from outside: seconds, from the fork where it is to come in recovery, else from the opening."""
    round: int
    first_index: int
    """The number of its first operation."""
    subscribers: tuple[str, ...]
    names: Mapping[tuple[int, str], int]
    """The inode numbers of what the directory holds."""
    next_inode: int
    tickets: int
    places: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An order, and with whom to carry it out."""

    order: Order
    factory: Factory
    notes: Notes
    report: Callable[[bytes], object]
    output: int
    """The descriptor that takes what is printed."""


def run(task: Task, parent: int) -> None:
    """The whole life of a child, as the target of a process."""
    os.setsid()  # whoever it starts goes when it goes
    die_with(parent)
    watch_no_more()
    tell_outside(task.order.root, lambda path, before: task.notes.note((OUTSIDE, path, before)))
    close_pipes(sockets_only=True)  # what its parent speaks through; it reports, and shows its death, through others
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.disable()  # it lives for milliseconds, and shares its pages with its parent
    os.dup2(task.output, 1)
    os.dup2(task.output, 2)
    try:
        _Child(task).work()
        task.report(DONE_BYTE)
        while True:
            signal.pause()
    except Exception as error:  # noqa: BLE001 - the engine's own are contained: this is ours, or what it made of ours
        task.notes.note((HARNESS, place_and_text(error)))
        os._exit(Exit.INTERNAL)
    except BaseException:  # noqa: BLE001 - an engine that exits ends this process, and no more than that
        traceback.print_exc()
        os._exit(Exit.VIOLATION)
    finally:  # nothing that an engine has made of this process comes back to where it was forked
        die()


def live(task: Task) -> None:
    """A life without a death: do the work here, and close."""
    one = _Child(task)
    one.work()
    one.close()


class Trigger:
    """Keeps the notes of a child, and kills it where its plan says."""

    def __init__(self, plan: Plan, notes: Notes, places: Mapping[str, str]) -> None:
        self.note = notes.note
        self.operation: Operation | None = None
        self.opened = self.crowded = False
        self.places = dict(places)
        self._plan = plan
        self._left = plan.nth
        self._due = False

    def reach(self, moment: Moment, code: int, path: str) -> None:
        """Count the changes in the armed place, and end the process at its moment of the n-th.

        A sync takes its time while several threads are at work, so that others come between its begin and its end.
        """
        if self.crowded and code == SYNC_BEGIN and moment is Moment.INSIDE:
            time.sleep(_SYNC_SECONDS)
        if not self._plan.armed:
            return
        if moment is Moment.BEFORE:
            self._due = self.is_due(code, path)
        if self._due and moment is self._plan.moment:
            self.strike()

    def strike(self) -> NoReturn:
        """End the process as planned: an engine may kill itself too, and that is another matter."""
        self.note((STRUCK,))
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


class SteadyRuntime(RealRuntime):
    """The machine's, but for a clock that nobody sets: the same in all processes, and the same that the notes go by."""

    def now(self) -> float:
        return _EPOCH + time.monotonic()


class _Child:
    """An engine open on a real directory."""

    def __init__(self, task: Task) -> None:
        order = task.order
        self._task, self._order = task, order
        self._note = task.notes.note
        self._trigger = Trigger(order.plan, task.notes, order.places)
        self._open: Callable[[], LogEngine] = partial(task.factory.open_directory, order.root)
        if task.factory.takes_vfs:
            names, inode = order.names, order.next_inode
            vfs = NotedVfs(order.root, self._trigger, names=names, next_inode=inode, tickets=order.tickets)
            self._open = partial(task.factory.open_simulated, vfs, SteadyRuntime())
        self._driver = Driver(self._opened)
        self._offers: Offers | None = None

    def work(self) -> None:
        """Open, look, and perform operations."""
        order = self._order
        observed = self._look()
        self._note(observed_note(observed, time.monotonic()))
        self._trigger.opened = True
        self._task.report(OPENED_BYTE)
        if observed.fault or self._offers is None:
            return
        program = Program(order.plan, self._offers, order.subscribers)
        op_index, end = order.first_index, order.first_index + order.plan.operations_max
        while op_index < end and self._task.notes.room >= _ROOM_MIN:
            operation = program.next()
            if isinstance(operation, Together):
                members = [program.next() for _ in range(operation.count)]
                self._perform_together(op_index, operation, members)
                op_index += len(members)
            else:
                self._perform(op_index, operation)
            op_index += 1

    def close(self) -> None:
        """Close the engine."""
        self._driver.close()

    def _look(self) -> Observed:
        """What the engine shows once it is open, and has taken back what it handed out for that."""
        observed = look(self._driver, self._order.subscribers)
        if not observed.fault:
            observed.fault = contained(lambda: self._driver.resume(observed), observed)
        return observed

    def _opened(self) -> LogEngine:
        """The engine; what it offers is noted the first time."""
        engine = self._open()
        if self._offers is None:
            self._offers = offers_from(engine)
            self._note(offers_note(self._offers))
            self._trigger.places = self._offers.places
        return engine

    def _perform(self, op_index: int, operation: Operation) -> None:
        self._begin(op_index, operation)
        self._go_on(op_index, operation)
        self._trigger.operation = None

    def _perform_together(self, op_index: int, operation: Together, members: Sequence[Operation]) -> None:
        """Perform operations at once, each in a thread of its own; they begin in the order of their numbers."""
        self._begin(op_index, operation)
        self._driver.make_ready()
        self._trigger.crowded = True
        failures: list[BaseException] = []
        threads = []
        for number, member in enumerate(members, op_index + 1):
            self._begin(number, member)
            threads.append(threading.Thread(target=self._beside, args=(number, member, failures), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
        for failure in failures:
            raise failure
        self._note((_END, op_index, repr(None)))
        self._trigger.operation, self._trigger.crowded = None, False

    def _beside(self, op_index: int, operation: Operation, failures: list[BaseException]) -> None:
        try:
            self._go_on(op_index, operation)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever started the thread
            failures.append(error)

    def _begin(self, op_index: int, operation: Operation) -> None:
        self._note((_BEGIN, op_index, time.monotonic()))
        self._trigger.operation = operation

    def _go_on(self, op_index: int, operation: Operation) -> None:
        """Perform what has begun; it counts as one of its place beside the changes it makes, for it may make none."""
        plan, trigger = self._order.plan, self._trigger
        moment = plan.moment if plan.armed and trigger.is_due(0, None) else None
        if moment in (Moment.BEFORE, Moment.INSIDE):
            trigger.strike()
        result = self._driver.perform(op_index, operation)
        if moment is Moment.MADE:
            trigger.strike()
        self._note((_END, op_index, result))
        if moment is Moment.AFTER:
            trigger.strike()
