"""The sound log is never blamed, whatever fails, however often it is killed, and whoever is at it at once.

What is allowed depends on what was asked far more than on what a crash left. ``explore`` tries many states of each
program, and each error apart; here are many programs, with several errors in several lives, and a few kills of each.
"""

import random
from collections.abc import Iterator, Sequence

import pytest

from chaoswal.check import Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.faults import Fault
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.draws import draw_options, tables_of
from chaoswal.engines.registry import EngineRef
from chaoswal.hunt import _life, drawn_crash
from chaoswal.ops import Close, Operation, Reopen, Sync, Together
from chaoswal.oracle import Traits
from chaoswal.program import Step, step_line
from chaoswal.replay import play_to_last_run, simulated
from chaoswal.shrink import crash_steps
from chaoswal.workload import Generator

KILL = PROFILES["kill"]
FEW = Bound(deviations=0, random_states=0, states_per_point=3)

CALLS = ("write", "fsync", "fdatasync", "rename", "unlink", "open", "truncate", "read", "create", "close", "*")
GLOBS = ("*", "*", "*", "wal-*.wal", "segment-*", "subscriber-*", "log.manifest*", ".")

SOON = {"wal_bytes": ("1", "100", "200", "300", "500"), "budget_bytes": ("0", "330", "400", "700", "1500")}
"""Sizes at which files are finished, and records dropped, after a few of them."""


def drawn_engine(chance: random.Random, engine: EngineRef) -> EngineRef:
    """An engine with a few options, drawn."""
    factory, _ = simulated(engine)
    fixed = dict(engine.options)
    options = dict(draw_options(chance, tables_of(factory), fixed, share=chance.choice((0.0, 0.2, 0.4, 0.7))))
    options |= {name: chance.choice(texts) for name, texts in SOON.items() if name not in fixed}
    return engine.with_options(**options | {"budget_policy": chance.choice(("drop-oldest", "backpressure"))})


def drawn_fault(chance: random.Random) -> Fault:
    if chance.random() < 0.1:
        at, once = chance.choice((1, 7, 20, 40)), chance.random() < 0.7
        return Fault(call="write", glob="*", nth=chance.randint(1, 9), at=at, once=once)
    error, once = chance.choice(("EIO", "EIO", "ENOSPC", "EINTR")), chance.random() < 0.7
    return Fault(
        call=chance.choice(CALLS),
        glob=chance.choice(GLOBS),
        nth=chance.choice((1, 1, 2, 3, 4, 6, 9, 14)),
        error=error,
        once=once or error == "EINTR",
    )


def places(life: Sequence[Operation]) -> Iterator[int]:
    """Where something may stand in a life: not among those that are asked at once."""
    members = 0
    for place, operation in enumerate(life):
        if not members:
            yield place
        members = operation.count if isinstance(operation, Together) else max(0, members - 1)


def drawn_life(chance: random.Random, generator: Generator) -> list[Step]:
    life: list[Step] = [*_life(generator, chance, chance.choice((3, 5, 8, 12, 20)))]
    life += [chance.choice((Close(), Reopen(), Reopen(), Sync()))] if chance.random() < 0.4 else []
    possible = list(places(life))  # type: ignore[arg-type]
    count = chance.choice((0, 1, 1, 2, 3))
    faults = [(chance.choice((0, chance.choice(possible))), drawn_fault(chance)) for _ in range(count)]
    for place, fault in sorted(faults, key=lambda one: -one[0]):
        life.insert(place, fault)
    return life


def played(engine: EngineRef, traits: Traits, chance: random.Random) -> tuple[Found | None, list[Step]]:
    """The first violation in one drawn program, and its steps."""
    factory, _ = simulated(engine)
    generator = Generator(chance.randrange(1 << 32), traits.capabilities, waits=True, chance=chance)
    generator._crowds = chance.random() < 0.6  # twice as often as elsewhere
    steps: list[Step] = []
    for number in range(chance.choice((1, 1, 2, 3))):
        if number:
            before = play_to_last_run(factory, traits, steps, KILL)
            if before.found or before.stale:
                return before.found, steps
            steps.append(drawn_crash(chance, before, KILL))
        steps += drawn_life(chance, generator)
    last = play_to_last_run(factory, traits, steps, KILL)
    if last.found or last.stale:
        return last.found, steps
    found = check(last.run, last.history, Judge(factory), KILL, bound=FEW)
    return found, [*steps, *(crash_steps(found, KILL) if found and found.crashes else [])]


def first_blame(engine: EngineRef, seed: int, programs: int) -> str:
    """What the first of these programs says that blames the engine, and the program; nothing where none does."""
    chance = random.Random(seed)
    for _ in range(programs):
        drawn = drawn_engine(chance, engine)
        found, steps = played(drawn, simulated(drawn)[1], chance)
        if found:
            program = "\n".join(step_line(step) for step in steps)
            return f"{found.fault.kind}: {found.fault.explanation}\nengine {drawn}    profile kill\n{program}"
    return ""


SOME = [(seed, 60) for seed in range(3)]
MANY = [pytest.param(seed, 300, marks=pytest.mark.slow) for seed in range(3, 40)]
"""Of what was mended in the oracle because of such programs, each took some thousands to be met."""


@pytest.mark.parametrize(("seed", "programs"), [*SOME, *MANY])
def test_the_sound_log_is_never_blamed(seed: int, programs: int) -> None:
    blame = first_blame(EngineRef(name="wal"), seed, programs)
    assert not blame, blame


@pytest.mark.parametrize("bug", ["batch-split-by-rotation", "claim-not-released-after-crash", "second-writer-let-in"])
def test_a_planted_bug_is(bug: str) -> None:
    assert first_blame(EngineRef.parse(f"wal bug={bug}"), 0, programs=400)
