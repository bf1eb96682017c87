"""An image: a disk with nothing pending, as a power cut left it; names, bytes, and a content hash.

Two images are the same when the same paths lead to the same bytes; inode numbers are only a means to say
which names belong to one file. ``key`` is exact and cheap and lives as long as the process (it is what recovery
is memoised by); ``digest`` is a stable name for people and files.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import TypeAlias

from chaoswal.trace import ROOT

Names: TypeAlias = Mapping[tuple[int, str], int]
"""(directory inode, name) to inode."""

Contents: TypeAlias = Mapping[int, bytes | None]
"""Inode to bytes, or None for a directory. The root is not in it."""

ImageKey: TypeAlias = tuple[str, tuple[bytes | None, ...]]


class Image:
    """Names and bytes; never changed once made."""

    __slots__ = ("_key", "contents", "names")

    def __init__(self, names: Names, contents: Contents) -> None:
        self.names = names
        self.contents = contents
        self._key: ImageKey | None = None

    @classmethod
    def of_files(cls, files: Mapping[str, bytes | None]) -> "Image":
        """The image with these paths, in order; None makes a directory, which must come before what is in it."""
        names: dict[tuple[int, str], int] = {}
        contents: dict[int, bytes | None] = {}
        inode_of = {"": ROOT}
        for inode, (path, data) in enumerate(files.items(), start=1):
            parent, _, name = path.rpartition("/")
            names[inode_of[parent], name] = inode_of[path] = inode
            contents[inode] = data
        return cls(names, contents)

    def files(self) -> dict[str, bytes | None]:
        """Every path that can be reached from the root, sorted, with its bytes (None: a directory)."""
        return {path: self.contents[inode] for path, inode in reachable(self.names, self.contents)}

    @property
    def key(self) -> ImageKey:
        """Equal exactly for images with equal paths, bytes and hard links."""
        if self._key is None:
            self._key = key_of(paths_key(reachable(self.names, self.contents)), self.contents)
        return self._key

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that name this content on any machine."""
        digest = hashlib.blake2b(digest_size=8)
        for path, data in self.files().items():
            digest.update(f"{path}\0{'dir' if data is None else len(data)}\0".encode())
            digest.update(data or b"")
        return digest.hexdigest()


EMPTY = Image({}, {})


def role(path: str) -> str:
    """The role of a file: its path, with each run of digits written #."""
    return re.sub(r"\d+", "#", path).replace(" ", "_") or "."


def reachable(names: Names, contents: Contents) -> list[tuple[str, int]]:
    """(path, inode) of everything that can be reached from the root, sorted by path."""
    found = []
    deeper = []
    for (directory, name), inode in names.items():
        if directory == ROOT:
            found.append((name, inode))
        else:
            deeper.append((directory, name, inode))
    if deeper:
        _reach_deeper(found, deeper, contents)
    found.sort()
    return found


def _reach_deeper(found: list[tuple[str, int]], deeper: list[tuple[int, str, int]], contents: Contents) -> None:
    inside: dict[int, list[tuple[str, int]]] = {}
    for directory, name, inode in deeper:
        inside.setdefault(directory, []).append((name, inode))
    for path, inode in found:  # grows while it is walked
        if contents[inode] is None:
            found += [(f"{path}/{name}", child) for name, child in inside.pop(inode, ())]


PathsKey: TypeAlias = tuple[str, tuple[int, ...]]


def paths_key(paths: list[tuple[str, int]]) -> PathsKey:
    """The part of an image's key that its names decide: paths with link groups, and the inodes in that order.

    One text, as that remembers its hash: keys are looked up several times each. No name has a NUL in it.
    """
    order: dict[int, int] = {}
    groups = "\0".join([f"{path}\0{order.setdefault(inode, len(order))}" for path, inode in paths])
    return groups, tuple(order)


def key_of(paths: PathsKey, contents: Contents) -> ImageKey:
    """The key of the image with these paths and contents."""
    groups, inodes = paths
    return groups, tuple([contents[inode] for inode in inodes])
