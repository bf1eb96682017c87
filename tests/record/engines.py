"""Engines for the recorder: one that makes system calls of all kinds, and some that no recorder can follow."""

import ctypes
import hashlib
import importlib
import mmap
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue

_LIBC = ctypes.CDLL(None, use_errno=True)
_KEEP, _PUNCH, _ZERO, _COLLAPSE, _INSERT = 1, 3, 16, 8, 32
_EXCHANGE = 2


class Calls:
    """Each append makes a call or a few, drawn by the number of the append and the length of its payload."""

    contract = "log"
    promise = "none"
    scratch = ("*.scratch",)

    def __init__(self, root: str) -> None:
        self.root = root
        self.number = 0
        self.open: list[int] = []
        self.directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)

    def append(self, payload: bytes) -> None:
        self.number += 1
        chance = random.Random(f"{len(payload)}:{self.number}")
        with suppress(OSError):  # what is drawn may be impossible, like a link to what is not there
            chance.choice(_CALLS)(self, chance)

    def sync(self) -> dict[str, str]:
        """What there is, so that a test can compare it with what was recorded."""
        return fingerprints(self.root)

    def records(self) -> list[bytes]:
        return []

    def close(self) -> None:
        pass

    # -- what calls need -----------------------------------------------------------------------------------------

    def path(self, chance: random.Random) -> str:
        """A path: absolute, or relative to where the process stands, which is sometimes here."""
        name = chance.choice(("a", "b", "c", "d/a", "d/b", "d", "e.scratch", "./a", "d/../b", "d/d"))
        if chance.random() < 0.3:
            os.chdir(self.root)
            return name
        return f"{self.root}/{name}"

    def file(self, chance: random.Random) -> int:
        """An open file, perhaps a new one."""
        if not self.open or chance.random() < 0.3:
            flags = os.O_RDWR | os.O_CREAT
            for flag in (os.O_TRUNC, os.O_APPEND, os.O_EXCL, os.O_DSYNC, os.O_SYNC):
                flags |= flag if chance.random() < 0.15 else 0
            if chance.random() < 0.5:
                self.open.append(os.open(self.path(chance), flags))
            else:
                self.open.append(os.open(os.path.basename(self.path(chance)), flags, dir_fd=self.directory))
        return chance.choice(self.open)

    def two_files(self, chance: random.Random) -> tuple[int, int]:
        """Two that are not the same: what a copy within a file leaves depends on the pieces it is made in."""
        one, other = self.file(chance), self.file(chance)
        if os.path.sameopenfile(one, other):
            raise OSError("two names of one file")
        return one, other

    def data(self, chance: random.Random) -> bytes:
        """Bytes of all kinds, a page or two now and then."""
        return chance.randbytes(chance.choice((0, 1, 7, 600, 5000)))


def fingerprints(root: str) -> dict[str, str]:
    """Each path below a directory with what is there, but for scratch files."""
    found = {}
    for directory, directories, files in os.walk(root):
        for name in directories:
            found[os.path.relpath(os.path.join(directory, name), root)] = "directory"
        for name in files:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = fingerprint(file.read())
    return {path: print_ for path, print_ in found.items() if not path.endswith(".scratch")}


