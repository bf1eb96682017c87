"""Real file systems on loop images that lose their power when told to.

Theory of operation. A template image is made once with mkfs and copied for each crash, so that a crash costs two
mounts: some tens of milliseconds. The image lies behind a block device that notes every write and flush (``blocklog``).
ext4 and btrfs are mounted with ``commit=300`` and nothing waits for write-back, so that only what is asked for reaches
the image. Two nudges move the disk on without a promise to the trace: ``writeback`` starts and awaits the write-back of
one file's bytes (sync_file_range(2), which commits no metadata), and ``commit`` makes the metadata run ahead of all
data: by an fsync of a file that is not part of the trace, on btrfs by a commit of the transaction.

Ways to lose the power, where the file system knows them:

    now        the shutdown ioctl without a flush of the log (ext4, xfs)
    logflush   the same ioctl with one: the log reaches the disk, and data still in the cache does not (ext4, xfs)
    copy       the image as it stands
    flushed    the image as it was when the disk was last told to flush its cache: what came later is lost
    torn       the same, and of what came later a part drawn by a seed
    inside     the same, while the last thing was being done: after some of its requests, drawn by a seed

Everything is made below one directory whose name starts with ``PREFIX`` and this process' number, and is unmounted and
removed in ``finally``, where no signal interrupts. What a killed process left is swept by the next one, which knows it
by a number that is dead.
"""

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoswal.processes import signals_held
from chaoswal.realfs import blocklog

PREFIX = "chaoswal-realfs-"
SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
FLAGS = {"logflush": 1, "now": 2}
START_COMMIT, AWAIT_COMMIT = 0x80089418, 0x40089416  # BTRFS_IOC_START_SYNC and _WAIT_SYNC: no data is written back
NUDGE = "nudge"
IGNORED = frozenset({"lost+found", NUDGE})
SCRATCH = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
"""Where images are kept: in memory where possible, for speed; the power is cut above it either way."""

Act = Callable[[Path], None]
"""Something done to a mounted file system."""

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """How to make and mount one kind of file system, and how it can be crashed."""

    name: str
    profile: str
    """That of the disk model which must cover it."""
    mkfs: tuple[str, ...]
    options: str
    """Those of mount(8): nothing is committed that nobody asks for, for minutes."""
    hasty: str
    """The same, but that metadata is committed each second, where the file system knows such an option."""
    image_bytes: int
    crashes: tuple[str, ...]
    atom_bytes: int = 512
    """What a disk is taken to write whole or not at all."""


EXT4 = FileSystem(
    name="ext4",
    profile="ext4-ordered",
    mkfs=("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
    options="loop,commit=300",
    hasty="loop,commit=1",
    image_bytes=16 << 20,
    crashes=("now", "copy", "logflush", "flushed", "torn", "inside"),
)
XFS = FileSystem(
    name="xfs",
    profile="xfs",
    mkfs=("mkfs.xfs", "-q", "-f"),
    options="loop",
    hasty="loop",
    image_bytes=16 << 20,
    crashes=("now", "copy", "logflush", "flushed", "torn", "inside"),
)
BTRFS = FileSystem(
    name="btrfs",
    profile="btrfs",
    mkfs=("mkfs.btrfs", "-q", "-f", "-m", "single", "-d", "single"),
    options="loop,commit=300",
    hasty="loop,commit=1",
    image_bytes=128 << 20,
    crashes=("copy", "flushed", "torn", "inside"),
    atom_bytes=4096,  # it has one superblock that counts: half of it, and nothing can be mounted
)
FILE_SYSTEMS = (EXT4, XFS, BTRFS)

_SMALL_XFS = {"TEST_DIR": "1", "TEST_DEV": "1", "QA_CHECK_FS": "1"}
"""What makes mkfs.xfs agree to an image of less than 300 MB: it is meant for tests."""


class LoopFs:
    """Images of one file system in a scratch directory of this process; use within ``loop_file_system``."""

    def __init__(self, kind: FileSystem, scratch: Path) -> None:
        self.kind = kind
        self._template = scratch / "template"
        self._image = scratch / "image"
        self._log = scratch / "log"
        self._device = scratch / "device"
        self._left = scratch / "left"
        self._mount_point = scratch / "mount"
        self._mount_point.mkdir()
        with self._template.open("wb") as file:
            file.truncate(kind.image_bytes)
        _run(*kind.mkfs, str(self._template))
        for path in (self._image, self._log, self._device):
            path.touch()
        _copy(self._template, self._image)
        self.server = blocklog.start(self._image, self._log, self._device)

    def after_crash(
        self,
        acts: Sequence[Act],
        crash: str,
        seed: int = 0,
        *,
        share: float = 0.5,
        hasty: bool = False,
        release: Callable[[], None] = lambda: None,
    ) -> dict[str, bytes | None]:
        """What a fresh file system shows after all this was done in it and the power was lost.

        ``share``: which part survives of what is drawn by the seed. ``hasty``: mounted with the options of that name.
        ``release`` closes what the acts hold open; it is called when
        the power is gone, or something failed.
        """
        chance = random.Random(seed)
        requests = self._requests(acts, crash, chance, self.kind.hasty if hasty else self.kind.options, release)
        _copy(self._template, self._left)
        with self._left.open("r+b") as left:
            for offset, data in blocklog.surviving(requests, _choice(crash, chance, share), self.kind.atom_bytes):
                os.pwrite(left.fileno(), data, offset)
        with self._mounted(self._left, self.kind.options):
            return shown(self._mount_point)

    def _requests(
        self, acts: Sequence[Act], crash: str, chance: random.Random, options: str, release: Callable[[], None]
    ) -> list[blocklog.Request]:
        """What the disk was asked for up to the crash."""
        _copy(self._template, self._image)
        os.truncate(self._log, 0)
        with self._mounted(self._device, options), contextlib.ExitStack() as held:
            held.callback(release)
            before = 0
            for act in acts:
                before = self._log.stat().st_size
                act(self._mount_point)
            if crash in FLAGS:
                shut_down(self._mount_point, FLAGS[crash])
            log = self._log.read_bytes()
            if crash not in FLAGS and "now" in self.kind.crashes:
                shut_down(self._mount_point, FLAGS["now"])  # only to unmount faster: the log has been read
        done = list(blocklog.requests(log[:before]))
        last = list(blocklog.requests(log[before:]))
        return done + last[: chance.randrange(len(last) + 1) if crash == "inside" else None]

    @contextlib.contextmanager
    def _mounted(self, image: Path, options: str) -> Iterator[None]:
        _run("mount", "-t", self.kind.name, "-o", options, str(image), str(self._mount_point))
        try:
            yield
        finally:
            _run("umount", str(self._mount_point))


def _choice(crash: str, chance: random.Random, share: float) -> Callable[[], bool]:
    """Whether a sector survives that was written after the last flush."""
    if crash in ("torn", "inside"):
        return lambda: chance.random() < share
    return lambda: crash != "flushed"


def shown(root: Path) -> dict[str, bytes | None]:
    """Every path below ``root`` with its bytes (None: a directory), but for what is not part of the trace."""
    files: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name not in IGNORED:
            files[name] = None if path.is_dir() else path.read_bytes()
    return files


def shut_down(root: Path, flag: int) -> None:
    """Cut the file system off its disk, as FS_IOC_SHUTDOWN does."""
    with _opened(root, os.O_RDONLY) as descriptor:
        fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", flag))


def write_back(descriptor: int, offset: int = 0, length: int = 0) -> None:
    """Write dirty pages of a file, 0: up to its end, and wait for them; commits no metadata and flushes no cache."""
    wait_write_wait = 7
    if _libc.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), wait_write_wait) != 0:
        raise OSError(ctypes.get_errno(), "sync_file_range")


