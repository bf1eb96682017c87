"""Damage at rest, as plans that are text: ``flip bit 3 at 17 of wal-#.wal nth 1``.

A disk with nothing pending is damaged between a crash and the next opening. A file goes by its role (its path, with
each run of digits written #) and its number among the files of that role, sorted by path. The kinds of damage::

    flip bit 3 at 17 of wal-#.wal nth 1                              one bit of one byte
    zero sector 2 of wal-#.wal nth 1                                 a sector reads zeros
    garbage sector 2 of wal-#.wal nth 1                              a sector reads bytes that nobody wrote
    stale sector 2 of wal-#.wal nth 1 back 1                         a write was lost: what it held one version before
    misdirect sector 2 of log.manifest nth 1 to sector 0 of wal-#.wal nth 1      a write went to the wrong place
    truncate wal-#.wal nth 1 to 40
    remove wal-#.wal nth 1

A sector is 512 bytes from a multiple of 512 on; of the last one, what the file has. Damage never changes a file's size,
but for ``truncate``. A misdirected write leaves the place where it belonged as it was: that is ``stale``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

from chaoswal.disk.disk import Disk, overwrite, resize
from chaoswal.disk.effects import GARBAGE
from chaoswal.disk.image import Image, reachable, role
from chaoswal.errors import UsageError
from chaoswal.limits import SECTOR_BYTES
from chaoswal.trace import Create, Event, Truncate, Write

PLACES_MAX = 4096
"""So many bytes of a file are flipped, and so many sizes cut to, before they are taken at equal distances only."""

VERSIONS_MAX = 3
"""So many older versions of a sector are brought back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file by its meaning."""

    role: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.role} nth {self.nth}"

    def inode(self, image: Image) -> int | None:
        """The file in an image; None where there is none."""
        alike = [i for path, i in reachable(image.names, image.contents) if role(path) == self.role]
        files = [i for i in alike if image.contents[i] is not None]
        return files[self.nth - 1] if 0 < self.nth <= len(files) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One damage; which of the numbers mean anything, ``kind`` says."""

    kind: str
    file: Target
    at: int = 0
    """The byte that is flipped; the sector; the size that is left."""
    bit: int = 0
    back: int = 0
    """Of a stale sector: how many versions before the last."""
    to: Target | None = None
    """Of a misdirected write: where it went,"""
    to_sector: int = 0
    """and to which sector of it."""

    def __str__(self) -> str:
        match self.kind:
            case "flip":
                return f"flip bit {self.bit} at {self.at} of {self.file}"
            case "stale":
                return f"stale sector {self.at} of {self.file} back {self.back}"
            case "misdirect":
                return f"misdirect sector {self.at} of {self.file} to sector {self.to_sector} of {self.to}"
            case "truncate":
                return f"truncate {self.file} to {self.at}"
            case "remove":
                return f"remove {self.file}"
            case kind:
                return f"{kind} sector {self.at} of {self.file}"

    @classmethod
    def parse(cls, text: str) -> "Damage":
        """Read a damage back from its text; UsageError says what is wrong."""
        for form in _FORMS:
            match = form.fullmatch(text)
            if match:
                return _built(match)
        raise UsageError(f"cannot read the damage {text!r}: expected e.g. 'zero sector 2 of wal-#.wal nth 1'")

    def apply(self, image: Image, past: "Past | None" = None) -> Image | None:
        """The image with this damage; None where there is no such file or place in it.

        ``past``: what its sectors held before, for stale ones.
        """
        inode = self.file.inode(image)
        if inode is None:
            return None
        content = image.contents[inode] or b""
        if self.kind == "remove":
            return Image({at: i for at, i in image.names.items() if i != inode}, image.contents)
        if self.kind == "misdirect":
            return self._misdirected(image, content)
        damaged = _CHANGES[self.kind](self, content, inode, past)
        return None if damaged is None else _with(image, inode, damaged)

    def _misdirected(self, image: Image, content: bytes) -> Image | None:
        inode = self.to.inode(image) if self.to else None
        data = _sector(content, self.at)
        if inode is None or not data:
            return None
        target = image.contents[inode] or b""
        changed = _replaced(target, self.to_sector, data)
        return None if changed is None else _with(image, inode, changed)


_FILE = r"(?P<role>\S+) nth (?P<nth>\d+)"
_TO = r"(?P<to_role>\S+) nth (?P<to_nth>\d+)"
_FORMS = [
    re.compile(form)
    for form in (
        rf"(?P<kind>flip) bit (?P<bit>[0-7]) at (?P<at>\d+) of {_FILE}",
        rf"(?P<kind>zero|garbage) sector (?P<at>\d+) of {_FILE}",
        rf"(?P<kind>stale) sector (?P<at>\d+) of {_FILE} back (?P<back>[1-9]\d*)",
        rf"(?P<kind>misdirect) sector (?P<at>\d+) of {_FILE} to sector (?P<to_sector>\d+) of {_TO}",
        rf"(?P<kind>truncate) {_FILE} to (?P<at>\d+)",
        rf"(?P<kind>remove) {_FILE}",
    )
]
WORDS = ("flip ", "zero ", "garbage ", "stale ", "misdirect ", "truncate ", "remove ")
"""How the text of a damage begins."""


def _built(match: re.Match[str]) -> Damage:
    words = match.groupdict()
    to = words.get("to_role")
    return Damage(
        kind=words["kind"],
        file=Target(role=words["role"], nth=int(words["nth"])),
        at=int(words.get("at") or 0),
        bit=int(words.get("bit") or 0),
        back=int(words.get("back") or 0),
        to=Target(role=to, nth=int(words["to_nth"])) if to else None,
        to_sector=int(words.get("to_sector") or 0),
    )


