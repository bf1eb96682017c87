"""Bugs of recovery: what a crash left is misread, repaired too little or too much, or served too early."""

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.vfs.protocol import File
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.extent import scans
from chaoswal.wal.files import HEADER_BYTES, MANIFEST_NAME, wal_name
from chaoswal.wal.frames import FRAME_BYTES, Codec
from chaoswal.wal.log import Log
from chaoswal.wal.manifest import parse_manifest
from chaoswal.wal.recovery import FINALIZE, REPLACE, Action, Recovered, Recovery
from chaoswal.wal.segment import FOOTER_MAGIC, Segment
from chaoswal.wal.survey import EMPTY, Survey, Surveyor, Tail
from chaoswal.wal.walfile import WalFile

_COUNT = struct.Struct("<12xI")


class Resumes(Recovery):
    """Goes on with the WAL of the last session instead of copying it; what it makes sure of before is for each bug."""

    def resume(self, file: File, tail: Tail, size: int) -> WalFile:
        """That WAL, to be appended to behind its first ``size`` bytes."""
        wal = self._wal_birth._wal_file(file, tail.first, tail.seed, self._wal_birth._codec)
        for found in scans(tail.window, self._wal_birth._codec, tail.seed, tail.first, HEADER_BYTES):
            wal._sequences.extend(found.sequences)
            wal._offsets.extend(found.offsets)
        wal.next = wal.durable = tail.next
        wal.size, wal.durable_size = size, tail.end
        return wal

    def reopen(self, tail: Tail) -> File:
        """The file of that WAL."""
        return self._vfs.open(wal_name(tail.first), write=True)


@bug(
    "tail-not-truncated",
    kinds="lost stuck unopenable unstable",
    profiles="kill ext4-ordered posix",
    site="WalFile.write",
)
class AppendsBehindGarbage(Resumes):
    """Appends go behind the torn tail, where no reader comes: DuckDB 1.1.3, cqlite #1390."""

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        file = self.reopen(tail)
        file.sync()
        return self.resume(file, tail, tail.window.size)


@bug(
    "truncation-not-synced",
    kinds="resurrected",
    profiles="posix",
    site="TruncatesOnly.settle_tail",
    options="sync=explicit",
)
class TruncatesOnly(Resumes):
    """The torn tail is cut, the cut is not durable, and what stood behind comes back: cqlite #399."""

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        file = self.reopen(tail)
        file.sync()
        file.truncate(tail.end)
        return self.resume(file, tail, tail.end)


@bug("serves-what-is-not-yet-durable", kinds="phantom", profiles=CACHED, site="WalFile.write")
class ServesUnsynced(Resumes):
    """A kill leaves records in the cache only, and they are served as they are: SQLite in WAL mode, reopened."""

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        if verb == FINALIZE and tail.end == tail.window.size:
            return self.resume(self.reopen(tail), tail, tail.end)
        return super().settle_tail(verb, tail, segments)


def frames_of(tail: Tail) -> Iterator[tuple[bytes, int]]:
    """Payload and count of each good frame."""
    for found in scans(tail.window, Codec(), tail.seed, tail.first, HEADER_BYTES):
        data, stops = tail.window.data, [*found.offsets[1:], found.end]
        for start, stop in zip(found.offsets, stops, strict=True):
            yield data[start + FRAME_BYTES : stop], _COUNT.unpack_from(data, start)[0]


@bug("crash-in-recovery-loses-the-wal", kinds="lost phantom", profiles=ANY, site="WalBirth.rename", options="frame=1")
class ReplacesBeforeReplaying(Recovery):
    """The old WAL is replaced by an empty one, and its records appended to that: SlateDB #1625, a crash in replay."""

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        wal = super().settle_tail(REPLACE if verb == FINALIZE else verb, tail, segments)
        for payload, count in frames_of(tail):
            wal.append((payload,), count)
        if not wal.held:
            wal.sync_all()
        return wal


@bug("replays-none", kinds="lost duplicated", profiles=ANY, site="WalBirth.rename")
class ReplaysNone(Recovery):
    """The WAL is written and never read: SparrowDB #303."""

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        return super().settle_tail(REPLACE if verb == FINALIZE else verb, tail, segments)