def fingerprint(data: bytes) -> str:
    """A short name for these bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _open_and_close(engine: Calls, chance: random.Random) -> None:
    engine.file(chance)
    if chance.random() < 0.5:
        os.close(engine.open.pop(chance.randrange(len(engine.open))))


def _write(engine: Calls, chance: random.Random) -> None:
    os.write(engine.file(chance), engine.data(chance))


def _pwrite(engine: Calls, chance: random.Random) -> None:
    os.pwrite(engine.file(chance), engine.data(chance), chance.randrange(9000))


def _writev(engine: Calls, chance: random.Random) -> None:
    os.writev(engine.file(chance), [engine.data(chance), b'"), = 5 <unfinished ...>', engine.data(chance)])


def _pwritev(engine: Calls, chance: random.Random) -> None:
    flags = chance.choice((0, os.RWF_DSYNC, os.RWF_SYNC, os.RWF_APPEND))
    os.pwritev(engine.file(chance), [engine.data(chance), b"\0\n"], chance.randrange(5000), flags)


def _seek_and_read(engine: Calls, chance: random.Random) -> None:
    file = engine.file(chance)
    os.lseek(file, chance.randrange(600), chance.choice((os.SEEK_SET, os.SEEK_END)))
    os.read(file, chance.randrange(500))
    os.readv(file, [bytearray(chance.randrange(50))])


def _truncate(engine: Calls, chance: random.Random) -> None:
    os.ftruncate(engine.file(chance), chance.randrange(6000))
    os.truncate(engine.path(chance), chance.randrange(6000))


def _allocate(engine: Calls, chance: random.Random) -> None:
    file, mode = engine.file(chance), chance.choice((0, _KEEP, _PUNCH, _ZERO, _ZERO | _KEEP, _COLLAPSE, _INSERT))
    unit = 4096 if mode in (_COLLAPSE, _INSERT) else 1
    offset, length = ctypes.c_long(unit * chance.randrange(3)), ctypes.c_long(unit * chance.randrange(1, 500))
    _LIBC.fallocate(file, mode, offset, length)


def _rename(engine: Calls, chance: random.Random) -> None:
    os.rename(engine.path(chance), engine.path(chance))


def _rename_at(engine: Calls, chance: random.Random) -> None:
    at = engine.directory
    os.rename("a", chance.choice(("b", "d/c")), src_dir_fd=at, dst_dir_fd=at)


def _exchange(engine: Calls, chance: random.Random) -> None:
    _LIBC.renameat2(engine.directory, b"a", engine.directory, b"d/a", _EXCHANGE)


def _link(engine: Calls, chance: random.Random) -> None:
    os.link(engine.path(chance), engine.path(chance))


def _unlink(engine: Calls, chance: random.Random) -> None:
    os.unlink(engine.path(chance))


def _directories(engine: Calls, chance: random.Random) -> None:
    if chance.random() < 0.7:
        os.mkdir("d", dir_fd=engine.directory)
        os.mkdir("d/d", dir_fd=engine.directory)
    else:
        os.rmdir(engine.path(chance))


def _nameless(engine: Calls, chance: random.Random) -> None:
    file = os.open(engine.root, os.O_TMPFILE | os.O_RDWR)
    engine.open.append(file)
    os.write(file, engine.data(chance))
    if chance.random() < 0.7:
        os.link(f"/proc/self/fd/{file}", engine.path(chance), dst_dir_fd=engine.directory, follow_symlinks=True)


def _send(engine: Calls, chance: random.Random) -> None:
    source, target = engine.two_files(chance)
    os.sendfile(target, source, chance.choice((None, 3)), 700)


def _copy(engine: Calls, chance: random.Random) -> None:
    source, target = engine.two_files(chance)
    os.copy_file_range(source, target, 900, chance.choice((None, 5)), chance.choice((None, 9)))


def _splice(engine: Calls, chance: random.Random) -> None:
    source, target = engine.two_files(chance)
    reading, writing = os.pipe()
    try:
        got = os.splice(source, writing, 500, offset_src=chance.choice((None, 2)))
        got += os.write(writing, b"by hand")
        os.splice(reading, target, got)
    finally:
        os.close(reading)
        os.close(writing)


def _dup2(engine: Calls, chance: random.Random) -> None:
    if len(engine.open) > 1:
        os.dup2(engine.open[0], engine.open[-1])
        _write(engine, chance)


def _syncs(engine: Calls, chance: random.Random) -> None:
    file = engine.file(chance)
    chance.choice((os.fsync, os.fdatasync, lambda _: os.sync(), _LIBC.syncfs))(file)
    os.fsync(engine.directory)


def _fork(engine: Calls, chance: random.Random) -> None:
    file = engine.file(chance)
    child = os.fork()
    if not child:
        try:
            os.close(engine.open[0])
            os.write(file, b"of a child")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.write(file, b"of its parent")


def _threads(engine: Calls, chance: random.Random) -> None:
    """Threads that open, write each to a place of its own, sync and close all the time."""
    root = engine.root

    def work(place: int) -> None:
        for number in range(4):
            file = os.open(f"{root}/shared", os.O_WRONLY | os.O_CREAT)
            os.pwrite(file, b"%d" % number, 8 * place + number)
            os.fdatasync(file)
            os.close(file)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _program(engine: Calls, chance: random.Random) -> None:
    """Another program, which inherits a file and where the process stands."""
    file = engine.file(chance)
    os.set_inheritable(file, True)
    os.chdir(engine.root)
    script = f"printf inherited >&{file}; printf named >>a; mv a b; mkdir -p d; cd d; printf deeper >c"
    subprocess.run(["sh", "-c", script], pass_fds=[file], check=False, stderr=subprocess.DEVNULL)


_CALLS: list[Callable[[Calls, random.Random], None]] = [
    _open_and_close, _write, _pwrite, _writev, _pwritev, _seek_and_read, _truncate, _allocate, _rename, _rename_at,
    _exchange, _link, _unlink, _directories, _nameless, _send, _copy, _splice, _dup2, _syncs, _fork, _threads,
    *[_write, _pwrite, _open_and_close, _directories],
]  # fmt: skip


class Duplicates(Calls):
    """Works through a descriptor that ``fcntl`` gave out, and through other programs."""

    def append(self, payload: bytes) -> None:
        file = os.open(f"{self.root}/a", os.O_WRONLY | os.O_CREAT)
        other = os.dup(file)
        os.close(file)
        os.write(other, payload)
        os.fsync(other)
        os.close(other)


class Programs(Calls):
    """Each append begins another program."""

    def append(self, payload: bytes) -> None:
        self.number += 1
        _program(self, random.Random(self.number))


class Mapped(Calls):
    """Writes through mmap."""

    promise = "append"

    def append(self, payload: bytes) -> None:
        with open(f"{self.root}/mapped", "w+b") as file:
            file.truncate(4096)
            with mmap.mmap(file.fileno(), 4096) as pages:
                pages[7] = 1
                pages.flush()


class ScratchMapped(Calls):
    """The same, to a file that it calls scratch."""

    def append(self, payload: bytes) -> None:
        with open(f"{self.root}/mapped.scratch", "w+b") as file:
            file.truncate(4096)
            with mmap.mmap(file.fileno(), 4096) as pages:
                pages[7] = 1


class Symbolic(Calls):
    """Makes a symbolic link."""

    def append(self, payload: bytes) -> None:
        os.symlink("a", f"{self.root}/link")


class Died(Calls):
    """Leaves in the midst of an append."""

    def append(self, payload: bytes) -> None:
        sys.stderr.write("no more\n")
        os._exit(7)


class DiedOpening(Calls):
    """Leaves while it is opened on a directory that holds anything."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        if os.listdir(root):
            os.abort()

    def append(self, payload: bytes) -> None:
        os.close(os.open(f"{self.root}/a", os.O_CREAT | os.O_WRONLY))


