"""What each file system guarantees about events not yet covered by a sync, as tables with labelled rows.

Theory of operation. An event has *effects*: a write has one on each 512-byte sector it touches and, where it
grows the file, one on the size; a truncate has one on the size; a creation, link, rename or unlink is one
effect on names. A profile sorts pending effects into *chains*. A crash picks, for each chain on its own, a moment:
the effects of that chain before the moment are kept, the later ones are lost. The image is the durable base
with the kept effects applied in order of time. A chain is thus what is ordered, and two chains are what is not:

    kill            no chains: nothing is lost by a kill
    prefix          one chain for everything
    ext4-ordered    a chain for each sector, one for each file's growth, and one, the journal, for the rest
    posix           a chain for each sector, one for each file's size, one for each name event

"None of a chain is durable yet" is always a legal moment. A sync that has returned makes a beginning of some
chains durable; which ones, is the second half of the table. A sync covers what happened before it began.

Each row says what is claimed and how it is known: ``assumed`` from documentation or caution, or ``measured`` by
the calibration tests on a real file system (``tests/calibration``).
"""

from dataclasses import dataclass
from enum import Enum, auto

from chaoswal.errors import UsageError


class Kind(Enum):
    """The kinds of effects."""

    DATA = auto()
    """Bytes of one sector."""
    GROWTH = auto()
    """A size made larger by a write."""
    SIZE = auto()
    """A size set by a truncate."""
    NAME = auto()
    """A name made, moved or removed."""


class Order(Enum):
    """The chain a pending effect joins."""

    KEPT = auto()
    """None: it survives."""
    EVERYTHING = auto()
    """The one chain of the whole disk."""
    JOURNAL = auto()
    """The one chain of metadata."""
    BY_SECTOR = auto()
    """That of its file and sector."""
    BY_FILE = auto()
    """That of its file's size."""
    BY_EVENT = auto()
    """One of its own."""


class Cover(Enum):
    """What a sync that has returned made durable, of what happened before it began."""

    OWN = auto()
    """The file's bytes and size; for a directory, the names in it."""
    OWN_AND_JOURNAL = auto()
    """The same, and every metadata effect up to the last change of its inode: what is later is not committed."""
    EVERYTHING = auto()
    """Everything before it."""


class Tear(Enum):
    """What may become of a piece of a write that is neither wholly kept nor wholly lost."""

    NONE = auto()
    PAGE_IN_FLIGHT = auto()
    """A write that a kill interrupts stops between two pages."""
    BYTE_AND_GARBAGE = auto()
    """Any byte of the piece may be the last good one, and the rest old or garbage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One claim of a profile, and how it is known."""

    label: str
    claim: str
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The guarantees of one file system (or of a kill) about pending events."""

    name: str
    order: dict[Kind, Order]
    cover: Cover
    tear: Tear
    rows: tuple[Row, ...]
    reverts: bool = False
    """Whether a file reads as it was last synced once a sync of it has failed (btrfs: Rebello et al., ATC 2020).
    Elsewhere the new bytes stay in the cache, marked clean."""


EXT4 = "measured: Linux 6.18"
"""By the calibration tests, on ext4 with blocks of 4 KiB and data=ordered."""


def _all(order: Order) -> dict[Kind, Order]:
    return dict.fromkeys(Kind, order)


KILL = Profile(
    name="kill",
    order=_all(Order.KEPT),
    cover=Cover.EVERYTHING,
    tear=Tear.PAGE_IN_FLIGHT,
    rows=(
        Row(label="K1", claim="a kill loses no event that has happened", evidence="measured: kill loop on Linux"),
        Row(
            label="K2",
            claim="the write in flight may stop at a page boundary",
            evidence="measured: 54 of 60 kills during a 32 MiB write on ext4",
        ),
    ),
)

PREFIX = Profile(
    name="prefix",
    order=_all(Order.EVERYTHING),
    cover=Cover.EVERYTHING,
    tear=Tear.NONE,
    rows=(
        Row(label="P1", claim="what survives is a prefix in time of all events", evidence="assumed"),
        Row(label="P2", claim="a sync makes everything before it durable", evidence="assumed"),
    ),
)

EXT4_ORDERED = Profile(
    name="ext4-ordered",
    order={
        Kind.DATA: Order.BY_SECTOR,
        Kind.GROWTH: Order.BY_FILE,
        Kind.SIZE: Order.JOURNAL,
        Kind.NAME: Order.JOURNAL,
    },
    cover=Cover.OWN_AND_JOURNAL,
    tear=Tear.NONE,
    rows=(
        Row(label="E1", claim="sectors reach the disk in any order", evidence=f"{EXT4}, between files"),
        Row(label="E2", claim="a grown size may be lost, or kept up to a page, or kept and read zeros", evidence=EXT4),
        Row(label="E3", claim="names and truncates survive in journal order", evidence=EXT4),
        Row(label="E4", claim="a sync makes the file's bytes and size durable", evidence=EXT4),
        Row(
            label="E5",
            claim="a sync of a file makes all metadata up to the last change of its inode durable",
            evidence=f"{EXT4}, but for fdatasync after a size has changed and changed back",
        ),
        Row(label="E6", claim="a sync after a pure overwrite makes no name durable", evidence=f"{EXT4}, of fdatasync"),
        Row(label="E7", claim="replacing by rename claims no order with the bytes of the file", evidence=EXT4),
    ),
)

POSIX = Profile(
    name="posix",
    order={
        Kind.DATA: Order.BY_SECTOR,
        Kind.GROWTH: Order.BY_FILE,
        Kind.SIZE: Order.BY_FILE,
        Kind.NAME: Order.BY_EVENT,
    },
    cover=Cover.OWN,
    tear=Tear.BYTE_AND_GARBAGE,
    rows=(
        Row(label="X1", claim="each sector has its bytes of some moment since the last sync", evidence="assumed"),
        Row(label="X2", claim="each size is that of some moment since the last sync", evidence="assumed"),
        Row(label="X3", claim="any subset of name events survives, each whole", evidence="assumed"),
        Row(label="X4", claim="a piece of a write may be torn at a byte or read garbage", evidence="assumed"),
        Row(label="X5", claim="bytes outside the range of a pending write are not harmed", evidence="assumed"),
        Row(label="X6", claim="a sync makes durable the file's own bytes and size, and no name", evidence="assumed"),
        Row(label="X7", claim="a sync of a directory makes the names in it durable", evidence="assumed"),
    ),
)

PROFILES = {profile.name: profile for profile in (KILL, PREFIX, EXT4_ORDERED, POSIX)}
"""Every profile, strongest first."""


def profile_named(name: str) -> Profile:
    """The profile of that name; UsageError lists those there are."""
    if name not in PROFILES:
        raise UsageError(f"unknown profile {name!r}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]