@bug("replays-twice", kinds="duplicated", profiles=ANY, site="SegmentBirth.rename", options="frame=1")
class ReplaysTwice(Recovery):
    """A WAL whose segment is there already is replayed once more: Arc #229."""

    def act(self, survey: Survey, actions: Sequence[Action]) -> Recovered:
        done = {segment.first for segment in survey.segments}.intersection(survey.wals)
        again = [frame for first in sorted(done) for frame in frames_of(self._surveyor.look_at_tail(first))]
        found = super().act(survey, actions)
        for payload, count in again:
            found.wal.append((payload,), count)
        found.wal.sync_all()
        return found


@bug("skips-last-segment", kinds="unopenable lost unstable", profiles=ANY)
class SkipsLastSegment(Surveyor):
    """One of several segments is not looked at: surrealkv #264 replays only one."""

    def survey(self, names: list[str]) -> Survey:
        last = max((name for name in names if name.endswith(".seg")), default="")
        return super().survey([name for name in names if name != last])


@bug("skips-empty-active-segment", kinds="unopenable lost unstable", profiles=ANY)
class SkipsEmpty(Surveyor):
    """The active WAL, still empty, is taken for a leftover: Arc #594."""

    def survey(self, names: list[str]) -> Survey:
        found = super().survey(names)
        if found.manifest is not None and found.tail is not None and found.tail.content == EMPTY:
            found.wals.remove(found.tail.first)
            found.tail = None
        return found


@bug("reads-segments-in-name-order-that-is-not-number-order", kinds="unstable unopenable stuck", profiles=ANY)
class NameOrder(Surveyor):
    """Segments are read in the order of names without leading zeros, 10 before 9: Prometheus #6979."""

    def survey(self, names: list[str]) -> Survey:
        return super().survey(sorted(names, key=lambda name: re.sub("-0*", "-", name)))


@bug("accepts-half-written-segment", kinds="unopenable lost", profiles=CACHED, site="SegmentBirth.write")
class AcceptsHalfWritten(Recovery):
    """A temporary segment that has its end is taken for whole: Quiver writes segments under their final name."""

    def look(self) -> Survey:
        for name in self._vfs.list():
            file = self._vfs.open(name) if name.endswith(".seg.tmp") else None
            if file and file.read(file.size() - len(FOOTER_MAGIC), len(FOOTER_MAGIC)) == FOOTER_MAGIC:
                self._vfs.rename(name, name.removesuffix(".tmp"))
        return super().look()


@bug(
    "recovers-to-a-different-state-the-second-time",
    kinds="unstable resurrected cursor-lost unopenable lost",
    profiles=ANY,
    site="ManifestBirth.write",
)
class BelievesTheTemporary(Surveyor):
    """An unfinished replacement is believed at the first recovery and removed before the second: reth #11801."""

    def look_at_manifest(self, found: Survey) -> None:
        super().look_at_manifest(found)
        if f"{MANIFEST_NAME}.tmp" in self._vfs.list():
            file = self._vfs.open(f"{MANIFEST_NAME}.tmp")
            with suppress(CorruptLog):
                found.manifest = parse_manifest(file.read(0, file.size()))


@bug("leaves-temporary-files", kinds="unopenable stuck", profiles=ANY)
class LeavesTemporaries(Recovery):
    """What a crash left under a temporary name is in the way of the next one: Elasticsearch #20992, Weaviate #1703."""

    def plan(self, survey: Survey) -> list[Action]:
        actions = super().plan(survey)
        return [action for action in actions if survey.manifest is None or not action.name.endswith(".tmp")]


@bug("deadlocks-under-budget", kinds="hung", profiles=ANY, options="budget_bytes=1500")
class WaitsForReaders(Log):
    """What was in the WAL is let in like any append, when readers have made room: known of the logs studied."""

    def _begin(self, found: Recovered, owner: str) -> None:
        replayed = found.segments[len(found.segments) - found.made :]
        while sum(segment.size for segment in (*found.segments, *replayed)) > self.options.budget_bytes:
            found.segments = [segment for segment in found.segments if segment.name in self._vfs.list()]
            self._runtime.sleep(0.01)
        super()._begin(found, owner)
