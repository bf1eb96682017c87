"""Runs: record what an engine does on a simulated disk, from its opening on.

A run starts from a disk, opens the engine on it (which is its recovery), looks at what it shows, performs
operations, and ends where somebody crashes it. Its trace is all that anybody below needs. Whatever an engine raises
is an observation; a run that makes more calls than any recovery should is taken to hang. Faults strike from where they
stand among the operations; those in front of all operations strike in the opening too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Self

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.faults import FaultPlan
from chaoswal.engines.registry import Factory
from chaoswal.errors import EngineFault, Inconclusive, StepLimit, said
from chaoswal.ops import Operation, Together, Wait, company
from chaoswal.oracle import ERROR, Observed, Traits
from chaoswal.processes import alive
from chaoswal.trace import Event
from chaoswal.verdict import Fault
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import Runtime, StillRuntime
from chaoswal.vfs.scheduler import Scheduler
from chaoswal.vfs.turns import Point
from chaoswal.workload import Driver, look, probe_behind, traits_of


@dataclass(kw_only=True)
class Run:
    """The trace of one engine from opening to the crash."""

    start: Disk
    events: list[Event]
    opened: int = 0
    """How many of the events belong to the opening (recovery and the first look)."""
    faulty: bool = False
    """Whether faults were injected, so that operations may fail."""
    struck: bool = False
    """Whether one of them fired in the opening, so that it may fail."""
    lied: bool = False
    """Whether a sync has lied, so that nothing can be promised."""
    observed: Observed = field(default_factory=Observed)
    """What it showed when it had been opened."""
    points: Mapping[int, Sequence[Point]] = field(default_factory=dict)
    """Where another thread could have gone on, by the number of the ``Together``."""


class Session:
    """An engine open on a simulated disk."""

    def __init__(
        self,
        factory: Factory,
        disk: Disk,
        *,
        generation: int = 0,
        names: Sequence[str] = (),
        together: bool = False,
        faults: FaultPlan | None = None,
        reverts: bool = False,
    ) -> None:
        """Open it; ``generation`` makes what it draws by chance differ from what earlier openings drew.

        ``together``: whether it will be asked for operations at once. Then, and where the engine has threads of its
        own, it lives under a scheduler, and must be ended. ``faults``: what strikes, or is counted, from the first call
        of the opening on. ``reverts``: what a failed sync does to the file, as the profile in force says.
        """
        self._scheduler = Scheduler(generation, switches=()) if together or factory.threaded else None
        self._runtime: Runtime = self._scheduler or StillRuntime(generation)
        self._points: dict[int, Sequence[Point]] = {}
        self._faults = faults
        step = self._scheduler.step if self._scheduler else None
        self.vfs = MemoryVfs(disk, step=step, faults=faults, reverts=reverts)
        self._driver = Driver(partial(factory.open_simulated, self.vfs, self._runtime), names)
        alive()
        if self._scheduler:
            self._scheduler.begin()
        self.observed = look(self._driver, names)
        self._all_seen()
        self.opened = len(self.vfs)
        self._struck = faults is not None and bool(faults.fired)
        if faults is not None:
            faults.opening = len(faults.seen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End its threads, in the middle of what they do."""
        if self._scheduler:
            self._scheduler.end()
            self._scheduler = None

    def traits(self) -> Traits:
        """What the engine promises; whatever it raises where it cannot be opened."""
        return traits_of(self._driver.engine)

    def _all_seen(self) -> None:
        """Nothing is said of a disk to which something was done that was not seen."""
        if self.vfs.unseen:
            raise Inconclusive(self.vfs.unseen)

    def arm(self, fault: DiskFault) -> None:
        """Let a fault strike from now on, counting calls from here."""
        if self._faults is None:
            self._faults = FaultPlan()
            self.vfs.inject(self._faults)
        self._faults.arm(fault)

    def probe(self) -> Fault | None:
        """Whether the engine appends and reads on; call it last, for it writes."""
        fault = probe_behind(self._driver, self.observed)
        self._all_seen()
        return fault

    def close(self) -> None:
        """Close the engine; whatever it raises passes through."""
        self._driver.close()

    def resume(self) -> None:
        """Hand back what the first look held, and go on to operations."""
        self._driver.resume(self.observed)

    def perform(self, op_index: int, operation: Operation) -> str:
        """Perform one operation between its markers; the text form of its result."""
        alive()
        self.vfs.begin(op_index)
        try:
            result = self._asked(op_index, operation)
        except (EngineFault, StepLimit) as error:
            result = f"{ERROR}{type(error).__name__}: {said(error)}"
        self.vfs.end(op_index, result)
        return result

    def _asked(self, op_index: int, operation: Operation) -> str:
        if not isinstance(operation, Wait):
            return self._driver.perform(op_index, operation)
        self._runtime.sleep(operation.milliseconds / 1000)
        return repr(None)

    def perform_together(self, op_index: int, operation: Together, members: Sequence[Operation]) -> None:
        """Perform operations at once; those of ``members`` have the numbers that follow.

        The result is how many seconds that took, for the clock is moved by whatever waits.
        """
        self.vfs.begin(op_index)
        self._driver.make_ready()
        begun = self._runtime.monotonic()
        try:
            self._at_once(operation, dict(enumerate(members, op_index + 1)))
            result = repr(round(self._runtime.monotonic() - begun, 9))
        except EngineFault as error:
            result = f"{ERROR}{type(error).__name__}: {said(error)}"
        self.vfs.end(op_index, result)
        self._points[op_index] = list(self._scheduler.points) if self._scheduler else []

    def _at_once(self, operation: Together, members: Mapping[int, Operation]) -> None:
        scheduler = self._scheduler
        if scheduler is None:
            for number, member in members.items():
                self.perform(number, member)
            return
        targets = {
            f"operation {number + 1}": partial(self.perform, number, member) for number, member in members.items()
        }
        scheduler.at_once(targets, operation.switches)

    def run(self) -> Run:
        """What happened so far."""
        self._all_seen()
        return Run(
            start=self.vfs.disk,
            events=self.vfs.events(),
            opened=self.opened,
            observed=self.observed,
            points=self._points,
            faulty=self._faults is not None and self._faults.armed,
            struck=self._struck,
            lied=self._faults is not None and any(fault.lies for fault in self._faults.fired),
        )


