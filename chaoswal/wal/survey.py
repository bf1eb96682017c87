"""Looking at a directory before recovery: what is there, what is readable, and nothing is changed."""

from collections.abc import Sequence

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.cursor import Cursor, load_cursor
from chaoswal.wal.errors import CorruptLog, ForeignFile
from chaoswal.wal.extent import Extent
from chaoswal.wal.files import ALL_KNOWN, KNOWN, MANIFEST_NAME, WAL_MAGIC, check_header, wal_name
from chaoswal.wal.frames import Codec
from chaoswal.wal.manifest import Manifest, load_manifest
from chaoswal.wal.segment import Segment, load_segment
from chaoswal.wal.window import NamedFile, Window

EMPTY, TORN, FRAMES, DAMAGED = "empty", "torn", "frames", "damaged"


class Tail(Extent):
    """The WAL behind the last segment.

    Its content is EMPTY (nothing but zeros), TORN (nothing good, but something), FRAMES or DAMAGED.
    """

    __slots__ = ("blank", "content", "error")

    def __init__(self, first: int, content: str, window: Window) -> None:
        super().__init__(wal_name(first), first, window)
        self.content = content
        self.blank = True
        """Whether there is nothing but zeros behind what is good."""
        self.error: CorruptLog | None = None


class Survey:
    """What a directory holds."""

    __slots__ = (
        "cursor_errors",
        "cursors",
        "leftovers",
        "lost",
        "manifest",
        "manifest_error",
        "segment_errors",
        "segments",
        "tail",
        "temporaries",
        "unlisted",
        "wals",
    )

    def __init__(self) -> None:
        self.manifest: Manifest | None = None
        self.manifest_error: CorruptLog | None = None
        self.temporaries: list[str] = []
        self.leftovers: list[int] = []
        """First numbers of segments below the start: not read."""
        self.segments: list[Segment] = []
        self.segment_errors: dict[int, CorruptLog] = {}
        self.wals: list[int] = []
        self.tail: Tail | None = None
        self.cursors: dict[str, Cursor] = {}
        self.cursor_errors: dict[str, CorruptLog] = {}
        self.lost: list[str] = []
        """Subscribers that the manifest lists and that have no file."""
        self.unlisted: list[str] = []

    @property
    def start(self) -> int:
        """The first record that cleanup has left."""
        return self.manifest.start if self.manifest is not None else 0

    @property
    def end(self) -> int:
        """The number behind the last record in a segment."""
        return self.segments[-1].end if self.segments else self.start


def check_names(names: Sequence[str]) -> None:
    """ForeignFile if a name is none that a log leaves behind."""
    if ALL_KNOWN.fullmatch("/".join(names)) is None:
        for name in names:
            if KNOWN.fullmatch(name) is None:
                raise ForeignFile(name)


class Surveyor:
    """Makes surveys."""

    def __init__(self, vfs: Vfs, codec: Codec) -> None:
        self._vfs = vfs
        self._codec = codec

    def survey(self, names: list[str]) -> Survey:
        """Look at everything; errors of reading pass through, damage is noted down."""
        check_names(names)
        found = Survey()
        if MANIFEST_NAME in names:
            self.look_at_manifest(found)
        subscribers = self.sort_names(found, names)
        if found.end in found.wals:
            found.tail = self.look_at_tail(found.end)
        self.look_at_cursors(found, subscribers)
        return found

    def look_at_manifest(self, found: Survey) -> None:
        """Load the manifest."""
        try:
            found.manifest = load_manifest(self._vfs)
        except CorruptLog as error:
            found.manifest_error = error

    def sort_names(self, found: Survey, names: list[str]) -> list[str]:
        """Put every name where it belongs; returns the subscribers. Names sort as their numbers do."""
        start = found.start
        subscribers = []
        for name in names:
            if name.endswith(".tmp"):
                found.temporaries.append(name)
            elif name.endswith(".seg"):
                self.look_at_segment(found, int(name[8:28]), start)
            elif name.endswith(".wal"):
                found.wals.append(int(name[4:24]))
            elif name.endswith(".cur"):
                subscribers.append(name[11:-4])
        return subscribers

    def look_at_segment(self, found: Survey, first: int, start: int) -> None:
        """Load the footer of a segment, if it is still wanted."""
        if first < start:
            found.leftovers.append(first)
            return
        try:
            found.segments.append(load_segment(self._vfs, first))
        except CorruptLog as error:
            found.segment_errors[first] = error

    def look_at_cursors(self, found: Survey, subscribers: list[str]) -> None:
        """Load the progress of those listed."""
        listed = found.manifest.names if found.manifest is not None else ()
        for name in subscribers:
            if name not in listed:
                found.unlisted.append(name)
        for name in listed:
            if name not in subscribers:
                found.lost.append(name)
                continue
            try:
                found.cursors[name] = load_cursor(self._vfs, name)
            except CorruptLog as error:
                found.cursor_errors[name] = error

    def look_at_tail(self, first: int) -> Tail:
        """Go through a WAL, as far as it is good; an error of reading is not its end."""
        name = wal_name(first)
        file = self._vfs.open(name)
        try:
            window = Window(file, file.size())
            tail = Tail(first, DAMAGED, window)
            try:
                self.judge(tail)
            except CorruptLog as error:
                tail.error = error
        finally:
            file.close()
        if not window.whole:
            window.file = NamedFile(self._vfs, name)  # for whoever copies it
        return tail

    def judge(self, tail: Tail) -> None:
        """Say what a WAL holds; CorruptLog if it is damaged."""
        window = tail.window
        tail.gather(self._codec, check_header(window.data, WAL_MAGIC, tail.first, tail.name))
        if tail.end < window.size:
            tail.blank = window.blank(tail.end)
            if not tail.blank:
                self.check_rest(tail)
        tail.content = FRAMES if tail.count else EMPTY if tail.blank else TORN

    def check_rest(self, tail: Tail) -> None:
        """CorruptLog if a good frame behind the first bad one says that the bad one was durable."""
        follower = None
        for sequence, synced in self._codec.later_frames(tail.window, tail.seed, tail.next, tail.end, tail.name):
            follower = sequence if follower is None else follower
            if synced > tail.next:
                reason = "damage before records that were durable"
                raise CorruptLog(tail.name, tail.end, tail.next, follower - 1, reason)
