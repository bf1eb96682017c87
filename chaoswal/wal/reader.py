"""A reader beside the writer: in another process, without a lock, changing nothing, shown durable records only.

Theory of operation
-------------------
The writer knows what it has synced; a reader sees only what the cache holds, and a power cut may take that away. So
it believes what the writer's order of steps proves, and nothing else:

* A frame says by ``synced`` how much was durable when it was written. So every record of the WAL below the ``synced``
  of a good frame further back is durable. The records behind are not shown, durable or not: the last append of a log
  is seen when the next one is made, or the WAL becomes a segment. (``unsynced=True`` shows them, promising nothing.)
* A segment's name is durable before the next file is born: a WAL, or segment, that begins at its end. A segment
  without a successor is not believed yet; its WAL is still there.

That nothing shown is taken back follows: recovery never cuts below ``synced`` and makes a segment of everything else,
and whoever looks later sees at least as much.

What a look finds may be of several moments, for the directory is listed, and files are opened, while the writer goes
on. Files are born whole and never changed, but for the WAL, so that each is right by itself; together they must join
without a gap from the manifest's start to a WAL. If they do not, or one has vanished, the look is repeated; if that
does not help the files are missing, which is damage. Of the WAL all frames but the last are settled: an append that
fails is taken back before another one begins. Looking again therefore goes on from the last good frame.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.errors import CorruptLog, RecordGone
from chaoswal.wal.extent import scans
from chaoswal.wal.files import HEADER_BYTES, MANIFEST_NAME, WAL_MAGIC, check_header, segment_name, wal_name
from chaoswal.wal.frames import Codec, Record
from chaoswal.wal.manifest import load_manifest
from chaoswal.wal.reading import READ_MODES, PlainFiles, read_frames
from chaoswal.wal.segment import Segment, load_segment
from chaoswal.wal.survey import check_names
from chaoswal.wal.window import Window

LOOKS_MAX = 40
"""How often a directory that does not join is looked at again before it is called damaged."""
READ_BYTES = 1 << 20
"""How much a reader takes at a time."""


class _Moving(Exception):
    """What was seen does not join; the error to raise if it stays so."""

    def __init__(self, error: CorruptLog) -> None:
        super().__init__(error)
        self.error = error


class WalView:
    """A WAL that somebody else appends to. Below ``durable`` its records are witnessed, ``next`` follows the last."""

    def __init__(self, codec: Codec, first: int, seed: int) -> None:
        self.name = wal_name(first)
        self.first = self.next = self.durable = first
        self.seed = seed
        self.end = HEADER_BYTES
        self._codec = codec
        self._sequences = array("Q")
        self._offsets = array("Q")
        self._stuck = (0, 0)

    def advance(self, file: File) -> None:
        """Read on; CorruptLog if a frame is bad that a later one says was durable."""
        if self._offsets:  # the last append may have been taken back
            self.end, self.next = self._offsets.pop(), self._sequences.pop()
        window = Window(file, file.size(), self.end)
        for found in scans(window, self._codec, self.seed, self.next, self.end):
            self._offsets.extend([window.base + offset for offset in found.offsets])
            self._sequences.extend(found.sequences)
            self.durable = max(self.durable, self._codec.synced(window.data, found.offsets[-1]))
            self.end, self.next = window.base + found.end, found.next
        if self.end < window.size:
            self.check_rest(window)

    def check_rest(self, window: Window) -> None:
        """CorruptLog if the bad frame at ``end`` was durable. Zeros may be room for frames to come: look twice."""
        stuck, self._stuck = self._stuck, (self.end, window.size)
        at = window.cover(self.end, 4)
        if not any(window.data[at : at + 4]) and stuck != self._stuck:
            return
        for later, synced in self._codec.later_frames(window, self.seed, self.next, self.end, self.name):
            if synced > self.next and not self.is_good(window):  # it was not merely half written yet
                reason = "damage before records that were durable"
                raise CorruptLog(self.name, self.end, self.next, later - 1, reason)

    def is_good(self, window: Window) -> bool:
        """Whether the next frame is good by now."""
        again = Window(window.file, window.size, self.end)
        return any(scans(again, self._codec, self.seed, self.next, self.end))

    def read(self, file: File, sequence: int, end: int, max_bytes: int) -> list[Record]:
        """Records from number ``sequence`` on and below ``end``, at least one, about ``max_bytes`` of them."""
        at = bisect_right(self._sequences, sequence) - 1
        stop = bisect_left(self._sequences, end)
        limit = self._offsets[stop] if stop < len(self._offsets) else self.end
        start = (self._sequences[at], self._offsets[at])
        records, _ = read_frames(file, self.name, self._codec, self.seed, start, (limit, end), max_bytes)
        return records if records[0][0] == sequence else [record for record in records if record[0] >= sequence]


class LogReader:
    """Reads a log that another process may be writing. Not thread safe."""

    codec_type: type[Codec] = Codec
    """Of a log with other frames, another one."""

    def __init__(
        self,
        vfs: Vfs,
        *,
        read_mode: str = "plain",
        unsynced: bool = False,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        """``pause(seconds)`` is called between looks that do not join; ``unsynced`` shows what may yet be lost, too.

        Raises ForeignFile if the directory holds something else, CorruptLog if what was durable is damaged, OSError.
        """
        self._vfs = vfs
        self._codec = self.codec_type()
        self._files: PlainFiles = READ_MODES[read_mode](vfs)
        self._unsynced = unsynced
        self._pause = pause
        self._segments: dict[int, Segment] = {}
        self._firsts: list[int] = []
        self._wal: WalView | None = None
        self.start_sequence = 0
        """The first record that is left, as of the last look."""
        self.durable_sequence = 0
        """Every record below this number is known to be durable, as of the last look."""
        self.refresh()

    @property
    def end_sequence(self) -> int:
        """Every record below this number is shown."""
        return self._wal.next if self._unsynced and self._wal is not None else self.durable_sequence

    def refresh(self) -> None:
        """Look at the directory again."""
        for turn in range(1, LOOKS_MAX):
            try:
                return self._look()
            except (_Moving, FileNotFoundError):
                if self._pause is not None:
                    self._pause(0.0005 * turn)
        try:
            return self._look()
        except _Moving as moving:
            raise moving.error from None

    def read(self, sequence: int, max_bytes: int = READ_BYTES) -> list[Record]:
        """Some records from number ``sequence`` on, about ``max_bytes`` of them; none if there is none yet.

        Looks again where the record is not known yet, or its file has gone. RecordGone if it was cleaned up.
        """
        if sequence >= self.end_sequence:
            self.refresh()
        for _ in range(LOOKS_MAX):
            if sequence < self.start_sequence:
                raise RecordGone(sequence, self.start_sequence)
            if sequence >= self.end_sequence:
                return []
            try:
                return self._read(sequence, max_bytes)
            except FileNotFoundError:
                self.refresh()
            except CorruptLog:
                if sequence < self.durable_sequence:
                    raise
                self.refresh()  # it was not durable, and has been taken back
        return []

    def records(self, start: int | None = None) -> Iterator[Record]:
        """The records there are now, from number ``start`` on (default: the oldest). RecordGone as for ``read``."""
        self.refresh()
        sequence = self.start_sequence if start is None else start
        end = self.end_sequence
        while sequence < end and (run := self.read(sequence)):
            sequence = run[-1][0] + 1
            yield from run if sequence <= end else [record for record in run if record[0] < end]

    def close(self) -> None:
        """Give back what is kept open."""
        self._files.close()

    def _read(self, sequence: int, max_bytes: int) -> list[Record]:
        wal = self._wal
        if wal is None or sequence < wal.first:
            first = self._firsts[bisect_right(self._firsts, sequence) - 1]
            return self._segments[first].read(self._files, self._codec, sequence, max_bytes)
        file = self._vfs.open(wal.name)
        try:
            return wal.read(file, sequence, self.end_sequence, max_bytes)
        finally:
            file.close()

    # -- looking ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        names = self._vfs.list()
        check_names(names)
        if MANIFEST_NAME not in names:
            self._look_at_nothing(names)
            return
        start = load_manifest(self._vfs).start
        wals = {int(name[4:24]) for name in names if name.endswith(".wal")}
        firsts = [first for first in (int(name[8:28]) for name in names if name.endswith(".seg")) if first >= start]
        end = self._look_at_segments(start, firsts)
        if end not in wals:
            if not firsts or firsts[-1] not in wals:
                raise _Moving(CorruptLog(wal_name(end), 0, end, end - 1, "the WAL is missing"))
            end = firsts.pop()  # a segment whose name may not be durable yet
        wal = self._look_at_wal(end)
        if wal.durable < self.durable_sequence:
            lost = CorruptLog(wal.name, 0, wal.durable, self.durable_sequence - 1, "durable records are missing")
            raise _Moving(lost)
        gone = [first for first in self._segments if first < start]
        self._files.forget([self._segments.pop(first).name for first in gone])
        self._wal, self._firsts = wal, firsts
        self.start_sequence, self.durable_sequence = start, wal.durable

    def _look_at_nothing(self, names: list[str]) -> None:
        """A log that is not there yet."""
        if self._wal is not None or any(name.endswith(".seg") for name in names):
            raise _Moving(CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is missing"))

    def _look_at_segments(self, start: int, firsts: list[int]) -> int:
        """Load those that are new; the number behind the last."""
        end = start
        for first in firsts:
            if first != end:
                raise _Moving(
                    CorruptLog(segment_name(first), 0, end, first - 1, "what stood before this file is missing")
                )
            if first not in self._segments:
                self._segments[first] = load_segment(self._vfs, first)
            end = self._segments[first].end
        return end

    def _look_at_wal(self, first: int) -> WalView:
        name, view = wal_name(first), self._wal
        file = self._vfs.open(name)
        try:
            seed = check_header(file.read(0, HEADER_BYTES), WAL_MAGIC, first, name)
            if view is None or (view.first, view.seed) != (first, seed):
                view = WalView(self._codec, first, seed)
            view.advance(file)
        finally:
            file.close()
        return view
