"""Whatever is drawn, RealVfs and MemoryVfs answer alike: the same results, the same errnos, the same tree."""

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.protocol import File, Lock, Map, Vfs
from chaoswal.vfs.real import RealVfs

Call: TypeAlias = tuple[str, ...] | tuple[str | int | bytes | bool, ...]

# Nothing but a lock is made at LOCK: a lock of the real one is a file, and no simulated one needs to be.
PATHS = st.sampled_from(["a", "b", "d", "e", "d/a", "d/b", "d/e/a", "a/x", "none/x"])
HANDLES = st.integers(0, 3)
SMALL = st.integers(0, 30)

CALLS = st.one_of(
    st.tuples(st.just("open"), PATHS, st.booleans()),
    st.tuples(st.just("create"), PATHS),
    st.tuples(st.just("list"), PATHS | st.just("")),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("unlink"), PATHS),
    st.tuples(st.just("make_directory"), PATHS),
    st.tuples(st.just("sync_directory"), PATHS | st.just("")),
    st.tuples(st.just("lock"), st.just("LOCK"), st.sampled_from(["me", "you"])),
    st.tuples(st.just("release"), HANDLES),
    st.tuples(st.just("read"), HANDLES, SMALL, SMALL),
    st.tuples(st.just("map"), HANDLES),
    st.tuples(st.just("write"), HANDLES, SMALL, st.binary(max_size=20)),
    st.tuples(st.just("write"), HANDLES, SMALL, st.binary(max_size=9), st.binary(max_size=9), st.just(b"end")),
    st.tuples(st.just("truncate"), HANDLES, SMALL),
    st.tuples(st.just("size"), HANDLES),
    st.tuples(st.just("sync"), HANDLES, st.booleans()),
    st.tuples(st.just("close"), HANDLES),
)


def known_to_differ(root: Path, call: Call) -> bool:
    """What no engine should do and the simulation simplifies: move directories, sync a file as a directory."""
    word, *arguments = call
    paths = [root / str(path) for path in arguments]
    if word == "rename":
        two_errors = not paths[0].exists() and not paths[1].parent.is_dir()  # and either may be told first
        return two_errors or any(path.is_dir() for path in paths)
    return word == "sync_directory" and paths[0].is_file()


BEFORE: list[Call] = [("create", "a"), ("open", "a", False), ("make_directory", "d"), ("create", "d/a")]
"""So that what is drawn finds files, a directory, and handles for reading and for writing."""


def mapped(found: Map) -> tuple[int, bytes]:
    """All there is to see in a map, which is given back."""
    try:
        return len(found), found[:]
    finally:
        found.close()


class Player:
    """Does calls to one file system; handles go by the order in which they were opened."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs
        self._files: list[File] = []
        self._locks: list[Lock] = []

    def answer(self, call: Call) -> object:
        """What the call returned, or the errno it raised, and of a taken lock its text."""
        word, *arguments = call
        try:
            return self._do(str(word), arguments)
        except BlockingIOError as error:
            return error.errno, error.strerror
        except OSError as error:
            either = word == "truncate" and error.errno == errno.EINVAL  # POSIX lets a system choose
            return errno.EBADF if either else error.errno

    def _do(self, word: str, arguments: Sequence[object]) -> object:
        if word in ("release", "read", "map", "write", "truncate", "size", "sync", "close"):
            return self._do_to_handle(word, arguments)
        keywords = {"write": arguments[1]} if word == "open" else {}
        result = getattr(self._vfs, word)(*arguments[: 1 if word == "open" else None], **keywords)
        if word in ("open", "create"):
            self._files.append(result)
        elif word == "lock":
            self._locks.append(result)
        return sorted(set(result) - {"LOCK"}) if word == "list" else None

    def _do_to_handle(self, word: str, arguments: Sequence[object]) -> object:
        number, *rest = arguments
        handles: Sequence[object] = self._locks if word == "release" else self._files
        if not handles:
            return "no such handle"
        handle = handles[int(str(number)) % len(handles)]
        if word == "release":
            self._locks.pop().release()  # once: the protocol says nothing of a second time
            return None
        if word == "sync":
            return getattr(handle, word)(data_only=rest[0])
        if word == "map":
            return mapped(handle.map())  # type: ignore[attr-defined]
        return getattr(handle, word)(*rest)

    def tree(self, path: str = "") -> object:
        """Every name and every byte that can be reached."""
        found: dict[str, object] = {}
        for name in sorted(set(self._vfs.list(path)) - {"LOCK"}):
            below = f"{path}/{name}" if path else name
            try:
                found[name] = self._vfs.open(below).read(0, 100)
            except IsADirectoryError:
                found[name] = self.tree(below)
        return found

    def end(self) -> None:
        """Give every descriptor back."""
        for handle in self._files:
            handle.close()
        for lock in self._locks:
            lock.release()


@given(st.lists(CALLS, max_size=60))
def test_they_answer_alike(calls: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as root:
        real, memory = Player(RealVfs(root)), Player(MemoryVfs())
        try:
            for call in [*BEFORE, *calls]:
                if known_to_differ(Path(root), call):
                    continue
                assert (call, real.answer(call)) == (call, memory.answer(call))
            assert real.tree() == memory.tree()
        finally:
            real.end()
