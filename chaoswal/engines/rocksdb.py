"""The adapter of RocksDB, by way of rocksdict: a log whose records have their numbers for keys.

RocksDB's documentation promises that a write with ``sync`` is flushed from the cache of the operating system before it
is complete; a batch is atomic. Without ``sync``, ``flush_wal(sync)`` promises that.
"""

from collections.abc import Iterable
from typing import cast

from chaoswal.engines.keyed import AtomicLog, key_of, number_of, yes


class RocksdbEngine(AtomicLog):
    """One database, which is the directory."""

    package = "rocksdict"
    preload = ("rocksdict",)
    documented = "https://github.com/facebook/rocksdb/wiki/Basic-Operations#synchronous-writes"
    promise = "append append_batch sync"
    scratch = ("LOCK", "LOG", "LOG.old.*")

    def __init__(self, root: str, *, sync: str = "yes") -> None:
        import rocksdict  # an extra: chaoswal[engines]

        self._library = rocksdict
        durable = yes("sync", sync)
        if not durable:
            self.promise = "sync"
        self._options = rocksdict.WriteOptions()
        self._options.sync = durable
        self._database = rocksdict.Rdict(root, rocksdict.Options(raw_mode=True))
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        batch = self._library.WriteBatch(raw_mode=True)
        for number, payload in records:
            batch.put(key_of(number), payload)
        self._database.write(batch, self._options)

    def _items(self) -> Iterable[tuple[int, bytes]]:
        return [(number_of(key), payload) for key, payload in self._pairs()]

    def _pairs(self) -> Iterable[tuple[bytes, bytes]]:
        return cast("Iterable[tuple[bytes, bytes]]", self._database.items())

    def sync(self) -> None:
        self._database.flush_wal(sync=True)

    def close(self) -> None:
        self._database.close()
