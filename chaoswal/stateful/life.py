"""One life of an engine on a simulated disk as a Hypothesis machine, whatever its contract: ``rules`` has those."""

from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chaoswal.anchors import step_of
from chaoswal.check import Coverage, Depth, Judge, check
from chaoswal.contracts import CONTRACTS, history_of
from chaoswal.disk.crashes import Bound, Crash, crashed, cuts, plan
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.profiles import profile_named
from chaoswal.disk.volume import Volume
from chaoswal.engines.draws import Tables, draw_options
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import EngineFault
from chaoswal.ops import Operation, Reopen, Sync
from chaoswal.program import Step, step_line
from chaoswal.replay import pass_through, simulated
from chaoswal.run import Run, Session
from chaoswal.shrink import crash_steps
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault

FAULTS = st.builds(
    lambda call, error, nth, once: DiskFault(call=call, glob="*", nth=nth, error=error, once=once),
    st.sampled_from(["write", "fsync", "fdatasync", "rename", "unlink", "open", "truncate", "read"]),
    st.sampled_from(["EIO", "ENOSPC"]),
    st.integers(1, 4),
    st.booleans(),
)
SHORT_WRITES = st.builds(
    lambda nth, at: DiskFault(call="write", glob="*", nth=nth, at=at), st.integers(1, 4), st.integers(0, 40)
)


class ViolationFound(EngineFault, AssertionError):
    """The engine broke a promise; carries the fault and the steps that show it."""

    def __init__(self, engine: EngineRef, profile: str, fault: Fault, steps: list[Step]) -> None:
        super().__init__(engine, profile, fault, steps)
        self.engine, self.profile, self.fault, self.steps = engine, profile, fault, steps

    def __str__(self) -> str:
        program = "\n".join(f"    {step_line(step)}" for step in self.steps)
        return f"{self.fault.kind}: {self.fault.explanation}\n  {self.engine}, profile {self.profile}:\n{program}"


class CrashMachine(RuleBasedStateMachine):
    """One life of an engine on a simulated disk, without its operations."""

    engine: ClassVar[EngineRef] = EngineRef(name="wal")
    profiles: ClassVar[tuple[str, ...]] = ("posix", "ext4-ordered", "prefix", "kill")
    tables: ClassVar[Tables] = ()
    """Options of the engine to draw from, those of one table at a time."""
    share: ClassVar[float] = 1.0
    """About this share of them is drawn; the others are what they are where nobody chooses."""
    bound: ClassVar[Bound] = Bound(deviations=1, random_states=6, states_per_point=150)
    depth: ClassVar[Depth] = Depth(levels=2, samples=1, bound=Bound(random_states=1, states_per_point=20))
    faults: ClassVar[bool] = False
    """Whether I/O errors are injected too: for engines that promise something about them."""
    coverage: ClassVar[Coverage]
    """What all examples of this machine judged."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.coverage = Coverage()

    # -- the life of one example ---------------------------------------------------------------------------------

    @initialize(data=st.data())
    def open_empty(self, data: st.DataObject) -> None:
        """Draw a configuration and a file system, and open the engine on an empty disk."""
        chance = data.draw(st.randoms(use_true_random=False), label="options")
        options = draw_options(chance, self.tables, dict(self.engine.options), share=self.share)
        self.reference = self.engine.with_options(**dict(options))
        self.profile = profile_named(data.draw(st.sampled_from(self.profiles), label="profile"))
        self.factory, self.traits = simulated(self.reference)
        self.operations: list[Operation] = []
        self.steps: list[Step] = []
        self.history = history_of(self.operations, self.traits)
        self.generation = 0
        self._open(Disk())

    def _open(self, disk: Disk) -> None:
        """Recover on a disk, judge what is shown, and go on from it."""
        self.before = self.history.copy()
        self.session = Session(self.factory, disk, generation=self.generation, names=tuple(self.history.subscribers))
        self.generation += 1
        self.history.errors_allowed = False
        self._must_hold(self.history.open(self.session.observed))
        self.session.resume()

    def _must_hold(self, fault: Fault | None, *crashes: Step) -> None:
        if fault:
            raise ViolationFound(self.reference, self.profile.name, fault, [*self.steps, *crashes])

    def do(self, operation: Operation) -> None:
        """Ask the engine for one operation, and judge what it says."""
        op_index = len(self.operations)
        self.operations.append(operation)
        self.steps.append(operation)
        self.history.apply(Begin(op_index=op_index))
        result = self.session.perform(op_index, operation)
        self._must_hold(self.history.apply(End(op_index=op_index, result=result)))

    def offers(self, capability: str) -> bool:
        """Whether the engine has a method, which not all of its contract need have."""
        return capability in CONTRACTS[self.traits.contract].members(self.traits)

    @precondition(lambda self: self.offers("sync"))
    @rule()
    def sync(self) -> None:
        """Make everything done so far durable."""
        self.do(Sync())

    @rule()
    def reopen(self) -> None:
        """Close cleanly and open again."""
        self.do(Reopen())

    # -- what goes wrong -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.faults and self._past_opening())
    @rule(fault=st.one_of(FAULTS, SHORT_WRITES))
    def io_error(self, fault: DiskFault) -> None:
        """Arm an I/O error until the next crash: operations may fail from now on, promises stay promises."""
        self.steps.append(fault)
        self.session.arm(fault)
        self.history.errors_allowed = True

    def _past_opening(self) -> bool:
        """Whether a fault that stands here strikes only from here on: in front of a life it strikes its opening too."""
        return bool(self.steps) and isinstance(self.steps[-1], Operation | DiskFault)

    @rule()
    def kill(self) -> None:
        """Kill the process now: nothing is lost, and nothing has become durable."""
        run = self.session.run()
        self._crash(run, Crash(point=len(run.events), power=False))

    @rule(data=st.data(), back=st.integers(0, 4))
    def power_cut(self, data: st.DataObject, back: int) -> None:
        """Judge many states of a power cut during the run so far, then go on from one of them."""
        run = self.session.run()
        self._explore(run)
        point = max(run.opened, len(run.events) - back)
        volume = Volume(run.start.after(run.events[:point]), self.profile)
        states = [plan(point, cut, torn) for cut, torn in cuts(volume, self.bound, seed=self.generation)]
        self._crash(run, states[data.draw(st.integers(0, len(states) - 1), label="state")])

    def _explore(self, run: Run) -> None:
        judge = Judge(self.factory, generation=1000 + self.generation)
        history = self.before.copy()
        try:
            found = check(run, history, judge, self.profile, bound=self.bound, depth=self.depth, seed=self.generation)
        finally:
            type(self).coverage.add(judge.coverage)
        if found:
            self._must_hold(found.fault, *crash_steps(found, self.profile))

    def _crash(self, run: Run, crash: Crash) -> None:
        history = self.before
        self._must_hold(pass_through(run, history, crash.point))
        self.steps.append(step_of(run, crash, self.profile))
        self.history = history
        self.session.end()
        self._open(crashed(run.start, run.events, crash, self.profile))

    def teardown(self) -> None:
        """The end of an example is one more power cut."""
        if hasattr(self, "session"):
            self.session.end()
            self._explore(self.session.run())
