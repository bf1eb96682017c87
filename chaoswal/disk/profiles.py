"""What each file system guarantees about events not yet covered by a sync, as tables with labelled rows.

Theory of operation. An event has *effects*: a write has one on each 512-byte sector it touches and, where it
grows the file, one on the size; a truncate has one on the size; a creation, link, rename or unlink is one
effect on names. A profile sorts pending effects into *chains*. A crash picks, for each chain, a moment:
the effects of that chain before the moment are kept, the later ones are lost. The image is the durable base
with the kept effects applied in order of time. A chain is thus what is ordered:

    kill            no chains: nothing is lost by a kill
    prefix          one chain for everything
    xfs             a chain for each sector, one for each page a file grows by, and one, the journal, for the rest
    ext4-ordered    a chain for each sector, one for each file's growth, and one, the journal, for the rest
    btrfs           a chain for each page, one for each file's truncates, one for the names of each file
    posix           a chain for each sector, one for each file's size, one for each name event

Between chains there is one more kind of order, the *need*: an effect that waits for others is lost with them. A size
that was grown is itself committed through the journal, so that it needs every name and truncate before it; on xfs
it is committed after the bytes it covers were written, so that it needs those; on btrfs bytes are found through
metadata, so that a page needs what a size needs elsewhere. ``disk.needs`` has the algorithm.

"None of a chain is durable yet" is always a legal moment. A sync that has returned makes a beginning of some
chains durable; which ones, is the second half of the table. A sync covers what happened before it began.

Each row says what is claimed and how it is known: ``assumed`` from documentation or caution, or ``measured`` by
the calibration tests on a real file system (``tests/calibration``).
"""

from dataclasses import dataclass, field
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
    TAIL = auto()
    """Zeros up to the end of a page that a truncate cut: bytes like others but for the chain they join."""
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
    BY_PAGE = auto()
    """That of its file and the page of 4096 bytes it reaches into; a page is kept whole."""
    BY_FILE = auto()
    """That of its file's size."""
    BY_NAMED = auto()
    """That of the names of its file or directory."""
    BY_EVENT = auto()
    """One of its own, for each sector and each name that the event touches."""


class Need(Enum):
    """What must have survived for a pending effect to survive."""

    METADATA = auto()
    """Every earlier effect of the kinds that the profile calls metadata; not once a sync of it has begun that commits
    its file by itself."""
    BYTES = auto()
    """Every earlier write to the page that the size reaches into."""


class Cover(Enum):
    """What a sync that has returned made durable, of what happened before it began."""

    OWN = auto()
    """The file's bytes and size; for a directory, the names in it."""
    OWN_AND_NAMES = auto()
    """The same, and of a file or directory its own names, with the directories above that are new and the names of what
    these names were taken from."""
    OWN_AND_JOURNAL = auto()
    """As OWN, and every metadata effect up to the last change of its inode: what is later is not committed."""
    EVERYTHING = auto()
    """Everything before it."""


class DataOnly(Enum):
    """Which changes of an inode an fdatasync commits."""

    ANY = auto()
    """Those that an fsync commits."""
    SIZE = auto()
    """The creation, and a size other than the disk may have already: not one that was changed and changed back."""


class Tail(Enum):
    """What becomes of the bytes that a truncate cuts off within a page, the rest of which is zeroed in the cache."""

    WITH_SIZE = auto()
    """They go with the size, and come back with it where the truncate is lost."""
    BEFORE_SIZE = auto()
    """The zeros reach the disk as bytes do, before the size or at the latest with it."""
    APART = auto()
    """The zeros reach the disk as bytes do, perhaps after the size: a file that grows again shows what was cut."""


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
    data_only: DataOnly = DataOnly.ANY
    directories_commit: bool = False
    """Whether a sync of a directory commits the whole journal, changed or not."""
    metadata: frozenset[Kind] = frozenset({Kind.NAME})
    """What is in no page: a failed sync leaves it to be committed, and what needs metadata needs it."""
    needs: dict[Kind, frozenset[Need]] = field(default_factory=dict)
    halves: bool = False
    """Whether a file's rename into another directory may be kept in half, with both names."""
    vanishes: bool = False
    """Whether a rename over a name may be kept as the loss of that name alone, where what is renamed has not been
    synced since the name was made."""
    tail: Tail = Tail.WITH_SIZE


