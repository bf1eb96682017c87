"""The hunt: seeded programs against one engine until it breaks a promise, and corpus files from what was caught.

A program is drawn with its configuration by its seed alone. Every other one has two lives: the first ends in a drawn
crash, and what is checked is the second, which finds bugs that need a recovery, more records, and one more crash. One
in sixteen is a plain one, which appends records of one size and nothing else.

The corpus of the zoo is made anew, from the top of the checkout, by::

    python -c "from tests.zoo.hunt import regenerate; regenerate()"
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoswal import corpus
from chaoswal.anchors import step_of
from chaoswal.check import Depth, Judge, check
from chaoswal.disk.crashes import Bound, Crash, cuts, plan
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.disk.volume import Volume
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.bugs.entry import Entry
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Ack, Append, Cleanup, Close, Operation, Poll, Reopen, Rotate, Subscribe, Sync
from chaoswal.program import Step
from chaoswal.replay import Played, play_to_last_run, simulated
from chaoswal.shrink import Shrunk, Target, crash_steps, shrink
from chaoswal.verdict import Fault
from chaoswal.workload import Generator

BOUND = Bound(random_states=2, states_per_point=60)
DEPTH = Depth(levels=1, samples=6, bound=Bound(random_states=1, states_per_point=20))
WAL_BYTES = ("300", "1000", "100000")
LENGTHS = (5, 10, 10, 30)
PLAIN = 16
CLOSING: dict[str, Step] = {
    "fail EIO on read of wal-*.wal nth 1 once": Reopen(),
    "fail EIO on fdatasync of *.wal nth 1 once": Close(),
}
"""Errors that come while the engine is closed, or opened anew."""
FAULTS = [
    *(
        f"fail EIO on {call} of {glob} nth {nth} once"
        for call in ("fsync", "fdatasync", "write", "rename", "unlink")
        for glob in ("*", "*.wal", "*.tmp")
        for nth in (1, 2, 3)
    ),
    *(f"fail ENOSPC on write of {glob} nth {nth} once" for glob in ("*.wal", "*.tmp") for nth in (1, 2)),
    *(f"fail EIO on read of *.{kind} nth {nth} once" for kind in ("wal", "seg", "cur") for nth in (1, 2)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """A violation, and all that is needed to see it again."""

    engine: EngineRef
    profile: Profile
    seed: int
    fault: Fault
    steps: tuple[Step, ...]


def configured(seed: int, bug: str = "") -> EngineRef:
    """The builtin engine with the options that go with a seed."""
    chance = random.Random(f"options:{seed}")
    engine = EngineRef(name="wal").with_options(sync=chance.choice(("each", "explicit")))
    engine = engine.with_options(wal_bytes=chance.choice(WAL_BYTES))
    return engine.with_options(**dict(ENTRIES[bug].engine.options)) if bug else engine


def hunt(seeds: Iterable[int], profile: Profile, *, bug: str = "", faults: bool = False) -> Catch | None:
    """The first violation among the programs of these seeds."""
    for seed in seeds:
        catch = try_seed(seed, profile, configured(seed, bug), faults=faults)
        if catch:
            return catch
    return None


def try_seed(
    seed: int, profile: Profile, engine: EngineRef, *, faults: bool = False, depth: Depth | None = DEPTH
) -> Catch | None:
    """The violation in the program of one seed, if there is one."""
    factory, traits = simulated(engine)
    chance = random.Random(f"life:{seed}")
    generator = Generator(seed, traits.capabilities, waits=traits.window_seconds > 0)
    steps: list[Step] = []
    plain = seed % PLAIN == PLAIN - 1
    for _ in range(2 if plain else chance.choice((1, 2))):
        if steps:
            steps.append(_crash(chance, play_to_last_run(factory, traits, steps, profile), profile))
        steps += _plain(seed, chance) if plain else _life(generator, chance, faults=faults)
    played = play_to_last_run(factory, traits, steps, profile)
    if played.found or played.stale:
        return _caught(engine, profile, seed, played, steps)
    found = check(played.run, played.history, Judge(factory), profile, bound=BOUND, depth=depth, seed=seed)
    if found is None:
        return None
    crashes = crash_steps(found, profile)
    return Catch(engine=engine, profile=profile, seed=seed, fault=found.fault, steps=(*steps, *crashes))


def _plain(seed: int, chance: random.Random) -> list[Step]:
    """A few records of one size, the same in every life of a seed."""
    size = (30, 100, 300)[seed // PLAIN % 3]
    return [Append(size=size)] * chance.randint(2, 6)


def _life(generator: Generator, chance: random.Random, *, faults: bool) -> list[Step]:
    program = generator.program(chance.choice(LENGTHS))
    names = sorted({step.name for step in program if isinstance(step, Subscribe)})
    steps = [spiced for step in program for spiced in _spiced(step, names, chance)]
    if faults and names:
        # What a close that fails forgets of the acknowledgements, no history tells yet.
        steps = [step for step in steps if not isinstance(step, Reopen | Close)]
    for _ in range(2 if faults else 0):
        place = chance.randrange(len(steps))
        steps[place:place] = _faults(chance, closing=not names)
    if faults and not names and chance.random() < 0.3:
        steps[:0] = _unsynced_together(generator, chance)
    return steps if faults and names else generator.crowded(steps)


def _unsynced_together(generator: Generator, chance: random.Random) -> list[Step]:
    """A sync fails that several wait for; what is appended next is as large as what they had."""
    append = Append(size=chance.choice((10, 100)))
    fault = DiskFault.parse("fail EIO on fdatasync of *.wal nth 1 once")
    return [fault, generator.together(), append, append, Sync(), append]


def _spiced(operation: Operation, names: Sequence[str], chance: random.Random) -> list[Step]:
    """Now and then a record of no bytes, or of pages; half of the cleanups come when a subscriber has finished all."""
    if isinstance(operation, Append) and chance.random() < 0.1:
        return [Append(size=chance.choice((0, 5000, 9000)))]
    if isinstance(operation, Cleanup) and chance.random() < 0.5:
        drained = chance.sample(names, chance.randint(1, len(names)))
        before: list[Step] = [Rotate()] if chance.random() < 0.5 else [Reopen()]
        polls: list[Step] = [Poll(name=name, count=40) for name in drained]
        return [*before, *polls, *(Ack(name=name, places=tuple(range(40))) for name in drained), operation]
    return [operation]


def _faults(chance: random.Random, *, closing: bool) -> list[Step]:
    """One error; or a write cut short, and perhaps the next one failing, as on a full disk; or one while closing."""
    nth = chance.randint(1, 3)
    short = f"short write of *.wal nth {nth} at {chance.choice((7, 33, 60))}"
    full = f"fail ENOSPC on write of *.wal nth {nth + 1} once"
    errors = [[fault] for fault in (*chance.sample(FAULTS, 5), *CLOSING)]
    lines = chance.choice([[short], [short, full], *errors])
    faults: list[Step] = [DiskFault.parse(line) for line in lines]
    return [*faults, CLOSING[lines[0]]] if closing and lines[0] in CLOSING else faults


def _caught(engine: EngineRef, profile: Profile, seed: int, played: Played, steps: Sequence[Step]) -> Catch | None:
    if not played.found:
        return None
    return Catch(engine=engine, profile=profile, seed=seed, fault=played.found.fault, steps=tuple(steps))


def _crash(chance: random.Random, played: Played, profile: Profile) -> Step:
    """A drawn crash in the run that was played: a kill, or any state of a power cut."""
    run = played.run
    point = chance.randint(run.opened, len(run.events))
    if chance.random() < 0.3:
        return step_of(run, Crash(point=point, power=False), profile)
    volume = Volume(run.start.after(run.events[:point]), profile)
    return step_of(run, chance.choice([plan(point, cut, torn) for cut, torn in cuts(volume, BOUND, seed=0)]), profile)


def catches(entry: Entry, seeds: Iterable[int], wanted: int) -> list[Catch]:
    """The first catches of a bug under its first profile, those of the most telling kind if there are any."""
    profile = PROFILES[entry.profiles[0]]
    found: list[Catch] = []
    for seed in seeds:
        catch = try_seed(seed, profile, configured(seed, entry.name), faults=entry.faults)
        if catch and catch.fault.kind in entry.kinds:
            found.append(catch)
        if sum(catch.fault.kind == entry.kinds[0] for catch in found) == wanted or len(found) == 40:
            break
    return sorted(found, key=lambda catch: entry.kinds.index(catch.fault.kind))[:wanted]


def smallest(entry: Entry, seeds: Iterable[int], tries: int = 2) -> tuple[Catch, Shrunk]:
    """The first catches of a bug, shrunk under the profile they were made under: the one with the fewest steps."""
    found = []
    for catch in catches(entry, seeds, tries):
        target = Target(engine=catch.engine, profile=catch.profile, kind=catch.fault.kind)
        shrunk = shrink(target, catch.steps, [catch.profile])
        assert shrunk, f"{entry.name}: what was found is not seen again"
        found.append((catch, shrunk))
    return min(found, key=lambda pair: (len(pair[1].steps), len(str(pair[1].steps))))


def regenerate(*names: str, directory: Path = Path("corpus/zoo")) -> None:
    """Write the corpus files of these bugs (default: all of the zoo) anew."""
    for name in names or ENTRIES:
        catch, shrunk = smallest(ENTRIES[name], range(400))
        finding = corpus.Finding(
            engine=shrunk.engine,
            profile=shrunk.profile.name,
            expect=catch.fault.kind,
            found="2026-11-20",
            seed=catch.seed,
            steps=shrunk.steps,
        )
        corpus.save(finding, directory, name)
