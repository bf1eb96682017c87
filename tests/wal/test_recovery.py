"""Recovery: exactly one row for every combination of facts, and the right end from every directory."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.crashes import Bound, cuts
from chaoswal.disk.disk import Disk
from chaoswal.disk.profiles import PROFILES
from chaoswal.disk.volume import Volume
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.wal import CorruptLog, ForeignFile, LogError
from chaoswal.wal.files import segment_name, wal_name
from chaoswal.wal.frames import Codec
from chaoswal.wal.recovery import (
    CURSOR_ROWS,
    LOG_ROWS,
    REFUSE,
    SEGMENT_ROWS,
    UNLINK,
    WAL_ROWS,
    CursorFacts,
    LogFacts,
    SegmentFacts,
    WalFacts,
    plan,
)
from chaoswal.wal.survey import DAMAGED, EMPTY, FRAMES, TORN, Surveyor
from tests.wal.disks import Files, disk_of, files_of, filled, open_log, payload, shown

BOOLEANS = (False, True)
MANIFESTS: tuple[Any, ...] = ("good", "missing", "damaged")
OTHERS: tuple[Any, ...] = ("none", "newborn", "more")
CURSOR_FILES: tuple[Any, ...] = ("good", "damaged", "missing", "ahead", "behind", "passed")
UNREAD: tuple[Any, ...] = ("unread",)
PLACES: tuple[Any, ...] = ("at", "gap", "overlap")

TABLES: dict[str, tuple[Any, list[Any]]] = {
    "segments": (
        SEGMENT_ROWS,
        [SegmentFacts(*facts) for facts in itertools.product(BOOLEANS, BOOLEANS, PLACES)],
    ),
    "wals": (
        WAL_ROWS,
        [
            WalFacts(below, superseded, place, content)
            for below, superseded, place in itertools.product(BOOLEANS, BOOLEANS, PLACES)
            for content in ((EMPTY, TORN, FRAMES, DAMAGED) if place == "at" else UNREAD)
        ],
    ),
    "cursors": (
        CURSOR_ROWS,
        [CursorFacts(listed, file) for listed in BOOLEANS for file in (CURSOR_FILES if listed else UNREAD)],
    ),
    "log": (
        LOG_ROWS,
        [LogFacts(*facts) for facts in itertools.product(MANIFESTS, BOOLEANS, BOOLEANS, OTHERS)],
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_exactly_one_row_matches_every_combination(table: str) -> None:
    rows, combinations = TABLES[table]
    for facts in combinations:
        assert len([row.label for row in rows if row.when(facts)]) == 1, facts


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_idle(table: str) -> None:
    rows, combinations = TABLES[table]
    for row in rows:
        assert any(row.when(facts) for facts in combinations), row.label
    assert len({row.label.split()[0] for row in rows}) == len(rows)


# -- whole directories ---------------------------------------------------------------------------------------------

RECORDS = [payload(number) for number in range(6)]
"""Three WALs of two records each, at 150 bytes a WAL."""


def stages() -> dict[str, bytes]:
    """Every file a log of RECORDS ever had: WALs 0, 2 and 4 with their records, empty WALs 4 and 6, all segments."""
    found: dict[str, bytes] = {}
    vfs = MemoryVfs()
    log = open_log(vfs, wal_bytes=150)
    found["empty 0"] = files_of(vfs)[wal_name(0)]
    found["manifest"] = files_of(vfs)["log.manifest"]
    for first in (0, 2, 4):
        for record in RECORDS[first : first + 2]:
            log.append(record)
        found[f"full {first}"] = files_of(vfs)[wal_name(first)]
        log.rotate()
        found[f"segment {first}"] = files_of(vfs)[segment_name(first)]
        found[f"empty {first + 2}"] = files_of(vfs)[wal_name(first + 2)]
    return found


STAGES = stages()
WAL_CONTENTS = ("absent", "empty", "full", "torn", "hole", "bad header", "zeros", "full and zeros", "zeros and more")


def wal_bytes_of(content: str, first: int) -> bytes:
    """A WAL in one of the contents."""
    empty, full = STAGES[f"empty {first}"], STAGES[f"full {first}"]
    match content:
        case "empty":
            return empty
        case "torn":
            return full[:50]
        case "zeros":
            return empty + bytes(700)
        case "full and zeros":
            return full + bytes(700)
        case "zeros and more":
            return empty + bytes(700) + b"x"
        case "hole":
            return full[:41] + bytes(30) + full[71:]
        case "bad header":
            return b"x" + full[1:]
    return full


def directories() -> list[tuple[bool, bool, str, str, bool]]:
    """Manifest, segment 0, WAL 0, WAL 2, and a stray temporary file: every combination."""
    return list(itertools.product(BOOLEANS, BOOLEANS, WAL_CONTENTS, WAL_CONTENTS, BOOLEANS))


def expected(manifest: bool, segment: bool, old: str, new: str) -> int | None:
    """How many records the log on such a directory shows; None if it must refuse.

    Said once more in other words than those of the tables.
    """
    kept = {"empty": 0, "zeros": 0, "torn": 0, "zeros and more": 0, "full": 2, "full and zeros": 2}
    # a hole before a frame that says the first was durable is damage
    if not manifest:
        newborn = old in {"absent", "empty", "zeros"} and new == "absent"
        return 0 if newborn and not segment else None
    if not segment:
        return kept.get(old) if new == "absent" else None
    if new == "absent":
        return 2 if old != "absent" else None
    return None if new not in kept else 2 + kept[new]


@pytest.mark.parametrize("manifest", BOOLEANS)
def test_every_directory_leads_to_the_right_end(manifest: bool) -> None:
    for has_manifest, segment, old, new, stray in directories():
        if has_manifest != manifest:
            continue
        files: Files = {"log.manifest": STAGES["manifest"]} if manifest else {}
        if segment:
            files[segment_name(0)] = STAGES["segment 0"]
        if old != "absent":
            files[wal_name(0)] = wal_bytes_of(old, 0)
        if new != "absent":
            files[wal_name(2)] = wal_bytes_of(new, 2)
        if stray:
            files[wal_name(2) + ".tmp"] = b"half"
        check_directory(files, expected(manifest, segment, old, new), (segment, old, new))


def check_directory(files: Files, count: int | None, facts: object) -> None:
    """Open it: so many records, or refused and nothing changed; then again with the same result and no change."""
    vfs = disk_of(files)
    if count is None:
        with pytest.raises(CorruptLog):
            open_log(vfs, seed=7)
        assert files_of(vfs) == files, facts
        return
    log = open_log(vfs, seed=7)
    assert shown(log) == RECORDS[:count], facts
    log.close()
    settled = files_of(vfs)
    assert not [name for name in settled if name.endswith(".tmp")]
    assert len([name for name in settled if name.endswith(".wal")]) == 1, facts
    again = disk_of(settled)
    log = open_log(again, seed=8)
    assert shown(log) == RECORDS[:count]
    assert not again.changed()
    log.append(b"on")
    assert shown(log) == [*RECORDS[:count], b"on"]


def test_the_plan_changes_nothing_and_says_what_will_be_done() -> None:
    files = files_of(filled(7))
    files["wal-00000000000000000009.wal.tmp"] = b""
    files["subscriber-unlisted.cur"] = b""
    vfs = disk_of(files)
    actions = plan(Surveyor(vfs, Codec()).survey(vfs.list()))
    assert not vfs.changed()
    told = [f"{action.label.split()[0]} {action.verb} {action.name}" for action in actions]
    assert told == [
        f"T1 {UNLINK} wal-00000000000000000009.wal.tmp",
        f"S1 keep {segment_name(0)}",
        "L1 keep log.manifest",
        f"W2 finalize it {wal_name(5)}",
        "C1 keep subscriber-s.cur",
        f"C2 {UNLINK} subscriber-unlisted.cur",
    ]


@pytest.mark.parametrize("name", sorted(files_of(filled(12))))
def test_a_missing_file_is_reported(name: str) -> None:
    files = files_of(filled(12))
    del files[name]
    vfs = disk_of(files)
    with pytest.raises(CorruptLog):
        open_log(vfs).subscribe("s")
    if not name.endswith(".cur"):
        assert files_of(vfs) == files


def test_refusals_name_the_cause_and_not_what_follows_from_it() -> None:
    files = files_of(filled(12))
    first = min(name for name in files if name.endswith(".seg"))
    files[first] = files[first][:-1]
    with pytest.raises(CorruptLog) as caught:
        open_log(disk_of(files))
    assert caught.value.file == first
    vfs = disk_of(files)
    labels = [a.label for a in plan(Surveyor(vfs, Codec()).survey(vfs.list())) if a.verb == REFUSE]
    assert labels == ["S3 damaged at its end"]


def test_a_cursor_ahead_of_the_log_proves_that_records_are_missing() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    subscriber = log.subscribe("s")
    log.append(b"only one")
    subscriber.poll(1)
    subscriber.ack(0)
    log.close()
    files = files_of(vfs)
    files[wal_name(0)] = files[wal_name(0)][:-1]
    with pytest.raises(CorruptLog, match="acknowledged records that are missing"):
        open_log(disk_of(files))


@pytest.mark.parametrize("name", ["notes.txt", "wal-1.wal", "segment-00000000000000000000.seg.bak", "subscriber-.cur"])
def test_foreign_files_are_named_and_nothing_is_touched(name: str) -> None:
    vfs = disk_of({name: b"mine"})
    with pytest.raises(ForeignFile, match=name.replace(".", r"\.")):
        open_log(vfs)
    assert files_of(vfs) == {name: b"mine"}


@given(st.integers(1, 14), st.sampled_from(["each", "explicit"]), st.integers(100, 500))
def test_a_kill_anywhere_is_recovered_once_and_for_all(count: int, sync: str, wal_bytes: int) -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync=sync, wal_bytes=wal_bytes)
    log.subscribe("s")
    for number in range(count):
        log.append(payload(number))
    events = vfs.events()
    for point in range(0, len(events) + 1, 1 + len(events) // 12):
        killed = MemoryVfs(Disk().after(events[:point]))
        first = shown(open_log(killed, seed=3, wal_bytes=wal_bytes))
        assert first == [payload(number) for number in range(len(first))]
        again = MemoryVfs(killed.killed())
        assert shown(open_log(again, seed=4, wal_bytes=wal_bytes)) == first


def test_the_cost_of_opening_does_not_grow_with_the_contents_of_segments() -> None:
    calls = []
    for size in (10, 100_000):
        vfs = MemoryVfs()
        log = open_log(vfs, wal_bytes=10_000_000)
        for _ in range(5):
            log.append(bytes(size))
        log.rotate()
        log.close()
        read: list[int] = []
        again = disk_of(files_of(vfs))
        opened = again.open

        def spying(path: str, *, write: bool = False, opened: Any = opened, read: list[int] = read) -> Any:
            file = opened(path, write=write)
            return _Spy(file, file.read, read)

        again.open = spying  # type: ignore[method-assign]
        open_log(again)
        calls.append(sum(read))
    assert calls[0] == calls[1]


class _Spy:
    """A file that notes how much is read."""

    def __init__(self, file: Any, read: Any, noted: list[int]) -> None:
        self._file, self._read, self._noted = file, read, noted

    def read(self, offset: int, length: int) -> bytes:
        data: bytes = self._read(offset, length)
        self._noted.append(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_errors_of_recovery_are_the_logs_own() -> None:
    assert issubclass(CorruptLog, LogError)


@pytest.mark.parametrize("durability", ["wal", "segment-only"])
def test_what_an_earlier_session_took_back_does_not_come_back(durability: str) -> None:
    """An append was written, failed, and was truncated away; then a kill, an opening, and a power cut."""
    vfs = MemoryVfs()
    log = open_log(vfs)
    log._wal.append((payload(0),), 0)
    log._wal.rewind(0)
    again = MemoryVfs(vfs.killed())
    assert shown(open_log(again, seed=1, durability=durability)) == []
    volume = Volume(again.killed(), PROFILES["posix"])
    images = [volume.image(cut, torn) for cut, torn in cuts(volume, Bound(), 0)]
    assert [shown(open_log(MemoryVfs(Disk(image=image)), seed=2)) for image in images] == [[]] * len(images)
    before = Volume(vfs.killed(), PROFILES["posix"])
    images = [before.image(cut, torn) for cut, torn in cuts(before, Bound(), 0)]
    assert [payload(0)] in [shown(open_log(MemoryVfs(Disk(image=image)), seed=2)) for image in images]
