"""Unmodified engines for these tests: they know a directory and the functions of Python's library, nothing else."""

import io
import mmap
import os
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable
from os import fsync, pwrite
from typing import ClassVar

_HEAD = struct.Struct("<II")


class OsLog:
    """A log in one file, by calls of ``os``; sound."""

    contract = "log"
    promise = "append"
    recorder = "patched"

    def __init__(self, root: str) -> None:
        self.number = os.open(os.path.join(root, "log"), os.O_RDWR | os.O_CREAT, 0o644)
        self.sync_directory(root)
        self.payloads, self.end = self.read()
        os.ftruncate(self.number, self.end)
        os.fsync(self.number)

    def sync_directory(self, root: str) -> None:
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def read(self) -> tuple[list[bytes], int]:
        data, at, payloads = os.pread(self.number, os.fstat(self.number).st_size, 0), 0, []
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            payload = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(payload) < length or checksum != zlib.crc32(payload, at + 1):
                break
            payloads.append(payload)
            at += _HEAD.size + length
        return payloads, at

    def frame(self, payload: bytes) -> bytes:
        return _HEAD.pack(len(payload), zlib.crc32(payload, self.end + 1)) + payload

    def append(self, payload: bytes) -> None:
        self.write(self.frame(payload))
        self.end += _HEAD.size + len(payload)
        self.payloads.append(payload)

    def write(self, frame: bytes) -> None:
        os.pwrite(self.number, frame, self.end)
        self.sync()

    def sync(self) -> None:
        os.fsync(self.number)

    def records(self) -> list[bytes]:
        return list(self.payloads)

    def close(self) -> None:
        os.close(self.number)


class NeverSyncs(OsLog):
    """It forgets what ``append`` promises."""

    def sync(self) -> None:
        pass


class NoDirectorySync(OsLog):
    """The name of its file is not durable."""

    def sync_directory(self, root: str) -> None:
        pass


class WritesThrough(OsLog):
    """It leaves the syncing to O_DSYNC."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        os.close(self.number)
        self.number = os.open(os.path.join(root, "log"), os.O_RDWR | os.O_DSYNC)

    def sync(self) -> None:
        pass


class KeepsFunctions(OsLog):
    """It has its functions from before: by name, as a default argument, in a class."""

    writes: ClassVar[Callable[..., int]] = staticmethod(pwrite)

    def write(self, frame: bytes, syncs: Callable[[int], None] = fsync) -> None:
        self.writes(self.number, frame, self.end)
        syncs(self.number)


class StreamLog(OsLog):
    """The same through the buffers of a file object."""

    def write(self, frame: bytes) -> None:
        with open(self.number, "r+b", closefd=False) as stream:
            stream.seek(self.end)
            stream.write(frame)
            stream.flush()
            os.fsync(stream.fileno())


class Unseen(OsLog):
    """It does something that this recorder cannot see, when it is opened."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.do(root)

    def do(self, root: str) -> None:
        raise NotImplementedError


class Maps(Unseen):
    def do(self, root: str) -> None:
        os.ftruncate(self.number, 4096)
        mmap.mmap(self.number, 4096)


class Raw(Unseen):
    def do(self, root: str) -> None:
        io.FileIO(os.path.join(root, "raw"), "w")


class Database(Unseen):
    def do(self, root: str) -> None:
        sqlite3.connect(os.path.join(root, "base"))


class Starts(Unseen):
    def do(self, root: str) -> None:
        subprocess.run(["true"], check=True)


class Threads(Unseen):
    def do(self, root: str) -> None:
        threading.Thread(target=print).start()


class Forks(Unseen):
    def do(self, root: str) -> None:
        if not os.fork():
            os._exit(0)


class Links(Unseen):
    def do(self, root: str) -> None:
        os.symlink("log", os.path.join(root, "link"))


class SyncsAll(Unseen):
    def do(self, root: str) -> None:
        os.sync()


class Stands(Unseen):
    def do(self, root: str) -> None:
        os.chdir(root)


class Waits(Unseen):
    def do(self, root: str) -> None:
        import fcntl

        other = os.open(os.path.join(root, "log"), os.O_RDWR)
        fcntl.flock(self.number, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)


class Swallows(Unseen):
    """It goes on where it was refused something."""

    def do(self, root: str) -> None:
        try:
            os.symlink("log", os.path.join(root, "link"))
        except Exception:  # noqa: BLE001 - as careless engines do
            self.payloads.append(b"")


class Later(OsLog):
    """What is not seen comes with the third record."""

    def append(self, payload: bytes) -> None:
        super().append(payload)
        if len(self.payloads) == 3:
            os.sync()


