"""What holds nothing durable, kept by pyfakefs: modes, owners, times, extended attributes.

One pyfakefs file system holds all mounts, as directories. Names and sizes are the simulated disk's, and are brought up
to date before each call; the rest stays with the inode as long as the disk is mounted, and is gone after a crash, as
nothing here is ever part of an image. Files that were there when a disk was mounted are old: a lock file of yesterday
is none of today's.
"""

import os
import stat
import time
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from pyfakefs.fake_file import FakeDirectory, FakeFile
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from chaoswal.limits import OLD_SECONDS
from chaoswal.patched.mounts import PREFIX, Mount, Place
from chaoswal.trace import ROOT

DEVICE = 0xC4A05
"""The device number of every simulated disk: none of the machine's."""

BLOCK_BYTES = 4096
"""What a file says its best size of a write is, from which Python takes the size of its buffers."""

BY_PYFAKEFS = ("chown", "utime", "getxattr", "listxattr", "removexattr", "setxattr")
"""The functions of ``os`` that are done by pyfakefs as they are, beside ``access``, which fails at nothing."""


class _Objects:
    """The pyfakefs objects of one mount, by inode."""

    def __init__(self, mount: Mount) -> None:
        self._mount = weakref.ref(mount)
        self._mounted = time.time() - OLD_SECONDS
        self._objects: dict[int, FakeFile] = {}

    def of(self, inode: int) -> FakeFile:
        """The object of an inode, with its size, links and time as they are now."""
        mount = self._mount()
        assert mount is not None
        size = mount.vfs.size(inode)
        known = self._objects.get(inode)
        if known is None:
            known = self._objects[inode] = self._made(inode, directory=size is None)
        told = known.stat_result
        told.st_size = BLOCK_BYTES if size is None else size
        told.st_nlink = 2 if size is None else len(mount.vfs.links(inode))
        changed = mount.touched.pop(inode, None)
        if changed is not None:
            told.st_mtime = told.st_ctime = changed
        return known

    def _made(self, inode: int, *, directory: bool) -> FakeFile:
        kind = FakeDirectory("", 0o755, _system()) if directory else FakeFile("", stat.S_IFREG | 0o644, "", _system())
        kind.st_ino, kind.st_dev = inode + 2, DEVICE
        kind.st_mtime = kind.st_ctime = kind.st_atime = self._mounted
        return kind

    def bring_up(self, inode: int = ROOT) -> FakeFile:
        """The object of a directory, with all that is below it."""
        mount = self._mount()
        assert mount is not None
        known = self.of(inode)
        if isinstance(known, FakeDirectory):
            known.entries.clear()
            for name, child in mount.vfs.entries(inode).items():
                below = self.bring_up(child)
                below.name = name  # type: ignore[assignment]
                below.parent_dir = weakref.ref(known)
                known.entries[name] = below
        return known


@cache
def _system() -> FakeFilesystem:
    system = FakeFilesystem(create_temp_dir=False)
    system.create_dir(PREFIX.rstrip("/"))
    return system


@cache
def _fake_os() -> FakeOsModule:
    return FakeOsModule(_system())


_objects: WeakKeyDictionary[Mount, _Objects] = WeakKeyDictionary()


def _objects_of(mount: Mount) -> _Objects:
    known = _objects.get(mount)
    if known is None:
        known = _objects[mount] = _Objects(mount)
    return known


def status(mount: Mount, inode: int) -> os.stat_result:
    """What stat(2) says of a file or directory, whether it has a name or not."""
    known = _objects_of(mount).of(inode).stat_result
    whole = (known.st_mode, known.st_ino or 0, DEVICE, known.st_nlink, known.st_uid, known.st_gid, known.st_size)
    times = (int(known.st_atime), int(known.st_mtime), int(known.st_ctime))
    return os.stat_result(
        (*whole, *times),
        {
            "st_atime": known.st_atime,
            "st_mtime": known.st_mtime,
            "st_ctime": known.st_ctime,
            "st_atime_ns": known.st_atime_ns,
            "st_mtime_ns": known.st_mtime_ns,
            "st_ctime_ns": known.st_ctime_ns,
            "st_blksize": BLOCK_BYTES,
            "st_blocks": -(-known.st_size // BLOCK_BYTES) * (BLOCK_BYTES // 512),
            "st_rdev": 0,
        },
    )


def touch(mount: Mount, inode: int) -> None:
    """A file, or the names in a directory, have been changed just now."""
    mount.touched[inode] = time.time()


def change_mode(mount: Mount, inode: int, mode: int) -> None:
    """What fchmod(2) does."""
    known = _objects_of(mount).of(inode)
    known.st_mode = stat.S_IFMT(known.st_mode) | stat.S_IMODE(mode)


def change_owner(mount: Mount, inode: int, owner: int, group: int) -> None:
    """What fchown(2) does; -1 leaves what is."""
    known = _objects_of(mount).of(inode)
    known.st_uid = known.st_uid if owner == -1 else owner
    known.st_gid = known.st_gid if group == -1 else group


def by_pyfakefs(name: str) -> Callable[..., Any]:
    """One of ``os``'s functions about what a path leads to, as pyfakefs does it."""

    def call(place: Place, *args: Any, **options: Any) -> Any:
        return getattr(_shown(place.mount), name)(place.full, *args, **options)

    return call


def _shown(mount: Mount) -> FakeOsModule:
    """An ``os`` that sees this disk as it is now, and no other."""
    top = _system().get_object(PREFIX.rstrip("/"))
    root = _objects_of(mount).bring_up()
    name = mount.root.rpartition("/")[2]
    root.name = name  # type: ignore[assignment]
    root.parent_dir = weakref.ref(top)
    top.entries.clear()
    top.entries[name] = root
    return _fake_os()
