"""Real file systems on loop images that lose their power when told to.

Theory of operation. A template image is made once with mkfs and copied for each crash, so that a crash costs a
mount, an ioctl, and a mount again: some tens of milliseconds. ext4 is mounted with ``commit=300`` and nothing waits
for write-back, so that only what is asked for reaches the image. Two nudges move the disk on without a promise to the
trace: ``writeback`` starts and awaits the write-back of one file's bytes (sync_file_range(2), which commits no
metadata), and ``commit`` makes the journal run ahead of all data by an fsync of a file that is not part of the trace.

Three ways to lose the power: ``now`` (the shutdown ioctl without a flush of the log), ``logflush`` (the same ioctl
with one: the journal reaches the disk, and data that is still in the cache does not), and ``copy`` (the backing file is
copied as it stands, and the copy is mounted).

Everything is made below one directory whose name starts with ``PREFIX`` and this process' number, and is unmounted and
removed in ``finally``. What a killed process left is swept by the next one, which knows it by a number that is dead.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "chaoswal-calibration-"
SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
FLAGS = {"logflush": 1, "now": 2}
CRASHES = ("now", "logflush", "copy")
NUDGE = "nudge"
IGNORED = frozenset({"lost+found", NUDGE})
IMAGE_BYTES = 16 << 20
MKFS = ("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0")
OPTIONS = "loop,commit=300"
SCRATCH = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
"""Where images are kept: in memory where possible, for speed; the power is cut above it either way."""

_libc = ctypes.CDLL(None, use_errno=True)


class LoopFs:
    """Images of ext4 in a scratch directory of this process; use within ``loop_file_systems``."""

    def __init__(self, scratch: Path) -> None:
        self._template = scratch / "template"
        self._image = scratch / "image"
        self._copy = scratch / "copy"
        self._mount_point = scratch / "mount"
        self._mount_point.mkdir()
        with self._template.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run(*MKFS, str(self._template))

    def after_crash(self, act: Callable[[Path], None], crash: str) -> dict[str, bytes | None]:
        """What a fresh file system shows after ``act`` was done in it and the power was lost."""
        shutil.copyfile(self._template, self._image)
        with _mounted(self._image, self._mount_point):
            act(self._mount_point)
            if crash == "copy":
                shutil.copyfile(self._image, self._copy)
            shut_down(self._mount_point, FLAGS["now" if crash == "copy" else crash])
        with _mounted(self._copy if crash == "copy" else self._image, self._mount_point):
            return shown(self._mount_point)


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
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", flag))
    finally:
        os.close(descriptor)


def write_back(path: Path) -> None:
    """Write a file's dirty pages and wait for them; commits no metadata and flushes no cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        wait_write_wait = 7
        length = ctypes.c_int64(0)
        if _libc.sync_file_range(descriptor, ctypes.c_int64(0), length, wait_write_wait) != 0:
            raise OSError(ctypes.get_errno(), "sync_file_range", str(path))
    finally:
        os.close(descriptor)


def commit(root: Path) -> None:
    """Commit the journal: the fsync of a file that is always created anew."""
    path = root / NUDGE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def loop_file_systems() -> Iterator[LoopFs]:
    """A factory of crashing file systems; OSError or CalledProcessError where this machine allows no loop mounts."""
    sweep()
    scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=SCRATCH))
    try:
        yield LoopFs(scratch)
    finally:
        _remove(scratch)


def sweep() -> None:
    """Remove what processes left that were killed."""
    for scratch in SCRATCH.glob(f"{PREFIX}*"):
        number = scratch.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdigit() and not Path("/proc", number).exists():
            _remove(scratch)


def why_not() -> str | None:
    """Why no loop image can be mounted here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        with loop_file_systems() as file_systems:
            file_systems.after_crash(lambda root: None, "now")
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"
    except OSError as error:
        return f"the shutdown ioctl is refused: {error}"
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"
    return None


def _remove(scratch: Path) -> None:
    mount_point = scratch / "mount"
    if mount_point.is_mount():  # its loop device goes with the mount: `mount -o loop` sets autoclear
        subprocess.run(["umount", "--lazy", str(mount_point)], check=False, capture_output=True)
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _mounted(image: Path, mount_point: Path) -> Iterator[None]:
    _run("mount", "-t", "ext4", "-o", OPTIONS, str(image), str(mount_point))
    try:
        yield
    finally:
        _run("umount", str(mount_point))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