def commit(root: Path) -> None:
    """Commit all metadata: by the fsync of a file that is always created anew, or by what btrfs has for it."""
    path = root / NUDGE
    path.unlink(missing_ok=True)
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        try:
            transaction = fcntl.ioctl(descriptor, START_COMMIT, bytes(8))
            fcntl.ioctl(descriptor, AWAIT_COMMIT, transaction)
        except OSError:  # ENOTTY: this is no btrfs
            os.fsync(descriptor)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def loop_file_system(kind: FileSystem) -> Iterator[LoopFs]:
    """A factory of crashing file systems; OSError or CalledProcessError where this machine allows no loop mounts."""
    sweep()
    scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=SCRATCH))
    try:
        with signals_held():
            made = LoopFs(kind, scratch)
        try:
            yield made
        finally:
            with signals_held():
                _unmount(scratch)
                blocklog.end(made.server)
    finally:
        with signals_held():
            _remove(scratch)


def sweep() -> None:
    """Remove what processes left that were killed."""
    for scratch in SCRATCH.glob(f"{PREFIX}*"):
        number = scratch.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdigit() and not Path("/proc", number).exists():
            _remove(scratch)


def why_not(kind: FileSystem) -> str | None:
    """Why no loop image of this kind can be mounted here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        with loop_file_system(kind) as file_systems:
            file_systems.after_crash([], kind.crashes[0])
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"
    except OSError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return failed(error)
    return None


def failed(error: subprocess.CalledProcessError) -> str:
    """What a program that failed was asked for, and what it said."""
    return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


def _remove(scratch: Path) -> None:
    _unmount(scratch)
    shutil.rmtree(scratch, ignore_errors=True)


def _unmount(scratch: Path) -> None:
    for name in ("mount", "device"):  # a loop device goes with the mount: `mount -o loop` sets autoclear
        subprocess.run(
            ["umount", "--lazy", str(scratch / name)], check=False, capture_output=True, start_new_session=True
        )


def _copy(source: Path, target: Path) -> None:
    """Make the target equal to the source, in place; what was never written is not written."""
    with _opened(source, os.O_RDONLY) as found, _opened(target, os.O_WRONLY | os.O_CREAT) as wanted:
        size = os.fstat(found).st_size
        os.ftruncate(wanted, 0)
        os.ftruncate(wanted, size)
        end = 0
        while True:
            try:
                start = os.lseek(found, end, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing more
                return
            end = os.lseek(found, start, os.SEEK_HOLE)
            os.pwrite(wanted, os.pread(found, end - start, start), start)


def _run(*command: str) -> None:
    """Run a program to its end, whoever interrupts: a mount that is left half done may still come to be."""
    environment = {**os.environ, **_SMALL_XFS}
    with signals_held():
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment, start_new_session=True)
