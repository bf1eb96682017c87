"""Notes in shared memory: what a process that may be killed at any moment leaves to the one that kills it.

Theory of operation. An anonymous shared mapping survives the process that writes it. Notes stand one behind the
other, each a plain tuple in the form of ``marshal`` (both ends are forks of one interpreter)::

    0        4               8        12
    +--------+---------------+--------+---------------
    | length | length ^ seed | CRC-32 | body
    +--------+---------------+--------+---------------

The checksum covers the body and starts from a seed that follows from the round and from the place of the note. A
note is there once all its bytes are: a note that a kill has cut short, and whatever an earlier round has left behind
it, do not match, and reading ends there. No byte order, no fence and no cleaning is relied upon. The length says
twice what it is, so that what an earlier round has left is not taken for a note of many megabytes and summed up.
"""

import marshal
import mmap
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

from chaoswal.errors import HarnessFault

Note: TypeAlias = tuple[Any, ...]

NOTES_BYTES = 64 << 20
"""Room for one child's notes; only pages that are written to take memory."""

_HEAD = struct.Struct("<III")
_SPREAD = 0x9E3779B1


class NotesFull(HarnessFault):
    """A child had more to note than there is room."""


class Notes:
    """The notes of one child at a time."""

    def __init__(self, size: int = NOTES_BYTES) -> None:
        self._memory = mmap.mmap(-1, size)
        self._size = size
        self._round = 0
        self._at = 0
        self._mutex = threading.Lock()

    def start(self, number: int) -> None:
        """Begin a round, before a child is forked: no note of another round counts any more."""
        self._round = number
        self._at = 0

    @property
    def room(self) -> int:
        """How many bytes are left."""
        return self._size - self._at

    def note(self, note: Note) -> None:
        """Add a note, from any thread; raises ValueError for what is not plain, NotesFull where there is no room."""
        body = marshal.dumps(note)
        with self._mutex:
            self._put(body)

    def _put(self, body: bytes) -> None:
        at, end = self._at, self._at + _HEAD.size + len(body)
        if end > self._size:
            raise NotesFull(f"a child noted more than {self._size} bytes before it was killed")
        seed = self._seed(at)
        self._memory[at:end] = _HEAD.pack(len(body), len(body) ^ seed, zlib.crc32(body, seed)) + body
        self._at = end

    def read(self) -> Iterator[Note]:
        """The notes of this round, as far as they are whole."""
        at = 0
        while at + _HEAD.size <= self._size:
            length, again, checksum = _HEAD.unpack_from(self._memory, at)
            seed, end = self._seed(at), at + _HEAD.size + length
            if not length or length ^ seed != again or end > self._size:
                return
            body = self._memory[at + _HEAD.size : end]
            if zlib.crc32(body, seed) != checksum:
                return
            yield marshal.loads(body)
            at = end

    def _seed(self, at: int) -> int:
        return (self._round * _SPREAD + at) & 0xFFFFFFFF

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
