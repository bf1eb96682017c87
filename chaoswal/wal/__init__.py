"""A log somebody could use: a write-ahead log with segments, subscribers and cleanup.

It knows of the outside world what ``chaoswal.vfs.protocol`` and ``chaoswal.vfs.runtime`` say, and nothing more.
"""

from chaoswal.wal.counters import Counters
from chaoswal.wal.errors import (
    AtCapacity,
    BadName,
    CorruptLog,
    ForeignFile,
    LogClosed,
    LogError,
    LogLocked,
    LogPoisoned,
    MissingPackage,
    NeedsThreads,
    NotHeld,
    RecordGone,
    RecordsMissed,
    RecordTooLarge,
    SequenceConflict,
    SubscriberBusy,
    UnknownSubscriber,
)
from chaoswal.wal.log import Log, Parts, Receipt
from chaoswal.wal.options import Options
from chaoswal.wal.reader import LogReader
from chaoswal.wal.subscriber import Subscriber

__all__ = [
    "AtCapacity",
    "BadName",
    "CorruptLog",
    "Counters",
    "ForeignFile",
    "Log",
    "LogClosed",
    "LogError",
    "LogLocked",
    "LogPoisoned",
    "LogReader",
    "MissingPackage",
    "NeedsThreads",
    "NotHeld",
    "Options",
    "Parts",
    "Receipt",
    "RecordGone",
    "RecordTooLarge",
    "RecordsMissed",
    "SequenceConflict",
    "Subscriber",
    "SubscriberBusy",
    "UnknownSubscriber",
]
