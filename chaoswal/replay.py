"""Replay: play a program with its crashes on an engine and say what it shows.

FAILED: the violation is there. FIXED: the program plays to its end and what was wrong is right, at the anchor and at
every crash point around it. STALE: an anchor of the program is gone, and nothing near it fails. ERROR: it cannot be
played at all.

A program that ends without a crash is looked at as a kill at its end would leave it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chaoswal.anchors import crash_of
from chaoswal.check import Depth, Found, Judge, advance, at_creation, begin, check
from chaoswal.contracts import history_of
from chaoswal.disk.crashes import Bound, Crash, crashed
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import FaultPlan
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import Profile
from chaoswal.disk.rot import Damage, Past
from chaoswal.engines.registry import RECORDER, EngineRef, Factory
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.oracle import Ledger, Traits
from chaoswal.oracle.damage import conceded, written
from chaoswal.program import CrashStep, Doing, Step, last_opening, lives, operations_of
from chaoswal.run import Run
from chaoswal.runners import promises, record
from chaoswal.trace import Write
from chaoswal.verdict import Fault

NEIGHBOURHOOD = 12
"""How many events before and after its anchor a crash is tried at."""


class Status(StrEnum):
    """What a replay says of a finding."""

    FIXED = "FIXED"
    FAILED = "FAILED"
    STALE = "STALE"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


@dataclass(slots=True, kw_only=True)
class Played:
    """A program played as far as it goes."""

    run: Run
    """The last run: that which the last crash ended."""
    history: Ledger
    """What is allowed: first at the start of that run, then at its crash."""
    step: CrashStep | None
    """The last crash of the program, or the one whose anchor was not found."""
    stale: bool = False
    crash: Crash | None = None
    """The plan that the last crash meant."""
    found: Found | None = None
    """What was wrong at the end, or on the way."""


@dataclass(slots=True, kw_only=True)
class Lived:
    """From one opening of the engine to the crash that ends it."""

    run: Run = field(default_factory=lambda: Run(start=Disk(), events=[]))
    """Empty where the disk before it could not be damaged as asked."""
    history: Ledger
    """What is allowed at the start of the run."""
    step: CrashStep | None
    crash: Crash | None = None
    """The plan that the step means."""
    fault: Fault | None = None
    """What was wrong before that crash."""
    stale: bool = False
    """The anchor of the crash was not found, or the place of the damage before it."""


def ready(engine: EngineRef) -> tuple[Factory, Traits]:
    """The engine, and what it promises; UsageError where it cannot be opened.

    Where the recorder that its adapter names cannot see all that it does, it is run by the one that sees more.
    """
    factory = engine.factory()
    try:
        return factory, promises(factory)
    except Inconclusive:
        if RECORDER in dict(engine.options) or not factory.simulated:
            raise
        factory = factory.handed_over()
        return factory, promises(factory)


def simulated(engine: EngineRef) -> tuple[Factory, Traits]:
    """The engine ready for the simulated disk, and what it promises; UsageError where it cannot be put on one."""
    if not engine.factory().simulated:
        raise UsageError(f"{engine.name} takes no vfs: this is for engines on the simulated disk only")
    return ready(engine)


def looking(factory: Factory, steps: Sequence[Step]) -> Factory:
    """The engine as it is opened at the end of a program, by whoever looks."""
    return factory.with_options(last_opening(steps).options)


def play(factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, judge: Judge) -> Played:
    """Play a program to its last crash (or its end) and judge what the engine shows then."""
    return conclude(play_to_last_run(factory, traits, steps, profile), profile, judge)


def conclude(played: Played, profile: Profile, judge: Judge) -> Played:
    """Go on to the last crash of a program that was played to its last run, and judge what the engine shows then."""
    if played.found or played.stale:
        return played
    run, history = played.run, played.history
    played.crash = crash_of(run, played.step, profile) if played.step else None
    if played.step and not played.crash:
        played.stale = True
        return played
    fault = pass_through(run, history, played.crash.point if played.crash else len(run.events))
    if fault:
        played.found = Found(fault=fault, crashes=())
    elif played.crash:
        played.found = judge_last(crashed(run.start, run.events, played.crash, profile), history, judge, played.crash)
    return played


def play_to_last_run(
    factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, tally: FaultPlan | None = None
) -> Played:
    """Play every crash of a program but the last; the history is left where the last run starts.

    ``tally`` counts the calls of the last run, if no fault stands in front of it.
    """
    *_, life = live(factory, traits, steps, profile, tally=tally)
    found = Found(fault=life.fault, crashes=()) if life.fault else None
    return Played(run=life.run, history=life.history, step=life.step, stale=life.stale, found=found)


def live(
    factory: Factory,
    traits: Traits,
    steps: Sequence[Step],
    profile: Profile,
    alter: Callable[[int, Run], Run] = lambda _, run: run,
    *,
    tally: FaultPlan | None = None,
    place: "Place | None" = None,
) -> Iterator[Lived]:
    """Each life of a program in its turn, up to one that is stale or wrong.

    The last is left as it began: what its crash leaves is for whoever asks. ``alter`` may change what a life did, by
    the number of the life, before its crash. ``place`` is moved on with it.
    """
    history = history_of(operations_of(steps), traits)
    place = place or Place()
    parts = lives(steps)
    for number, part in enumerate(parts, start=1):
        life = Lived(history=history, step=part.crash, stale=not place.damage(part.damages, history))
        if not life.stale:
            counted = tally if number == len(parts) else None
            engine = factory.with_options(part.opening.options)
            history.take(promises(engine) if part.opening.options else traits)
            life.run = alter(number - 1, place.run(engine, part.steps, history, profile, counted))
        if number < len(parts) and not life.stale:
            life.history = history.copy()
            life.crash = crash_of(life.run, part.crash, profile) if part.crash else None
            life.fault = pass_through(life.run, history, life.crash.point) if life.crash else None
            life.stale = life.crash is None
        yield life
        if life.crash is None or life.fault:
            return
        place.leave(life.run, life.crash, profile)


class Place:
    """Where a program is: the disk between two of its lives, and what its lives before have done to it."""

    def __init__(self) -> None:
        self.disk = Disk()
        self._number = self._first = 0
        self.past = Past(self.disk, ())
        self._written: list[tuple[frozenset[int], Write]] = []

    def run(
        self,
        factory: Factory,
        doing: Sequence[Doing],
        history: Ledger,
        profile: Profile,
        tally: FaultPlan | None = None,
    ) -> Run:
        """Record one life; where it ends, ``leave``."""
        first, number = self._first, self._number
        self._first += len(operations_of(doing))
        self._number += 1
        return record(
            factory,
            doing,
            self.disk,
            first_index=first,
            generation=number,
            names=tuple(history.subscribers),
            tally=tally,
            reverts=profile.reverts,
        )

    def leave(self, run: Run, crash: Crash, profile: Profile) -> None:
        """A life has ended in a crash."""
        happened = run.events[: crash.point]
        self.past = Past(run.start, happened)
        self._written += written(happened)
        self.disk = crashed(run.start, run.events, crash, profile)

    def damage(self, damages: Sequence[Damage], history: Ledger) -> bool:
        """Let the disk be damaged. False where there is no such place."""
        if not damages:
            return True
        damaged = self.damaged(damages, history)
        self.disk = damaged or self.disk
        return damaged is not None

    def damaged(self, damages: Sequence[Damage], history: Ledger) -> Disk | None:
        """The disk with this damage, and in the history what may be gone without a report; None as ``damage``.

        Whatever a kill left in the cache has reached the disk by then. Inconclusive where the engine names no errors by
        which it reports damage.
        """
        if not history.traits.reports:
            raise Inconclusive("the engine names no errors by which it reports damage (`reports`): UNKNOWN")
        before = self.disk.view
        after: Image | None = before
        for damage in damages:
            after = damage.apply(after, self.past) if after else None
        if after is None:
            return None
        history.damaged(conceded(history, before, after, self._written))
        return Disk(image=after)


def pass_through(run: Run, history: Ledger, end: int) -> Fault | None:
    """Move a history over the first ``end`` events of a run, its opening included."""
    begin(run, history)
    for point in range(end + 1):
        fault = advance(run, point, history)
        if fault:
            return fault
    return None


def judge_last(disk: Disk, history: Ledger, judge: Judge, crash: Crash) -> Found | None:
    """What is wrong with what the engine shows on the disk that this crash has left, if anything is."""
    view = disk.view
    sight = judge.sight(view.key, lambda: view, tuple(history.subscribers))
    fault = history.judge(sight.observed) or sight.fault
    if not fault:
        return None
    early = at_creation(fault, history)
    return Found(fault=fault, crashes=(crash,), observed=sight.observed, at_creation=early)


def replay(engine: EngineRef, steps: Sequence[Step], profile: Profile) -> tuple[Status, Played]:
    """Play a program and, where it passes or its anchor is gone, every crash point around."""
    factory, traits = ready(engine)
    judge = Judge(looking(factory, steps))
    played = play(factory, traits, steps, profile, judge)
    if not played.found and played.step:
        played.found = _around(factory, traits, steps, profile, judge, played)
    elif not played.found and not played.stale:
        _look_at_end(played, profile, judge)
    if played.found:
        return Status.FAILED, played
    return Status.STALE if played.stale else Status.FIXED, played


def _look_at_end(played: Played, profile: Profile, judge: Judge) -> None:
    """Judge what the engine shows when it is opened once more, behind a program that no crash ends."""
    run = played.run
    end = Crash(point=len(run.events), power=False)
    played.found = judge_last(crashed(run.start, run.events, end, profile), played.history, judge, end)
    played.crash = end if played.found else None


def _around(
    factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, judge: Judge, played: Played
) -> Found | None:
    """Every state within one deviation at the crash points around the last crash (all of them, if it is stale)."""
    again = play_to_last_run(factory, traits, steps, profile)
    point = played.crash.point if played.crash else None
    near = None if point is None else range(point - NEIGHBOURHOOD, point + NEIGHBOURHOOD + 1)
    bound, depth = Bound(random_states=0), Depth(samples=2)
    return check(again.run, again.history, judge, profile, bound=bound, depth=depth, points=near)
