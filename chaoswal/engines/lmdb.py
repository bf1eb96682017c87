"""The adapter of LMDB: a log whose records have their numbers for keys, a transaction for each append.

LMDB's documentation promises a durable transaction when the commit returns, by default. With ``sync=no`` nothing but
that the database stays whole if the file system keeps the order of writes; with ``metasync=no`` it stays whole and may
lose the last transaction. ``promise=append`` holds it to more than is documented. ``writemap=yes`` writes through a
map, which no recorder sees.
"""

from collections.abc import Iterable

from chaoswal.engines.keyed import AtomicLog, key_of, number_of, yes

MAP_BYTES = 16 << 20


class LmdbEngine(AtomicLog):
    """One environment, which is the directory."""

    package = "lmdb"
    preload = ("lmdb",)
    documented = "https://lmdb.readthedocs.io/en/release/#environment-class"
    promise = "append append_batch sync"
    scratch = ("lock.mdb",)

    def __init__(
        self, root: str, *, sync: str = "yes", metasync: str = "yes", writemap: str = "no", promise: str = ""
    ) -> None:
        import lmdb  # an extra: chaoswal[engines]

        durable = yes("sync", sync), yes("metasync", metasync)
        if promise or not all(durable):
            self.promise = promise or "sync"
        flags = {"sync": durable[0], "metasync": durable[1], "writemap": yes("writemap", writemap)}
        self._environment = lmdb.open(root, map_size=MAP_BYTES, **flags)
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        with self._environment.begin(write=True) as transaction:
            for number, payload in records:
                transaction.put(key_of(number), payload)

    def _items(self) -> Iterable[tuple[int, bytes]]:
        with self._environment.begin() as transaction:
            return [(number_of(key), bytes(payload)) for key, payload in transaction.cursor()]

    def sync(self) -> None:
        self._environment.sync(force=True)

    def close(self) -> None:
        self._environment.close()
