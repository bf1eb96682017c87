"""What ``bench syscalls`` measures: SQLite recorded under strace beside a bare run, and its crash states judged.

A bare run is the same work in the same kind of process, with nobody watching; both are on a file system in memory where
a commit takes least, and watching it most.
"""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager

from chaoswal.bench import Measured, Round, interleaved, timed
from chaoswal.check import Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.disk import Disk
from chaoswal.disk.profiles import EXT4_ORDERED
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import HarnessFault
from chaoswal.ops import Append, Operation
from chaoswal.oracle import History
from chaoswal.patience import RUN
from chaoswal.record import traced
from chaoswal.record.working import factory_of, live
from chaoswal.replay import ready
from chaoswal.text import line
from chaoswal.tmpfs import fresh_directory
from chaoswal.warm import Warm

ENGINE = EngineRef(name="sqlite")
COMMITS = 1_000
STATES_COMMITS = 8

BARE, RECORDED, JUDGED = "sqlite commits, bare", "sqlite commits, recorded", "sqlite crash states, judged"


def measure(rounds: int) -> list[Measured]:
    """Commits a second with and without strace, and judged pairs a second; UsageError where strace is missing."""
    with _bare() as bare:
        rates = interleaved({BARE: bare, RECORDED: _recorded(), JUDGED: _judged()}, rounds)
    notes = {RECORDED: f"{rates[BARE] / rates[RECORDED]:.1f} x the time of a bare run", JUDGED: "by one process"}
    return [Measured(name=name, per_second=rate, note=notes.get(name, "")) for name, rate in rates.items()]


def _commits(count: int) -> list[Operation]:
    return [Append(size=100)] * count


@contextmanager
def _bare() -> Iterator[Round]:
    words = [line(operation) for operation in _commits(COMMITS)]
    root = fresh_directory()

    def once() -> int:
        root.mkdir(exist_ok=True)
        server.do(live, str(ENGINE), str(root), words, 0, (), seconds=RUN.seconds)
        return COMMITS

    def cleaned() -> tuple[int, float]:
        shutil.rmtree(root, ignore_errors=True)
        return timed(once)

    with closing(Warm(batch=1)) as server:
        server.prepare(factory_of, str(ENGINE))
        yield cleaned
    shutil.rmtree(root, ignore_errors=True)


def _recorded() -> Round:
    factory = ENGINE.factory()
    first = itertools.count()

    def once() -> int:
        number = next(first)  # another each time, for a run that was made is remembered
        run = traced.record(factory, _commits(COMMITS), Disk(), first_index=number)
        if run.observed.fault:
            raise HarnessFault(f"the benchmark's engine cannot be opened: {run.observed.fault.explanation}")
        return COMMITS

    return lambda: timed(once)


def _judged() -> Round:
    factory, traits = ready(ENGINE)
    operations = _commits(STATES_COMMITS)
    run = traced.record(factory, operations, Disk())

    def once() -> int:
        judge = Judge(factory)
        found = check(run, History(operations, traits), judge, EXT4_ORDERED, bound=Bound())
        if found:
            raise HarnessFault(f"the benchmark's engine is not sound: {found.fault.explanation}")
        return judge.coverage.judged

    return lambda: timed(once)
