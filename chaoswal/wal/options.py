"""What may be chosen about a log."""

from dataclasses import dataclass
from typing import Literal

WAL_BYTES_DEFAULT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``sync``: "each" append is durable when it returns, or only an "explicit" sync() makes it so.
    ``wal_bytes``: a WAL that would grow beyond this is finalized first; a larger record gets a WAL to itself.
    ``frame``: the version of the frames that are written, "2" with a BLAKE3; all versions are read.
    ``read_mode``: segments are read by "plain" calls or through "mmap"; the results are the same.
    """

    sync: Literal["each", "explicit"] = "each"
    wal_bytes: int = WAL_BYTES_DEFAULT
    frame: Literal["1", "2"] = "1"
    read_mode: Literal["plain", "mmap"] = "plain"

    def __post_init__(self) -> None:
        if self.sync not in ("each", "explicit"):
            raise ValueError(f'sync={self.sync!r}: it is "each" or "explicit"')
        if self.wal_bytes < 1:
            raise ValueError(f"wal_bytes={self.wal_bytes}: a number of bytes above 0")
        if self.frame not in ("1", "2"):
            raise ValueError(f'frame={self.frame!r}: it is "1" or "2"')
        if self.read_mode not in ("plain", "mmap"):
            raise ValueError(f'read_mode={self.read_mode!r}: it is "plain" or "mmap"')