JOURNALED = frozenset({Kind.SIZE, Kind.NAME})
MEASURED = "measured: Linux 6.18"
"""By the calibration tests, on images with blocks of 4 KiB: ext4 with data=ordered, xfs, and btrfs with its data in
copies."""


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

XFS = Profile(
    name="xfs",
    order={
        Kind.DATA: Order.BY_SECTOR,
        Kind.GROWTH: Order.BY_PAGE,
        Kind.SIZE: Order.JOURNAL,
        Kind.NAME: Order.JOURNAL,
        Kind.TAIL: Order.BY_SECTOR,
    },
    cover=Cover.OWN_AND_JOURNAL,
    tear=Tear.NONE,
    metadata=JOURNALED,
    needs={Kind.GROWTH: frozenset({Need.METADATA, Need.BYTES})},
    tail=Tail.BEFORE_SIZE,
    rows=(
        Row(label="S1", claim="sectors reach the disk in any order", evidence=f"{MEASURED}, between files"),
        Row(label="S2", claim="a grown size is kept page by page, and only with the bytes there", evidence=MEASURED),
        Row(label="S3", claim="names and truncates survive in log order", evidence=MEASURED),
        Row(label="S4", claim="a grown size survives only with the names and truncates before it", evidence=MEASURED),
        Row(label="S5", claim="a sync makes the file's bytes and size durable", evidence=MEASURED),
        Row(
            label="S6",
            claim="a sync of a file, even fdatasync, makes all metadata up to the last change of its inode durable",
            evidence=MEASURED,
        ),
        Row(label="S7", claim="fdatasync after a pure overwrite makes no name durable", evidence=MEASURED),
        Row(label="S8", claim="replacing by rename claims no order with the bytes of the file", evidence=MEASURED),
        Row(
            label="S9",
            claim="what a truncate cuts may read zeros up to the end of its page while the size is the old one",
            evidence=MEASURED,
        ),
    ),
)

EXT4_ORDERED = Profile(
    name="ext4-ordered",
    order={
        Kind.DATA: Order.BY_SECTOR,
        Kind.GROWTH: Order.BY_FILE,
        Kind.SIZE: Order.JOURNAL,
        Kind.NAME: Order.JOURNAL,
        Kind.TAIL: Order.BY_SECTOR,
    },
    cover=Cover.OWN_AND_JOURNAL,
    tear=Tear.NONE,
    data_only=DataOnly.SIZE,
    directories_commit=True,
    metadata=JOURNALED,
    needs={Kind.GROWTH: frozenset({Need.METADATA})},
    tail=Tail.BEFORE_SIZE,
    rows=(
        Row(label="E1", claim="sectors reach the disk in any order", evidence=f"{MEASURED}, between files"),
        Row(
            label="E2",
            claim="a grown size may be lost, or kept up to a page, or kept and read zeros",
            evidence=MEASURED,
        ),
        Row(label="E3", claim="names and truncates survive in journal order", evidence=MEASURED),
        Row(label="E4", claim="a sync makes the file's bytes and size durable", evidence=MEASURED),
        Row(
            label="E5",
            claim="a sync of a file makes all metadata up to the last change of its inode durable",
            evidence=MEASURED,
        ),
        Row(
            label="E6",
            claim="a sync after a pure overwrite makes no name durable",
            evidence=f"{MEASURED}, of fdatasync",
        ),
        Row(label="E7", claim="replacing by rename claims no order with the bytes of the file", evidence=MEASURED),
        Row(label="E8", claim="a grown size survives only with the names and truncates before it", evidence=MEASURED),
        Row(
            label="E9",
            claim="fdatasync commits a creation, and no size that was changed and changed back",
            evidence=MEASURED,
        ),
        Row(
            label="E10",
            claim="what a truncate cuts may read zeros up to the end of its page while the size is the old one",
            evidence=MEASURED,
        ),
        Row(label="E11", claim="a sync of a directory commits the whole journal", evidence=MEASURED),
    ),
)

