"""The adapter of DuckDB: a table of records as a log, a transaction for each append.

DuckDB's documentation promises that transactions are ACID.
"""

import os
from collections.abc import Iterable

from chaoswal.engines.keyed import AtomicLog


class DuckdbEngine(AtomicLog):
    """One database, ``log.duckdb``, in the directory."""

    package = "duckdb"
    preload = ("duckdb",)
    documented = "https://duckdb.org/docs/stable/sql/statements/transactions"
    promise = "append append_batch sync"

    def __init__(self, root: str) -> None:
        import duckdb  # an extra: chaoswal[engines]

        self._connection = duckdb.connect(os.path.join(root, "log.duckdb"), config={"threads": 1})
        self._connection.execute("CREATE TABLE IF NOT EXISTS log (number BIGINT PRIMARY KEY, payload BLOB NOT NULL)")
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        self._connection.begin()
        try:
            self._connection.executemany("INSERT INTO log VALUES (?, ?)", [list(record) for record in records])
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _items(self) -> Iterable[tuple[int, bytes]]:
        return self._connection.execute("SELECT number, payload FROM log").fetchall()

    def sync(self) -> None:
        self._connection.execute("CHECKPOINT")

    def close(self) -> None:
        self._connection.close()
