"""Shrinking: the simplest engine, program and crash under which a violation of the same kind is still there.

Theory of operation. A candidate is the best program so far with something taken away or made simpler: steps (chunks of
them first, then one by one), two appends for one, sizes, counts, engine options, crashes, and what a crash lost. What
is taken away moves the numbers of events, so the crash of a candidate is looked for in three ways, the cheapest first:

1. the crash as it stands, by its anchors;
2. any crash state within one deviation around the operation in which the last crash struck;
3. any crash state of the last run at all.

A round goes through all candidates with 1 and 2; when none of them helps any more, single steps are tried with 3 too,
and stronger profiles. What is left then is minimal: no step can go, and nothing lost be restored. Violations of other
kinds are passed over. Last, the crash is moved to the end of its operation, or as late as it can be.

Runs are remembered by their steps and recoveries by their image, for as long as one shrink lasts; the states judged are
bounded, and so is the time, but only an engine comes to that bound that takes seconds for each run: what is found in
others does not depend on how fast the machine is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, takewhile

from chaoswal.anchors import step_of
from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound, Crash
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import UsageError
from chaoswal.milder import later, milder, whole
from chaoswal.ops import Together, company
from chaoswal.oracle import Traits
from chaoswal.program import START, Anchor, CrashStep, Step, last_opening, without_last_crashes
from chaoswal.replay import Played, conclude, play_to_last_run, ready
from chaoswal.run import Run
from chaoswal.schedules import ORDERS_MAX, orders
from chaoswal.simpler import Changes, edited, merged, simpler, simpler_options, weight, weight_of_options
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation

BOUND = Bound(random_states=0)
INSIDE = Bound(random_states=0, torn_writes=1)
SAMPLES = 24
STATES_MAX, STATES_OUTSIDE_MAX = 300_000, 30_000
"""So many states are judged in one shrink, more or less; then the best so far is taken. The latter on real directories,
where a state takes a hundred times as long."""

ANY_CRASH = CrashStep(power=True, operation=0, after=Anchor(call=START))
"""Stands behind steps whose last run is the opening after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What must stay the same, and what it starts from: the kind of violation; the engine, and the profile."""

    engine: EngineRef
    profile: Profile
    kind: Violation
    given: tuple[str, ...] = ()
    """The options of the engine that must stay too, as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """The simplest program found that shows a violation."""

    engine: EngineRef
    steps: tuple[Step, ...]
    profile: Profile
    """The strongest it happens under, which its crashes are written for."""
    profiles: tuple[str, ...]
    """All it happens under, strongest first."""
    fault: Fault
    at_creation: bool
    """Whether it lies before the first promise; what does not is never shrunk to what does."""
    tries: int
    """How many candidates were played."""
    states: int
    """How many states were judged."""
    cut: bool
    """Whether it was ended by one of the bounds, and something may be left that could go."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """An engine under a profile, and what is asked of it."""

    engine: EngineRef
    profile: Profile
    steps: tuple[Step, ...]

    @cached_property
    def body(self) -> tuple[Step, ...]:
        """The steps before the crashes it ends with."""
        return tuple(without_last_crashes(self.steps))

    @property
    def tail(self) -> tuple[Step, ...]:
        """The crashes it ends with."""
        return self.steps[len(self.body) :]


class Bench:
    """Plays programs, and remembers runs and recoveries."""

    def __init__(self, kind: Violation, *, at_creation: bool = False) -> None:
        """``at_creation``: whether a violation before the first promise will do too."""
        self.kind = kind
        self.at_creation = at_creation
        self._subjects: dict[EngineRef, tuple[Factory, Traits, Judge] | None] = {}
        self._started: dict[tuple[object, ...], Played] = {}

    @property
    def states(self) -> int:
        """How many were judged."""
        coverages = (subject[2].coverage for subject in self._subjects.values() if subject)
        return sum(coverage.judged + coverage.nested for coverage in coverages)

    def subject(self, engine: EngineRef) -> tuple[Factory, Traits, Judge] | None:
        """The engine with a judge of its own; None where it does not take these options."""
        if engine not in self._subjects:
            try:
                factory, traits = ready(engine)
                self._subjects[engine] = factory, traits, Judge(factory)
            except UsageError:
                self._subjects[engine] = None
        return self._subjects[engine]

    def played(self, program: Program) -> Played | None:
        """The program played to its last crash and judged; None where its engine cannot be."""
        subject, looking = self.subject(program.engine), self._looking(program, program.steps)
        if not subject or not looking:
            return None
        return conclude(self._to_last_run(program, *subject[:2]), program.profile, looking[2])

    def _looking(self, program: Program, steps: Sequence[Step]) -> tuple[Factory, Traits, Judge] | None:
        """The engine as whoever looks behind these steps opens it."""
        return self.subject(program.engine.with_options(**dict(last_opening(steps).options)))

    def shown(self, program: Program) -> Found | None:
        """The violation, if the program shows it as it stands."""
        played = self.played(program)
        return played.found if played and played.found and self._wanted(played.found) else None

    def find(self, program: Program, *, wide: bool) -> Program | None:
        """The program with crashes behind it that show the violation, those it has or others."""
        try:
            return program if self.shown(program) else self._find_other(program, wide=wide)
        except UsageError:
            return None  # without what was taken away, what is left of the program makes no sense

    def _find_other(self, program: Program, *, wide: bool) -> Program | None:
        subject = self.subject(program.engine)
        if not subject:
            return None
        tail = program.tail
        found = None
        if len(tail) > 1:
            found = self._search(program, program.steps[:-1], (ANY_CRASH,), subject, levels=0, wide=True)
        return found or self._search(program, program.body, (), subject, levels=max(0, len(tail) - 1), wide=wide)

    def _search(
        self,
        program: Program,
        steps: tuple[Step, ...],
        behind: tuple[Step, ...],
        subject: tuple[Factory, Traits, Judge],
        *,
        levels: int,
        wide: bool,
    ) -> Program | None:
        """The crashes after ``steps`` that show the violation; with ``behind``, in the opening after them."""
        looking = self._looking(program, steps + behind)
        played = self._to_last_run(replace(program, steps=steps + behind), *subject[:2])
        if played.found or played.stale or not looking:
            return None
        run, (_, _, judge) = played.run, looking
        found = check(
            run,
            played.history,
            judge,
            program.profile,
            bound=BOUND,
            depth=Depth(levels=levels, samples=SAMPLES, bound=INSIDE),
            points=_points(run, program.tail, wide=wide),
            wanted=self._wanted,
        )
        if not found:
            return None
        crashes = crash_steps(found, program.profile)
        result = replace(program, steps=(*steps, *crashes))
        return result if self.shown(result) else None

    def _wanted(self, found: Found) -> bool:
        return found.fault.kind is self.kind and (self.at_creation or not found.at_creation)

    def _to_last_run(self, program: Program, factory: Factory, traits: Traits) -> Played:
        """As ``replay.play_to_last_run``; programs that differ in the last crash only share their runs."""
        steps = program.steps
        last = steps[-1] if steps and isinstance(steps[-1], CrashStep) else None
        key = (program.engine, program.profile.name, steps[:-1] if last else steps, last is None)
        played = self._started.get(key)
        if played is None:
            played = self._started[key] = play_to_last_run(factory, traits, steps, program.profile)
        return replace(played, step=last or played.step, history=played.history.copy())


def _points(run: Run, tail: Sequence[Step], *, wide: bool) -> range | None:
    """The crash points of the operation in which the first crash struck; none where none did, all where asked for."""
    first = tail[0] if tail else None
    if wide:
        return None
    if not isinstance(first, CrashStep):
        return range(0)
    if not first.operation:
        return range(run.opened + 1)
    index = first.operation - 1
    marked = [p for p, event in enumerate(run.events) if isinstance(event, Begin | End) and event.op_index == index]
    return range(marked[0], marked[-1] + 2) if marked else range(0)


def crash_steps(found: Found, profile: Profile) -> list[Step]:
    """The steps that say what the crashes of a finding say, and what was done after the first of them."""
    crashes: list[Step] = [step_of(run, crash, profile) for run, crash in zip(found.runs, found.crashes, strict=True)]
    return [*crashes[:1], *found.then, *crashes[1:]]


def shrink(
    target: Target,
    steps: Sequence[Step],
    profiles: Iterable[Profile] = PROFILES.values(),
    over: Callable[[], bool] = lambda: False,
) -> Shrunk | None:
    """The simplest program found that shows the violation; None where the one given does not show it.

    ``profiles``: those it may be moved to and is tried under in the end, strongest first. ``over``: whether its
    time is up, and the best so far is to be taken.
    """
    shrinker = _Shrinker(target, steps, list(profiles), over)
    found = shrinker.run()
    if not found:
        return None
    best, cut = shrinker.best, shrinker.spent
    return Shrunk(
        engine=best.engine,
        steps=best.steps,
        profile=best.profile,
        profiles=tuple(shrinker.profiles()),
        fault=found.fault,
        at_creation=found.at_creation,
        tries=shrinker.tries,
        states=shrinker.bench.states,
        cut=cut,
    )


class _Shrinker:
    """The best so far, and the ways to better it."""

    def __init__(
        self, target: Target, steps: Sequence[Step], profiles: list[Profile], over: Callable[[], bool]
    ) -> None:
        self.bench = Bench(target.kind, at_creation=True)
        self.best = Program(engine=target.engine, profile=target.profile, steps=tuple(steps))
        self.tries = 0
        self._given = target.given
        self._profiles = profiles
        self._failed: set[tuple[object, ...]] = set()
        self._states_max = STATES_MAX if target.engine.factory().simulated else STATES_OUTSIDE_MAX
        self._over = over

    @property
    def spent(self) -> bool:
        """Whether a bound has been reached, and nothing is tried any more."""
        return self.bench.states > self._states_max or self._over()

    def run(self) -> Found | None:
        """Better the best as long as that helps; the violation, if it is there at all."""
        found = self.bench.shown(self.best)
        if not found:
            return None
        self.bench.at_creation = found.at_creation
        self.shorten(wide=False)
        self.strengthen(wide=False)
        before = None
        while before != self.best:
            before = self.best
            self.shorten(wide=False)
            self.merge()
            self.simplify()
            self.reorder()
            self.restore()
            if before == self.best:
                self.shorten(wide=True)
                self.strengthen(wide=True)
        self.delay()
        return self.bench.shown(self.best)

    def profiles(self) -> Iterator[str]:
        """Under which of the profiles the best fails."""
        for profile in self._profiles:
            if profile is self.best.profile or self.bench.find(
                replace(self.best, profile=profile), wide=not self.spent
            ):
                yield profile.name

    # -- the ways ------------------------------------------------------------------------------------------------

    def shorten(self, *, wide: bool) -> None:
        """Take away steps: half of them, a quarter, … one by one, the last first; ``wide``: two, and one."""
        size = 2 if wide else len(self.best.steps)
        while size:
            stop = len(self.best.steps)
            while stop:
                start = max(0, stop - size)
                self._try_edited(dict.fromkeys(range(start, stop)), wide=wide)
                stop = min(start, len(self.best.steps))
            size //= 2

    def strengthen(self, *, wide: bool) -> None:
        """Move it to the strongest profile that shows it."""
        for profile in self._profiles:
            if profile is self.best.profile or self._try(replace(self.best, profile=profile), wide=wide):
                return

    def merge(self) -> None:
        """Make two neighbouring appends one."""
        subject = self.bench.subject(self.best.engine)
        batches = bool(subject and "append_batch" in subject[1].capabilities)
        place = 0
        while place + 1 < len(self.best.steps):
            ones = merged(*self.best.steps[place : place + 2], batches=batches)
            if not any(self._try_edited({place: one, place + 1: None}) for one in ones):
                place += 1

    def simplify(self) -> None:
        """Make steps and options simpler, all steps at once first."""
        everything = {place: first for place, step in enumerate(self.best.body) if (first := next(simpler(step), None))}
        self._try_edited(everything)
        for place in range(len(self.best.steps)):
            self._first_that_helps(place)
        while any(self._try(replace(self.best, engine=engine)) for engine in self._simpler_engines()):
            pass

    def _simpler_engines(self) -> Iterator[EngineRef]:
        return simpler_options(self.best.engine, self._given)

    def _first_that_helps(self, place: int) -> None:
        """Replace one step by something simpler, as long as that helps."""
        while place < len(self.best.steps):
            if not any(self._try_edited({place: other}) for other in simpler(self.best.steps[place])):
                return

    def reorder(self) -> None:
        """Do less at once, or with fewer switches: what is gone moves their points, so that any order will do."""
        while any(self._try_orders(changes, switches) for changes, switches in self._less_at_once()):
            pass

    def _less_at_once(self) -> Iterator[tuple[Changes, int]]:
        """What may stand for the last operations at once, and how many switches that may take."""
        blocks = [(place, step) for place, step in enumerate(self.best.body) if isinstance(step, Together)]
        for place, block in blocks[-1:]:
            members, switches = company(self.best.steps, place), len(block.switches)
            yield {place: Together(count=members, switches=())}, switches - 1
            for member in range(place + 1, place + 1 + members if members > 2 else 0):
                yield {place: Together(count=members - 1, switches=()), member: None}, switches

    def restore(self) -> None:
        """Give back what the last crash lost, as much as can be; then lose what is left by whole events."""
        while self._try_last(milder):
            pass
        while self._try_last(whole):
            pass

    def delay(self) -> None:
        """Let the last crash strike as late in its operation as it can, and write it as it is written."""
        if not self._try_last(later):
            self._try_last(lambda _run, crash, _profile: iter([crash]))

    # -- trying --------------------------------------------------------------------------------------------------

    def _try_edited(self, changes: Changes, *, wide: bool = False) -> bool:
        return bool(changes) and self._try(replace(self.best, steps=tuple(edited(self.best.steps, changes))), wide=wide)

    def _try(self, candidate: Program, *, wide: bool = False) -> bool:
        """Whether the candidate, perhaps with other crashes, is better than the best; then it is the best."""
        key = candidate.engine, candidate.profile.name, candidate.steps, wide
        if key in self._failed or self.spent:
            return False
        self.tries += 1
        found = self.bench.find(candidate, wide=wide)
        if found and self._order(found) < self._order(self.best):
            self.best = found
            return True
        self._failed.add(key)
        return False

    def _try_orders(self, changes: Changes, switches_max: int) -> bool:
        """Whether the candidate is better in one of its orders with at most so many switches."""
        subject = self.bench.subject(self.best.engine)
        if not subject or switches_max < 0 or self.spent:
            return False
        candidate = replace(self.best, steps=tuple(edited(self.best.steps, changes)))
        found = orders(*subject[:2], candidate.body, candidate.profile)
        return any(
            order.switches <= switches_max and self._try(replace(candidate, steps=(*order.steps, *candidate.tail)))
            for order in islice(found, ORDERS_MAX)
        )

    def _try_last(self, variants: Callable[[Run, Crash, Profile], Iterator[Crash]]) -> bool:
        """Take the first of these variants of the last crash under which the violation is still there."""
        played = None if self.spent else self.bench.played(self.best)
        if not played or not played.crash or played.crash.taken:
            return False
        for crash in takewhile(lambda _: not self.spent, variants(played.run, played.crash, self.best.profile)):
            step = step_of(played.run, crash, self.best.profile)
            candidate = replace(self.best, steps=(*self.best.steps[:-1], step))
            self.tries += 1
            if self.bench.shown(candidate):
                self.best = candidate
                return True
        return False

    def _order(self, program: Program) -> tuple[object, ...]:
        """What is simpler comes first."""
        rank = self._profiles.index(program.profile) if program.profile in self._profiles else len(self._profiles)
        weights = sum(map(weight, program.body)), sum(map(weight, program.tail))
        return len(program.steps), rank, *weight_of_options(program.engine), *weights