BTRFS = Profile(
    name="btrfs",
    order={
        Kind.DATA: Order.BY_PAGE,
        Kind.GROWTH: Order.BY_PAGE,
        Kind.SIZE: Order.BY_FILE,
        Kind.NAME: Order.BY_NAMED,
        Kind.TAIL: Order.BY_PAGE,
    },
    cover=Cover.OWN_AND_NAMES,
    tear=Tear.NONE,
    metadata=JOURNALED,
    needs=dict.fromkeys((Kind.DATA, Kind.GROWTH, Kind.SIZE), frozenset({Need.METADATA})),
    halves=True,
    vanishes=True,
    tail=Tail.APART,
    reverts=True,
    rows=(
        Row(label="B1", claim="a page is kept whole, with the size that reaches into it", evidence=MEASURED),
        Row(label="B2", claim="pages reach the disk in any order", evidence=f"{MEASURED}, between files"),
        Row(
            label="B3",
            claim="bytes and sizes survive only with the names and truncates before them, or by a sync of their file",
            evidence=MEASURED,
        ),
        Row(label="B4", claim="the names of one file survive in order, those of two files in any", evidence=MEASURED),
        Row(label="B5", claim="a sync makes the file's bytes and size durable", evidence=MEASURED),
        Row(
            label="B6",
            claim="a sync of a file makes its names durable, and new directories above it, and no other names",
            evidence=MEASURED,
        ),
        Row(label="B7", claim="what had a name before the synced file took it is durable elsewhere", evidence=MEASURED),
        Row(label="B8", claim="a sync of a directory makes the names in it durable", evidence=MEASURED),
        Row(label="B9", claim="a rename into another directory may leave both names", evidence=MEASURED),
        Row(
            label="B10",
            claim="a rename over a newer name, of what was not synced since, may leave that name to nobody",
            evidence=MEASURED,
        ),
        Row(
            label="B11",
            claim="what a truncate cut may come back, up to the end of its page, when the file grows over it",
            evidence=MEASURED,
        ),
    ),
)

POSIX = Profile(
    name="posix",
    order={
        Kind.DATA: Order.BY_SECTOR,
        Kind.GROWTH: Order.BY_FILE,
        Kind.SIZE: Order.BY_FILE,
        Kind.NAME: Order.BY_EVENT,
        Kind.TAIL: Order.BY_EVENT,
    },
    cover=Cover.OWN,
    tear=Tear.BYTE_AND_GARBAGE,
    halves=True,
    tail=Tail.APART,
    rows=(
        Row(label="X1", claim="each sector has its bytes of some moment since the last sync", evidence="assumed"),
        Row(label="X2", claim="each size is that of some moment since the last sync", evidence="assumed"),
        Row(
            label="X3",
            claim="any subset of name events survives; a rename into another directory may leave both names",
            evidence="assumed",
        ),
        Row(label="X4", claim="a piece of a write may be torn at a byte or read garbage", evidence="assumed"),
        Row(label="X5", claim="bytes outside the range of a pending change are not harmed", evidence="assumed"),
        Row(label="X6", claim="a sync makes durable the file's own bytes and size, and no name", evidence="assumed"),
        Row(label="X7", claim="a sync of a directory makes the names in it durable", evidence="assumed"),
        Row(
            label="X8",
            claim="what a truncate cuts may read zeros or come back, up to the end of its page, whatever the size",
            evidence="assumed",
        ),
    ),
)

PROFILES = {profile.name: profile for profile in (KILL, PREFIX, XFS, EXT4_ORDERED, BTRFS, POSIX)}
"""Every profile, strongest first."""


def profile_named(name: str) -> Profile:
    """The profile of that name; UsageError lists those there are."""
    if name not in PROFILES:
        raise UsageError(f"unknown profile {name!r}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]
