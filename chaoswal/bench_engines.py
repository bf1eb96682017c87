"""What ``bench engines`` measures: how fast ``explore`` judges engines of others, by one worker and by two.

A round draws the same programs for one worker and for two, other ones than the rounds before, and explores each as
``explore`` does by default: under every profile, up to the first violation. Nothing is shrunk. What a worker does once,
like loading the engine, is not measured.

The clock says how fast it goes on the machine as it is. The time of the processors, of all processes that the workers
have started too, says what a state costs however many others are at work.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from chaoswal.bench import timed
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Unavailable, UsageError
from chaoswal.hunt import DEPTH, Hunter
from chaoswal.pool import Pool
from chaoswal.replay import ready

PROGRAMS: Mapping[str, int] = {"sqlite": 8, "leveldb": 16, "dbm.dumb": 80, "persist-queue": 60}
"""The engines, with how many programs a round has: those that are found wrong early take few states each."""

WORKERS = (1, 2)
SEED = 0

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast one engine is judged by so many workers: medians of the rounds."""

    engine: str
    recorder: str
    workers: int
    per_second: float
    """Judged states, those inside recoveries among them, by the clock; 0 where that cannot be measured here."""
    processor_ms: float
    """What one takes of the processors."""
    note: str = ""


def measure(rounds: int) -> list[Rate]:
    """The rates of every engine that is installed; of the others, why they have none."""
    return [rate for engine, programs in PROGRAMS.items() for rate in _rates(EngineRef.parse(engine), programs, rounds)]


def _rates(engine: EngineRef, programs: int, rounds: int) -> Iterator[Rate]:
    recorder = engine.factory().recorder
    try:
        found = _found(engine, programs, rounds)
    except (Unavailable, UsageError) as error:
        yield Rate(
            engine=str(engine), recorder=recorder, workers=0, per_second=0.0, processor_ms=0.0, note=f"UNKNOWN: {error}"
        )
        return
    for workers, turns in found.items():
        yield Rate(
            engine=str(engine),
            recorder=recorder,
            workers=workers,
            per_second=median(turn.states / turn.seconds for turn in turns),
            processor_ms=median(turn.processor_seconds / turn.states for turn in turns) * 1e3,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    states: int
    seconds: float
    processor_seconds: float


def _found(engine: EngineRef, programs: int, rounds: int) -> dict[int, list[_Turn]]:
    """The turns of each number of workers; the first round is for what they do once."""
    factory, _ = ready(engine)
    hunter = Hunter(engine, tuple(PROFILES.values()), seed=SEED, depth=DEPTH if factory.simulated else None)

    def states(number: int) -> int:
        coverage = hunter.attempt(number).coverage
        return coverage.judged + coverage.nested

    with Pool(states, WORKERS[0]) as one, Pool(states, WORKERS[1]) as two:
        pools = dict(zip(WORKERS, (one, two), strict=True))
        found: dict[int, list[_Turn]] = {workers: [] for workers in pools}
        for round_ in range(rounds + 1):
            numbers = range(round_ * programs, (round_ + 1) * programs)
            for workers, pool in pools.items():
                found[workers].append(_turn(pool, numbers))
        return {workers: turns[1:] for workers, turns in found.items()}


def _turn(pool: Pool[int, int], numbers: range) -> _Turn:
    before = processor_seconds()
    states, seconds = timed(lambda: sum(pool.ordered(iter(numbers))))
    return _Turn(states=states, seconds=seconds, processor_seconds=processor_seconds() - before)


def processor_seconds() -> float:
    """What this process and all that have come of it have had of the processors (proc(5): utime to cstime)."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
            parents[int(entry)] = int(words[1])
            ticks[int(entry)] = sum(map(int, words[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks.get(pid, 0) for pid in ours) / _TICKS_PER_SECOND