def record(
    factory: Factory,
    steps: Sequence[Operation | DiskFault],
    disk: Disk | None = None,
    *,
    first_index: int = 0,
    generation: int = 0,
    names: Sequence[str] = (),
    tally: FaultPlan | None = None,
    reverts: bool = False,
) -> Run:
    """Run operations and faults on an engine opened on a disk (default: an empty one) and return the trace.

    ``tally``: a plan without faults that counts the calls, those of the opening too. ``reverts`` as in ``Session``.
    """
    together = any(isinstance(step, Together) for step in steps)
    in_front = list(takewhile(lambda step: isinstance(step, DiskFault), steps))
    plan = FaultPlan(tuple(step for step in in_front if isinstance(step, DiskFault))) if in_front else tally
    with Session(
        factory,
        disk or Disk(),
        generation=generation,
        names=names,
        together=together,
        faults=plan,
        reverts=reverts,
    ) as session:
        session.resume()
        place, op_index = len(in_front), first_index
        while place < len(steps):
            taken = _perform(session, steps, place, op_index)
            op_index += taken
            place += taken or 1
        return session.run()


def _perform(session: Session, steps: Sequence[Operation | DiskFault], place: int, op_index: int) -> int:
    """Perform the step at ``place``, with those that belong to it; how many operations that were."""
    step, count = steps[place], company(steps, place)
    if isinstance(step, DiskFault):
        session.arm(step)
        return 0
    if isinstance(step, Together):
        members = [member for member in steps[place + 1 : place + 1 + count] if not isinstance(member, DiskFault)]
        session.perform_together(op_index, step, members)
    else:
        session.perform(op_index, step)
    return 1 + count
