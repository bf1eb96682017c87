"""Events and markers: what one run did to the disk, and what was promised in between.

A trace is a list of events in the order in which they took effect. Files and directories go by inode number
(0 is the root directory) and names by (directory inode, name), never by path: a directory may be renamed.
A call that takes time has a begin and an end: a sync covers what was written before its begin and takes
effect at its end; the ``ticket`` pairs the two. Begin and End are markers: the engine was asked for an
operation, and the operation returned. A promise is given at the End.
"""

from dataclasses import dataclass
from typing import TypeAlias

ROOT = 0
"""The inode number of the root directory."""

NOWHERE = -1
"""The directory of files that have no name (O_TMPFILE): nothing leads to it, and no crash brings it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """``data`` was written at ``offset`` (bytes) of a file; a size below its end grows to it."""

    inode: int
    offset: int
    data: bytes
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """A file's size was set; what lay beyond is cut, what is new reads zeros."""

    inode: int
    size: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new, empty file got its first name."""

    directory: int
    name: str
    inode: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory:
    """A new, empty directory got its name."""

    directory: int
    name: str
    inode: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An existing file got one more name."""

    directory: int
    name: str
    inode: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A name was moved, replacing what stood at the target."""

    directory: int
    name: str
    to_directory: int
    to_name: str
    inode: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink:
    """A name of a file or of an empty directory was removed."""

    directory: int
    name: str
    inode: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncBegin:
    """A sync of a file or directory began (``data_only``: fdatasync)."""

    inode: int
    data_only: bool
    ticket: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEnd:
    """That sync returned; where ``ok`` is false it failed."""

    inode: int
    ticket: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRange:
    """A sync of ``size`` bytes of a file from ``offset`` on began, and of the file size that these bytes need.

    Such is the sync in a write through O_DSYNC (``data_only``) or O_SYNC, and msync. Its end is a SyncEnd.
    """

    inode: int
    offset: int
    size: int
    data_only: bool
    ticket: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The engine was asked for operation number ``op_index`` of the program."""

    op_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Operation ``op_index`` returned; ``result`` is the text form of what it gave back."""

    op_index: int
    result: str


NameEvent: TypeAlias = Create | MakeDirectory | Link | Rename | Unlink
Change: TypeAlias = Write | Truncate | NameEvent
Marker: TypeAlias = Begin | End
Event: TypeAlias = Change | SyncBegin | SyncRange | SyncEnd | Marker
EVENTS: tuple[type[Event], ...] = (
    Write,
    Truncate,
    Create,
    MakeDirectory,
    Link,
    Rename,
    Unlink,
    SyncBegin,
    SyncEnd,
    Begin,
    End,
    SyncRange,
)