def _with(image: Image, inode: int, content: bytes) -> Image:
    return Image(image.names, {**image.contents, inode: content})


def _sector(content: bytes, number: int) -> bytes:
    return content[number * SECTOR_BYTES : (number + 1) * SECTOR_BYTES]


def _replaced(content: bytes, number: int, data: bytes) -> bytes | None:
    """The content with other bytes in one sector, filled up with zeros, and of the same size."""
    there = _sector(content, number)
    return overwrite(content, number * SECTOR_BYTES, resize(data, len(there))) if there else None


def _flipped(damage: Damage, content: bytes, _inode: int, _past: "Past | None") -> bytes | None:
    if damage.at >= len(content):
        return None
    return overwrite(content, damage.at, bytes((content[damage.at] ^ (1 << damage.bit),)))


def _zeroed(damage: Damage, content: bytes, _inode: int, _past: "Past | None") -> bytes | None:
    return _replaced(content, damage.at, b"")


def _garbled(damage: Damage, content: bytes, _inode: int, _past: "Past | None") -> bytes | None:
    return _replaced(content, damage.at, GARBAGE)


def _stale(damage: Damage, content: bytes, inode: int, past: "Past | None") -> bytes | None:
    versions = past.versions(inode, damage.at, _sector(content, damage.at)) if past else []
    return _replaced(content, damage.at, versions[damage.back - 1]) if damage.back <= len(versions) else None


def _cut(damage: Damage, content: bytes, _inode: int, _past: "Past | None") -> bytes | None:
    return content[: damage.at] if damage.at < len(content) else None


_CHANGES: Mapping[str, Callable[[Damage, bytes, int, "Past | None"], bytes | None]] = {
    "flip": _flipped,
    "zero": _zeroed,
    "garbage": _garbled,
    "stale": _stale,
    "truncate": _cut,
}
"""What each kind makes of a file's content; None where the file has no such place."""


class Past:
    """What the sectors of a disk held at each moment of one run."""

    def __init__(self, start: Disk, events: Sequence[Event]) -> None:
        self._history = (*start.events, *events)
        self._base = start.image

    def versions(self, inode: int, sector: int, now: bytes) -> list[bytes]:
        """The different contents a sector has had before what it holds now, the latest first, no longer than that."""
        found = [resize(held, len(now)) for held in self._held(inode, sector)]
        distinct = [version for before, version in pairwise([now, *reversed(found)]) if version != before]
        return list(dict.fromkeys(version for version in distinct if version != now))

    def _held(self, inode: int, sector: int) -> Iterator[bytes]:
        content = self._base.contents.get(inode) or b""
        yield _sector(content, sector)
        for event in self._history:
            match event:
                case Write() if event.inode == inode:
                    content = overwrite(content, event.offset, event.data)
                case Truncate() if event.inode == inode:
                    content = resize(content, event.size)
                case Create() if event.inode == inode:
                    content = b""
                case _:
                    continue
            yield _sector(content, sector)


def damages(image: Image, past: Past | None = None, scratch: Sequence[str] = ()) -> Iterator[Damage]:
    """Every damage that changes this image, in order: whole files, then sectors, then single bytes.

    ``scratch``: globs of files that hold nothing durable, and are left alone. Each byte of a small file is flipped, and
    each size cut to; of one larger than ``PLACES_MAX`` only so many. Which bit is flipped goes round with the byte.
    """
    for damage in _all(_targets(image, scratch), image, past):
        changed = damage.apply(image, past)
        if changed is not None and changed.key != image.key:
            yield damage


def _targets(image: Image, scratch: Sequence[str]) -> list[tuple[Target, int, int]]:
    """Each file with its inode and its size."""
    found, seen = [], dict[str, int]()
    for path, inode in reachable(image.names, image.contents):
        content = image.contents[inode]
        if content is None:
            continue
        name = role(path)
        seen[name] = seen.get(name, 0) + 1
        if not any(fnmatchcase(path, glob) for glob in scratch):
            found.append((Target(role=name, nth=seen[name]), inode, len(content)))
    return found


def _all(targets: Sequence[tuple[Target, int, int]], image: Image, past: Past | None) -> Iterator[Damage]:
    for target, _, _ in targets:
        yield Damage(kind="remove", file=target)
    for target, inode, size in targets:
        for sector in range(-(-size // SECTOR_BYTES)):
            yield Damage(kind="zero", file=target, at=sector)
            yield Damage(kind="garbage", file=target, at=sector)
            held = _sector(image.contents[inode] or b"", sector)
            for back in range(1, 1 + len(past.versions(inode, sector, held)[:VERSIONS_MAX] if past else ())):
                yield Damage(kind="stale", file=target, at=sector, back=back)
    yield from _misdirections(targets)
    for target, _, size in targets:
        for at in _places(size):
            yield Damage(kind="truncate", file=target, at=at)
    for target, _, size in targets:
        for at in _places(size):
            yield Damage(kind="flip", file=target, at=at, bit=at % 8)


def _misdirections(targets: Sequence[tuple[Target, int, int]]) -> Iterator[Damage]:
    """From the first and the last sector of each file to the first and the last of each, and to the next of its own."""
    for target, _, size in targets:
        for to, _, to_size in targets:
            for sector in _ends(size):
                for to_sector in _ends(to_size):
                    yield Damage(kind="misdirect", file=target, at=sector, to=to, to_sector=to_sector)
        for sector in range(1, -(-size // SECTOR_BYTES)):
            yield Damage(kind="misdirect", file=target, at=sector - 1, to=target, to_sector=sector)


def _ends(size: int) -> list[int]:
    return sorted({0, (size - 1) // SECTOR_BYTES}) if size else []


def _places(size: int) -> range:
    return range(0, size, -(-size // PLACES_MAX) or 1)
