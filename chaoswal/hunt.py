"""The hunt: from a seed and a number to a program, and from that to the first violation in any of its crash states.

Theory of operation
-------------------
What is drawn for number ``n`` follows from the seed and ``n`` alone: the engine's options, the shape of the program,
its operations, and how many lives it has. Each life but the last ends in a drawn crash; what is explored is the last
one, which finds bugs that need a recovery, more records, and one more crash. Diversity beats the number of states, so
shapes differ widely (``SHAPES``): the first numbers are short programs, in which what is found is small already, and
scenarios, each of which leads to one rare place; some are long and run without a crash, since some bugs need none.

An engine on real directories has one life, unless its recoveries are to be crashed too: what asks for several crashes
takes longer there, and finds what few of these engines promise, that nothing comes back that a recovery has once cut.

With errors (``io``), half of the programs are not explored as they are, but with a fault in their last life: some of
all that could fire there. The small ones of these end with a closing, which is the last to tell of an error. With
damage (``rot``), a quarter are left at rest, and the engine opened on that disk with some of all damages in turn. Leaks
are looked for once, beside the first program. Where an engine is for several threads every fifth program has some
operations at once, and is explored in all orders of them with few pre-emptions (``schedules.py``).

A program of one life is recorded once and explored under each profile, strongest first: a pair of image and allowed
history that was judged under one of them is not judged again under the next. The first violation ends the program.
"""

import itertools
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, zip_longest

from chaoswal import scenarios
from chaoswal.anchors import step_of
from chaoswal.check import Coverage, Depth, Found, Judge, Seen, check
from chaoswal.contracts import CONTRACTS, LOG
from chaoswal.contracts.contract import Programs
from chaoswal.disk.crashes import Bound, Crash, cuts, plan
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.profiles import Profile
from chaoswal.disk.rot import Damage
from chaoswal.disk.volume import Volume
from chaoswal.engines.draws import draw_options, tables_of
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import UsageError
from chaoswal.leaks import leaks
from chaoswal.ops import Ack, Append, Cleanup, Close, Enqueue, Operation, Poll, Put, Reopen, Rotate, Subscribe, Sync
from chaoswal.oracle import Traits
from chaoswal.program import Step
from chaoswal.reach import Reach
from chaoswal.replay import Played, play_to_last_run, ready
from chaoswal.schedules import ORDERS_MAX, hunted
from chaoswal.shrink import crash_steps
from chaoswal.sweep import IN_OPENING, io_programs, rot_trials
from chaoswal.verdict import Fault
from chaoswal.vfs.turns import PRE_EMPTIONS
from chaoswal.workload import Generator

CRASH, IO, ROT, LEAK = FAULTS = "crash", "io", "rot", "leak"
"""What can be asked for: crashes, errors while running, damage at rest, and what reopening leaves behind."""

FAULTS_TRIED, FAULTS_TRIED_SMALL, DAMAGES_TRIED = 12, 60, 400
"""Of all the faults that could fire in a program (a small one), and of all damages to a disk, so many are drawn."""

STRUCK = Bound(random_states=0, states_per_point=8)
"""How far a run that met a fault is explored."""

BOUND = Bound(random_states=2, states_per_point=60)
DEPTH = Depth(levels=2, samples=3, bound=Bound(random_states=1, states_per_point=20))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a program is like."""

    name: str
    lengths: tuple[int, ...]
    """Operations of one life."""
    lives: tuple[int, ...] = (1,)
    plain: bool = False
    """Records of one size and nothing else."""
    scenarios: bool = False
    """Scenarios one after the other; ``lengths`` counts them."""
    small: bool = False
    """Whether it is so short that more can be done with it: its recoveries are crashed, and more faults are tried."""
    reopen_every: int = 0
    """A reopening after so many operations; 0: as drawn."""
    crashes: bool = True
    """Whether it is explored; otherwise it runs to its end, and only that is judged."""
    power: bool = True
    """Whether it is tried under each profile; otherwise under the strongest alone."""


PLAIN = Shape(name="plain", lengths=(2, 3, 4, 5, 6), lives=(2,), plain=True)

SHAPES: Mapping[Shape, int] = {
    Shape(name="usual", lengths=(5, 10, 10, 30), lives=(1, 2)): 12,
    Shape(name="scenarios", lengths=(1, 1, 2), lives=(1, 1, 2), scenarios=True, small=True): 8,
    PLAIN: 1,
    Shape(name="many lives", lengths=(3, 5, 8), lives=(3, 4)): 1,
    Shape(name="restarts", lengths=(30,), reopen_every=3, crashes=False): 1,
    Shape(name="long", lengths=(300,), crashes=False): 1,
}
"""Each with its weight."""

SHORT = Shape(name="short", lengths=(1, 2, 3, 4), lives=(1, 1, 2), small=True)
"""That of the first programs, which all begin with an append: most of what is wrong shows in one."""

SIZES = (30, 5_000, 0, 100, 5_000)
"""Of the records that go before the others: among them nothing, and more than a page, of which a kill may leave a half.

