"""Benchmarks of the checker itself: judged pairs a second, the cost of recording, and what others take to reopen.

Disks and machines swing several-fold from hour to hour, so figures are medians of interleaved rounds in one run, and
what counts is the ratio to a neighbour measured in the same round.
"""

import shutil
import sqlite3
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaoswal.check import Judge, check
from chaoswal.contracts import history_of
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import HarnessFault, UsageError
from chaoswal.ops import Ack, Append, Flush, Operation, Poll, Subscribe, Sync, payload
from chaoswal.replay import simulated
from chaoswal.run import record
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, Options

RECORDS = 20
RECORD_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One line of a benchmark: a rate, and how it was measured."""

    name: str
    per_second: float
    note: str = ""


Round = Callable[[], tuple[int, float]]
"""One round of a measurement: how many things were done, in how many seconds."""


def interleaved(rounds: dict[str, Round], count: int) -> dict[str, float]:
    """The median rate of each over ``count`` rounds, one of each in turn."""
    rates: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(count):
        for name, once in rounds.items():
            done, seconds = once()
            rates[name].append(done / seconds)
    return {name: statistics.median(values) for name, values in rates.items()}


def timed(act: Callable[[], int]) -> tuple[int, float]:
    """How much ``act`` says it did, and how long that took."""
    start = time.perf_counter()
    done = act()
    return done, time.perf_counter() - start


# -- states ------------------------------------------------------------------------------------------------------------


def workload(group: int, records: int = RECORDS) -> list[Operation]:
    """Records of 100 bytes and one subscriber: after each ``group`` of records a sync, then some are read."""
    steps: list[Operation] = [Subscribe(name="s")]
    for number in range(1, records + 1):
        steps.append(Append(size=RECORD_BYTES))
        if number % group == 0:
            steps += [Sync(), Poll(name="s", count=3), Ack(name="s", places=(0, 2)), Flush(name="s")]
    return steps


def judging(engine: str, group: int, profile: str) -> Round:
    """Rounds of judging every crash state of the workload, nothing remembered from the round before.

    What is wrong with an engine that is not the builtin one is passed over.
    """
    factory, traits = simulated(EngineRef.parse(engine))
    readable = "subscribe" in traits.capabilities
    operations = [step for step in workload(group) if readable or isinstance(step, Append | Sync)]
    run = record(factory, operations)

    def once() -> int:
        judge, history = Judge(factory), history_of(operations, traits)
        found = check(run, history, judge, PROFILES[profile], bound=Bound(), wanted=lambda _: factory.takes_vfs)
        if found:
            raise HarnessFault(f"the benchmark's engine is not sound: {found.fault.explanation}")
        return judge.coverage.judged

    return lambda: timed(once)


@contextmanager
def reopening() -> Iterator[dict[str, Round]]:
    """Rounds of reopening other engines, in process, on a directory that holds the same records."""
    with tempfile.TemporaryDirectory(prefix="chaoswal-bench-", dir=memory_directory()) as root:
        yield {"reopen sqlite3": _sqlite(Path(root)), **_leveldb(Path(root))}


def memory_directory() -> str | None:
    """A directory that lives in memory, where the machine has one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _sqlite(root: Path) -> Round:
    path = root / "sqlite.db"

    def open_it() -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists log (n integer primary key, payload blob)")
        return connection

    with open_it() as first:
        first.executemany(
            "insert into log (payload) values (?)", [(payload(n, 0, RECORD_BYTES),) for n in range(RECORDS)]
        )
    first.close()

    def once() -> int:
        connection = open_it()
        _expect(len(connection.execute("select payload from log order by n").fetchall()))
        connection.close()
        return 1

    return lambda: timed(lambda: sum(once() for _ in range(50)))


def _leveldb(root: Path) -> dict[str, Round]:
    try:
        import plyvel  # an extra: chaoswal[bench]
    except ImportError:
        return {}
    path = str(root / "leveldb")
    first = plyvel.DB(path, create_if_missing=True)
    for n in range(RECORDS):
        first.put(b"%08d" % n, payload(n, 0, RECORD_BYTES), sync=True)
    first.close()

    def once() -> int:
        database = plyvel.DB(path)
        _expect(sum(1 for _ in database))
        database.close()
        return 1

    return {"reopen LevelDB": lambda: timed(lambda: sum(once() for _ in range(50)))}


def _expect(count: int) -> None:
    if count != RECORDS:
        raise HarnessFault(f"a reopened engine shows {count} records instead of {RECORDS}")


# -- recording ---------------------------------------------------------------------------------------------------------


NOTHING = "a call of min()"


