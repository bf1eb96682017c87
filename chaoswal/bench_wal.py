"""What ``bench wal`` measures: the builtin log beside a bare loop of write and sync, and beside other engines.

Everything runs on one real directory, a round of each in turn, so that what the machine does meanwhile meets all of
them alike. Only appends and syncs are timed. An engine that is not installed is UNKNOWN, never guessed.
"""

import importlib.util
import os
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaoswal.errors import HarnessFault, UsageError
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, Options

SIZES = {"100 B": 100, "1 KB": 1024, "64 KB": 65536}
GROUP = 100
"""Appends of a group, which share one sync."""
APPENDERS = 8
APPENDS = {100: 40, 1024: 40, 65536: 20}
"""Appends of one round by their size, each synced."""
GROUPS = {100: 4, 1024: 4, 65536: 1}
"""Groups of one round."""
SCANNED = 20_000
GROWTH_BYTES = 256 * 1024
BARE, OURS, OURS_AHEAD = "os.write and fdatasync", "chaoswal", "chaoswal, growing ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: rates of all rounds, and the median of what it is compared with."""

    what: str
    name: str
    rates: tuple[float, ...] = ()
    base: float = 0.0

    @property
    def median(self) -> float:
        """Per second; 0 where nothing was measured."""
        return statistics.median(self.rates) if self.rates else 0.0

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between which half of the rounds lie."""
        if len(self.rates) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.rates, n=4, method="inclusive")
        return low, high


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


def _ours(growth_bytes: int) -> Contender:
    def contender(root: Path) -> Iterator[Write]:
        with (
            _log(root / "each", Options(preallocate_bytes=growth_bytes)) as each,
            _log(root / "group", Options(preallocate_bytes=growth_bytes, sync="explicit")) as group,
        ):

            def write(payloads: list[bytes]) -> None:
                if len(payloads) == 1:
                    each.append(payloads[0])
                    return
                for payload in payloads:
                    group.append(payload)
                group.sync()

            yield write

    return contender


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
    OURS: ("chaoswal", _ours(0)),
    OURS_AHEAD: ("chaoswal", _ours(GROWTH_BYTES)),
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
    """A directory of its own for one round."""
    root = Path(tempfile.mkdtemp(prefix="chaoswal-bench-", dir=directory))
    try:
        yield root
    finally:
        shutil.rmtree(root)


def appends(directory: Path, contender: Contender, payload: bytes, calls: int, group: int) -> float:
    """Appends a second, in calls of ``group`` payloads each; the first call is not timed."""
    with scratch(directory) as root:
        opened = contextmanager(contender)
        with opened(root) as write:
            write([payload] * group)
            start = time.perf_counter()
            for _ in range(calls):
                write([payload] * group)
            return calls * group / (time.perf_counter() - start)


def concurrent(directory: Path, appenders: int, delay_ms: float) -> float:
    """Appends of 100 bytes a second, each durable when it returns, by so many threads on one log."""
    options = Options(group_delay_ms=delay_ms, group_max=appenders)
    each = APPENDS[100]
    with scratch(directory) as root, _log(root / "log", options) as log:

        def work() -> None:
            for _ in range(each):
                log.append(bytes(100))

        threads = [threading.Thread(target=work) for _ in range(appenders)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        if log.durable_sequence != appenders * each:
            raise HarnessFault(f"{log.durable_sequence} appends are durable instead of {appenders * each}")
    return appenders * each / seconds


def scan(directory: Path) -> float:
    """Records of 100 bytes a second, read in order and checked."""
    with scratch(directory) as root, _log(root / "log", Options(sync="explicit")) as log:
        for _ in range(SCANNED):
            log.append(bytes(100))
        log.sync()
        start = time.perf_counter()
        count = sum(1 for _ in log.records())
        seconds = time.perf_counter() - start
    if count != SCANNED:
        raise HarnessFault(f"{count} records are read back instead of {SCANNED}")
    return SCANNED / seconds


Measurement = tuple[str, str, str, Callable[[], float]]
"""What is measured, of whom, the name it is compared with, and one round of it."""


def measurements(directory: Path) -> Iterator[Measurement]:
    """Everything there is to measure with what is installed."""
    for label, size in SIZES.items():
        payload = os.urandom(size)
        for how, calls, group in (("each synced", APPENDS[size], 1), (f"groups of {GROUP}", GROUPS[size], GROUP)):
            for name, (module, contender) in CONTENDERS.items():
                if importlib.util.find_spec(module) is not None:
                    yield f"{label}, {how}", name, BARE, _round(directory, contender, payload, calls, group)
    one = "1 appender"
    yield "100 B, threads", one, one, lambda: concurrent(directory, 1, 0.0)
    for delay_ms in (0.0, 1.0):
        name = f"{APPENDERS} appenders, group_delay_ms={delay_ms:g}"
        yield "100 B, threads", name, one, lambda delay_ms=delay_ms: concurrent(directory, APPENDERS, delay_ms)  # type: ignore[misc]
    yield "100 B, read", "scan", "scan", lambda: scan(directory)


def _round(directory: Path, contender: Contender, payload: bytes, calls: int, group: int) -> Callable[[], float]:
    return lambda: appends(directory, contender, payload, calls, group)


def measure(rounds: int, directory: Path | None) -> list[Line]:
    """All lines, each from so many interleaved rounds."""
    where = directory if directory is not None else real_directory()
    rates: dict[tuple[str, str], list[float]] = {}
    bases = {}
    for _ in range(rounds):
        for what, name, base, once in measurements(where):
            rates.setdefault((what, name), []).append(once())
            bases[what, name] = what, base
    medians = {key: statistics.median(values) for key, values in rates.items()}
    lines = [
        Line(what=key[0], name=key[1], rates=tuple(values), base=medians[bases[key]]) for key, values in rates.items()
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
