"""The simulated disk under ``os`` and ``open`` does what a real directory does, and its events say so."""

import fcntl
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chaoswal.disk.directory import load
from chaoswal.disk.disk import Disk
from chaoswal.patched.install import install
from chaoswal.patched.mounts import mounted
from chaoswal.vfs.memory import MemoryVfs

install()  # before the tables below keep any of the functions

Step: TypeAlias = tuple[Any, ...]

PATHS = ("a", "b", "d", "d/a", "d/e", "d/e/f", "a/x", "d/../b", ".", "none/x")
FLAGS = (
    os.O_RDONLY,
    os.O_RDWR,
    os.O_RDWR | os.O_CREAT,
    os.O_RDWR | os.O_CREAT | os.O_EXCL,
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    os.O_RDONLY | os.O_DIRECTORY,
)
MODES = ("r", "rb", "r+", "rb+", "w", "wb", "w+b", "a", "ab", "ab+", "x", "xb+", "wt+", "rw", "bt")

paths = st.sampled_from(PATHS)
data = st.one_of(st.binary(max_size=20), st.integers(1, 9_000).map(lambda size: bytes([65 + size % 26]) * size))
sizes = st.one_of(st.integers(0, 30), st.integers(4_000, 9_000))
slots = st.integers(0, 3)

STEPS = st.one_of(
    st.tuples(st.just("open"), slots, paths, st.sampled_from(FLAGS)),
    st.tuples(st.just("stream"), slots, paths, st.sampled_from(MODES), st.sampled_from((-1, 0, 1, 10, 5_000))),
    st.tuples(st.just("reopen"), slots, slots, st.sampled_from(("rb", "wb", "ab", "r+"))),
    *(st.tuples(st.just("call"), st.just(name), slots) for name in ("fsync", "fdatasync", "fstat", "close", "dup")),
    *(st.tuples(st.just("call"), st.just(name), slots) for name in ("isatty", "get_blocking", "listdir", "fstatvfs")),
    st.tuples(st.just("call"), st.sampled_from(("read", "ftruncate", "fchmod")), slots, sizes),
    st.tuples(st.just("call"), st.just("write"), slots, data),
    st.tuples(st.just("call"), st.just("writev"), slots, st.lists(data, max_size=3)),
    st.tuples(st.just("call"), st.just("pread"), slots, sizes, st.integers(-1, 5_000)),
    st.tuples(st.just("call"), st.just("pwrite"), slots, data, st.integers(-1, 5_000)),
    st.tuples(st.just("call"), st.just("pwritev"), slots, st.lists(data, max_size=2), st.integers(0, 5_000)),
    st.tuples(st.just("call"), st.just("lseek"), slots, st.integers(-20, 9_000), st.integers(0, 2)),
    st.tuples(st.just("call"), st.just("posix_fallocate"), slots, st.integers(0, 9_000), sizes),
    st.tuples(st.just("readv"), slots, st.lists(st.integers(1, 20), min_size=1, max_size=3)),
    st.tuples(st.just("copy"), st.sampled_from(("sendfile", "copy_file_range")), slots, slots, sizes),
    st.tuples(st.just("method"), slots, st.sampled_from(("read", "readline", "flush", "tell", "close", "truncate"))),
    st.tuples(st.just("method"), slots, st.sampled_from(("read", "seek", "truncate")), sizes),
    st.tuples(st.just("method"), slots, st.just("write"), st.one_of(data, st.text("ab\né", max_size=30))),
    st.tuples(st.just("path"), st.sampled_from(("unlink", "rmdir", "mkdir", "listdir", "makedirs", "stat")), paths),
    st.tuples(st.just("path"), st.sampled_from(("exists", "isdir", "getsize", "rmtree", "scandir", "walk")), paths),
    st.tuples(st.just("path"), st.sampled_from(("readlink", "access")), paths),
    st.tuples(st.just("path"), st.just("truncate"), paths, sizes),
    st.tuples(st.just("two"), st.sampled_from(("rename", "replace", "link", "copyfile", "move")), paths, paths),
)


def seen(status: os.stat_result) -> tuple[Any, ...]:
    directory = stat.S_ISDIR(status.st_mode)
    return directory, None if directory else status.st_size, None if directory else status.st_nlink


OF_PATHS: dict[str, Callable[..., Any]] = {
    "unlink": os.unlink,
    "rmdir": os.rmdir,
    "mkdir": os.mkdir,
    "makedirs": os.makedirs,
    "listdir": lambda path: sorted(os.listdir(path)),
    "stat": lambda path: seen(os.stat(path)),
    "exists": os.path.exists,
    "isdir": os.path.isdir,
    "getsize": lambda path: None if os.path.isdir(path) else os.path.getsize(path),
    "scandir": lambda path: sorted((entry.name, entry.is_dir(), *seen(entry.stat())) for entry in os.scandir(path)),
    "walk": lambda path: sorted((sorted(inner), sorted(files)) for _, inner, files in os.walk(path)),
    "rmtree": lambda path: None if path.endswith(".") else shutil.rmtree(path),
    "readlink": os.readlink,
    "access": lambda path: os.access(path, os.R_OK),
    "truncate": os.truncate,
}
OF_TWO: dict[str, Callable[..., Any]] = {
    "rename": os.rename,
    "replace": os.replace,
    "link": os.link,
    "copyfile": lambda source, target: shutil.copyfile(source, target) and None,
    "move": lambda source, target: shutil.move(source, target) and None,
}