On real directories the last comes first: a few programs may be all there is time for.
"""

TURNS = (CRASH, IO, ROT, IO)
"""The order in which programs meet these."""

SCENARIO = Shape(name="scenario", lengths=(1,), lives=(1, 1, 2), scenarios=True, small=True)
"""That of the programs among the first ones that are a scenario each, in turn."""

TOUR = Shape(name="tour", lengths=(len(scenarios.SCENARIOS),), scenarios=True, crashes=False, power=False)
"""All scenarios one behind the other, and no crash: what needs none is found at little cost."""

SHARES = (0.1, 0.3, 0.6)
"""So many of the options are drawn in a program: much of what is wrong shows only where few things come together.

A scenario leads to its place by itself, and takes few; each meets one table of options after the other.
"""

FIRST, FIRST_SHAPES = 36, [one for even in (SHORT, TOUR, SHORT, PLAIN, SHORT, SHORT) for one in (even, SCENARIO)]
"""So many programs of each kind of fault are of these shapes, by turns."""

ORDERS = "orders"
ORDERS_EVERY = 5
"""Of so many programs one has some operations at once, and is tried in all orders of them with few pre-emptions."""

WINDOWS_EVERY = 4
"""Of so many programs one takes windows at creation as they come; of the others, only where there is nothing else."""

DEEP_EVERY_SMALL, DEEP_EVERY = 2, 3
"""Of so many programs, small ones or others, the recoveries of one are crashed in their turn, which takes five times as
long: more programs find more than deeper ones."""

_KINDS, _WEIGHTS = list(SHAPES), list(SHAPES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """A violation, and all that is needed to see it again."""

    engine: EngineRef
    profile: Profile
    number: int
    fault: Fault
    steps: tuple[Step, ...]
    given: tuple[str, ...] = ()
    """The options that were not drawn, but asked for: without them it is another engine."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What came of one program."""

    number: int
    coverage: Coverage
    catch: Catch | None = None
    reach: Reach = field(default_factory=Reach)
    """What recovery ran, of a few openings."""


