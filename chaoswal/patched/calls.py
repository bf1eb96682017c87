"""The functions of ``os`` on a simulated disk: each does what the system call does, and says it with its errors."""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from chaoswal.patched import attributes
from chaoswal.patched.mounts import (
    Mount,
    OpenFile,
    Place,
    close_descriptor,
    give_descriptor,
    is_descriptor,
    open_file,
)
from chaoswal.patched.unseen import refuse
from chaoswal.vfs.memory import MemoryFile

_TEMPORARY = getattr(os, "O_TMPFILE", 0)
_PIECE_BYTES = 1 << 20


def error(code: int) -> OSError:
    """The error of a system call."""
    return OSError(code, os.strerror(code))


# -- opening and closing -------------------------------------------------------------------------------------------


def open_at(place: Place, flags: int, mode: int = 0o777) -> int:
    """open(2); files without a name are not offered, as on many file systems."""
    if _TEMPORARY and flags & _TEMPORARY == _TEMPORARY:
        raise error(errno.EOPNOTSUPP)
    mount = place.mount
    try:
        inode = place.inode
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            mount.vfs.open(place.path)  # it fails, and is counted as a call
        return _create(place, flags, mode)
    if flags & os.O_CREAT and flags & os.O_EXCL:
        raise error(errno.EEXIST)
    if mount.vfs.size(inode) is None:
        if _writes(flags) or flags & os.O_CREAT:
            raise error(errno.EISDIR)
        return give_descriptor(OpenFile(mount=mount, inode=inode, file=None, flags=flags))
    if flags & os.O_DIRECTORY:
        raise error(errno.ENOTDIR)
    return _open_file(place, flags)


def _create(place: Place, flags: int, mode: int) -> int:
    mount = place.mount
    file = mount.do(mount.vfs.create, place.path)
    attributes.touch(mount, file.inode)
    attributes.change_mode(mount, file.inode, mode & ~_umask())
    return give_descriptor(OpenFile(mount=mount, inode=file.inode, file=file, flags=flags))


def _open_file(place: Place, flags: int) -> int:
    mount = place.mount
    file = mount.vfs.open(place.path, write=_writes(flags) or bool(flags & os.O_TRUNC))
    opened = OpenFile(mount=mount, inode=file.inode, file=file, flags=flags)
    if flags & os.O_TRUNC:
        try:
            _resize(opened, file, 0)
        except BaseException:
            file.close()
            raise
    return give_descriptor(opened)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _writes(flags: int) -> bool:
    return flags & os.O_ACCMODE != os.O_RDONLY


def close(number: int) -> None:
    """close(2)."""
    close_descriptor(number)


def duplicate(number: int) -> int:
    """dup(2)."""
    return give_descriptor(open_file(number))


def duplicate_to(number: int, to: int, inheritable: bool = True) -> int:  # noqa: FBT001, FBT002 - as in os
    """dup2(2), where both are simulated."""
    if not (is_descriptor(number) and is_descriptor(to)):
        refuse("dup2 between a simulated file and a real one")
    file = open_file(number)
    if number != to:
        with suppress(OSError):  # nothing was open there
            close_descriptor(to)
        give_descriptor(file, to)
    return to


# -- bytes ---------------------------------------------------------------------------------------------------------


def _readable(file: OpenFile) -> MemoryFile:
    if file.file is None:
        raise error(errno.EISDIR)
    if file.flags & os.O_ACCMODE == os.O_WRONLY:
        raise error(errno.EBADF)
    return file.file


def _writable(file: OpenFile) -> MemoryFile:
    if file.file is None or not _writes(file.flags):
        raise error(errno.EBADF)
    return file.file


def read(file: OpenFile, length: int) -> bytes:
    """read(2)."""
    data = pread(file, length, file.position)
    file.position += len(data)
    return data


def pread(file: OpenFile, length: int, offset: int) -> bytes:
    """pread(2)."""
    if length < 0 or offset < 0:
        raise error(errno.EINVAL)
    return _readable(file).read(offset, length)


def readv(file: OpenFile, buffers: Sequence[Any]) -> int:
    """readv(2)."""
    count = preadv(file, buffers, file.position)
    file.position += count
    return count


