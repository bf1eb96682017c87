"""What adapters of key-value stores share: a log whose records have their numbers for keys."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

KEY_BYTES = 8


def key_of(number: int) -> bytes:
    """The key of a record: keys are in the order of the numbers, byte by byte."""
    return number.to_bytes(KEY_BYTES, "big")


def number_of(key: bytes) -> int:
    """The number back from its key."""
    return int.from_bytes(key, "big")


def yes(name: str, text: str) -> bool:
    """An option that is yes or no; ValueError where it is neither."""
    if text not in ("yes", "no"):
        raise ValueError(f"{name}={text}: it is yes or no")
    return text == "yes"


class KeyedLog(ABC):
    """A log in a store of keys and values; call ``_begin`` when the store is open."""

    contract = "log"

    def _begin(self) -> None:
        self._next = 1 + max((number for number, _ in self._items()), default=-1)

    def append(self, payload: bytes) -> int:
        return self._appended([payload])

    def _appended(self, payloads: Sequence[bytes]) -> int:
        first = self._next
        self._put(zip(count(first), payloads, strict=False))
        self._next = first + len(payloads)
        return first

    def records(self) -> Iterator[tuple[int, bytes]]:
        yield from sorted(self._items())

    @abstractmethod
    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Store these; all or none in an ``AtomicLog``."""

    @abstractmethod
    def _items(self) -> Iterable[tuple[int, bytes]]:
        """All that is there."""


class AtomicLog(KeyedLog):
    """In a store that takes several records at a time, all or none."""

    def append_batch(self, payloads: Sequence[bytes]) -> int:
        return self._appended(payloads)