class NamesItsPlace(Calls):
    """Says where it is in all that it says of what is wrong; where there is anything already it does so at once."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        if os.listdir(root):
            raise OSError(f"cannot read {root}/a in {root}")

    def append(self, payload: bytes) -> None:
        if payload:
            raise OSError(f"cannot write {self.root}/a in {self.root}")
        sys.stderr.write(f"gone from {self.root}/a\n")
        os._exit(7)


class Ready:
    """Has all that it needs when it is opened."""

    contract = "log"
    promise = "none"

    def __init__(self, root: str) -> None:
        self.begin()
        self.file = open(os.path.join(root, "log"), "ab", buffering=0)  # noqa: SIM115 - as long as it lives

    def begin(self) -> None:
        pass

    def append(self, payload: bytes) -> None:
        self.file.write(payload)

    def sync(self) -> None:
        pass

    def records(self) -> Iterator[bytes]:
        return iter([])

    def close(self) -> None:
        self.file.close()


class Imports(Ready):
    """Needs a package that nobody else does, and imports it when it is opened."""

    def begin(self) -> None:
        importlib.import_module("wsgiref.simple_server")


class HungOpening(DiedOpening):
    """The same, but that it never comes back."""

    def __init__(self, root: str) -> None:
        Calls.__init__(self, root)
        if os.listdir(root):
            time.sleep(3600)


class Writes:
    """A thread of its own writes what was appended, a while after it was told so."""

    contract = "log"
    promise = "none"

    def __init__(self, root: str) -> None:
        self.fd = os.open(os.path.join(root, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.told: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while True:
            payload = self.told.get()
            for place in range(0, len(payload), 4096):
                os.write(self.fd, payload[place : place + 4096])

    def append(self, payload: bytes) -> None:
        self.told.put(payload)

    def sync(self) -> None:
        pass

    def records(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        pass
