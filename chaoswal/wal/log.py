"""The log: append, sync, read, rotate, subscribe, clean up; one writer, any number of threads.

What it promises
----------------
* ``append`` with sync="each", ``append_batch`` with the same, ``sync``, ``rotate`` and ``close``: when one of them
  returns, everything appended before is durable. A batch is there whole or not at all. Under the other policies
  (``options.py``) a receipt says whether its records are durable already; nothing else is promised before a ``sync``.
  With durability "segment-only" nothing is durable before its segment is: the last three finish it (``held.py``).
* Readers and subscribers are shown durable records only, so that what was seen stays.
* Sequence numbers begin at 0, have no gaps, and are never used again.
* A failed append (an OSError) leaves the log as it was. After a failed sync or finalize, whatever it was for, nobody
  knows what is on the disk: the log is poisoned, and every change is refused until it is opened again; reading is not.
* Damage to what was durable raises CorruptLog, with one limit that ``frames.py`` tells.

The directory must exist and hold nothing else. Parts that do one thing each are put together in ``Parts``. One mutex
guards everything. It is given back while an append or a sync waits for the disk (``commit.py``), and held while a WAL
is finalized or a file is replaced. What is due after a time is done by a thread of the log's own (``timer.py``), which
is there only where the options ask for it.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Self
from weakref import WeakMethod

from chaoswal.vfs.protocol import File, Lock, Vfs
from chaoswal.vfs.runtime import Runtime
from chaoswal.wal.commit import Committer, Standing
from chaoswal.wal.counters import Counters
from chaoswal.wal.cursor import Cursor, CursorBirth
from chaoswal.wal.errors import (
    BadName,
    CorruptLog,
    LogClosed,
    LogLocked,
    NeedsThreads,
    RecordGone,
    RecordTooLarge,
    SequenceConflict,
    SubscriberBusy,
    UnknownSubscriber,
)
from chaoswal.wal.extent import Extent
from chaoswal.wal.files import HEADER_BYTES, KNOWN, LOCK_NAME, cursor_name
from chaoswal.wal.finalize import Finalizer
from chaoswal.wal.frames import PAYLOAD_BYTES_MAX, Codec, Pieces, Record, batch, length_of
from chaoswal.wal.held import HeldWal
from chaoswal.wal.manifest import Manifest, ManifestBirth
from chaoswal.wal.options import Options
from chaoswal.wal.reading import READ_MODES, RECENT_BYTES, PlainFiles, Recent
from chaoswal.wal.recovery import Recovered, Recovery
from chaoswal.wal.retention import Cleaner, Limits
from chaoswal.wal.segment import Segment, SegmentBirth
from chaoswal.wal.subscriber import Feed, Subscriber
from chaoswal.wal.survey import Surveyor, check_names
from chaoswal.wal.timer import Job, Timer
from chaoswal.wal.upkeep import Upkeep
from chaoswal.wal.walfile import WalBirth, WalFile
from chaoswal.wal.window import Window

READ_BYTES = 1 << 20
"""How much a reader of all records takes at a time."""

STARTS = ("earliest", "latest", "resume", "skip")
"""How a subscriber may be taken up."""

_FIRST = attrgetter("first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The classes a log is made of; a subclass of Log may put another in the place of any."""

    codec: type[Codec] = Codec
    wal_file: type[WalFile] = WalFile
    held_wal: type[HeldWal] = HeldWal
    wal_birth: type[WalBirth] = WalBirth
    committer: type[Committer] = Committer
    segment_birth: type[SegmentBirth] = SegmentBirth
    cursor_birth: type[CursorBirth] = CursorBirth
    manifest_birth: type[ManifestBirth] = ManifestBirth
    finalizer: type[Finalizer] = Finalizer
    surveyor: type[Surveyor] = Surveyor
    recovery: type[Recovery] = Recovery
    cleaner: type[Cleaner] = Cleaner
    limits: type[Limits] = Limits
    feed: type[Feed] = Feed
    timer: type[Timer] = Timer


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an append returns: its first sequence number, whether it is durable now, and how many records it took."""

    sequence: int
    durable: bool
    count: int = 1


class Log(Upkeep):
    """An open log."""

    parts = Parts()

    # What most logs never change stands in the class: they are opened by the thousand.
    _timer: Timer | None = None
    _sync_job: Job | None = None
    _age_job: Job | None = None
    _rotations = _finished_bytes = _forgotten_acks = 0
    _names_in_doubt = False  # whether the manifest on the disk may list others than the one in memory

    def __init__(self, vfs: Vfs, runtime: Runtime, options: Options | None = None) -> None:
        """Open or make the log in the root of ``vfs``.

        A policy that goes by time needs a ``runtime`` with threads (NeedsThreads). Raises LogLocked if the log is open
        elsewhere, ForeignFile if the directory holds something else, CorruptLog if what was durable is damaged, and
        OSError. Nothing stays locked then.
        """
        self.options = options if options is not None else Options()
        self._vfs = vfs
        self._runtime = runtime
        self._mutex = runtime.mutex()
        parts = self.parts
        self._standing = Standing()
        self._committer = parts.committer(runtime, self._mutex, self.options, self._standing)
        self._due_bytes, self._wal_limit = self.options.due_bytes, self.options.wal_limit
        if self.options.needs_thread:
            self._timer = self._make_timer(runtime)
        self._codec = codec = parts.codec(self.options.frame)
        wal_file = parts.wal_file if self.options.durability == "wal" else parts.held_wal
        wal_birth = parts.wal_birth(vfs, codec, runtime.entropy, wal_file, self.options.preallocate_bytes)
        self._cursor_birth = parts.cursor_birth(vfs)
        self._manifest_birth = parts.manifest_birth(vfs)
        self._finalizer = parts.finalizer(vfs, parts.segment_birth(vfs, codec, runtime.entropy, runtime.now), wal_birth)
        self._cleaner = parts.cleaner(vfs)
        self._limits = parts.limits(self.options)
        self._feeds: dict[str, Feed] = {}
        self._recent = Recent()
        self._files: PlainFiles = READ_MODES[self.options.read_mode](vfs)
        owner = f"pid {os.getpid()}, since {runtime.now():.3f}"
        self._lock = self.take_lock(owner)
        try:
            surveyor = parts.surveyor(vfs, codec)
            recovery = parts.recovery(vfs, surveyor, self._finalizer, wal_birth, self._manifest_birth)
            found = recovery.run()
        except BaseException:
            self._lock.release()
            raise
        self._begin(found, owner)

    def _begin(self, found: Recovered, owner: str) -> None:
        """Go on from what recovery has found."""
        self._segments = found.segments
        self._wal = found.wal
        try:
            self._manifest = self.take_over(found.manifest)
            self._lock.tell(f"{owner}, epoch {self._manifest.epoch}")
        except BaseException:
            self._release()
            raise
        self._cursors = found.cursors
        self._errors = found.errors
        self._made = found.made
        self._opened_at = found.wal.next
        if found.undeleted:
            self._cleaner.delete(found.undeleted, self._runtime.now())
        if self._timer is not None:
            self._start(self._timer)

    def _make_timer(self, runtime: Runtime) -> Timer:
        """The thread that the options ask for, not yet running."""
        try:
            timer = self.parts.timer(runtime, self._mutex, "log timer")
        except RuntimeError as error:
            raise NeedsThreads(self.options.by_time) from error
        if self.options.due_s:
            self._sync_job = timer.add(self.options.due_s, self._sync)
        if self.options.rotate_age_s:
            self._age_job = timer.add(self.options.rotate_age_s, self._rotate)
        return timer

    def _start(self, timer: Timer) -> None:
        try:
            timer.start()
        except BaseException:
            with self._mutex:
                self._release()
            raise

    # -- writing ---------------------------------------------------------------------------------------------

    def append(self, payload: bytes, expected: int | None = None) -> Receipt:
        """Append one record; only if its number will be ``expected``, where that is given (SequenceConflict)."""
        with self._mutex:
            wal, sequence, due = self._append((payload,), 0, expected)
            turn = self._committer.join() if due else None
        if due:
            self._committer.commit(wal, sequence, turn)
        return Receipt(sequence, durable=sequence < wal.durable)

    def append_batch(self, payloads: Sequence[bytes], expected: int | None = None) -> Receipt:
        """Append several records as one: after a crash all of them are there, or none. ``expected`` as in append."""
        with self._mutex:
            if not payloads:
                self._check_writable()
                self._check_expected(expected)
                return Receipt(self._wal.next, durable=self._wal.durable == self._wal.next, count=0)
            wal, sequence, due = self._append(batch(payloads), len(payloads), expected)
            turn = self._committer.join() if due else None
        if due:
            self._committer.commit(wal, sequence, turn)
        return Receipt(sequence, durable=sequence < wal.durable, count=len(payloads))

    def sync(self) -> None:
        """Make everything appended so far durable."""
        with self._mutex:
            self._sync()

    def rotate(self) -> None:
        """Finalize the WAL into a segment, if it holds anything. Everything appended before is durable on return."""
        with self._mutex:
            self._check_writable()
            self._rotate()

    def _append(self, payload: Pieces, count: int, expected: int | None) -> tuple[WalFile, int, bool]:
        """Write one frame: to which WAL, its first number, and whether it is to be made durable now."""
        standing = self._standing
        if standing.closed or standing.reason:
            standing.check()
        length = length_of(payload)
        if length > PAYLOAD_BYTES_MAX:
            raise RecordTooLarge(length, PAYLOAD_BYTES_MAX)
        frame_bytes = self._codec.size(length)
        if self.options.budget_bytes:
            self._make_room(frame_bytes, count or 1)
        if self._wal.size + frame_bytes > self._wal_limit:
            self._turn_over(frame_bytes)
        if expected is not None:  # looked at only now: whoever makes room may have had to wait for others
            self._check_expected(expected)
        wal = self._wal
        try:
            sequence = wal.append(payload, count)
        except BaseException as error:
            if wal.broken:
                self._poison("append and its undoing", error)
            raise
        if self._timer is not None:
            self._arm(self._timer)
        return wal, sequence, wal.size - wal.begun_size >= self._due_bytes

    def _check_expected(self, expected: int | None) -> None:
        if expected is not None and expected != self._wal.next:
            raise SequenceConflict(expected, self._wal.next)

    def _turn_over(self, frame_bytes: int) -> None:
        """Rotate if the frame does not fit; again, should others have filled the next WAL meanwhile."""
        while self.is_full(frame_bytes):
            full = self._wal
            self._rotate()
            if self._wal is full:
                return

    def _arm(self, timer: Timer) -> None:
        if self._sync_job is not None:
            timer.arm(self._sync_job)
        if self._age_job is not None:
            timer.arm(self._age_job)

    def is_full(self, frame_bytes: int) -> bool:
        """Whether the WAL holds something and would be too large with one more frame."""
        return self._wal.size > HEADER_BYTES and self._wal.size + frame_bytes > self.options.wal_limit

    def _sync(self) -> None:
        self._check_writable()
        if self._wal.held:
            self._rotate()
        else:
            self._committer.commit_held(self._wal, self._wal.next - 1)

    def _rotate(self) -> None:
        old = self._wal
        self._committer.quiesce()
        self._check_writable()
        if self._wal is not old:
            return  # while this thread waited another has rotated, and what this one appended before is durable
        if not old.held:
            self._committer.finish(old)
        if old.size == HEADER_BYTES:
            return
        try:
            segment, wal = self._finalize(old)
        except BaseException as error:
            self._poison(f"finalize of {old.name}", error)
            raise
        self._segments.append(segment)
        self._wal = wal
        self._rotations += 1
        self._finished_bytes += old.size - HEADER_BYTES
        if self._age_job is not None:
            self._age_job.due = None
        old.close()

    def _finalize(self, old: WalFile) -> tuple[Segment, WalFile]:
        found = Extent(old.name, old.first, Window(old.file, old.size))
        found.gather(self._codec, old.seed)
        if (found.end, found.next) != (old.size, old.next):
            raise CorruptLog(old.name, found.end, found.next, old.next - 1, "what was written reads back differently")
        return self._finalizer.finalize(found)

    def counters(self) -> Counters:
        """What this log has done since it was opened, and what there is."""
        with self._mutex:
            wal, feeds = self._wal, self._feeds
            positions = [
                feeds[name].position if name in feeds else self._cursors[name].position
                for name in self._manifest.names
                if name in feeds or name in self._cursors
            ]
            return Counters(
                appended=wal.next - self._opened_at,
                consumed=self._forgotten_acks + sum(feed.acks for feed in feeds.values()),
                buffered=wal.next - max(self._manifest.start, min(positions, default=0)),
                bytes_appended=self._finished_bytes + wal.size - HEADER_BYTES,
                syncs=self._committer.syncs,
                flush_failures=self._committer.failures,
                rotations=self._rotations,
                segments_written=self._rotations + self._made,
                segments_active=len(self._segments),
                segments_cleaned=self._cleaned,
                segments_dropped=self._dropped,
            )

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """How often this log was taken over from a writer that died."""
        return self._manifest.epoch

    @property
    def start_sequence(self) -> int:
        """The number of the first record that is left; ``durable_sequence`` if there is none."""
        return self._manifest.start

    @property
    def durable_sequence(self) -> int:
        """Every record below this number is durable."""
        return self._wal.durable

    @property
    def next_sequence(self) -> int:
        """The number the next record will get."""
        return self._wal.next

    def records(self, start: int | None = None) -> Iterator[Record]:
        """The records that are durable now, from number ``start`` on (default: the oldest), with their numbers.

        RecordGone where cleanup has been there before.
        """
        with self._mutex:
            self._check_open()
            sequence, end = self._manifest.start if start is None else start, self._wal.durable
        while sequence < end:
            with self._mutex:
                self._check_open()
                run = self._read(sequence, READ_BYTES)
            sequence = run[-1][0] + 1
            yield from run if sequence <= end else [record for record in run if record[0] < end]

    def _read(self, sequence: int, max_bytes: int) -> list[Record]:
        """Some durable records from number ``sequence`` on, which is below the durable sequence; at least one."""
        if sequence < self._manifest.start:
            raise RecordGone(sequence, self._manifest.start)
        if sequence >= self._wal.first:
            return self._wal.read(sequence, max_bytes)
        segment = self._segments[bisect_right(self._segments, sequence, key=_FIRST) - 1]
        records = self._recent.find(segment.first, sequence)
        if not records:
            records = segment.read(self._files, self._codec, sequence, max_bytes)
            if segment.index_offset <= RECENT_BYTES and len(records) == segment.end - segment.first:
                self._recent.keep(segment.first, records)
        return records

    # -- subscribers -----------------------------------------------------------------------------------------

    @property
    def subscribers(self) -> tuple[str, ...]:
        """The names that are registered, sorted."""
        return self._manifest.names

    def subscribe(self, name: str, start: str = "earliest") -> Subscriber:
        """Register a subscriber, durably, or take up (activate) the one of that name where it was.

        A new one begins at the "earliest" record left or behind the "latest" durable one. With "resume" or "skip"
        there is none made: UnknownSubscriber. With "resume" it misses nothing: RecordsMissed if what it would get next
        is gone, now or when it polls. Otherwise ``skipped`` of the handle says how many it has missed. SubscriberBusy
        if it has a handle, CorruptLog if its progress is damaged, LogPoisoned once who is registered is not known.
        """
        if start not in STARTS:
            raise ValueError(f"start={start!r}: it is one of {', '.join(STARTS)}")
        with self._mutex:
            self._check_names()
            if name not in self._manifest.names:
                self._register(name, start)
            feed = self._feed(name)
            if feed.active():
                raise SubscriberBusy(name)
            strict = start == "resume"
            return Subscriber(feed, self._mutex, self._durable, self._flush, self._oldest, strict=strict)

    def register(self, name: str, start: str = "earliest") -> None:
        """Register a subscriber, durably, without taking it up; nothing happens if it is registered."""
        if start not in STARTS[:2]:
            raise ValueError(f"start={start!r}: it is one of {', '.join(STARTS[:2])}")
        with self._mutex:
            self._check_names()
            if name not in self._manifest.names:
                self._register(name, start)

    def deactivate(self, name: str) -> None:
        """Take a subscriber's handle away, whoever has it; what it held is handed back, and it stays registered."""
        with self._mutex:
            self._check_open()
            if name not in self._manifest.names:
                raise UnknownSubscriber(name)
            if name in self._feeds:
                self._feeds[name].release()

    def unregister(self, name: str) -> None:
        """Forget a subscriber, durably; its handle is closed."""
        with self._mutex:
            self._check_writable()
            if name not in self._manifest.names:
                raise UnknownSubscriber(name)
            self._unregister(name)

    def _register(self, name: str, start: str) -> None:
        """Registered is who the manifest lists; the cursor is there before."""
        if KNOWN.fullmatch(cursor_name(name)) is None:
            raise BadName(name)
        if start not in STARTS[:2]:
            raise UnknownSubscriber(name)
        self._check_writable()
        position = self._manifest.start if start == "earliest" else self._wal.durable
        self._put_cursor(name, Cursor(position))
        self._put_manifest(self._manifest.with_name(name))
        self._cursors[name] = Cursor(position)

    def _unregister(self, name: str) -> None:
        self._put_manifest(self._manifest.without_name(name))
        feed = self._feeds.pop(name, None)
        if feed is not None:
            self._forgotten_acks += feed.acks
            feed.release()
        self._errors.pop(cursor_name(name), None)
        self._cursors.pop(name, None)
        self._cursor_birth.remove(name)

    def _feed(self, name: str) -> Feed:
        feed = self._feeds.get(name)
        if feed is None:
            if cursor_name(name) in self._errors:
                raise self._errors[cursor_name(name)]
            feed = self._feeds[name] = self.parts.feed(name, self._cursors[name], WeakMethod(self._read))
            feed.skip(self._manifest.start)  # what it was owed may have been dropped, and a crash kept it from hearing
        return feed

    def _flush(self, feed: Feed) -> None:
        self._check_writable()
        cursor = feed.cursor()
        if cursor != feed.flushed:
            self._put_cursor(feed.name, cursor)
            feed.flushed = cursor

    def _put_cursor(self, name: str, cursor: Cursor) -> None:
        file = self._cursor_birth.draft(name, cursor)
        try:
            self._cursor_birth.publish(name, file)
        except BaseException as error:
            self._poison(f"flush of {cursor_name(name)}", error)
            raise

    def _put_manifest(self, manifest: Manifest) -> None:
        file: File = self._manifest_birth.draft(manifest)
        try:
            self._manifest_birth.publish(file)
        except BaseException as error:
            self._names_in_doubt = True
            self._poison("replacement of the manifest", error)
            raise
        self._manifest = manifest

    def _durable(self) -> int:
        return self._wal.durable

    def _oldest(self) -> int:
        return self._manifest.start

    # -- opening and closing ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Sync, flush the subscribers' progress, and give everything back. LogPoisoned if the log was poisoned.

        The log's thread has ended when this returns or raises.
        """
        try:
            with self._mutex:
                self._close()
        finally:
            if self._timer is not None:
                self._timer.join()

    def _close(self) -> None:
        self._committer.quiesce()
        if self._standing.closed:
            return
        try:
            self._check_writable()
            if self._wal.held:
                self._rotate()
            self._committer.finish(self._wal)
            self._flush_progress(list(self._feeds.values()))
        finally:
            self._release()

    def take_lock(self, owner: str) -> Lock:
        """Take the writer's lock; a directory that was never ours is looked at first, and not touched if foreign."""
        names = self._vfs.list()
        if LOCK_NAME not in names:
            check_names(names)
        try:
            return self._vfs.lock(LOCK_NAME, owner)
        except BlockingIOError as error:
            raise LogLocked(error.strerror or "unknown") from error

    def take_over(self, manifest: Manifest) -> Manifest:
        """The manifest, with the next epoch, durably, if the writer before died with the lock."""
        if not self._lock.previous:
            return manifest
        manifest = manifest.with_epoch(manifest.epoch + 1)
        self._manifest_birth.publish(self._manifest_birth.draft(manifest))
        return manifest

    def _release(self) -> None:
        self._standing.closed = True
        if self._timer is not None:
            self._timer.stop()
        for feed in self._feeds.values():
            feed.handle = None
        try:
            self._files.close()
            self._wal.close()
        finally:
            self._lock.release()

    def _check_open(self) -> None:
        if self._standing.closed:
            raise LogClosed

    def _check_writable(self) -> None:
        self._standing.check()

    def _check_names(self) -> None:
        """Whoever is told to be registered must be: LogPoisoned where nobody knows."""
        self._check_open()
        if self._names_in_doubt:
            self._check_writable()

    def _poison(self, doing: str, error: BaseException) -> None:
        self._standing.poison(doing, error)

    @property
    def _poisoned(self) -> str:
        return self._standing.reason

    @_poisoned.setter
    def _poisoned(self, reason: str) -> None:
        self._standing.reason = reason

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
