"""The adapter of the builtin log, ``chaoswal.wal``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime, Runtime
from chaoswal.wal.log import Log
from chaoswal.wal.options import Options
from chaoswal.wal.reader import LogReader
from chaoswal.wal.recovery import CURSOR_ROWS, LOG_ROWS, SEGMENT_ROWS, WAL_ROWS
from chaoswal.wal.subscriber import Subscriber

OPTIONS_HELP = """\
durability="wal" (default) or "segment-only"; \
sync="each" (default), "explicit" (default where there is no WAL), "bytes", "interval" or "either"; \
sync_bytes=NUMBER (default 1048576); sync_interval_ms=TIME (default 25); \
group_delay_ms=TIME (default: as long as a sync takes); group_max=NUMBER (default 64); \
wal_bytes=NUMBER (default 67108864); rotate_age_s=TIME (default 0: never); \
preallocate_bytes=NUMBER (default 65536; 0: never); \
frame="1" (default) or "2"; read_mode="plain" (default) or "mmap"; \
budget_bytes=NUMBER, with budget_policy="backpressure" (default) or "drop-oldest"; age_seconds=TIME; \
lag_records=NUMBER, lag_seconds=TIME, with slow="skip" (default) or "unregister". \
A sync by time, and a rotation by age, take a thread: they need real files or a scheduler"""

_NUMBERS: dict[str, type[int] | type[float]] = {
    "sync_bytes": int,
    "sync_interval_ms": float,
    "group_delay_ms": float,
    "group_max": int,
    "wal_bytes": int,
    "rotate_age_s": float,
    "preallocate_bytes": int,
    "budget_bytes": int,
    "age_seconds": float,
    "lag_records": int,
    "lag_seconds": float,
}

_ANYWHERE: dict[str, tuple[str, ...]] = {
    "wal_bytes": ("300", "400", "700", "1100", "2000", "100000"),
    "rotate_age_s": ("0", "0", "0.0005", "0.004"),
    "frame": ("1", "2") if find_spec("blake3") else ("1",),
    "read_mode": ("plain", "mmap"),
    "budget_bytes": ("0", "0", "0", "0", "3000", "6000"),
    "budget_policy": ("backpressure", "drop-oldest"),
    "age_seconds": ("0", "0", "0", "0.003", "0.05", "30"),
    "lag_records": ("0", "0", "2", "5"),
    "lag_seconds": ("0", "0", "0", "0.001", "0.02", "30"),
    "slow": ("skip", "unregister"),
}
"""Small sizes and times that bring rare places near, and 30 s that pass on a simulated clock only."""

_WITH_WAL: dict[str, tuple[str, ...]] = {
    "durability": ("wal",),
    "sync": ("each", "explicit", "bytes", "interval", "either"),
    "sync_bytes": ("1", "64", "200", "1000"),
    "sync_interval_ms": ("0.05", "0.5", "5"),
    "group_delay_ms": ("0", "0.2"),
    "group_max": ("2", "3", "64"),
    "preallocate_bytes": ("0", "0", "256", "4096"),
    **_ANYWHERE,
}

_ASKED: dict[str, tuple[str, ...]] = {**_WITH_WAL, "sync": ("explicit",)}
"""What is not synced with each append is behind much of what goes wrong, where few options are drawn too."""

_WITHOUT_WAL: dict[str, tuple[str, ...]] = {"durability": ("segment-only",), **_ANYWHERE}
"""What speaks of the WAL, and of syncs of it, is left out."""


def parse_options(options: Mapping[str, Any]) -> Options:
    """Options from the command line's text; ValueError says which there are."""
    return _parsed(tuple(options.items()))


@lru_cache(256)  # a checker opens the log thousands of times a second with the same few
def _parsed(options: tuple[tuple[str, Any], ...]) -> Options:
    try:
        chosen: dict[str, Any] = {name: _NUMBERS.get(name, str)(value) for name, value in options}
        return Options(**chosen)
    except (TypeError, ValueError) as error:
        raise ValueError(f"options of the engine wal: {error}; there are: {OPTIONS_HELP}") from error


