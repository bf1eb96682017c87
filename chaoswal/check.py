"""The pipeline on one page: a run, every crash state within a bound, recovery on each, and the oracle on each pair.

Recovery is memoised by what it depends on, the image and the subscribers that are asked for. The oracle runs for
every distinct pair of image and allowed history, never skipped: an acknowledgement given before a sync leaves the same
image before and after it, and only the second is a violation. "Judged" means that one pair was recovered, recovered
again, and compared. Pairs of crashes inside a recovery are counted apart.

Engines on real directories are opened in other processes, where asking for an opening takes as long as the opening. So
crash states are listed some points ahead of the oracle there, and many images are asked for at once (``_ahead``). The
oracle comes to each in its turn all the same, and what it says does not depend on that.
"""

import random
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar

from chaoswal.disk.crashes import Bound, Crash, crashed
from chaoswal.disk.image import Image, ImageKey
from chaoswal.disk.points import Listed, Point
from chaoswal.disk.profiles import Profile
from chaoswal.engines.registry import Factory
from chaoswal.errors import ChaoswalError
from chaoswal.ops import Operation
from chaoswal.oracle import Ledger, Observed
from chaoswal.outside import Recovered
from chaoswal.processes import alive
from chaoswal.reach import Reach
from chaoswal.run import Run
from chaoswal.runners import record, recover, recover_ahead
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation

Given = TypeVar("Given")

AHEAD = 16
"""So many images that were never seen are asked for at once, if not more come together."""

FEWER = 6
"""So many times fewer recoveries are crashed inside at each further level: their number would multiply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How recoveries are crashed in their turn."""

    levels: int = 1
    """How many crashes may follow upon each other."""
    samples: int = 8
    """How many recoveries from a kill, and how many from a power cut, are crashed inside, drawn by the seed; further
    down ``FEWER``."""
    bound: Bound = field(default_factory=lambda: Bound(random_states=1))
    """How far each of these is explored."""
    then: tuple[Operation, ...] = ()
    """What is done after the first of these recoveries, and crashed inside too: what it left undone may show now."""