class Hunter:
    """Tries programs on one engine under some profiles."""

    def __init__(
        self,
        engine: EngineRef,
        profiles: Sequence[Profile],
        *,
        seed: int = 0,
        bound: Bound = BOUND,
        depth: Depth | None = DEPTH,
        faults: Sequence[str] = (CRASH,),
    ) -> None:
        """UsageError where the engine cannot be opened, is on a real directory, or promises nothing about damage.

        The last two where ``faults`` ask for more than crashes.
        """
        factory, traits = ready(engine)
        wanted = [fault for fault in (IO, LEAK) if fault in faults]
        if wanted and not factory.simulated:
            raise UsageError(
                f"{engine.name} takes no vfs, so it runs on real directories: leave {', '.join(wanted)} out of --faults"
            )
        if ROT in faults and not traits.reports:
            raise UsageError(
                f"{engine.name} names no errors by which it reports damage (its adapter's `reports`), so it promises "
                f"nothing about damage at rest: leave {ROT} out of --faults"
            )
        self.faults = tuple(faults)
        self._turns = [kind for kind in TURNS if kind in self.faults]
        self.engine = engine
        self.profiles = tuple(profiles)
        self.seed = seed
        self.bound = bound
        self.depth = depth
        self._simulated = factory.simulated
        self._many_lives = factory.simulated or depth is not None
        self._tables = tables_of(factory)
        log = CONTRACTS[traits.contract] is LOG
        threads = log and factory.simulated and getattr(factory.kind, "concurrent", False)
        self._orders = bool(threads and {CRASH, IO} & set(faults))

    def configured(self, number: int) -> EngineRef:
        """The engine with the options that go with a number: a share of those that the user has not fixed."""
        chance = random.Random(f"options:{self.seed}:{number}")
        told = self.shape(number) is SCENARIO
        turn = self.turn(number) // 2 if told else None
        share = chance.choice(SHARES[:1] if told else SHARES)
        drawn = draw_options(chance, self._tables, dict(self.engine.options), share=share, turn=turn)
        engine = self.engine.with_options(**dict(drawn))
        return engine if _opens(engine) else self.engine

    def attempt(self, number: int, parent: int | None = None) -> Attempt:
        """Draw the program of a number and explore it; options, shape and rhythm are those of its parent, if any."""
        like = number if parent is None else parent
        engine = self.configured(like)
        factory, traits = ready(engine)
        reach = Reach()
        judge = Judge(factory, reach=reach)
        shape, what = self.shape(like), self._what(number)
        ends = [Close()] if shape.small and what == IO else []
        lives = [[*life, *ends] for life in self._lives(number, like, traits)]
        for profile, fault, steps in _Explored(self, number, shape, factory, traits, judge).all(what, lives):
            catch = Catch(
                engine=engine,
                profile=profile,
                number=number,
                fault=fault,
                steps=tuple(steps),
                given=self.engine.keys,
            )
            return Attempt(number=number, coverage=judge.coverage, catch=catch, reach=reach)
        return Attempt(number=number, coverage=judge.coverage, reach=reach)

    def _what(self, number: int) -> str:
        """What the program of a number meets: of the kinds that are asked for, each has its turn."""
        if number == 0 and LEAK in self.faults:
            return LEAK
        if self._orders and number % ORDERS_EVERY == ORDERS_EVERY - 1:
            return ORDERS
        return self._turns[self._ordinary(number) % len(self._turns)] if self._turns else LEAK

    def _ordinary(self, number: int) -> int:
        """How many programs before it have nothing to do with orders."""
        return number - number // ORDERS_EVERY if self._orders else number

    def numbers(self) -> Iterable[int]:
        """The programs there are: no end of them."""
        return itertools.count()

    def covered(self, _coverage: Coverage) -> str:
        """What was exhaustive, in words."""
        inside = f"to depth {self.depth.levels}, sampled" if self.depth else "none"
        orders = f"; operations at once: {ORDERS_MAX} orders, {PRE_EMPTIONS} pre-emptions" if self._orders else ""
        return (
            f"nothing: programs are drawn ({', '.join(self.faults)}); of each, crashes after every event, at most "
            f"{self.bound.states_per_point} states there and {self.bound.deviations} deviations; "
            f"crashes inside recoveries: {inside}{orders}"
        )

    def shape(self, number: int) -> Shape:
        """What the program of a number is like."""
        chance = random.Random(f"shape:{self.seed}:{number}")
        turn = self.turn(number)
        if turn < FIRST:
            shape = FIRST_SHAPES[turn % len(FIRST_SHAPES)]
            return SHORT if shape is TOUR and self._what(number) == IO else shape
        return chance.choices(_KINDS, _WEIGHTS)[0]

    def turn(self, number: int) -> int:
        """Of its kind of fault, the how manieth program it is, from 0."""
        return self._ordinary(number) // max(1, len(self._turns))

    def _lives(self, number: int, like: int, traits: Traits) -> list[list[Operation]]:
        shape = self.shape(like)
        chance = random.Random(f"lives:{self.seed}:{number}")
        rhythm = random.Random(f"rhythm:{self.seed}:{like}").randrange(1 << 32)
        programs = CONTRACTS[traits.contract].programs
        if programs:
            return self._lives_of(programs(rhythm, traits.capabilities, chance), shape, chance)
        generator = Generator(rhythm, traits.capabilities, waits=self._simulated, chance=chance)
        turn = self.turn(number)
        sizes = SIZES if self._simulated else SIZES[::-1]
        size = sizes[turn // 2 % len(sizes)] if shape is SHORT else chance.choice(sizes)
        count = chance.choice(shape.lives)
        lengths = [chance.choice(shape.lengths) for _ in range(count if self._many_lives else 1)]
        if shape.plain:
            return [[Append(size=max(1, size))] * length for length in lengths]  # which can be told apart
        if shape.scenarios:
            first = turn // 2 if shape is SCENARIO else None
            has = traits.capabilities | ({scenarios.WAITS} if self._simulated else set())
            return [scenarios.drawn(has, chance, length, first) for length in lengths]
        drawn = [list(_restarting(_life(generator, chance, length), shape.reopen_every)) for length in lengths]
        return [[Append(size=size), *life, *self._asked(traits)] for life in drawn] if shape is SHORT else drawn

    def _asked(self, traits: Traits) -> list[Operation]:
        """What ends a short program where a sync alone promises something, and programs are few."""
        return [Sync()] if not self._simulated and "sync" in traits.promise and "append" not in traits.promise else []

    def _lives_of(self, programs: Programs, shape: Shape, chance: random.Random) -> list[list[Operation]]:
        """The lives of a program whose operations are those of another contract."""
        count = chance.choice(shape.lives) if self._many_lives else 1
        lengths = [chance.choice(shape.lengths) for _ in range(count)]
        if shape.scenarios:
            return [[one for _ in range(length) for one in programs.scenario()] for length in lengths]
        return [list(_restarting(programs.program(length), shape.reopen_every)) for length in lengths]


class Given:
    """One given program, explored whole: its last life, every crash state within a bound, under each profile."""

    def __init__(
        self,
        engine: EngineRef,
        steps: Sequence[Step],
        profiles: Sequence[Profile],
        *,
        deviations: int = 1,
        depth: Depth | None = None,
        seed: int = 0,
    ) -> None:
        """UsageError where the engine cannot be opened."""
        self._factory, self._traits = ready(engine)
        self.engine = engine
        self.faults = (CRASH,)
        self.steps = list(steps)
        self.profiles = tuple(profiles)
        self.seed = seed
        self.depth = depth
        self.bound = Bound(deviations=deviations, random_states=0, states_per_point=sys.maxsize)

    def numbers(self) -> Iterable[int]:
        """One number for each profile."""
        return range(len(self.profiles))

    def attempt(self, number: int, _parent: int | None = None) -> Attempt:
        """Explore under one profile."""
        profile = self.profiles[number]
        reach = Reach()
        judge = Judge(self._factory, reach=reach)
        played = play_to_last_run(self._factory, self._traits, self.steps, profile)
        if played.stale:
            raise UsageError(f"the program's crash {played.step} finds no such event under {profile.name}")
        found = played.found or check(
            played.run, played.history, judge, profile, bound=self.bound, depth=self.depth, seed=self.seed
        )
        catch = None
        if found:
            steps = [*self.steps, *crash_steps(found, profile)]
            catch = Catch(
                engine=self.engine,
                profile=profile,
                number=number,
                fault=found.fault,
                steps=tuple(steps),
                given=self.engine.keys,
            )
        return Attempt(number=number, coverage=judge.coverage, catch=catch, reach=reach)

    def covered(self, coverage: Coverage) -> str:
        """What was exhaustive, in words and numbers."""
        inside = f"; crashes inside {self.depth.samples} kills and as many power cuts" if self.depth else ""
        return (
            f"at most {self.bound.deviations} deviations after each event, up to the first violation, under each of "
            f"{', '.join(profile.name for profile in self.profiles)}: {coverage.judged:,} states, "
            f"{coverage.distinct:,} distinct images{inside}"
        )


class _Explored:
    """One program under one profile after the other."""

    def __init__(
        self, hunter: Hunter, number: int, shape: Shape, factory: Factory, traits: Traits, judge: Judge
    ) -> None:
        self._hunter = hunter
        self._number = number
        self._crashes = shape.crashes
        self._profiles = hunter.profiles if shape.power else hunter.profiles[:1]
        self._small = shape.small
        every = DEEP_EVERY_SMALL if shape.small else DEEP_EVERY
        self._deep = shape.crashes and hunter.turn(number) // 2 % every == 0
        self._factory, self._traits, self._judge = factory, traits, judge
        self._seen: Seen = {}
        self._steps: list[Step] | None = None

    def all(self, what: str, lives: Sequence[Sequence[Operation]]) -> Iterator[tuple[Profile, Fault, Sequence[Step]]]:
        """The violations that the program shows: the first under each profile, or with each fault, or damage."""
        match what:
            case "leak":
                self._judge.coverage.judged += 1
                fault = leaks(self._factory)
                yield from [(self._hunter.profiles[0], fault, ())] if fault else ()
            case "io":
                yield from self._struck(lives)
            case "rot":
                yield from self._damaged(lives)
            case "orders":
                yield from self._interleaved()
            case _:
                yield from self._crashed(lives)

    def _crashed(self, lives: Sequence[Sequence[Operation]]) -> Iterator[tuple[Profile, Fault, Sequence[Step]]]:
        """The program under each profile. A window at creation mostly comes last: it hides what comes after it."""
        early: list[tuple[Profile, Fault, Sequence[Step]]] = []
        windows = self._number % WINDOWS_EVERY == WINDOWS_EVERY - 1
        for profile in self._profiles:
            found, steps = self.under(profile, lives)
            if found and found.at_creation and not windows:
                early.append((profile, found.fault, steps))
            elif found:
                yield profile, found.fault, steps
        yield from early

    def _struck(self, lives: Sequence[Sequence[Operation]]) -> Iterator[tuple[Profile, Fault, Sequence[Step]]]:
        """The program with a fault in its last life, for some of all that could fire."""
        chance = self._chance("faults")
        profile = chance.choice(self._hunter.profiles)
        programs = list(io_programs(self._factory, self._traits, self._ended(profile, lives), profile))
        tried = FAULTS_TRIED_SMALL if self._small else FAULTS_TRIED
        for steps in islice(_spread(programs, chance), tried):
            played = play_to_last_run(self._factory, self._traits, steps, profile)
            self._judge.coverage.judged += 1
            found = played.found
            if not found and not played.stale:
                points = self._points(played)
                found = check(
                    played.run, played.history, self._judge, profile, bound=STRUCK, points=points, seed=self._number
                )
            if found:
                crashes = crash_steps(found, profile) if found.crashes else []
                yield profile, found.fault, [*steps, *crashes]

    def _interleaved(self) -> Iterator[tuple[Profile, Fault, Sequence[Step]]]:
        """Operations at once in every order with few pre-emptions; where errors are asked for, in half of these."""
        chance, hunter, turn = self._chance("orders"), self._hunter, self._number // ORDERS_EVERY
        faulty = IO in hunter.faults
        if faulty and CRASH in hunter.faults:
            turn, faulty = turn // 2, turn % 2 == 1
        for profile, found, steps in hunted(
            self._judge, self._traits, hunter.profiles, chance, turn=turn, faulty=faulty
        ):
            yield profile, found.fault, [*steps, *crash_steps(found, profile)]

    def _damaged(self, lives: Sequence[Sequence[Operation]]) -> Iterator[tuple[Profile, Fault, Sequence[Step]]]:
        """The program left at rest, and each of some damages to what it left."""
        chance = self._chance("damage")
        profile = chance.choice(self._hunter.profiles)

        def some(damages: Iterator[Damage]) -> list[Damage]:
            every = list(damages)
            return chance.sample(every, min(DAMAGES_TRIED, len(every)))

        steps = self._ended(profile, lives)
        for trial in rot_trials(self._factory, self._traits, steps, profile, self._judge, some):
            if trial.fault:
                yield profile, trial.fault, trial.steps

    def _depth(self, played: Played) -> Depth | None:
        """How recoveries are crashed in their turn; of half of them, what comes is appended like what went before."""
        depth = self._hunter.depth
        writes = [one for one in played.history.operations if isinstance(one, Append | Enqueue | Put)]
        if depth is None or not writes or self._chance("then").random() < 0.5:
            return depth
        return replace(depth, then=(writes[-1],))

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{what}:{self._hunter.seed}:{self._number}")

    def under(self, profile: Profile, lives: Sequence[Sequence[Operation]]) -> tuple[Found | None, list[Step]]:
        """The first violation, and the steps that show it."""
        steps = self._ended(profile, lives)
        played = play_to_last_run(self._factory, self._traits, steps, profile)
        if played.found or played.stale:
            return played.found, steps
        if steps != self._steps:  # without faults no two profiles make runs of the same steps differ
            self._steps, self._seen = steps, {}
        found = self._check(played, profile)
        if not found:
            return None, steps
        return found, [*steps, *crash_steps(found, profile)]

    def _ended(self, profile: Profile, lives: Sequence[Sequence[Operation]]) -> list[Step]:
        """The steps, with a drawn crash at the end of each life but the last."""
        chance = self._chance("crashes")
        steps: list[Step] = []
        for number, life in enumerate(lives):
            if number:
                steps.append(
                    drawn_crash(chance, play_to_last_run(self._factory, self._traits, steps, profile), profile)
                )
            steps += life
        return steps

    def _points(self, played: Played) -> range | None:
        """Where crashes strike; None for everywhere."""
        end = len(played.run.events)
        return None if self._crashes else range(end, end + 1)

    def _check(self, played: Played, profile: Profile) -> Found | None:
        hunter = self._hunter
        return check(
            played.run,
            played.history,
            self._judge,
            profile,
            bound=hunter.bound,
            depth=self._depth(played) if self._deep else None,
            seed=self._number,
            points=self._points(played),
            seen=self._seen,
        )


def _spread(programs: Sequence[list[Step]], chance: random.Random) -> Iterator[list[Step]]:
    """Programs with a fault each, in a drawn order in which each kind of fault comes as early as any other."""
    kinds: dict[object, list[list[Step]]] = {}
    for steps in programs:
        first, *more = [step for step in steps if isinstance(step, DiskFault)]
        kind = first.call, first.glob, bool(first.error), bool(more), IN_OPENING in steps
        kinds.setdefault(kind, []).append(steps)
    for alike in kinds.values():
        chance.shuffle(alike)
    rounds = list(kinds.values())
    chance.shuffle(rounds)
    return (steps for alike in zip_longest(*rounds) for steps in alike if steps)


def drawn_crash(chance: random.Random, played: Played, profile: Profile) -> Step:
    """A crash in the run that was played: a kill, or any state of a power cut."""
    run = played.run
    point = chance.randint(run.opened, len(run.events))
    if chance.random() < 0.3:
        return step_of(run, Crash(point=point, power=False), profile)
    volume = Volume(run.start.after(run.events[:point]), profile)
    return step_of(run, chance.choice([plan(point, cut, torn) for cut, torn in cuts(volume, BOUND, seed=0)]), profile)


def _life(generator: Generator, chance: random.Random, length: int) -> list[Operation]:
    program = generator.program(length)
    names = sorted({step.name for step in program if isinstance(step, Subscribe)})
    return generator.crowded([spiced for step in program for spiced in _spiced(step, names, chance)])


def _spiced(operation: Operation, names: Sequence[str], chance: random.Random) -> list[Operation]:
    """Now and then a record of no bytes, or of pages; half of the cleanups come when a subscriber has finished all."""
    if isinstance(operation, Append) and chance.random() < 0.1:
        return [Append(size=chance.choice((0, 5000, 9000)))]
    if isinstance(operation, Cleanup) and chance.random() < 0.5:
        drained = chance.sample(names, chance.randint(1, len(names)))
        before: list[Operation] = [Rotate()] if chance.random() < 0.5 else [Reopen()]
        polls: list[Operation] = [Poll(name=name, count=40) for name in drained]
        return [*before, *polls, *(Ack(name=name, places=tuple(range(40))) for name in drained), operation]
    return [operation]


def _restarting(operations: Sequence[Operation], every: int) -> Iterator[Operation]:
    for place, operation in enumerate(operations, start=1):
        yield operation
        if every and place % every == 0:
            yield Reopen()


@lru_cache(4096)
def _opens(engine: EngineRef) -> bool:
    """Whether an engine takes its options: a policy that goes by time, for one, needs threads."""
    try:
        ready(engine)
    except UsageError:
        return False
    return True
