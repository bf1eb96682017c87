"""Runs: record what an engine does on a simulated disk, from its opening on.

A run starts from a disk, opens the engine on it (which is its recovery), looks at what it shows, performs
operations, and ends where somebody crashes it. Its trace is all that anybody below needs. Whatever an engine raises
is an observation; a run that makes more calls than any recovery should is taken to hang.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.faults import FaultPlan
from chaoswal.engines.adapter import LogEngine
from chaoswal.engines.registry import Factory
from chaoswal.errors import StepLimit
from chaoswal.ops import Operation, Wait
from chaoswal.oracle import Observed
from chaoswal.trace import Event
from chaoswal.verdict import Fault, Violation
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.workload import Driver, probe


@dataclass(kw_only=True)
class Run:
    """The trace of one engine from opening to the crash."""

    start: Disk
    events: list[Event]
    opened: int = 0
    """How many of the events belong to the opening (recovery and the first look)."""
    faulty: bool = False
    """Whether faults were injected, so that operations may fail."""
    observed: Observed = field(default_factory=Observed)
    """What it showed when it had been opened."""


class Session:
    """An engine open on a simulated disk."""

    def __init__(
        self,
        factory: Factory,
        disk: Disk,
        *,
        generation: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        """Open it; ``generation`` makes what it draws by chance differ from what earlier openings drew."""
        self._factory = factory
        self._runtime = StillRuntime(generation)
        self._driver = Driver(self._open)
        self._faults: FaultPlan | None = None
        self.vfs = MemoryVfs(disk)
        self.observed = self._contained(lambda: self._driver.observe(names))
        self.opened = len(self.vfs)

    def arm(self, fault: DiskFault) -> None:
        """Let a fault strike from now on, counting calls from here."""
        if self._faults is None:
            self._faults = FaultPlan()
            self.vfs.inject(self._faults)
        self._faults.arm(fault)

    def _open(self) -> LogEngine:
        return self._factory.open_simulated(self.vfs, self._runtime)

    def _contained(self, act: Callable[[], Observed]) -> Observed:
        try:
            return act()
        except StepLimit as error:
            return Observed(fault=Fault(kind=Violation.HUNG, explanation=str(error)))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises in recovery is an observation
            why = f"recovery raised {type(error).__name__}: {error}"
            return Observed(fault=Fault(kind=Violation.UNOPENABLE, explanation=why))

    def probe(self) -> Fault | None:
        """Whether the engine appends and reads on; call it last, for it writes."""
        seen = self.observed
        if seen.fault:
            return None
        after = self._contained(lambda: Observed(fault=probe(self._driver.engine, seen)))
        if after.fault and after.fault.kind is Violation.UNOPENABLE:
            return Fault(kind=Violation.STUCK, explanation=after.fault.explanation.replace("recovery", "appending on"))
        return after.fault

    def resume(self) -> None:
        """Hand back what the first look held, and go on to operations."""
        self._driver.resume(self.observed)

    def perform(self, op_index: int, operation: Operation) -> str:
        """Perform one operation between its markers; the text form of its result."""
        self.vfs.begin(op_index)
        if isinstance(operation, Wait):
            self._runtime.sleep(operation.milliseconds / 1000)
            result = "None"
        else:
            result = self._driver.perform(op_index, operation)
        self.vfs.end(op_index, result)
        return result

    def run(self) -> Run:
        """What happened so far."""
        return Run(
            start=self.vfs.disk,
            events=self.vfs.events(),
            opened=self.opened,
            observed=self.observed,
            faulty=self._faults is not None,
        )


def record(
    factory: Factory,
    steps: Sequence[Operation | DiskFault],
    disk: Disk | None = None,
    *,
    first_index: int = 0,
    generation: int = 0,
    names: Sequence[str] = (),
) -> Run:
    """Run operations and faults on an engine opened on a disk (default: an empty one) and return the trace."""
    session = Session(factory, disk or Disk(), generation=generation, names=names)
    session.resume()
    op_index = first_index
    for step in steps:
        if isinstance(step, DiskFault):
            session.arm(step)
        else:
            session.perform(op_index, step)
            op_index += 1
    return session.run()