@dataclass(slots=True, kw_only=True)
class Coverage:
    """What was judged."""

    judged: int = 0
    distinct: int = 0
    nested: int = 0

    def add(self, other: "Coverage") -> None:
        """Count another's too."""
        self.judged += other.judged
        self.distinct += other.distinct
        self.nested += other.nested


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A violation and the crashes that led to it, in order; none where it needed no crash."""

    fault: Fault
    crashes: tuple[Crash, ...]
    observed: Observed | None = None
    at_creation: bool = False
    """Whether it lies in the window before the first promise, and takes nothing from anybody."""
    runs: tuple[Run, ...] = ()
    """The run that each crash ended."""
    then: tuple[Operation, ...] = ()
    """What was done after the first crash, once that was recovered from."""


@dataclass(slots=True)
class Sight:
    """What recovery on one image shows, and what is wrong with it whatever was promised."""

    observed: Observed
    fault: Fault | None
    wrote: bool
    shown: object = field(default=None, compare=False)
    """The same for all of one judge that show the same."""


Seen: TypeAlias = dict[Hashable, set[object]]
"""What was judged of a run: by what was allowed, the keys of images, and what was shown on any of them and is right."""


class Judge:
    """Recovers images with one engine and remembers what it saw."""

    def __init__(self, factory: Factory, *, generation: int = 1, reach: Reach | None = None) -> None:
        """``reach``: what is to be told of the lines that recovery runs, of a few openings among all."""
        self.factory = factory
        self._reach = reach
        self._looks = 0
        self.generation = generation
        self.coverage = Coverage()
        self.ahead = 0 if factory.simulated else AHEAD
        """So many images should be foreseen at once; 0: none."""
        self._shown: dict[Hashable, object] = {}
        self._sights: dict[tuple[ImageKey, tuple[str, ...]], Sight] = {}
        self._foreseen: dict[tuple[ImageKey, tuple[str, ...]], tuple[Image, Recovered]] = {}
        self._again: dict[tuple[ImageKey, tuple[str, ...]], Recovered] = {}

    def sight(self, key: ImageKey, image: Callable[[], Image], names: tuple[str, ...]) -> Sight:
        """What recovery shows on the image of this key, which is made only if it was never seen."""
        self.coverage.judged += 1
        known = self._sights.get((key, names))
        if known is None:
            self.coverage.distinct += 1
            foreseen = self._foreseen.pop((key, names), None)
            known = self._sights[key, names] = self._seen(*(foreseen or self._look(image(), names)), names)
        return known

    def knows(self, key: ImageKey, names: tuple[str, ...]) -> bool:
        """Whether the image of this key need not be foreseen."""
        return (key, names) in self._sights or (key, names) in self._foreseen

    def foresee(self, images: Mapping[ImageKey, Image], names: tuple[str, ...]) -> None:
        """Recover these at once; behind one that hangs, or of which nothing can be said, each when it is asked for."""
        left: dict[ImageKey, Image] = {}
        for image, first in self._recovered(images.values(), names, probing=False):
            self._foreseen[image.key, names] = image, first
            made = first.image or image
            if not first.observed.fault and (made.key, names) not in self._again:
                left[made.key] = made
        for made, again in self._recovered(left.values(), names, probing=True):
            self._again[made.key, names] = again

    def _recovered(
        self, images: Collection[Image], names: tuple[str, ...], *, probing: bool
    ) -> Iterator[tuple[Image, Recovered]]:
        every = recover_ahead(self.factory, [*images], names, probing=probing)
        with suppress(ChaoswalError):  # which comes again when its turn comes
            for image, found in zip(images, every, strict=True):
                yield image, found
                if found.observed.fault and found.observed.fault.kind is Violation.HUNG:
                    return

    def _look(self, image: Image, names: tuple[str, ...]) -> tuple[Image, Recovered]:
        self._looks += 1
        watched = self._looks & (self._looks - 1) == 0  # the 1st, 2nd, 4th, 8th …
        reach = self._reach if watched else None
        return image, recover(self.factory, image, names, generation=self.generation, reach=reach)

    def _seen(self, image: Image, first: Recovered, names: tuple[str, ...]) -> Sight:
        sight = sight_of(first, lambda: self._look_again(first.image or image, names))
        sight.shown = self._shown.setdefault(sight.observed.key(), object())
        return sight

    def _look_again(self, image: Image, names: tuple[str, ...]) -> Recovered:
        known = self._again.get((image.key, names))
        if known is None:
            known = recover(self.factory, image, names, generation=self.generation + 1, probing=True)
            self._again[image.key, names] = known
        return known


def sight_of(first: Recovered, look_again: Callable[[], Recovered]) -> Sight:
    """What a recovery shows, and whether the one after it, which is asked to go on, shows the same."""
    wrote = first.image is not None
    if first.observed.fault:
        return Sight(first.observed, None, wrote=wrote)
    again = look_again()
    difference = first.observed.differs(again.observed)
    if difference:
        why = f"recovering twice differs from once in {difference}"
        if again.observed.fault:
            why = f"the second recovery failed: {again.observed.fault.explanation}"
        return Sight(first.observed, Fault(kind=Violation.UNSTABLE, explanation=why), wrote=wrote)
    return Sight(first.observed, again.stuck, wrote=wrote)


def check(
    run: Run,
    history: Ledger,
    judge: Judge,
    profile: Profile,
    *,
    bound: Bound,
    depth: Depth | None = None,
    seed: int = 0,
    points: range | None = None,
    seen: Seen | None = None,
    wanted: Callable[[Found], bool] = lambda _: True,
) -> Found | None:
    """Explore every crash state of a run within the bound; the first violation, or None.

    One that lies before the first promise is returned only where there is no other.

    ``points``: only crashes after so many events (default: all). ``history`` is what was allowed when the run began;
    it is moved on to what is allowed at the run's end. ``seen``: what of this very run was judged under another
    profile, and need not be again; what is judged here is added. ``wanted``: other violations are passed over, but for
    one that needs no crash: behind it no history tells what is allowed.
    """
    begin(run, history)
    inside = _Sample(depth, seed) if depth and depth.levels else None
    listed = Listed(run.start, run.events, profile, bound, seed=seed, points=points)
    seen = {} if seen is None else seen
    early: Found | None = None
    for point in _ahead(listed, history, judge):
        alive()  # a shrinker may list for minutes what has been judged, and no engine is at work then
        fault = advance(run, point.number, history)
        if fault:
            found = Found(fault=fault, crashes=())
            return found if wanted(found) else None
        judged = seen.setdefault(history.key(), set())
        for crash, sight in _states(point, listed, history, judge, judged):
            fault = _wrong(sight, history, judged) or sight.fault
            if fault:
                found = Found(
                    fault=fault,
                    crashes=(crash(),),
                    runs=(run,),
                    observed=sight.observed,
                    at_creation=at_creation(fault, history),
                )
                if wanted(found) and not found.at_creation:
                    return found
                early = early or (found if wanted(found) else None)
            elif inside and sight.wrote:
                inside.offer_cut(crash, history)
        if inside and point.pending:
            inside.offer_kill(point.number, history)
    deeper = _check_inside(run, inside, judge, profile, wanted) if inside else None
    return early if early and (deeper is None or deeper.at_creation) else deeper


def at_creation(fault: Fault, history: Ledger) -> bool:
    """Whether a violation lies before the first promise: whoever finds it can begin again, and has lost nothing.

    Of an engine that never promises anything: before there is a record.
    """
    holds = history.owes or (history.traits.promise <= {"none"} and history.holds)
    return fault.kind in _WINDOW and not holds


_WINDOW = {Violation.UNOPENABLE, Violation.UNSTABLE, Violation.STUCK, Violation.HUNG}
"""What may be wrong with an engine that holds nothing."""


def advance(run: Run, point: int, history: Ledger) -> Fault | None:
    """Let the event before this crash point count; a fault where what the engine showed is already wrong."""
    event = run.events[point - 1] if point else None
    fault = history.apply(event) if isinstance(event, Begin | End) else None
    return history.open(run.observed, struck=run.struck) if not fault and point == run.opened else fault


def begin(run: Run, history: Ledger) -> None:
    """Let a run begin: which errors are allowed in it."""
    history.errors_allowed = run.faulty
    history.lied = history.lied or run.lied


def _ahead(listed: Listed, history: Ledger, judge: Judge) -> Iterator[Point]:
    """The crash points, whose images the judge has foreseen where that is quicker."""
    if not judge.ahead:
        yield from listed.points()
        return
    waiting: list[Point] = []
    images: dict[ImageKey, Image] = {}
    names = tuple(history.subscribers)
    for point in listed.points():
        waiting.append(point)
        for key, image in listed.images(point):
            if key not in images and not judge.knows(key, names):
                images[key] = image()
        if len(images) >= judge.ahead:
            judge.foresee(images, names)
            yield from waiting
            waiting, images, names = [], {}, tuple(history.subscribers)
    judge.foresee(images, names)
    yield from waiting


def _states(
    point: Point, listed: Listed, history: Ledger, judge: Judge, judged: set[object]
) -> Iterator[tuple[Callable[[], Crash], Sight]]:
    """Each pair of image and history that this crash point adds, with what recovery shows on it."""
    names = tuple(history.subscribers)
    for crash, image in point.kills:
        if image.key not in judged:
            judged.add(image.key)
            yield partial(_same, crash), judge.sight(image.key, partial(_same, image), names)
    for key in point.cuts:
        if key not in judged:
            judged.add(key)
            yield partial(listed.crash, point, key), judge.sight(key, partial(listed.image, point, key), names)


def _wrong(sight: Sight, history: Ledger, judged: set[object]) -> Fault | None:
    """What is wrong with what is shown by what is allowed; what was right once is."""
    if sight.shown in judged:
        return None
    fault = history.judge(sight.observed)
    if not fault:
        judged.add(sight.shown)
    return fault


def _same(it: Given) -> Given:
    return it


class _Sample:
    """A few of the crashes that leave something to recover: kills and power cuts, so many of each, drawn evenly."""

    def __init__(self, depth: Depth, seed: int) -> None:
        self.depth = depth
        self.seed = seed
        self._kills = _Reservoir(depth.samples, f"kills:{seed}")
        self._cuts = _Reservoir(depth.samples, f"cuts:{seed}")

    def offer_kill(self, point: int, history: Ledger) -> None:
        """Perhaps keep a kill at this point: its recovery finds events that are still pending."""
        self._kills.offer(lambda: Crash(point=point, power=False), history)

    def offer_cut(self, crash: Callable[[], Crash], history: Ledger) -> None:
        """Perhaps keep this state of a power cut: its recovery writes."""
        self._cuts.offer(crash, history)

    @property
    def chosen(self) -> list[tuple[Crash, Ledger]]:
        """What was kept of all that was offered."""
        return [*self._kills.kept, *self._cuts.kept]


class _Reservoir:
    """Keeps ``size`` of all that is offered, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, size: int, seed: str) -> None:
        self.kept: list[tuple[Crash, Ledger]] = []
        self._size = size
        self._chance = random.Random(seed)
        self._offered = 0

    def offer(self, crash: Callable[[], Crash], history: Ledger) -> None:
        self._offered += 1
        place = self._offered - 1 if self._offered <= self._size else self._chance.randrange(self._offered)
        if place < self._size:
            self.kept[place : place + 1] = [(crash(), history.copy())]


