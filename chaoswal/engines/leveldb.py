"""The adapter of LevelDB, by way of plyvel: a log whose records have their numbers for keys.

LevelDB's documentation promises that a write with ``sync`` does not return before its data is on persistent storage; a
batch is atomic. Without ``sync`` nothing is promised but order. With ``paranoid`` checks it "will stop early if it
detects any errors" in what it reads: damage is reported then.
"""

from collections.abc import Iterable

from chaoswal.engines.keyed import AtomicLog, key_of, number_of, yes


class LeveldbEngine(AtomicLog):
    """One database, which is the directory."""

    package = "plyvel"
    preload = ("plyvel",)
    documented = "https://github.com/google/leveldb/blob/main/doc/index.md#synchronous-writes"
    promise = "append append_batch"
    scratch = ("LOCK", "LOG", "LOG.old")
    torn_tails = ("*.log",)

    def __init__(self, root: str, *, sync: str = "yes", paranoid: str = "no") -> None:
        import plyvel  # an extra: chaoswal[engines]

        self._sync = yes("sync", sync)
        self._paranoid = yes("paranoid", paranoid)
        if not self._sync:
            self.promise = "none"
        if self._paranoid:
            self.reports = ("CorruptionError", "IOError")
        self._database = plyvel.DB(root, create_if_missing=True, paranoid_checks=self._paranoid)
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        with self._database.write_batch(sync=self._sync) as batch:
            for number, payload in records:
                batch.put(key_of(number), payload)

    def _items(self) -> Iterable[tuple[int, bytes]]:
        pairs = self._database.iterator(verify_checksums=self._paranoid)
        return [(number_of(key), payload) for key, payload in pairs]

    def sync(self) -> None:
        """There is nothing to ask for."""

    def close(self) -> None:
        self._database.close()
