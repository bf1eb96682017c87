"""Looking at a simulated disk: what ``os`` tells of files and directories, and of what an open file is not."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from chaoswal.patched import attributes
from chaoswal.patched.mounts import OpenFile, Place


def status(place: Place, follow_symlinks: bool = True) -> os.stat_result:  # noqa: FBT001, FBT002 - as in os
    """stat(2)."""
    return attributes.status(place.mount, place.inode)


def status_open(file: OpenFile) -> os.stat_result:
    """fstat(2)."""
    return attributes.status(file.mount, file.inode)


def change_mode(place: Place, mode: int, follow_symlinks: bool = True) -> None:  # noqa: FBT001, FBT002 - as in os
    """chmod(2)."""
    attributes.change_mode(place.mount, place.inode, mode)


def change_mode_open(file: OpenFile, mode: int) -> None:
    """fchmod(2)."""
    attributes.change_mode(file.mount, file.inode, mode)


def change_owner_open(file: OpenFile, uid: int, gid: int) -> None:
    """fchown(2)."""
    attributes.change_owner(file.mount, file.inode, uid, gid)


def read_link(place: Place) -> str:
    """readlink(2): there are no symbolic links."""
    code = errno.EINVAL if place.inode >= 0 else errno.ENOENT
    raise OSError(code, os.strerror(code))


def space(place: Place) -> os.statvfs_result:
    """statvfs(2): what the machine has where it begins."""
    return os.statvfs("/")


def space_open(file: OpenFile) -> os.statvfs_result:
    """fstatvfs(2)."""
    return os.statvfs("/")


def configured(place: Place, name: Any) -> int:
    """pathconf(3), as above."""
    return os.pathconf("/", name)


def configured_open(file: OpenFile, name: Any) -> int:
    """fpathconf(3)."""
    return os.pathconf("/", name)


def listed(place: Place, given: Any) -> list[Any]:
    """``os.listdir`` of a path, or of a descriptor."""
    found = place.mount.vfs.list(place.path)
    return [os.fsencode(name) for name in found] if isinstance(given, bytes) else found


@dataclass(frozen=True, slots=True)
class Entry:
    """What ``os.scandir`` says of a name in a directory."""

    name: Any
    path: Any
    _place: Place

    def inode(self) -> int:
        """The number that stat(2) tells too."""
        return self.stat().st_ino

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.stat().st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        return not self.is_dir()

    def is_symlink(self) -> bool:
        """Nothing is."""
        return False

    def is_junction(self) -> bool:
        """Nothing is."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What stat(2) says."""
        return status(self._place)

    def __fspath__(self) -> Any:
        return self.path


class Scan:
    """The iterator that ``os.scandir`` gives."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No more of it."""
        self._entries = iter(())


def scan(place: Place, given: Any) -> Scan:
    """``os.scandir`` of a path, or of a descriptor."""
    binary = isinstance(given, bytes)
    base = "" if isinstance(given, int) else os.fsdecode(given)
    convert = os.fsencode if binary else os.fsdecode
    return Scan(
        Entry(
            convert(name),
            convert(os.path.join(base, name)),
            Place(mount=place.mount, path=f"{place.path}/{name}" if place.path else name),
        )
        for name in place.mount.vfs.list(place.path)
    )


# -- what a file is not --------------------------------------------------------------------------------------------


def no_terminal(file: OpenFile, *_: Any) -> Any:
    """What a terminal is asked for."""
    raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


def no(file: OpenFile) -> bool:
    """What a file is not."""
    return False


def yes(file: OpenFile) -> bool:
    """What a file is."""
    return True


def nothing(file: OpenFile, *_: Any) -> None:
    """What there is none of, or what changes nothing here."""
