"""The adapter of SQLite, by way of Python's own ``sqlite3``: a table of records as a log.

An append is an insert and a commit, a batch is one transaction. What is promised depends on two options, after what
sqlite.org says of the pragmas journal_mode and synchronous:

    journal                     synchronous      promised by
    wal                         full, extra      append, append_batch, sync
    wal                         normal           sync
    delete, truncate, persist   full, extra      append, append_batch
    delete, truncate, persist   normal           nothing but that the database stays whole
    memory, off                 any              the same
    any                         off              the same

``sync`` is a checkpoint where there is a WAL, which syncs that and the database; elsewhere it does nothing. With
``delete`` and ``full`` more is promised than SQLite keeps: the unlink of its journal, which is the commit, is not
synced, so a power cut may roll it back. ``extra`` is there for this.

Reopened after a kill, SQLite serves a commit that was in flight without a sync, so reads promise nothing.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence

JOURNALS = ("wal", "delete", "truncate", "persist", "memory", "off")
SYNCHRONOUS = ("off", "normal", "full", "extra")
OPTIONS_HELP = f"journal={'|'.join(JOURNALS)} (default wal), synchronous={'|'.join(SYNCHRONOUS)} (default full)"

ROLLED_BACK = ("delete", "truncate", "persist")
"""Those that keep a journal on the disk by which a commit is rolled back."""


class SqliteEngine:
    """One database, ``log.db``, in the directory."""

    contract = "log"
    promise = "append append_batch sync"
    version = sqlite3.sqlite_version
    documented = "https://www.sqlite.org/pragma.html#pragma_synchronous"
    promise_reads = False
    scratch = ("*-shm",)

    def __init__(self, root: str, *, journal: str = "wal", synchronous: str = "full") -> None:
        if journal not in JOURNALS or synchronous not in SYNCHRONOUS:
            raise ValueError(f"journal={journal} synchronous={synchronous}: there are {OPTIONS_HELP}")
        self.promise = _promise(journal, synchronous)
        self._checkpoints = journal == "wal"
        self._connection = sqlite3.connect(os.path.join(root, "log.db"), isolation_level=None)
        execute = self._connection.execute
        mode = execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
        if mode != journal:
            raise OSError(f"SQLite did not take journal_mode={journal}: it stays with {mode}")
        execute(f"PRAGMA synchronous={synchronous}")
        execute("CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, payload BLOB NOT NULL)")

    def append(self, payload: bytes) -> int:
        return self._insert(payload)

    def append_batch(self, payloads: Sequence[bytes]) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            numbers = [self._insert(payload) for payload in payloads]
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return numbers[0]

    def _insert(self, payload: bytes) -> int:
        number = self._connection.execute("INSERT INTO log (payload) VALUES (?)", (payload,)).lastrowid
        assert number is not None
        return number - 1  # rows count from 1, sequence numbers from 0

    def sync(self) -> None:
        if self._checkpoints:
            self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()

    def records(self) -> Iterator[bytes]:
        for (payload,) in self._connection.execute("SELECT payload FROM log ORDER BY number").fetchall():
            if not isinstance(payload, bytes):  # which the table does not allow: SQLite has not noticed its damage
                raise TypeError(f"a record reads {payload!r}, which is no blob")
            yield payload

    def next_sequence(self) -> int:
        newest = self._connection.execute("SELECT max(number) FROM log").fetchone()[0]
        return int(newest or 0)

    def close(self) -> None:
        self._connection.close()


def _promise(journal: str, synchronous: str) -> str:
    if synchronous == "off":
        return "none"
    if journal == "wal":
        return "sync" if synchronous == "normal" else "append append_batch sync"
    return "append append_batch" if journal in ROLLED_BACK and synchronous != "normal" else "none"
