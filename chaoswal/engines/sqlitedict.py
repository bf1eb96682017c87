"""The adapter of sqlitedict: a log whose records have their numbers for keys.

Its documentation says of ``commit`` that it persists all data to disk, and of a single store nothing.
"""

import os
from collections.abc import Iterable

from chaoswal.engines.keyed import KeyedLog


class SqlitedictEngine(KeyedLog):
    """One table of one database, ``log.db``, in the directory."""

    package = "sqlitedict"
    preload = ("sqlitedict",)
    documented = "https://github.com/piskvorky/sqlitedict#usage"
    promise = "sync"

    def __init__(self, root: str) -> None:
        import sqlitedict  # an extra: chaoswal[engines]

        self._table = sqlitedict.SqliteDict(os.path.join(root, "log.db"), autocommit=False)
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        for number, payload in records:
            self._table[str(number)] = payload

    def _items(self) -> Iterable[tuple[int, bytes]]:
        return [(int(key), payload) for key, payload in self._table.items()]

    def sync(self) -> None:
        self._table.commit()

    def close(self) -> None:
        self.sync()  # nothing else keeps what was stored
        self._table.close()
