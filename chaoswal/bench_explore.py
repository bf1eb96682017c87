"""What ``bench explore`` measures: judged pairs a second in one process and in two, what they cost, and the memory.

One turn explores the workload of ``bench states`` in three rhythms under every profile, strongest first, with nothing
remembered from the turn before; a pair of image and history that an earlier profile had is not judged again. Turns are
given to worker processes as ``explore`` gives its programs.
"""

import resource
from dataclasses import dataclass
from functools import cache, partial
from statistics import median

from chaoswal.bench import RECORDS, timed, workload
from chaoswal.check import Judge, Seen, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.disk import apply_all
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import HarnessFault
from chaoswal.ops import Operation
from chaoswal.oracle import History
from chaoswal.pool import Pool
from chaoswal.replay import simulated
from chaoswal.run import Run, record

ENGINE = EngineRef.parse("wal sync=explicit")
RHYTHMS = (5, 10, 20)
"""After how many records it syncs."""

LENGTHS = (RECORDS, 2 * RECORDS, 4 * RECORDS, 8 * RECORDS)
"""So many records of the same size, synced in groups of ten, to see what a longer log costs."""

COST_GROUP, COST_ROUNDS = 10, 3

TURNS = 4
"""So many turns a process makes in one round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn came to."""

    pairs: int
    peak_mib: float
    """The most memory that the process which made it has had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one pair costs by the length of the log."""

    records: int
    log_bytes: int
    """How large the files are in the end: recovery reads them whole."""
    microseconds: float

    @property
    def nanoseconds_a_byte(self) -> float:
        """What it costs beside what is read."""
        return self.microseconds / self.log_bytes * 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """Rates of one process and of two, in pairs a second, by interleaved rounds; and the memory of a worker."""

    pairs: int
    one: float
    two: float
    ratio: float
    peak_first_mib: float
    peak_last_mib: float
    costs: tuple[Cost, ...]


def measure(rounds: int) -> Explored:
    """Explore in one process and in two, in turns; HarnessFault if the builtin engine is found wrong."""
    with Pool(_turn, 1) as one, Pool(_turn, 2) as two:
        _round(one, 1), _round(two, 2)  # what a process does once is not measured
        found = [(_round(one, 1), _round(two, 2)) for _ in range(rounds)]
    first, last = found[0][0], found[-1][0]
    return Explored(
        pairs=sum(round_.pairs for pair in found for round_ in pair),
        one=median(single.rate for single, _ in found),
        two=median(double.rate for _, double in found),
        ratio=median(double.rate / single.rate for single, double in found),
        peak_first_mib=first.peak_mib,
        peak_last_mib=last.peak_mib,
        costs=tuple(_cost(records) for records in LENGTHS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    pairs: int
    rate: float
    peak_mib: float


def _round(pool: Pool[int, Turn], workers: int) -> _Round:
    turns = list[Turn]()

    def all_turns() -> int:
        turns.extend(pool.ordered(iter(range(TURNS * workers))))
        return sum(turn.pairs for turn in turns)

    pairs, seconds = timed(all_turns)
    return _Round(pairs=pairs, rate=pairs / seconds, peak_mib=max(turn.peak_mib for turn in turns))


def _turn(_number: int) -> Turn:
    pairs = sum(_explore(_recorded(group, RECORDS)) for group in RHYTHMS)
    return Turn(pairs=pairs, peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@cache
def _recorded(group: int, records: int) -> tuple[Run, list[Operation]]:
    operations = workload(group, records)
    return record(ENGINE.factory(), operations), operations


def _explore(recorded: tuple[Run, list[Operation]]) -> int:
    """Judge every pair within one deviation, under each profile; how many those were."""
    run, operations = recorded
    factory, traits = simulated(ENGINE)
    judge, seen = Judge(factory), Seen()
    for profile in PROFILES.values():
        found = check(run, History(operations, traits), judge, profile, bound=Bound(), seen=seen)
        if found:
            raise HarnessFault(f"the benchmark's engine is not sound: {found.fault.explanation}")
    return judge.coverage.judged


def _cost(records: int) -> Cost:
    recorded = _recorded(COST_GROUP, records)
    rates = []
    for _ in range(COST_ROUNDS):
        pairs, seconds = timed(partial(_explore, recorded))
        rates.append(seconds / pairs)
    run, _ = recorded
    files = apply_all(run.start.image, run.events).files().values()
    return Cost(records=records, log_bytes=sum(len(data or b"") for data in files), microseconds=median(rates) * 1e6)