def _check_inside(
    run: Run, inside: _Sample, judge: Judge, profile: Profile, wanted: Callable[[Found], bool]
) -> Found | None:
    """Crash the recoveries of these crashes in their turn."""
    depth = inside.depth
    deeper = Depth(levels=depth.levels - 1, samples=max(1, depth.samples // FEWER), bound=depth.bound)
    judged = judge.coverage.judged
    early: Found | None = None
    try:
        for crash, history in inside.chosen:
            disk = crashed(run.start, run.events, crash, profile)
            names = tuple(history.subscribers)
            recovery = record(
                judge.factory,
                depth.then,
                disk,
                first_index=len(history.operations),
                generation=judge.generation,
                names=names,
            )
            history.operations = [*history.operations, *depth.then]
            found = check(
                recovery, history, judge, profile, bound=depth.bound, depth=deeper, seed=inside.seed, wanted=wanted
            )
            if found and not found.crashes:  # the recovery itself failed
                found = replace(found, at_creation=at_creation(found.fault, history))
            found = found and replace(found, crashes=(crash, *found.crashes), runs=(run, *found.runs), then=depth.then)
            if found and not found.at_creation:
                return found
            early = early or found
        return early
    finally:
        judge.coverage.nested += judge.coverage.judged - judged
        judge.coverage.judged = judged
