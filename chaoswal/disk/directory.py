"""A directory of the machine as an image, and an image as a directory.

Inodes are numbered by a scan: the entries of each directory in the order of their names, a directory's contents
after all its entries. ``number`` gives the same numbers as ``load``, without reading a byte. Every name of a hard
link counts as a file of its own; what is neither a regular file nor a directory is taken for an empty file. A file
that is larger than ``FILE_BYTES_MAX`` is not read, nor a name that is no text: Inconclusive.
"""

import errno
import fnmatch
import os
import shutil
from collections.abc import Collection, Iterable, Iterator

from chaoswal.disk.image import Image, reachable
from chaoswal.errors import Inconclusive
from chaoswal.limits import FILE_BYTES_MAX, OLD_SECONDS
from chaoswal.text import no_text
from chaoswal.trace import ROOT

_READ_BYTES = 64 << 10
_OLD_NANOSECONDS = int(OLD_SECONDS * 1e9)
_SPECIAL = {errno.ELOOP, errno.ENXIO}  # what opening a symbolic link, or a socket or pipe, comes to


def scan(root: str) -> Iterator[tuple[int, str, int, str, bool]]:
    """(directory inode, name, inode, full path, whether it is a directory) of everything below the root."""
    inode = ROOT
    waiting = [(ROOT, root)]
    for parent, directory in waiting:  # grows while it is walked
        try:
            with os.scandir(directory) as entries:
                found = sorted((entry.name, entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except FileNotFoundError as error:
            if directory != root:  # whoever looks knows whether others are at work
                raise
            raise Inconclusive(f"the directory {directory} is gone: whatever was in it is not looked at") from error
        for name, _, _ in found:
            if why := no_text(name):
                raise Inconclusive(why)
        for name, path, inner in found:
            inode += 1
            if inner:
                waiting.append((inode, path))
            yield parent, name, inode, path, inner


def number(root: str) -> dict[tuple[int, str], int]:
    """The names below a directory with the inode numbers that ``load`` gives them."""
    return {(parent, name): inode for parent, name, inode, _, _ in scan(root)}


def load(root: str) -> Image:
    """What a directory holds now."""
    names: dict[tuple[int, str], int] = {}
    contents: dict[int, bytes | None] = {}
    for parent, name, inode, path, inner in scan(root):
        names[parent, name] = inode
        contents[inode] = None if inner else _read(path)
    return Image(names, contents)


def save(image: Image, root: str) -> None:
    """Make a directory hold exactly an image; what it holds already is not written again."""
    wanted = image.files()
    standing = load(root).files()
    for path in standing.keys() - wanted.keys():  # with a directory goes what is inside it
        _remove(os.path.join(root, path))
    for path, data in wanted.items():
        if path in standing and standing[path] == data:
            continue
        full = os.path.join(root, path)
        if path in standing and (data is None) != (standing[path] is None):
            _remove(full)
        if data is None:
            os.mkdir(full)
        else:
            _write(full, data)


def lay(image: Image, root: str) -> None:
    """Fill an empty directory with an image, a hard link for each further name of a file; all is old (``age``)."""
    first: dict[int, str] = {ROOT: root}
    for path, inode in reachable(image.names, image.contents):
        full, data = os.path.join(root, path), image.contents[inode]
        if inode in first:
            os.link(first[inode], full)
            continue
        first[inode] = full
        if data is None:
            os.mkdir(full)
        else:
            _write(full, data)
    _age(first.values())


def age(root: str) -> None:
    """Let everything in a directory be older than it is: whoever locks by the time of a file takes that for stale."""
    _age([root, *(path for *_, path, _ in scan(root))])


def _age(paths: Iterable[str]) -> None:
    for path in paths:
        told = os.lstat(path)
        old = tuple(when - _OLD_NANOSECONDS for when in (told.st_atime_ns, told.st_mtime_ns))
        os.utime(path, ns=(old[0], old[1]), follow_symlinks=False)


def without(image: Image, scratch: Collection[str]) -> Image:
    """An image without its scratch files (globs)."""
    if not scratch:
        return image
    names = {at: inode for at, inode in image.names.items() if not is_scratch(at[1], scratch)}
    return Image(names, image.contents)


def difference(expected: Image, found: Image, scratch: Collection[str] = ()) -> str:
    """In what two images differ but for scratch files (globs), in one sentence; empty where they agree."""
    left, right = expected.files(), found.files()
    for path in sorted({*left, *right}):
        if is_scratch(path, scratch):
            continue
        if path not in right:
            return f"{path} is missing"
        if path not in left:
            return f"{path} is there, and nothing made it"
        if left[path] != right[path]:
            return f"{path} {_difference(left[path], right[path])}"
    return ""


def is_scratch(path: str, scratch: Collection[str]) -> bool:
    """Whether a path, or its last part, matches one of the globs."""
    names = (path, path.rpartition("/")[2])
    return any(fnmatch.fnmatchcase(name, glob) for glob in scratch for name in names)


def _difference(expected: bytes | None, found: bytes | None) -> str:
    if expected is None or found is None:
        return f"is a {'file' if expected is None else 'directory'}"
    at = common_bytes(expected, found)
    return f"has {len(found)} bytes, not {len(expected)}, or other bytes from offset {at} on"


def common_bytes(left: bytes, right: bytes) -> int:
    """The length of the common beginning."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _SPECIAL:
            return b""
        raise
    try:
        parts = [os.read(descriptor, _READ_BYTES)]
        if len(parts[0]) == _READ_BYTES and os.fstat(descriptor).st_size > FILE_BYTES_MAX:
            raise Inconclusive(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB: it is not looked at")
        while len(parts[-1]) == _READ_BYTES:  # a shorter one is the end, and saves asking for the size
            parts.append(os.read(descriptor, _READ_BYTES))
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
