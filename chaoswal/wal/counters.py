"""What an open log has done so far, as one value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Counted since this log was opened, except where a field says that it is what there is now."""

    appended: int
    """Records."""
    consumed: int
    """Acknowledgements of records, by all subscribers together."""
    buffered: int
    """Records there are now that some registered subscriber has not finished; all, where none is registered."""
    bytes_appended: int
    """Of frames: payloads and 32 bytes for each append."""
    syncs: int
    """Of the WAL, that came to a good end."""
    flush_failures: int
    """Syncs of the WAL that failed; the first one poisons the log."""
    rotations: int
    """WALs finalized, whatever asked for it."""
    segments_written: int
    """By rotations, and by the recovery at opening."""
    segments_active: int
    """Segments there are now."""
    segments_cleaned: int
    """Given up by cleanup because all subscribers had finished them."""
    segments_dropped: int
    """Given up although somebody had not finished them."""
