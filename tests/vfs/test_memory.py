"""MemoryVfs: the errnos of POSIX, every change as an event with its line, and faults struck on the n-th call."""

import errno
import inspect
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import CALLS, Fault, FaultPlan
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import POSIX
from chaoswal.disk.volume import Volume
from chaoswal.errors import StepLimit
from chaoswal.trace import (
    ROOT,
    Begin,
    Create,
    End,
    Event,
    MakeDirectory,
    Rename,
    SyncBegin,
    SyncEnd,
    Truncate,
    Unlink,
    Write,
)
from chaoswal.vfs.memory import MemoryVfs


def standing() -> Disk:
    return Disk(image=Image.of_files({"file": b"0123456789", "directory": None, "directory/below": b"b"}))


def site(back: int) -> str:
    """``file:line`` of the line so many lines above the caller's."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return f"test_memory.py:{frame.f_back.f_lineno - back}"


def _use_closed(vfs: MemoryVfs) -> None:
    file = vfs.open("file", write=True)
    file.close()
    file.write(0, b"x")


REFUSED: list[tuple[str, int, Callable[[MemoryVfs], object]]] = [
    ("open what is missing", errno.ENOENT, lambda vfs: vfs.open("missing")),
    ("open a directory", errno.EISDIR, lambda vfs: vfs.open("directory")),
    ("open below a file", errno.ENOTDIR, lambda vfs: vfs.open("file/x")),
    ("open below what is missing", errno.ENOENT, lambda vfs: vfs.open("missing/x")),
    ("create what exists", errno.EEXIST, lambda vfs: vfs.create("file")),
    ("create a directory's name", errno.EEXIST, lambda vfs: vfs.create("directory")),
    ("create in a missing directory", errno.ENOENT, lambda vfs: vfs.create("missing/x")),
    ("create below a file", errno.ENOTDIR, lambda vfs: vfs.create("file/x")),
    ("list what is missing", errno.ENOENT, lambda vfs: vfs.list("missing")),
    ("list a file", errno.ENOTDIR, lambda vfs: vfs.list("file")),
    ("rename what is missing", errno.ENOENT, lambda vfs: vfs.rename("missing", "x")),
    ("rename into a missing directory", errno.ENOENT, lambda vfs: vfs.rename("file", "missing/x")),
    ("rename a file over a directory", errno.EISDIR, lambda vfs: vfs.rename("file", "directory")),
    ("rename a directory over a file", errno.ENOTDIR, lambda vfs: vfs.rename("directory", "file")),
    ("rename a directory into itself", errno.EINVAL, lambda vfs: vfs.rename("directory", "directory/x")),
    ("unlink what is missing", errno.ENOENT, lambda vfs: vfs.unlink("missing")),
    ("unlink a directory", errno.EISDIR, lambda vfs: vfs.unlink("directory")),
    ("make a directory that exists", errno.EEXIST, lambda vfs: vfs.make_directory("directory")),
    ("make a directory below a file", errno.ENOTDIR, lambda vfs: vfs.make_directory("file/x")),
    ("sync a missing directory", errno.ENOENT, lambda vfs: vfs.sync_directory("missing")),
    ("sync a file as a directory", errno.ENOTDIR, lambda vfs: vfs.sync_directory("file")),
    ("write through a reading descriptor", errno.EBADF, lambda vfs: vfs.open("file").write(0, b"x")),
    ("truncate through a reading descriptor", errno.EBADF, lambda vfs: vfs.open("file").truncate(0)),
    ("use a closed file", errno.EBADF, _use_closed),
]


@pytest.mark.parametrize(("code", "call"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(code: int, call: Callable[[MemoryVfs], object]) -> None:
    vfs = MemoryVfs(standing())
    with pytest.raises(OSError) as caught:
        call(vfs)
    assert caught.value.errno == code
    assert not vfs.changed()
    assert vfs.image().key == standing().image.key


@pytest.mark.parametrize(
    "call",
    [
        lambda vfs: vfs.create("\udcff"),
        lambda vfs: vfs.make_directory("\udcff"),
        lambda vfs: vfs.create("a").close() or vfs.rename("a", "\udcff"),
        lambda vfs: vfs.create("a").close() or vfs.link("a", "\udcff"),
    ],
)
def test_of_a_name_that_is_no_text_nothing_is_said(call: Callable[[MemoryVfs], object]) -> None:
    """What is found could not be written down."""
    vfs = MemoryVfs()
    vfs.create("größe").close()
    assert not vfs.unseen
    call(vfs)
    assert vfs.unseen.startswith("'\\udcff' is the name of a file, and no text in UTF-8")


def test_a_directory_replaces_no_directory() -> None:
    vfs = MemoryVfs(standing())
    vfs.make_directory("second")
    with pytest.raises(OSError) as caught:
        vfs.rename("second", "directory")
    assert caught.value.errno == errno.ENOTEMPTY
    vfs.rename("second", "second")
    vfs.rename("second", "third")
    assert vfs.list() == ["directory", "file", "third"]


@pytest.mark.parametrize("call", ["read", "map", "size", "sync", "truncate"])
def test_a_closed_file_is_closed_for_everything(call: str) -> None:
    vfs = MemoryVfs(standing())
    file = vfs.open("file", write=True)
    file.close()
    acts: dict[str, Callable[[], object]] = {
        "read": lambda: file.read(0, 1),
        "map": file.map,
        "size": file.size,
        "sync": file.sync,
        "truncate": lambda: file.truncate(1),
    }
    with pytest.raises(OSError) as caught:
        acts[call]()
    assert caught.value.errno == errno.EBADF
    file.close()


# -- what is recorded ----------------------------------------------------------------------------------------------


def test_every_change_is_an_event_with_its_line() -> None:
    vfs = MemoryVfs(standing())
    vfs.begin(7)
    file = vfs.create("new")
    here = site(1)
    file.write(3, b"abc")
    file.truncate(2)
    vfs.make_directory("d")
    vfs.rename("new", "d/moved")
    vfs.unlink("file")
    file.sync(data_only=True)
    vfs.sync_directory("d")
    vfs.sync_directory()
    vfs.end(7, "None")
    name, _, first = here.partition(":")
    line = [f"{name}:{int(first) + place}" for place in range(9)]
    assert vfs.events() == [
        Begin(op_index=7),
        Create(directory=ROOT, name="new", inode=4, site=line[0]),
        Write(inode=4, offset=3, data=b"abc", site=line[2]),
        Truncate(inode=4, size=2, site=line[3]),
        MakeDirectory(directory=ROOT, name="d", inode=5, site=line[4]),
        Rename(directory=ROOT, name="new", to_directory=5, to_name="moved", inode=4, site=line[5]),
        Unlink(directory=ROOT, name="file", inode=1, site=line[6]),
        SyncBegin(inode=4, data_only=True, ticket=1, site=line[7]),
        SyncEnd(inode=4, ticket=1, ok=True),
        SyncBegin(inode=5, data_only=False, ticket=2, site=line[8]),
        SyncEnd(inode=5, ticket=2, ok=True),
        SyncBegin(inode=ROOT, data_only=False, ticket=3, site=f"{name}:{int(first) + 9}"),
        SyncEnd(inode=ROOT, ticket=3, ok=True),
        End(op_index=7, result="None"),
    ]
    assert len(vfs) == 14
    assert vfs.events(12) == vfs.events()[12:]


def _writer(vfs: MemoryVfs) -> str:
    vfs.open("file", write=True).write(0, b"x")
    return site(1)


def test_the_site_is_the_direct_caller() -> None:
    vfs = MemoryVfs(standing())
    inside = _writer(vfs)
    (event,) = vfs.events()
    assert isinstance(event, Write)
    assert event.site == inside


def test_reading_is_no_event() -> None:
    vfs = MemoryVfs(standing())
    file = vfs.open("file")
    assert (file.read(2, 3), file.size(), vfs.list(), vfs.list("directory")) == (
        b"234",
        10,
        ["directory", "file"],
        ["below"],
    )
    assert (file.read(8, 100), file.read(50, 1)) == (b"89", b"")
    file.close()
    assert vfs.events() == []


def test_what_changes_and_what_does_not() -> None:
    vfs = MemoryVfs(standing())
    vfs.begin(0)
    vfs.open("file").sync()
    vfs.sync_directory()
    vfs.end(0, "None")
    assert not vfs.changed()
    vfs.open("file", write=True).write(0, b"0")
    assert vfs.changed()


def test_a_rename_onto_itself_is_nothing() -> None:
    vfs = MemoryVfs(standing())
    vfs.rename("file", "file")
    assert (vfs.events(), vfs.list()) == ([], ["directory", "file"])


def test_a_file_is_written_on_after_its_name_is_gone() -> None:
    vfs = MemoryVfs(standing())
    file = vfs.open("file", write=True)
    vfs.unlink("file")
    file.write(0, b"ghost")
    assert file.read(0, 6) == b"ghost5"
    assert vfs.create("file").size() == 0
    assert "file" in vfs.list()


# -- syncs and faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data_only", "call"), [(False, "fsync"), (True, "fdatasync")])
def test_a_failed_sync_has_its_end(data_only: bool, call: str) -> None:
    vfs = MemoryVfs(standing(), faults=FaultPlan((Fault(call=call, glob="file", nth=1, error="EIO"),)))
    file = vfs.open("file", write=True)
    with pytest.raises(OSError) as caught:
        file.sync(data_only=data_only)
    assert caught.value.errno == errno.EIO
    begin, end = vfs.events()
    assert (begin, end) == (
        SyncBegin(inode=1, data_only=data_only, ticket=1, site=site(4)),
        SyncEnd(inode=1, ticket=1, ok=False),
    )
    file.sync(data_only=data_only)
    assert vfs.events()[-1] == SyncEnd(inode=1, ticket=2, ok=True)


@pytest.mark.parametrize(("data_only", "call"), [(False, "fsync"), (True, "fdatasync")])
def test_a_sync_that_lies_leaves_no_trace(data_only: bool, call: str) -> None:
    vfs = MemoryVfs(standing(), faults=FaultPlan((Fault(call=call, glob="file", nth=1),)))
    file = vfs.open("file", write=True)
    file.sync(data_only=data_only)
    assert vfs.events() == []
    file.sync(data_only=data_only)
    assert vfs.events()[-1] == SyncEnd(inode=1, ticket=1, ok=True)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_short_read_gives_a_part(offset: int, length: int, at: int) -> None:
    vfs = MemoryVfs(standing(), faults=FaultPlan((Fault(call="read", glob="file", nth=1, at=at),)))
    file = vfs.open("file")
    assert file.read(offset, length) == b"0123456789"[offset : offset + min(length, at)]
    assert file.read(offset, length) == b"0123456789"[offset : offset + length]


def test_a_failed_sync_may_take_back_what_it_could_not_write() -> None:
    """As btrfs does: the file reads as it was last synced, for whoever looks, and the disk knows."""
    plan = FaultPlan((Fault(call="fsync", glob="*", nth=2, error="EIO", once=False),))
    vfs = MemoryVfs(standing(), faults=plan, reverts=True)
    file = vfs.open("file", write=True)
    file.write(2, b"synced")
    file.sync()
    file.write(0, b"lost")
    file.write(10, b"more")
    with pytest.raises(OSError):
        file.sync()
    assert file.read(0, 99) == b"01synced89"
    new = vfs.create("new")
    new.write(0, b"never")
    with pytest.raises(OSError):
        new.sync()
    assert new.size() == 0
    assert vfs.killed().view.files() == vfs.image().files()
    assert MemoryVfs(vfs.killed()).open("file").read(0, 99) == b"01synced89"


def test_what_happens_during_a_sync_is_not_covered_by_it() -> None:
    """The begin is noted before other threads run, the end after."""
    vfs: MemoryVfs
    busy: list[bool] = []

    def step() -> None:
        if not busy and any(isinstance(event, SyncBegin) for event in vfs.events()):
            busy.append(True)
            vfs.open("file", write=True).write(0, b"other thread")

    vfs = MemoryVfs(standing(), step=step)
    vfs.open("file", write=True).sync()
    assert [type(event) for event in vfs.events()] == [SyncBegin, Write, SyncEnd]


def everything(vfs: MemoryVfs) -> None:
    """Each kind of call, once."""
    vfs.list()
    file = vfs.create("a")
    file.write(0, b"abc")
    file.read(0, 1)
    file.truncate(1)
    file.sync()
    file.sync(data_only=True)
    file.map().close()
    file.close()
    vfs.make_directory("d")
    vfs.rename("a", "b")
    vfs.open("b").close()
    vfs.link("b", "c")
    vfs.unlink("b")
    vfs.remove_directory("d")
    vfs.lock("LOCK", "me")


@pytest.mark.parametrize("call", CALLS)
def test_every_kind_of_call_can_fail_and_then_did_nothing(call: str) -> None:
    plan = FaultPlan((Fault(call=call, glob="*", nth=1, error="ENOSPC"),))
    vfs = MemoryVfs(faults=plan)
    with pytest.raises(OSError) as caught:
        everything(vfs)
    assert caught.value.errno == errno.ENOSPC
    failed = vfs.events()
    whole = MemoryVfs()
    everything(whole)
    assert [type(event) for event in failed] == [type(event) for event in whole.events()][: len(failed)]
    assert len(failed) < len(whole.events()) or call == "lock"
    assert len(plan.fired) == 1


def test_the_nth_call_fails() -> None:
    vfs = MemoryVfs(standing())
    file = vfs.open("file", write=True)
    vfs.inject(FaultPlan((Fault(call="write", glob="f*", nth=3, error="EIO"),)))
    assert [file.write(0, b"a"), file.write(1, b"b")] == [1, 1]
    with pytest.raises(OSError):
        file.write(2, b"c")
    assert file.write(3, b"d") == 1
    assert file.read(0, 10) == b"ab2d456789"


@given(st.binary(max_size=30), st.integers(0, 40))
def test_a_short_write_takes_a_part(data: bytes, at: int) -> None:
    vfs = MemoryVfs(standing(), faults=FaultPlan((Fault(call="write", glob="file", nth=1, at=at),)))
    file = vfs.open("file", write=True)
    taken = file.write(2, data)
    assert taken == min(at, len(data))
    assert file.read(0, 100) == (b"01" + data[:taken] + b"23456789"[taken:])[: max(10, 2 + taken)]
    (event,) = vfs.events()
    assert isinstance(event, Write)
    assert event.data == data[:taken]


def test_who_never_stops_is_stopped() -> None:
    vfs = MemoryVfs(standing(), calls_max=10)
    file = vfs.open("file")
    for _ in range(9):
        file.read(0, 1)
    with pytest.raises(StepLimit, match="more calls than it may, the last: read of file"):
        file.read(0, 1)
    assert not isinstance(StepLimit("x"), Exception)


def test_a_lock_is_held_until_released() -> None:
    vfs = MemoryVfs()
    lock = vfs.lock("LOCK", "pid 7")
    with pytest.raises(BlockingIOError) as caught:
        vfs.lock("LOCK", "pid 8")
    assert (caught.value.errno, caught.value.strerror) == (errno.EWOULDBLOCK, "pid 7")
    lock.release()
    lock.release()
    vfs.lock("LOCK", "pid 8")
    assert vfs.events() == []
    MemoryVfs(vfs.killed()).lock("LOCK", "the next process")


# -- disks ---------------------------------------------------------------------------------------------------------


def test_an_image_is_shared_and_never_changed() -> None:
    disk = standing()
    first, second = MemoryVfs(disk), MemoryVfs(disk)
    untouched = first.open("directory/below")
    file = first.open("file", write=True)
    file.write(0, b"XX")
    file.truncate(4)
    assert (file.read(0, 9), second.open("file").read(0, 9)) == (b"XX23", b"012345678")
    assert disk.image.files()["file"] == b"0123456789"
    assert first._nodes[3].data is disk.image.contents[3]
    assert untouched.read(0, 1) == b"b"


def test_an_image_taken_is_not_changed_later() -> None:
    vfs = MemoryVfs(standing())
    file = vfs.open("file", write=True)
    file.write(0, b"A")
    image = vfs.image()
    file.write(0, b"B")
    vfs.unlink("directory/below")
    assert image.files() == {"directory": None, "directory/below": b"b", "file": b"A123456789"}


def test_a_buffer_may_be_reused_by_its_owner() -> None:
    vfs = MemoryVfs(standing())
    buffer = bytearray(b"mine")
    vfs.open("file", write=True).write(0, buffer)  # type: ignore[arg-type]  # what an engine without types does
    buffer[:] = b"gone"
    (event,) = vfs.events()
    assert isinstance(event, Write)
    assert event.data == b"mine"


def test_a_second_process_goes_on_where_the_first_was_killed() -> None:
    first = MemoryVfs(standing())
    file = first.create("log")
    file.write(0, b"abc")
    file.sync()
    second = MemoryVfs(first.killed())
    assert second.open("log").read(0, 9) == b"abc"
    second.open("log", write=True).write(3, b"d")
    second.create("more").sync()
    disk = second.killed()
    assert disk.image is first.disk.image
    assert disk.events == (*first.events(), *second.events())
    inodes = [event.inode for event in disk.events if isinstance(event, Create)]
    tickets = [event.ticket for event in disk.events if isinstance(event, SyncBegin)]
    assert len(set(inodes)) == len(inodes)
    assert len(set(tickets)) == len(tickets)
    assert disk.view.files()["log"] == b"abcd"


def test_inodes_are_never_used_again() -> None:
    """A file whose only name is durably gone may still be in the events: its number belongs to it."""
    first = MemoryVfs()
    first.create("a")
    first.unlink("a")
    second = MemoryVfs(first.killed())
    second.create("b")
    inodes = [event.inode for event in second.killed().events if isinstance(event, Create)]
    assert len(set(inodes)) == 2


@st.composite
def acts(draw: st.DrawFn) -> list[tuple[str, int, bytes]]:
    kinds = st.sampled_from(["create", "write", "write", "truncate", "rename", "unlink", "mkdir", "sync"])
    return draw(st.lists(st.tuples(kinds, st.integers(0, 40), st.binary(max_size=20)), max_size=15))


def perform(vfs: MemoryVfs, kind: str, number: int, data: bytes) -> None:
    names = ["a", "b", "directory/c", "file"]
    path, other = names[number % 4], names[number // 4 % 4]
    match kind:
        case "create":
            vfs.create(path)
        case "write":
            vfs.open(path, write=True).write(number, data)
        case "truncate":
            vfs.open(path, write=True).truncate(number)
        case "rename":
            vfs.rename(path, other)
        case "unlink":
            vfs.unlink(path)
        case "mkdir":
            vfs.make_directory(path + "x")
        case _:
            vfs.open(path).sync()


@given(acts())
def test_the_events_say_all_that_a_process_sees(does: list[tuple[str, int, bytes]]) -> None:
    """What the events make of the disk is what the file system shows, and a volume follows them."""
    vfs = MemoryVfs(standing())
    for kind, number, data in does:
        try:
            perform(vfs, kind, number, data)
        except OSError:
            continue  # nothing happened, and nothing may have been recorded
    assert vfs.killed().view.key == vfs.image().key
    assert Volume(vfs.killed(), POSIX).image({}).key == vfs.image().key
    events: list[Event] = vfs.events()
    begins = [event.ticket for event in events if isinstance(event, SyncBegin)]
    assert all(one < other for one, other in pairwise(begins))