def recording(calls: int = 20_000) -> dict[str, Round]:
    """Rounds of recorded calls on the simulated disk."""
    data = bytes(RECORD_BYTES)

    def writes() -> int:
        file = MemoryVfs(calls_max=calls * 2).create("log")
        for number in range(calls):
            file.write(number * RECORD_BYTES, data)
        return calls

    def appends_and_syncs() -> int:
        file = MemoryVfs(calls_max=calls * 2).create("log")
        for number in range(calls // 2):
            file.write(number * RECORD_BYTES, data)
            file.sync(data_only=True)
        return calls

    def nothing() -> int:
        calls_made = 0
        for number in range(calls):
            calls_made += min(number, 1)
        return calls

    return {
        NOTHING: lambda: timed(nothing),
        "write": lambda: timed(writes),
        "write, then fdatasync": lambda: timed(appends_and_syncs),
    }


def recorded(rounds: int) -> list[Measured]:
    """Recorded calls a second, beside a loop of calls that record nothing."""
    rates = interleaved(recording(), rounds)
    return [Measured(name=name, per_second=rate, note=f"{1e6 / rate:.2f} us") for name, rate in rates.items()]


def states(rounds: int, profile: str) -> list[Measured]:
    """Judged pairs a second of the builtin engine beside what others take to reopen once."""
    if profile not in PROFILES:
        raise UsageError(f"unknown profile {profile!r}; there are: {', '.join(PROFILES)}")
    engines = {
        "judge wal, synced in groups of 5": ("wal sync=explicit", 5),
        "judge wal, synced in groups of 5, small segments": ("wal sync=explicit wal_bytes=1000", 5),
        "judge wal, synced in groups of 10": ("wal sync=explicit", 10),
        "judge wal, synced each": ("wal", 1),
        "judge dbm.dumb, as it is": ("dbm.dumb", 5),
        "judge persist-queue, as it is": ("persist-queue", 5),
    }
    with reopening() as others:
        rates = interleaved({**{name: judging(*what, profile) for name, what in engines.items()}, **others}, rounds)
    base = rates["reopen sqlite3"]
    found = [Measured(name=name, per_second=rate, note=f"{rate / base:.1f} x sqlite3") for name, rate in rates.items()]
    if "reopen LevelDB" not in rates:
        found.append(Measured(name="reopen LevelDB", per_second=0.0, note="UNKNOWN: install chaoswal[bench]"))
    return found


# -- recovery ----------------------------------------------------------------------------------------------------------

RECOVERIES = tuple((10, count) for count in (0, 1_000, 10_000, 100_000, 500_000))
RECOVERIES += ((100, 10_000), (1_000, 10_000), (1_000, 0))
"""Segments, and records of 100 bytes in the WAL: half a million are as many as a WAL of the usual size holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What it took to open one log: the median of the times, and the most memory at once."""

    segments: int
    wal_records: int
    milliseconds: float
    peak_mib: float


def recovery(rounds: int, cases: Iterable[tuple[int, int]] = RECOVERIES) -> list[Recovered]:
    """What opening takes by the number of segments and the length of the WAL, each time as a kill has left them."""
    with tempfile.TemporaryDirectory(prefix="chaoswal-bench-", dir=memory_directory()) as root:
        laid = {case: _left_behind(Path(root) / "-".join(map(str, case)), *case) for case in cases}
        taken: dict[tuple[int, int], list[float]] = {case: [] for case in laid}
        for _ in range(rounds):
            for case, path in laid.items():
                with _copied(path) as again:
                    taken[case].append(timed(lambda again=again: _open(again))[1])  # type: ignore[misc]
        return [
            Recovered(
                segments=segments,
                wal_records=wal_records,
                milliseconds=statistics.median(taken[segments, wal_records]) * 1e3,
                peak_mib=_peak_bytes(path) / (1 << 20),
            )
            for (segments, wal_records), path in laid.items()
        ]


def _left_behind(path: Path, segments: int, wal_records: int) -> Path:
    """A log as its killed writer left it; every segment holds ten records."""
    path.mkdir()
    log = Log(RealVfs(path), RealRuntime(), Options(sync="explicit", wal_bytes=1 << 40))
    for _ in range(segments):
        log.append_batch([bytes(RECORD_BYTES)] * 10)
        log.rotate()
    for _ in range(wal_records):
        log.append(bytes(RECORD_BYTES))
    log.sync()
    copied = path.with_suffix(".killed")
    shutil.copytree(path, copied)
    log.close()
    return copied


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    again = path.with_suffix(".again")
    shutil.copytree(path, again)
    try:
        yield again
    finally:
        shutil.rmtree(again)


def _peak_bytes(path: Path) -> int:
    """The most memory allocated at once by an opening."""
    with _copied(path) as again:
        tracemalloc.start()
        _open(again)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def _open(path: Path) -> int:
    Log(RealVfs(path), RealRuntime(), Options()).close()
    return 1
