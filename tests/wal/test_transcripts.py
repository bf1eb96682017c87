"""Transcripts: what the log does to its disk, call by call. The order of these lines is what makes it safe."""

from chaoswal.trace import ROOT, Create, Rename, SyncBegin, Truncate, Unlink, Write
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import Log, Options
from tests.wal.disks import disk_of, files_of, filled, open_log, payload, shown


def told(vfs: MemoryVfs, start: int = 0) -> list[str]:
    """The changes and syncs, a line each, with short names."""
    names = {inode: name for (_, name), inode in vfs.disk.view.names.items()} | {ROOT: "directory"}
    lines = []
    for number, event in enumerate(vfs.events()):
        match event:
            case Create():
                names[event.inode] = event.name
                line = f"create {event.name}"
            case Rename():
                names[event.inode] = event.to_name
                line = f"rename {event.name} to {event.to_name}"
            case Write():
                line = f"write {names[event.inode]} at {event.offset}"
            case Truncate():
                line = f"truncate {names[event.inode]} to {event.size}"
            case Unlink():
                line = f"unlink {event.name}"
            case SyncBegin():
                line = f"sync {names[event.inode]}"
            case _:
                continue
        if number >= start:
            lines.append(line.replace("0" * 19, ""))
    return lines


def birth(name: str) -> list[str]:
    """How a file is born whole."""
    temporary = name + ".tmp"
    return [
        f"create {temporary}",
        f"write {temporary} at 0",
        f"sync {temporary}",
        f"rename {temporary} to {name}",
        "sync directory",
    ]


def test_a_new_log() -> None:
    vfs = MemoryVfs()
    open_log(vfs)
    assert told(vfs) == ["sync directory", *birth("wal-0.wal"), *birth("log.manifest")]


def test_append_sync_and_batch() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync="explicit")
    start = len(vfs.events())
    log.append(b"a")
    log.append_batch([b"b", b"c"])
    log.sync()
    log.sync()
    assert told(vfs, start) == ["write wal-0.wal at 40", "write wal-0.wal at 73", "sync wal-0.wal"]


def test_a_wal_that_grows_ahead() -> None:
    vfs = MemoryVfs()
    log = Log(vfs, StillRuntime(), Options(preallocate_bytes=400))
    start = len(vfs.events())
    for number, expected in enumerate([92, 144, *[400] * 4, 800, 800]):
        log.append(payload(number))
        size = len(files_of(vfs)["wal-00000000000000000000.wal"])
        assert size == expected, "not before it holds a quarter, and then by one piece whenever a frame does not fit"
    log.append(bytes(101 - 32))
    grown = len(files_of(vfs)["wal-00000000000000000000.wal"])
    assert grown == 800, "there is still room for it"
    log.append(bytes(3000))
    assert len(files_of(vfs)["wal-00000000000000000000.wal"]) == 40 + 8 * 52 + 101 + 3032, "no zeros behind a large one"
    offsets = [40 + 52 * number for number in range(9)] + [40 + 8 * 52 + 101]
    written = [line for offset in offsets for line in (f"write wal-0.wal at {offset}", "sync wal-0.wal")]
    assert told(vfs, start) == written, "no call is added"
    assert len(shown(Log(MemoryVfs(vfs.killed()), StillRuntime()))) == 10


def test_a_wal_grows_ahead_only_where_syncs_are_small() -> None:
    for sizes, zeros in (((40, 50, 40, 50), True), ((400, 50, 40), False), ((90, 90, 90, 90), False)):
        vfs = MemoryVfs()
        log = Log(vfs, StillRuntime(), Options(preallocate_bytes=400, sync="explicit"))
        for size in sizes:
            log.append(bytes(size - 32))
            if size < 90:
                log.sync()
        grown = len(files_of(vfs)["wal-00000000000000000000.wal"]) > 40 + sum(sizes)
        assert grown is zeros, sizes


def test_rotation() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    log.append(payload(0))
    start = len(vfs.events())
    log.rotate()
    assert told(vfs, start) == [*birth("segment-0.seg"), *birth("wal-1.wal"), "unlink wal-0.wal"]
    start = len(vfs.events())
    log.rotate()
    assert told(vfs, start) == []


def test_recovery_finishes_the_wal_of_the_last_session_as_rotation_does() -> None:
    vfs = disk_of(files_of(filled(2)))
    open_log(vfs)
    assert told(vfs) == ["sync directory", *birth("segment-0.seg"), *birth("wal-2.wal"), "unlink wal-0.wal"]


def test_a_clean_opening() -> None:
    vfs = MemoryVfs()
    open_log(vfs).close()
    again = disk_of(files_of(vfs))
    open_log(again)
    assert told(again) == ["sync directory", "sync wal-0.wal"]


def test_a_torn_wal_without_a_good_record_is_replaced() -> None:
    files = files_of(filled(1))
    files["wal-00000000000000000000.wal"] = files["wal-00000000000000000000.wal"][:60]
    del files["subscriber-s.cur"]
    vfs = MemoryVfs()
    open_log(vfs)
    files["log.manifest"] = files_of(vfs)["log.manifest"]
    vfs = disk_of(files)
    open_log(vfs)
    assert told(vfs) == ["sync directory", *birth("wal-0.wal")]


def test_subscribers_and_cleanup() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, wal_bytes=10_000)
    start = len(vfs.events())
    subscriber = log.subscribe("s")
    assert told(vfs, start) == [*birth("subscriber-s.cur"), *birth("log.manifest")]
    log.append(payload(0))
    log.rotate()
    subscriber.poll(1)
    subscriber.ack(0)
    start = len(vfs.events())
    log.cleanup()
    assert told(vfs, start) == [*birth("subscriber-s.cur"), *birth("log.manifest"), "unlink segment-0.seg"]
    start = len(vfs.events())
    log.unregister("s")
    assert told(vfs, start) == [*birth("log.manifest"), "unlink subscriber-s.cur"]


def test_a_failed_append_is_rewound() -> None:
    vfs = disk_of({}, "fail ENOSPC on write of wal-*.wal nth 2 once")
    log = open_log(vfs)
    log.append(b"a")
    start = len(vfs.events())
    try:
        log.append(b"b")
    except OSError:
        log.append(b"c")
    assert told(vfs, start) == ["truncate wal-0.wal to 73", "write wal-0.wal at 73", "sync wal-0.wal"]
