"""The Hypothesis machine: random operations, faults, kills and power cuts against an engine on a simulated disk.

One example is one life of an engine. At every power cut *many* crash states of the run so far are recovered and judged
(bounded by count, never by time); then one drawn state is adopted and the run goes on from it, so that recovery
itself is cut again. Drawing costs Hypothesis 200 to 500 microseconds a step: one workload with all its crash states
is one example, never one example a crash state.

For an engine of yours that takes a ``vfs``::

    from chaoswal.stateful import crash_machine

    TestMyEngine = crash_machine("my/engine.py:Engine", profile="ext4-ordered").TestCase
"""

from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chaoswal.anchors import step_of
from chaoswal.check import Coverage, Depth, Judge, check
from chaoswal.contracts import must_be_log
from chaoswal.disk.crashes import Bound, Crash, crashed, cuts, plan
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.profiles import PROFILES, profile_named
from chaoswal.disk.volume import Volume
from chaoswal.engines.draws import Table, Tables, draw_options, tables_of
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import EngineFault
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
)
from chaoswal.oracle import History
from chaoswal.program import Step, step_line
from chaoswal.replay import pass_through, simulated
from chaoswal.run import Run, Session
from chaoswal.shrink import crash_steps
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault

SIZES = st.one_of(st.integers(0, 200), st.sampled_from([0, 1, 487, 512, 1500, 5000]))
"""Sizes of records in bytes: mostly small, some around a sector, some larger than several segments."""

NAMES = st.sampled_from(["s", "t"])
PLACES = st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True).map(tuple)
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
    """One life of an engine on a simulated disk. Subclass it, or use ``crash_machine``."""

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
        self.history = History(self.operations, self.traits)
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

    def _do(self, operation: Operation) -> None:
        op_index = len(self.operations)
        self.operations.append(operation)
        self.steps.append(operation)
        self.history.apply(Begin(op_index=op_index))
        result = self.session.perform(op_index, operation)
        self._must_hold(self.history.apply(End(op_index=op_index, result=result)))

    def _offers(self, capability: str) -> bool:
        return capability in self.traits.capabilities

    # -- operations ----------------------------------------------------------------------------------------------

    @rule(size=SIZES)
    def append(self, size: int) -> None:
        """Append one record."""
        self._do(Append(size=size))

    @precondition(lambda self: self._offers("append_batch"))
    @rule(sizes=st.lists(SIZES, min_size=1, max_size=4).map(tuple))
    def batch(self, sizes: tuple[int, ...]) -> None:
        """Append several records as one atomic unit."""
        self._do(Batch(sizes=sizes))

    @rule()
    def sync(self) -> None:
        """Make everything appended durable."""
        self._do(Sync())

    @precondition(lambda self: self._offers("rotate"))
    @rule()
    def rotate(self) -> None:
        """Finalize the open segment."""
        self._do(Rotate())

    @precondition(lambda self: self._offers("cleanup"))
    @rule()
    def cleanup(self) -> None:
        """Delete what every subscriber has finished."""
        self._do(Cleanup())

    @precondition(lambda self: self._offers("subscribe"))
    @rule(name=NAMES)
    def subscribe(self, name: str) -> None:
        """Register a subscriber, or take it up."""
        self._do(Subscribe(name=name))

    @precondition(lambda self: self._offers("subscribe_latest"))
    @rule(name=NAMES)
    def subscribe_latest(self, name: str) -> None:
        """Register a subscriber behind the last record, or take it up."""
        self._do(SubscribeLatest(name=name))

    @precondition(lambda self: self._offers("unregister") and self.history.subscribers)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        """Unregister a subscriber."""
        self._do(Unsubscribe(name=self._subscriber(data)))

    @precondition(lambda self: self._offers("activate") and self.history.subscribers)
    @rule(data=st.data(), up=st.booleans())
    def take_up(self, data: st.DataObject, up: bool) -> None:  # noqa: FBT001  Hypothesis passes it by name
        """Close a subscriber's handle, and perhaps take it up again, strictly."""
        name = self._subscriber(data)
        self._do(Activate(name=name) if up else Deactivate(name=name))

    @precondition(lambda self: self._offers("maintain"))
    @rule()
    def maintain(self) -> None:
        """Do all that is due."""
        self._do(Maintain())

    @precondition(lambda self: self._offers("maintain"))
    @rule(milliseconds=st.sampled_from([1, 500, 2000, 60_000]))
    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self._do(Wait(milliseconds=milliseconds))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), count=st.integers(1, 6))
    def poll(self, data: st.DataObject, count: int) -> None:
        """Ask for records on behalf of a subscriber."""
        self._do(Poll(name=self._subscriber(data), count=count))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def ack(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Finish held records, in any order."""
        self._do(Ack(name=self._subscriber(data), places=places))

    @precondition(lambda self: self._offers("activate") and self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def reject(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Set deliveries aside for good."""
        self._do(Reject(name=self._subscriber(data), places=places))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def defer(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Hand held records back."""
        self._do(Defer(name=self._subscriber(data), places=places))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data())
    def flush(self, data: st.DataObject) -> None:
        """Make a subscriber's acknowledgements durable."""
        self._do(Flush(name=self._subscriber(data)))

    def _subscriber(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.history.subscribers)), label="subscriber")

    @rule()
    def reopen(self) -> None:
        """Close cleanly and open again."""
        self._do(Reopen())

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


def crash_machine(
    engine: str,
    *,
    profile: str = "",
    options: Table | None = None,
    faults: bool = False,
) -> type[CrashMachine]:
    """A machine for an engine, as named on the command line; ``.TestCase`` of it is what pytest collects.

    ``profile``: one profile instead of all. ``options``: a table to draw all options of, instead of half of those that
    the adapter offers (``draws``); what ``engine`` says is not drawn. ``faults``: inject I/O errors. Raises UsageError
    where there is no such engine or profile, or the engine is no log.
    """
    reference = EngineRef.parse(engine)
    must_be_log(reference.factory().kind, "the Hypothesis machine")
    body: dict[str, Any] = {"engine": reference, "faults": faults}
    body |= {"tables": (options,)} if options else {"tables": tables_of(reference.factory()), "share": 0.5}
    body["profiles"] = (profile_named(profile).name,) if profile else tuple(PROFILES)
    return type("CrashMachine_" + "".join(c if c.isalnum() else "_" for c in reference.name), (CrashMachine,), body)
