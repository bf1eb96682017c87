"""What may be chosen about a log."""

from dataclasses import dataclass
from typing import Literal, get_args

WAL_BYTES_DEFAULT = 64 * 1024 * 1024
SYNC_BYTES_DEFAULT = 1024 * 1024
SYNC_INTERVAL_MS_DEFAULT = 25.0
GROUP_MAX_DEFAULT = 64
PREALLOCATE_BYTES_DEFAULT = 64 * 1024
BYTES_MAX = 1 << 62
DAY_S = 86_400

Durability = Literal["wal", "segment-only"]
SyncPolicy = Literal["each", "explicit", "bytes", "interval", "either"]
Frame = Literal["1", "2"]
ReadMode = Literal["plain", "mmap"]
BudgetPolicy = Literal["backpressure", "drop-oldest"]
Slow = Literal["skip", "unregister"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What makes appends durable, when a WAL is finished, and who waits for whom.

    ``durability``: an append goes to the "wal", and that is synced. Or, "segment-only", it stays in memory until its
    segment is finished: a crash may lose the whole open segment and nothing else; ``sync``, ``rotate`` and ``close``
    finish it, as do ``wal_bytes``, which bounds the memory, and ``rotate_age_s``.

    ``sync`` (of the WAL): "each" append is durable when it returns; or only an "explicit" sync() makes it so; or,
    besides, the append by which ``sync_bytes`` are not yet durable ("bytes"), a thread of the log's own at most
    ``sync_interval_ms`` after an append ("interval", also where no other append follows), or "either" of these.
    Without a choice it is "each", or with durability "segment-only", where there is nothing to sync, "explicit".

    ``group_delay_ms`` and ``group_max``: who begins a sync waits until as many append as did around the last one, or
    so many, and so long at most; None is as long as a sync took, 0 never. A lone appender never waits.

    ``wal_bytes``: a WAL that would grow beyond this is finalized first; a larger record gets a WAL to itself.
    ``rotate_age_s``: a WAL whose first record is older than this is finalized by a thread of the log's own; 0 is never,
    5 suits most readers of segments.

    ``preallocate_bytes``: a WAL grows by so many bytes of zeros at a time, so that most syncs have no new size to make
    durable; 0 is never. It does so once it holds a quarter of them, for frames and syncs of a quarter at most.

    ``frame``: the version of the frames that are written, "2" with a BLAKE3; all versions are read.
    ``read_mode``: segments are read by "plain" calls or through "mmap"; the results are the same.

    In what follows 0 means none. ``budget_bytes``: of all segments and the WAL. An append that does not fit raises
    AtCapacity ("backpressure"), or the oldest segments are dropped for it ("drop-oldest"). ``age_seconds``: segments
    that are older are dropped by ``maintain``. ``lag_records`` and ``lag_seconds``: a subscriber that is further
    behind, or has had something to do for so long and finished nothing, is moved ahead or unregistered by
    ``maintain``, as ``slow`` says: "skip" or "unregister".
    """

    durability: Durability = "wal"
    sync: SyncPolicy | None = None
    sync_bytes: int = SYNC_BYTES_DEFAULT
    sync_interval_ms: float = SYNC_INTERVAL_MS_DEFAULT
    group_delay_ms: float | None = None
    group_max: int = GROUP_MAX_DEFAULT
    wal_bytes: int = WAL_BYTES_DEFAULT
    rotate_age_s: float = 0.0
    preallocate_bytes: int = PREALLOCATE_BYTES_DEFAULT
    frame: Frame = "1"
    read_mode: ReadMode = "plain"
    budget_bytes: int = 0
    budget_policy: BudgetPolicy = "backpressure"
    age_seconds: float = 0
    lag_records: int = 0
    lag_seconds: float = 0
    slow: Slow = "skip"

    def __post_init__(self) -> None:
        if self.sync is None:
            object.__setattr__(self, "sync", "each" if self.durability == "wal" else "explicit")
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                told = ", ".join(f'"{choice}"' for choice in choices)
                raise ValueError(f"{name}={getattr(self, name)!r}: it is one of {told}")
        for name, least, most, told in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:  # nor is a NaN
                raise ValueError(f"{name}={value}: {told}")
        if self.durability == "segment-only":
            self._refuse_what_needs_a_wal()

    def _refuse_what_needs_a_wal(self) -> None:
        for name, idle in _WITHOUT_WAL:
            value = getattr(self, name)
            if value not in idle:
                raise ValueError(
                    f'{name}={value!r} with durability="segment-only": there is no WAL to sync or to grow; '
                    "leave it out, and bound what a crash may lose by wal_bytes or rotate_age_s"
                )

    @property
    def due_bytes(self) -> float:
        """An append syncs when so much is not yet durable."""
        if self.sync == "each":
            return 1
        return self.sync_bytes if self.sync in ("bytes", "either") else float("inf")

    @property
    def needs_thread(self) -> bool:
        """Whether something is to be done after a time."""
        return self.rotate_age_s > 0 or self.sync in ("interval", "either")

    @property
    def by_time(self) -> str:
        """What is to be done after a time, as options; empty where there is nothing."""
        asked = [f'sync="{self.sync}"'] if self.sync in ("interval", "either") else []
        return " with ".join([*asked, f"rotate_age_s={self.rotate_age_s:g}"] if self.rotate_age_s > 0 else asked)

    @property
    def due_s(self) -> float:
        """A thread syncs so many seconds after an append; 0 for never."""
        return self.sync_interval_ms / 1000 if self.sync in ("interval", "either") else 0.0

    @property
    def wal_limit(self) -> int:
        """The size at which a WAL is finalized: with a budget a quarter of it at most, so that parts of it can go."""
        return min(self.wal_bytes, max(1, self.budget_bytes // 4)) if self.budget_bytes else self.wal_bytes


_CHOICES = (
    ("durability", get_args(Durability)),
    ("sync", get_args(SyncPolicy)),
    ("frame", get_args(Frame)),
    ("read_mode", get_args(ReadMode)),
    ("budget_policy", get_args(BudgetPolicy)),
    ("slow", get_args(Slow)),
)
"""What each may be."""

_WITHOUT_WAL: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("sync", ("explicit",)),
    ("group_delay_ms", (None, 0)),
    ("preallocate_bytes", (PREALLOCATE_BYTES_DEFAULT, 0)),
)
"""What says nothing where there is no WAL; other values would be asking for something that is not done."""

_BOUNDS: tuple[tuple[str, float, float, str], ...] = (
    ("sync_bytes", 1, BYTES_MAX, "a number of bytes above 0"),
    ("sync_interval_ms", 0.001, DAY_S * 1000, "a time in milliseconds above 0, a day at most"),
    ("group_delay_ms", 0, DAY_S * 1000, "a time in milliseconds or 0, a day at most"),
    ("group_max", 1, BYTES_MAX, "a number of appends above 0"),
    ("wal_bytes", 1, BYTES_MAX, "a number of bytes above 0"),
    ("preallocate_bytes", 0, BYTES_MAX, "a number of bytes, or 0 for never"),
    ("budget_bytes", 0, BYTES_MAX, "a number of bytes, or 0 for none"),
    ("age_seconds", 0, float("inf"), "a time in seconds, or 0 for none"),
    ("lag_records", 0, BYTES_MAX, "a number of records, or 0 for none"),
    ("lag_seconds", 0, float("inf"), "a time in seconds, or 0 for none"),
    ("rotate_age_s", 0, DAY_S, "a time in seconds or 0 for never, a day at most"),
)
"""The least and the most each may be, and what it is."""
