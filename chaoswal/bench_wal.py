"""What ``bench wal`` measures: the builtin log beside a bare loop of write and sync, and beside other engines.

Everything runs on one real directory, a turn of each in every round and in another order, so that what the machine does
meanwhile meets all of them alike; a ratio is taken within a round. A turn has a directory of its own, and ends after a
time or a number of bytes, so that a slow disk takes no longer than a quick one and no turn is a few calls of chance.
Only appends and syncs are timed, and not the first of a turn: opening is no matter here. A turn is too short for the
builtin log to finish a WAL; what that costs has a line of its own. An engine that is not installed is UNKNOWN.
"""

import importlib.util
import math
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chaoswal.errors import HarnessFault, UsageError
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, Options

SIZES = {"100 B": 100, "1 KB": 1024, "64 KB": 65536}
GROUP = 100
"""Appends of a group, which share one sync."""
APPENDERS = 8
TURN_S = 0.1
TURN_BYTES = 24 * 1024 * 1024
CALLS_LEAST = 3
"""Of a turn, however long they take."""
SCANNED = 20_000
BARE, OURS = "os.write and fdatasync", "chaoswal"
OURS_AS_NEEDED, OURS_ONE_BY_ONE = "chaoswal, not growing ahead", "chaoswal, 100 appends and a sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: the rates of all rounds, and those of what it is compared with."""

    what: str
    name: str
    rates: tuple[float, ...] = ()
    bases: tuple[float, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """Of each round."""
        return tuple(rate / base for rate, base in zip(self.rates, self.bases, strict=True))


def median_and_half(values: tuple[float, ...]) -> tuple[float, float, float]:
    """The median, and between what half of the values lie; 0 where there are none."""
    if len(values) < 2:
        only = values[0] if values else 0.0
        return only, only, only
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


Write = Callable[[list[bytes]], None]
"""Append payloads, all durable when it returns."""
Contender = Callable[[Path], Iterator[Write]]


def _bare(root: Path) -> Iterator[Write]:
    descriptor = os.open(root / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(payloads: list[bytes]) -> None:
        for payload in payloads:
            os.write(descriptor, payload)
        os.fdatasync(descriptor)

    yield write
    os.close(descriptor)


def _ours(options: Options) -> Contender:
    """What the others do with a transaction or a write batch is a batch here."""

    def contender(root: Path) -> Iterator[Write]:
        with _log(root / "log", options) as log:

            def write(payloads: list[bytes]) -> None:
                if len(payloads) == 1:
                    log.append(payloads[0])
                else:
                    log.append_batch(payloads)

            yield write

    return contender


def _ours_one_by_one(root: Path) -> Iterator[Write]:
    """As the bare loop does it: not one frame, and not all or none."""
    with _log(root / "log", Options(sync="explicit")) as log:

        def write(payloads: list[bytes]) -> None:
            for payload in payloads:
                log.append(payload)
            log.sync()

        yield write


def _sqlite(root: Path) -> Iterator[Write]:
    connection = sqlite3.connect(root / "db", isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute("create table log (n integer primary key, payload blob)")

    def write(payloads: list[bytes]) -> None:
        connection.execute("begin")
        connection.executemany("insert into log (payload) values (?)", [(payload,) for payload in payloads])
        connection.execute("commit")

    yield write
    connection.close()


def _lmdb(root: Path) -> Iterator[Write]:
    import lmdb  # an extra: chaoswal[bench]

    environment = lmdb.open(str(root), map_size=1 << 30)
    number = 0

    def write(payloads: list[bytes]) -> None:
        nonlocal number
        with environment.begin(write=True) as transaction:
            for payload in payloads:
                number += 1
                transaction.put(b"%012d" % number, payload, append=True)

    yield write
    environment.close()


def _rocksdb(root: Path) -> Iterator[Write]:
    import rocksdict  # an extra: chaoswal[bench]

    database = rocksdict.Rdict(str(root / "db"), options=rocksdict.Options(raw_mode=True))
    synced = rocksdict.WriteOptions()
    synced.sync = True
    number = 0

    def write(payloads: list[bytes]) -> None:
        nonlocal number
        batch = rocksdict.WriteBatch(raw_mode=True)
        for payload in payloads:
            number += 1
            batch.put(b"%012d" % number, payload)
        database.write(batch, write_opt=synced)

    yield write
    database.close()


def _leveldb(root: Path) -> Iterator[Write]:
    import plyvel  # an extra: chaoswal[bench]

    database = plyvel.DB(str(root / "db"), create_if_missing=True)
    number = 0

    def write(payloads: list[bytes]) -> None:
        nonlocal number
        with database.write_batch(sync=True) as batch:
            for payload in payloads:
                number += 1
                batch.put(b"%012d" % number, payload)

    yield write
    database.close()


CONTENDERS: dict[str, tuple[str, Contender]] = {
    BARE: ("os", _bare),
    OURS: ("chaoswal", _ours(Options())),
    OURS_AS_NEEDED: ("chaoswal", _ours(Options(preallocate_bytes=0))),
    OURS_ONE_BY_ONE: ("chaoswal", _ours_one_by_one),
    "sqlite3, WAL and FULL": ("sqlite3", _sqlite),
    "LMDB": ("lmdb", _lmdb),
    "RocksDB": ("rocksdict", _rocksdb),
    "LevelDB": ("plyvel", _leveldb),
}
"""Each with the module it needs."""


@contextmanager
def _log(root: Path, options: Options) -> Iterator[Log]:
    root.mkdir()
    log = Log(RealVfs(root), RealRuntime(), options)
    try:
        yield log
    finally:
        log.close()


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """A directory of its own for one turn; nothing of it is left to be written during the next one."""
    root = Path(tempfile.mkdtemp(prefix="chaoswal-bench-", dir=directory))
    try:
        yield root
    finally:
        shutil.rmtree(root)
        RealVfs(directory).sync_directory()


def rate(call: Callable[[], object], count: int, calls_most: float = math.inf) -> float:
    """How many a second, of which a call makes ``count``, in one turn."""
    calls, seconds, start = 0, 0.0, time.perf_counter()
    while calls < CALLS_LEAST or (calls < calls_most and seconds < TURN_S):
        call()
        calls += 1
        seconds = time.perf_counter() - start
    return calls * count / seconds


def appends(directory: Path, contender: Contender, payload: bytes, group: int) -> float:
    """Appends a second, in calls of ``group`` payloads each; the first call is not timed."""
    payloads = [payload] * group
    with scratch(directory) as root, contextmanager(contender)(root) as write:
        write(payloads)
        return rate(lambda: write(payloads), group, TURN_BYTES / (group * len(payload)))


def concurrent(directory: Path, appenders: int, options: Options) -> float:
    """Appends of 100 bytes a second, each durable when it returns, by so many threads on one log."""
    counts: list[int] = []
    with scratch(directory) as root, _log(root / "log", options) as log:
        start = time.perf_counter()

        def work() -> None:
            count = 0
            while count < CALLS_LEAST or time.perf_counter() - start < TURN_S:
                log.append(bytes(100))
                count += 1
            counts.append(count)

        threads = [threading.Thread(target=work) for _ in range(appenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        if log.durable_sequence != sum(counts):
            raise HarnessFault(f"{log.durable_sequence} appends are durable instead of {sum(counts)}")
    return sum(counts) / seconds


def finish(directory: Path) -> float:
    """Records of 100 bytes a second, of which a WAL is finished: what a rotation takes."""
    with _filled(directory, Options(sync="explicit")) as log:
        start = time.perf_counter()
        log.rotate()
        return SCANNED / (time.perf_counter() - start)


def scan(directory: Path, options: Options, *, rotated: bool) -> float:
    """Records of 100 bytes a second, read in order and checked, from the WAL or from segments."""
    with _filled(directory, options) as log:
        if rotated:
            log.rotate()
        start = time.perf_counter()
        count = sum(1 for _ in log.records())
        seconds = time.perf_counter() - start
    if count != SCANNED:
        raise HarnessFault(f"{count} records are read back instead of {SCANNED}")
    return SCANNED / seconds


@contextmanager
def _filled(directory: Path, options: Options) -> Iterator[Log]:
    """A log with the records to be read, all durable."""
    with scratch(directory) as root, _log(root / "log", options) as log:
        for _ in range(SCANNED):
            log.append(bytes(100))
        log.sync()
        yield log


Measurement = tuple[str, str, str, Callable[[], float]]
"""What is measured, of whom, the name it is compared with, and one turn of it."""


def measurements(directory: Path) -> Iterator[list[Measurement]]:
    """Everything there is to measure with what is installed; in one list what is compared with each other."""
    for label, size in SIZES.items():
        payload = os.urandom(size)
        for how, group in (("each synced", 1), (f"groups of {GROUP}", GROUP)):
            yield [
                (f"{label}, {how}", name, BARE, partial(appends, directory, contender, payload, group))
                for name, (module, contender) in CONTENDERS.items()
                if importlib.util.find_spec(module) is not None and (group > 1 or name != OURS_ONE_BY_ONE)
            ]
    threads = {
        "1 appender": partial(concurrent, directory, 1, Options()),
        f"{APPENDERS} appenders": partial(concurrent, directory, APPENDERS, Options()),
        f"{APPENDERS} appenders, group_delay_ms=0": partial(
            concurrent, directory, APPENDERS, Options(group_delay_ms=0)
        ),
    }
    yield [("100 B, threads", name, "1 appender", turn) for name, turn in threads.items()]
    explicit, mapped = Options(sync="explicit"), Options(sync="explicit", read_mode="mmap")
    reading = {
        "scan of the WAL": partial(scan, directory, explicit, rotated=False),
        "scan of a segment": partial(scan, directory, explicit, rotated=True),
        "scan of a segment through mmap": partial(scan, directory, mapped, rotated=True),
        "rotation": partial(finish, directory),
    }
    yield [("100 B, records", name, "scan of the WAL", turn) for name, turn in reading.items()]


def measure(rounds: int, directory: Path | None) -> list[Line]:
    """All lines, each from so many interleaved rounds."""
    where = directory if directory is not None else real_directory()
    rates: dict[tuple[str, str], list[float]] = {}
    bases: dict[tuple[str, str], str] = {}
    for _ in range(rounds):
        for group in measurements(where):
            for what, name, base, _ in group:
                rates.setdefault((what, name), [])
                bases[what, name] = base
            for what, name, _, turn in random.sample(group, len(group)):
                rates[what, name].append(turn())
    lines = [
        Line(what=what, name=name, rates=tuple(values), bases=tuple(rates[what, bases[what, name]]))
        for (what, name), values in rates.items()
    ]
    missing = [name for name, (module, _) in CONTENDERS.items() if importlib.util.find_spec(module) is None]
    return [*lines, *(Line(what="not installed", name=name) for name in missing)]


def real_directory() -> Path:
    """A directory for temporary files that is on a disk; UsageError where there is none."""
    for place in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()):
        if place.is_dir() and file_system(place) not in {"tmpfs", "ramfs"}:
            return place
    raise UsageError("no temporary directory is on a disk: name one with --dir")


def file_system(path: Path) -> str:
    """The type of the file system of a directory, as far as the machine tells."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    found = ("", "unknown")
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        point, kind = line.split()[1:3]
        if path.resolve().is_relative_to(point) and len(point) >= len(found[0]):
            found = point, kind
    return found[1]