class WalEngine:
    """The builtin log. ``log_class`` may be replaced by a subclass of it."""

    contract = "log"
    promise = "append append_batch sync rotate close"
    promise_reads = True
    takes_vfs = True
    scratch = ("LOCK",)
    refusals = ("AtCapacity", "RecordsMissed", "RecordGone")
    lock_errors = ("LogLocked",)
    reports = ("CorruptLog",)
    torn_tails = ("wal-*.wal",)
    places = {  # noqa: RUF012  a table that adapters share by convention
        "segment-*": "finalize",
        "wal-*.tmp": "new WAL",
        "wal-*": "append",
        "subscriber-*": "flush",
        "log.manifest*": "manifest",
    }
    decisions = tuple(row.label for rows in (SEGMENT_ROWS, WAL_ROWS, CURSOR_ROWS, LOG_ROWS) for row in rows)
    concurrent = True
    draws = (_WITH_WAL, _WITH_WAL, _ASKED, _WITHOUT_WAL)  # there is more to go wrong with a WAL
    log_class: type[Log] = Log
    reader_class: type[LogReader] = LogReader
    _reader: LogReader | None = None

    def __init__(
        self, root: str | None = None, *, vfs: Vfs | None = None, runtime: Runtime | None = None, **options: Any
    ) -> None:
        chosen = parse_options(options)
        if vfs is None:
            if root is None:
                raise ValueError("the engine wal needs a directory")
            vfs = RealVfs(root)
        if chosen.sync != "each":
            self.promise = "sync rotate close"
        self.promise_window = chosen.due_s
        self.retention = {
            "budget_bytes": chosen.budget_bytes,
            "drops": chosen.budget_policy == "drop-oldest",
            "chunk_bytes": chosen.wal_limit,
            "age_seconds": chosen.age_seconds,
            "lag_records": chosen.lag_records,
            "lag_seconds": chosen.lag_seconds,
            "unregisters": chosen.slow == "unregister",
        }
        self._vfs, self._read_mode = vfs, chosen.read_mode
        self.log = self.log_class(vfs, runtime if runtime is not None else RealRuntime(), chosen)

    @staticmethod
    def needs_threads(options: Mapping[str, Any]) -> bool:
        """Whether the log has a thread of its own with these options."""
        return parse_options(options).needs_thread

    def append(self, payload: bytes, expected: int | None = None) -> int:
        return self.log.append(payload, expected).sequence

    def append_batch(self, payloads: Sequence[bytes]) -> int:
        return self.log.append_batch(payloads).sequence

    def sync(self) -> None:
        self.log.sync()

    def rotate(self) -> None:
        self.log.rotate()

    def records(self) -> Iterator[tuple[int, bytes]]:
        return self.log.records()

    def read_outside(self) -> list[tuple[int, bytes]]:
        if self._reader is None:
            self._reader = self.reader_class(self._vfs, read_mode=self._read_mode, unsynced=True)
        return list(self._reader.records())

    def cleanup(self) -> int:
        return self.log.cleanup()

    def subscribe(self, name: str) -> Subscriber:
        return self.log.subscribe(name)

    def maintain(self) -> dict[str, Any]:
        return asdict(self.log.maintain())

    def subscribe_latest(self, name: str) -> tuple[Subscriber, int]:
        handle = self.log.subscribe(name, "latest")
        return handle, handle.position

    def activate(self, name: str) -> Subscriber:
        return self.log.subscribe(name, "resume")

    def unregister(self, name: str) -> None:
        self.log.unregister(name)

    def registered(self) -> tuple[str, ...]:
        return self.log.subscribers

    def first_sequence(self) -> int:
        return self.log.start_sequence

    def losses(self) -> dict[str, tuple[int, int, int]]:
        return {reason: (loss.segments, loss.records, loss.size_bytes) for reason, loss in self.log.losses.items()}

    def next_sequence(self) -> int:
        return self.log.next_sequence

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self.log.close()