class Player:
    """Does the steps in one directory, and says what each came to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.numbers: dict[int, int] = {}
        self.streams: dict[int, Any] = {}

    def play(self, steps: list[Step]) -> Iterator[object]:
        for step in steps:
            try:
                yield self.step(*step)
            except OSError as error:
                yield type(error).__name__, error.errno, self.inner(error.filename), self.inner(error.filename2)
            except (ValueError, TypeError, UnicodeError, shutil.Error) as error:
                yield type(error).__name__

    def inner(self, name: object) -> object:
        return name.removeprefix(self.root) if isinstance(name, str) else type(name)

    def full(self, path: str) -> str:
        return f"{self.root}/{path}"

    def step(self, kind: str, *rest: Any) -> object:
        return getattr(self, f"do_{kind}")(*rest)

    def do_open(self, slot: int, path: str, flags: int) -> None:
        self.put(slot, os.open(self.full(path), flags, 0o644))

    def put(self, slot: int, number: int) -> None:
        old = self.numbers.pop(slot, None)
        self.numbers[slot] = number
        if old is not None:
            os.close(old)

    def drop(self, slot: int) -> None:
        stream = self.streams.pop(slot, None)
        if stream is not None:
            stream.close()

    def do_stream(self, slot: int, path: str, mode: str, buffering: int) -> object:
        self.drop(slot)
        encoding = None if "b" in mode else "utf-8"
        if buffering == 1 and "b" in mode:
            buffering = -1  # lines are of texts
        stream = self.streams[slot] = open(self.full(path), mode, buffering, encoding)  # noqa: SIM115
        return stream.mode, stream.readable(), stream.writable(), stream.tell()

    def do_reopen(self, slot: int, source: int, mode: str) -> object:
        self.drop(slot)
        stream = self.streams[slot] = os.fdopen(os.dup(self.numbers.get(source, -1)), mode)
        return stream.mode, stream.seekable()

    def do_call(self, name: str, slot: int, *arguments: Any) -> object:
        if name == "lseek" and stat.S_ISDIR(os.fstat(self.numbers.get(slot, -1)).st_mode):
            return None  # there each file system has its own numbers
        result = getattr(os, name)(self.numbers.get(slot, -1), *arguments)
        match name:
            case "fstat":
                return seen(result)
            case "close":
                return self.numbers.pop(slot) and None
            case "dup":
                self.put((slot + 1) % 4, result)
                return None
            case "listdir":
                return sorted(result)
            case "fstatvfs":
                return None
            case _:
                return result

    def do_readv(self, slot: int, lengths: list[int]) -> object:
        buffers = [bytearray(length) for length in lengths]
        return os.readv(self.numbers.get(slot, -1), buffers), buffers

    def do_copy(self, name: str, source: int, target: int, count: int) -> object:
        """Copies within one file overlap, and of these Linux promises nothing."""
        numbers = self.numbers.get(source, -1), self.numbers.get(target, -1)
        if not all(self.whole(number) for number in numbers) or os.path.samestat(*map(os.fstat, numbers)):
            return None
        if name == "sendfile":
            return os.sendfile(numbers[1], numbers[0], 0, count)
        return os.copy_file_range(*numbers, count)

    @staticmethod
    def whole(number: int) -> bool:
        """Whether it is a file, open for both, and not for appending: what else these calls refuse differs."""
        with suppress(OSError):
            os.pread(number, 1, 0)
            os.pwrite(number, b"", 0)
            return not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND
        return False

    def do_method(self, slot: int, name: str, *arguments: Any) -> object:
        stream = self.streams.get(slot)
        return None if stream is None else getattr(stream, name)(*arguments)

    def do_path(self, name: str, path: str, *arguments: Any) -> object:
        if path == "." and name == "rmdir":
            return None  # it has its own error there
        return OF_PATHS[name](self.full(path), *arguments)

    def do_two(self, name: str, path: str, to: str) -> object:
        if "." in (path, to) or "d/../b" in (path, to):
            return None  # they have their own errors there
        return OF_TWO[name](self.full(path), self.full(to))

    def end(self) -> None:
        for stream in self.streams.values():
            with suppress(OSError, ValueError):
                stream.close()
        for number in self.numbers.values():
            os.close(number)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    numbers = itertools.count()
    base = tmp_path_factory.mktemp("real")

    def fresh() -> Path:
        root = base / str(next(numbers))
        root.mkdir()
        return root

    yield fresh
    shutil.rmtree(base)


@settings(max_examples=250, deadline=None)
@example(steps=[("open", 0, "a", 66), ("path", "unlink", "a"), ("call", "listdir", 0)])
@given(steps=st.lists(STEPS, max_size=40))
def test_random_calls(ground: Callable[[], Path], steps: list[Step]) -> None:
    real_root, vfs = ground(), MemoryVfs()
    real, simulated = Player(str(real_root)), Player(mounted(vfs).root)
    try:
        for step, expected, found in zip(steps, real.play(steps), simulated.play(steps), strict=True):
            assert found == expected, step
    finally:
        real.end()
        simulated.end()
    files = load(str(real_root)).files()
    assert vfs.image().files() == files
    assert Disk().after(vfs.events()).view.files() == files
    assert not vfs.held()