class LateInDestructor(OsLog):
    """It saves what it has when it is taken apart, as ``dbm.dumb`` does."""

    directory = ""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.directory = root

    def __del__(self) -> None:
        with open(os.path.join(self.directory, "saved"), "w") as file:
            file.write("x")
        os.close(self.number)

    def close(self) -> None:
        pass


UNSEEN: tuple[type[Unseen], ...] = (
    Maps,
    Raw,
    Database,
    Starts,
    Threads,
    Forks,
    Links,
    SyncsAll,
    Stands,
    Waits,
    Swallows,
)


class Everything:
    """Each record does something else to the directory; nothing of it is worth keeping."""

    contract = "log"
    promise = "none"
    recorder = "patched"

    def __init__(self, root: str) -> None:
        self.root = root
        self.actions = iter(
            (
                self.make_folders,
                self.write_at,
                self.vectors,
                self.allocate,
                self.copies,
                self.texts,
                self.temporary,
                self.links,
                self.renames,
                self.relative,
                self.removes,
            )
        )

    def path(self, *names: str) -> str:
        return os.path.join(self.root, *names)

    def append(self, payload: bytes) -> None:
        next(self.actions)()

    def make_folders(self) -> None:
        os.makedirs(self.path("a", "b", "c"))
        pathlib.Path(self.path("a", "f")).write_bytes(b"f" * 5_000)
        pathlib.Path(self.path("a")).joinpath("g").touch()

    def write_at(self) -> None:
        number = os.open(self.path("a", "f"), os.O_RDWR)
        os.lseek(number, 10, os.SEEK_SET)
        os.write(number, b"12345")
        os.write(number, b"67")
        os.pwrite(number, b"89", 6_000)
        os.truncate(self.path("a", "f"), 5_500)
        os.fdatasync(number)
        os.close(number)

    def vectors(self) -> None:
        number = os.open(self.path("v"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        copy = os.dup(number)
        os.writev(number, [b"abc", b"", b"def"])
        os.pwritev(copy, [b"gh"], 1)
        os.write(copy, b"i")
        os.close(number)
        os.fsync(copy)
        os.close(copy)

    def allocate(self) -> None:
        number = os.open(self.path("room"), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.posix_fallocate(number, 100, 4_000)
        os.posix_fallocate(number, 0, 10)
        os.ftruncate(number, 50)
        os.close(number)

    def copies(self) -> None:
        shutil.copyfile(self.path("a", "f"), self.path("copy"))
        with open(self.path("copy"), "rb") as source, open(self.path("part"), "wb") as target:
            os.copy_file_range(source.fileno(), target.fileno(), 700, 10)
        shutil.copytree(self.path("a", "b"), self.path("tree"))
        shutil.copy2(self.path("a", "f"), self.path("tree", "c", "f"))  # one in each: their order is the disk's

    def texts(self) -> None:
        with open(self.path("text"), "w", encoding="utf-8") as text:
            text.write("line\n" * 3_000)
        with open(self.path("text"), "r+", encoding="utf-8") as text:
            text.readline()
            text.seek(0, os.SEEK_END)
            text.write("end")
        with open(self.path("text"), "a+b", buffering=0) as raw:
            raw.write(b"raw")
            raw.truncate(100)

    def temporary(self) -> None:
        with tempfile.NamedTemporaryFile(dir=self.root, delete=False) as file:
            file.write(b"temporary")
        os.replace(file.name, self.path("kept"))

    def links(self) -> None:
        os.link(self.path("kept"), self.path("a", "again"))
        os.rename(self.path("kept"), self.path("a", "again"))
        with open(self.path("a", "again"), "ab") as file:
            file.write(b"+")

    def renames(self) -> None:
        os.rename(self.path("a"), self.path("renamed"))
        os.mkdir(self.path("empty"))
        os.rename(self.path("renamed", "b"), self.path("empty"))
        shutil.move(self.path("text"), self.path("empty", "c"))

    def relative(self) -> None:
        folder = os.open(self.path("empty"), os.O_RDONLY | os.O_DIRECTORY)
        number = os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(number, b"new")
        os.close(number)
        os.rename("new", "newer", src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
        os.close(folder)

    def removes(self) -> None:
        held = open(self.path("part"), "r+b")  # noqa: SIM115 - it outlives its name
        os.remove(self.path("part"))
        held.write(b"nobody sees this")
        held.close()
        shutil.rmtree(self.path("tree"))

    def sync(self) -> None:
        pass

    def records(self) -> list[bytes]:
        return []

    def close(self) -> None:
        pass
