"""The adapter of the ``Index`` of diskcache: a log whose records have their numbers for keys.

Its documentation calls it persistent; what has been stored is taken to be promised.
"""

from collections.abc import Iterable

from chaoswal.engines.keyed import KeyedLog


class DiskcacheEngine(KeyedLog):
    """One index, which is the directory."""

    package = "diskcache"
    preload = ("diskcache",)
    documented = "https://grantjenks.com/docs/diskcache/tutorial.html#index"
    promise = "append"
    scratch = ("*-shm",)

    def __init__(self, root: str) -> None:
        import diskcache  # an extra: chaoswal[engines]

        self._index = diskcache.Index(root)
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        for number, payload in records:
            self._index[number] = payload

    def _items(self) -> Iterable[tuple[int, bytes]]:
        return list(self._index.items())

    def sync(self) -> None:
        """There is nothing to ask for."""

    def close(self) -> None:
        self._index.cache.close()