def preadv(file: OpenFile, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    """preadv(2)."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    data = pread(file, sum(map(len, views)), offset)
    taken = 0
    for view in views:
        part = data[taken : taken + len(view)]
        view[: len(part)] = part
        taken += len(part)
    return taken


def write(file: OpenFile, data: Any) -> int:
    """write(2)."""
    if file.flags & os.O_APPEND:
        file.position = _writable(file).size()
    count = _write_at(file, bytes(data), file.position)
    file.position += count
    return count


def pwrite(file: OpenFile, buffer: Any, offset: int) -> int:
    """pwrite(2): with O_APPEND at the end of the file, whatever the offset, as Linux does it."""
    if offset < 0:
        raise error(errno.EINVAL)
    return _write_at(file, bytes(buffer), _writable(file).size() if file.flags & os.O_APPEND else offset)


def writev(file: OpenFile, buffers: Sequence[Any]) -> int:
    """writev(2)."""
    return write(file, b"".join(buffers))


def pwritev(file: OpenFile, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
    """pwritev(2)."""
    if flags:
        refuse("pwritev with flags")
    return pwrite(file, b"".join(buffers), offset)


def _write_at(file: OpenFile, data: bytes, offset: int) -> int:
    target = _writable(file)
    if not data:
        return 0  # which changes nothing, not even the size
    attributes.touch(file.mount, file.inode)
    count = file.mount.do(target.write, offset, data)
    if file.flags & os.O_DSYNC:  # a bit of O_SYNC too
        data_only = file.flags & os.O_SYNC != os.O_SYNC
        file.mount.do(partial(target.sync_range, offset, count, data_only=data_only))
    return count


def seek(file: OpenFile, position: int, whence: int) -> int:
    """lseek(2); a file has no holes but its end."""
    size = file.mount.vfs.size(file.inode) or 0
    if whence in _SPARSE:
        if not 0 <= position < size:
            raise error(errno.ENXIO)
        start = position if whence == os.SEEK_DATA else size
    elif whence in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
        start = position + {os.SEEK_SET: 0, os.SEEK_CUR: file.position, os.SEEK_END: size}[whence]
    else:
        raise error(errno.EINVAL)
    if start < 0:
        raise error(errno.EINVAL)
    file.position = start
    return start


_SPARSE = {getattr(os, name) for name in ("SEEK_DATA", "SEEK_HOLE") if hasattr(os, name)}


def truncate_open(file: OpenFile, length: int) -> None:
    """ftruncate(2)."""
    if length < 0 or file.file is None or not _writes(file.flags):
        raise error(errno.EINVAL)
    _resize(file, file.file, length)


def truncate(place: Place, length: int) -> None:
    """truncate(2)."""
    if length < 0:
        raise error(errno.EINVAL)
    if place.mount.vfs.size(place.inode) is None:
        raise error(errno.EISDIR)
    number = _open_file(place, os.O_WRONLY)
    try:
        truncate_open(open_file(number), length)
    finally:
        close_descriptor(number)


def _resize(file: OpenFile, target: MemoryFile, length: int) -> None:
    if target.size() == length:
        return  # which changes nothing on the disk
    attributes.touch(file.mount, file.inode)
    file.mount.do(target.truncate, length)


def allocate(file: OpenFile, offset: int, length: int) -> None:
    """posix_fallocate(3): the file grows by zeros, where it is shorter."""
    if offset < 0 or length <= 0:
        raise error(errno.EINVAL)
    target = _writable(file)
    if offset + length > target.size():
        _resize(file, target, offset + length)


def advise(file: OpenFile, offset: int, length: int, advice: int) -> None:
    """posix_fadvise(2), which changes nothing."""


def send(out_fd: int, in_fd: int, offset: int | None, count: int, *rest: Any, **options: Any) -> int:
    """sendfile(2), where one of both is simulated."""
    if rest or options:
        refuse("sendfile with headers or trailers")
    return _copy(in_fd, out_fd, count, offset, None)


def copy_range(src: int, dst: int, count: int, offset_src: int | None = None, offset_dst: int | None = None) -> int:
    """copy_file_range(2); between a simulated file and a real one EXDEV, as between two file systems."""
    if not (is_descriptor(src) and is_descriptor(dst)):
        raise error(errno.EXDEV)
    return _copy(src, dst, count, offset_src, offset_dst)


def _copy(source: int, target: int, count: int, offset: int | None, at: int | None) -> int:
    """The functions of ``os`` find out which of both is simulated."""
    count = min(count, _PIECE_BYTES)
    data = os.read(source, count) if offset is None else os.pread(source, count, offset)
    return os.write(target, data) if at is None else os.pwrite(target, data, at)


# -- syncs ---------------------------------------------------------------------------------------------------------


def sync(file: OpenFile) -> None:
    """fsync(2)."""
    _sync(file, data_only=False)


def sync_data(file: OpenFile) -> None:
    """fdatasync(2)."""
    _sync(file, data_only=True)


def _sync(file: OpenFile, *, data_only: bool) -> None:
    if file.file is None:
        file.mount.do(file.mount.vfs.sync_directory, file.mount.path(file.inode))
    else:
        file.mount.do(partial(file.file.sync, data_only=data_only))


# -- names ---------------------------------------------------------------------------------------------------------


def rename(place: Place, to: Place) -> None:
    """rename(2)."""
    mount = _one_mount(place, to)
    _own_name(place, to)
    mount.do(mount.vfs.rename, place.path, to.path)


def link(place: Place, to: Place, follow_symlinks: bool = True) -> None:  # noqa: FBT001, FBT002 - as in os
    """link(2)."""
    mount = _one_mount(place, to)
    _own_name(to)
    mount.do(mount.vfs.link, place.path, to.path)


def unlink(place: Place) -> None:
    """unlink(2)."""
    if not place.path:
        raise error(errno.EISDIR)
    place.mount.do(place.mount.vfs.unlink, place.path)


def make_directory(place: Place, mode: int = 0o777) -> None:
    """mkdir(2)."""
    if not place.path:
        raise error(errno.EEXIST)
    place.mount.do(place.mount.vfs.make_directory, place.path)
    attributes.touch(place.mount, place.inode)
    attributes.change_mode(place.mount, place.inode, mode & ~_umask())


def remove_directory(place: Place) -> None:
    """rmdir(2)."""
    _own_name(place)
    place.mount.do(place.mount.vfs.remove_directory, place.path)


def _one_mount(place: Place, to: Place) -> Mount:
    if place.mount is not to.mount:
        raise error(errno.EXDEV)
    return place.mount


def _own_name(*places: Place) -> None:
    """The root of a disk has none that could be moved or removed."""
    if not all(place.path for place in places):
        raise error(errno.EBUSY)
