"""From calls to events, by transcripts: what takes effect when, and which file it is that a call is about."""

import pytest

from chaoswal.disk.crashes import Bound, cuts
from chaoswal.disk.disk import Disk, apply_all
from chaoswal.disk.image import EMPTY, Image
from chaoswal.disk.profiles import EXT4_ORDERED
from chaoswal.disk.volume import Volume
from chaoswal.errors import Inconclusive
from chaoswal.record.calls import TRACED, Recording
from chaoswal.record.strace import calls
from chaoswal.record.tree import Tree
from chaoswal.text import line
from chaoswal.trace import NOWHERE, Create, Link, Write

HOLDS = '9 unlink("/dev/null/chaoswal .[[\\"holds\\", \\"/w\\", 50]]") = -1 ENOTDIR (Not a directory)'


def followed(*lines: str, image: Image = EMPTY, root: str = "/r") -> Recording:
    """The recording of these lines; process 9 stands in /w and has descriptor 50, which is none of the engine's."""
    recording = Recording(Tree(image), root)
    recording.follow(calls([HOLDS, *lines]))
    assert apply_all(image, recording.tree.events).files() == recording.tree.image().files()
    return recording


def events(*lines: str, image: Image = EMPTY) -> list[str]:
    return [line(event) for event in followed(*lines, image=image).tree.events]


OLD = Image.of_files({"old": b"0123456789"})


def test_writes_go_where_the_file_stands() -> None:
    assert events(
        '9 openat(AT_FDCWD, "/r/old", O_RDWR) = 3',
        '9 write(3, "ab", 2) = 2',
        "9 lseek(3, 1, SEEK_CUR) = 3",
        '9 write(3, "cde", 3) = 2',
        "9 read(0x3, 0x7f00, 0x2) = 0x2",
        '9 pwrite64(3, "f", 1, 0) = 1',
        '9 write(3, "g", 1) = 1',
        image=OLD,
    ) == [
        f"write 1 {offset} {data.encode().hex()} opening" for offset, data in [(0, "ab"), (3, "cd"), (0, "f"), (7, "g")]
    ]


def test_appending_goes_to_the_end_whatever_offset_is_named() -> None:
    assert events(
        '9 open("/r/old", O_WRONLY|O_APPEND) = 3',
        '9 pwrite64(3, "a", 1, 0) = 1',
        '9 write(3, "b", 1) = 1',
        image=OLD,
    ) == ["write 1 10 61 opening", "write 1 11 62 opening"]


def test_what_failed_changed_nothing() -> None:
    assert (
        events(
            '9 open("/r/new", O_WRONLY|O_CREAT|O_EXCL, 0666) = -1 EEXIST (File exists)',
            '9 rename("/r/old", "/r/new") = -1 EXDEV (Invalid cross-device link)',
            '9 unlink("/r/none") = -1 ENOENT (No such file or directory)',
            image=OLD,
        )
        == []
    )


def test_a_sync_begins_and_ends_and_may_fail() -> None:
    assert events(
        '9 open("/r/old", O_WRONLY) = 3',
        "9 fdatasync(3 <unfinished ...>",
        '10 write(3, "other", 5) = 5',
        "9 <... fdatasync resumed>) = -1 EIO (Input/output error)",
        "9 fsync(3) = 0",
        image=OLD,
    ) == ["sync-begin 1 yes 1 opening", "sync-end 1 1 no", "sync-begin 1 no 2 opening", "sync-end 1 2 yes"]


@pytest.mark.parametrize(
    "lines",
    [
        ["9 fsync(3) = ?", "9 +++ killed by SIGKILL +++"],
        ["9 fsync(3 <unfinished ...>", "10 getpid() = 10", "9 <... fsync resumed>) = ?", "9 +++ exited with 0 +++"],
        ["9 fsync(3 <unfinished ...>) = ?", "9 +++ killed by SIGKILL +++"],
        ["9 fsync(3 <unfinished ...>", "9 +++ killed by SIGKILL +++"],
        ["9 fsync(3) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)"],
    ],
)
def test_a_sync_that_was_cut_off_is_neither_done_nor_failed(lines: list[str]) -> None:
    """A crash at the end may lose what it covers, or keep it."""
    recording = followed('9 open("/r/old", O_WRONLY) = 3', '9 pwrite64(3, "ab", 2, 0) = 2', *lines, image=OLD)
    assert [line(event) for event in recording.tree.events] == ["write 1 0 6162 opening", "sync-begin 1 no 1 opening"]
    volume = Volume(Disk(image=OLD).after(recording.tree.events), EXT4_ORDERED)
    left = {volume.image(cut, torn).files()["old"] for cut, torn in cuts(volume, Bound(random_states=0), seed=0)}
    assert left == {b"0123456789", b"ab23456789"}


@pytest.mark.parametrize(("flag", "data_only"), [("O_DSYNC", "yes"), ("O_SYNC", "no")])
def test_a_write_through_a_synchronous_descriptor_syncs_its_own_range(flag: str, data_only: str) -> None:
    """Trap 6: LMDB's meta page is durable by its O_DSYNC descriptor alone."""
    assert events(f'9 open("/r/old", O_WRONLY|{flag}) = 3', '9 pwrite64(3, "ab", 2, 4) = 2', image=OLD) == [
        "write 1 4 6162 opening",
        f"sync-range 1 4 2 {data_only} 1 opening",
        "sync-end 1 1 yes",
    ]


def test_msync_syncs_the_range_of_the_file_that_is_mapped_there() -> None:
    assert events(
        '9 open("/r/old", O_RDWR) = 3',
        "9 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0x1000) = 0x7f0000",
        "9 msync(0x7f1000, 16, MS_SYNC) = 0",
        "9 msync(0x7f1000, 16, MS_ASYNC) = 0",
        image=OLD,
    ) == ["sync-range 1 8192 16 no 1 opening", "sync-end 1 1 yes"]


def test_sync_covers_everything_and_sync_file_range_nothing() -> None:
    assert [each.split()[:2] for each in events("9 sync() = 0", image=OLD)] == [
        ["sync-begin", "0"],
        ["sync-begin", "1"],
        ["sync-end", "0"],
        ["sync-end", "1"],
    ]
    assert "sync_file_range" not in TRACED


def test_a_close_gives_its_number_back_at_its_entry() -> None:
    """Trap 1: another thread is given the number before the close returns (``close(7 <unfinished …>``, a new 7)."""
    recording = followed(
        '9 open("/r/old", O_WRONLY) = 7',
        "9 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD) = 10",
        "9 close(7 <unfinished ...>",
        '10 open("/r/new", O_WRONLY|O_CREAT, 0666) = 7',
        "9 <... close resumed>) = 0",
        '10 write(7, "a", 1) = 1',
        image=OLD,
    )
    assert [event.inode for event in recording.tree.events if isinstance(event, Write)] == [2]


def test_a_child_has_what_its_parent_had_though_its_lines_come_first() -> None:
    """Trap 2: the child works before its parent's clone returns; and what it opens is its own."""
    recording = followed(
        '9 chdir("/r") = 0',
        '9 open("a", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 7',
        "9 vfork( <unfinished ...>",
        '10 write(7, "child", 5) = 5',
        '10 open("b", O_WRONLY|O_CREAT, 0666) = 8',
        "10 close(7) = 0",
        '10 chdir("/") = 0',
        "9 <... vfork resumed>) = 10",
        '9 write(7, "parent", 6) = 6',
        '9 unlink("b") = 0',
        '10 write(8, "x", 1) = 1',
    )
    assert [line(event) for event in recording.tree.events] == [
        "create 0 a 1 opening",
        "write 1 0 6368696c64 opening",
        "create 0 b 2 opening",
        "write 1 5 706172656e74 opening",
        "unlink 0 b 2 opening",
        "write 2 0 78 opening",
    ]
    assert not recording.strange


def test_another_program_has_no_fleeting_descriptors() -> None:
    recording = followed(
        '9 open("/r/a", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3',
        '9 open("/r/b", O_WRONLY|O_CREAT, 0666) = 4',
        '9 execve("/bin/true", ["true"], 0x7ffc /* 35 vars */) = 0',
        '9 write(4, "b", 1) = 1',
    )
    assert not recording.strange
    recording.follow(calls(['9 write(3, "a", 1) = 1']))
    assert recording.strange


def test_paths_are_followed_through_directories_that_move() -> None:
    """Trap 3: a path is no identity; etcd renames ``wal.tmp/`` to ``wal/`` with its files open."""
    assert events(
        '9 mkdir("/r/wal.tmp", 0777) = 0',
        '9 open("/r/wal.tmp/1", O_WRONLY|O_CREAT, 0666) = 3',
        '9 open("/r/wal.tmp", O_RDONLY|O_DIRECTORY) = 4',
        '9 rename("/r/wal.tmp", "/r/wal") = 0',
        '9 openat(4, "../x", O_WRONLY|O_CREAT, 0666) = 5',
        '9 unlinkat(AT_FDCWD, "/r/../r/wal/./1", 0) = 0',
        '9 write(3, "a", 1) = 1',
        "9 fsync(4) = 0",
    ) == [
        "make-directory 0 wal.tmp 1 opening",
        "create 1 1 2 opening",
        "rename 0 wal.tmp 0 wal 1 opening",
        "create 0 x 3 opening",
        "unlink 1 1 2 opening",
        "write 2 0 61 opening",
        "sync-begin 1 no 1 opening",
        "sync-end 1 1 yes",
    ]


def test_a_file_without_a_name_may_get_one() -> None:
    """Trap 6: linkat commits."""
    recording = followed(
        '9 openat(AT_FDCWD, "/r", O_RDWR|O_TMPFILE, 0600) = 3',
        '9 write(3, "a", 1) = 1',
        '9 linkat(AT_FDCWD, "/proc/self/fd/3", AT_FDCWD, "/r/a", AT_SYMLINK_FOLLOW) = 0',
    )
    assert recording.tree.events == [
        Create(directory=NOWHERE, name="#1", inode=1, site="opening"),
        Write(inode=1, offset=0, data=b"a", site="opening"),
        Link(directory=0, name="a", inode=1, site="opening"),
    ]
    assert recording.tree.image().files() == {"a": b"a"}


FALLOCATED = [
    ("0, 4, 20", b"0123456789" + bytes(14)),
    ("0, 2, 4", b"0123456789"),
    ("FALLOC_FL_KEEP_SIZE, 4, 20", b"0123456789"),
    ("FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 2, 4", b"01\0\0\0\x006789"),
    ("FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 8, 20", b"01234567\0\0"),
    ("FALLOC_FL_ZERO_RANGE, 8, 4", b"01234567\0\0\0\0"),
    ("FALLOC_FL_KEEP_SIZE|FALLOC_FL_ZERO_RANGE, 8, 4", b"01234567\0\0"),
    ("FALLOC_FL_COLLAPSE_RANGE, 2, 4", b"016789"),
    ("FALLOC_FL_INSERT_RANGE, 2, 4", b"01\0\0\0\x0023456789"),
]


@pytest.mark.parametrize(("arguments", "left"), FALLOCATED, ids=[arguments for arguments, _ in FALLOCATED])
def test_every_mode_of_fallocate(arguments: str, left: bytes) -> None:
    """Trap 6: space that is allocated ahead, and zeros, hide how long a file is."""
    recording = followed('9 open("/r/old", O_RDWR) = 3', f"9 fallocate(3, {arguments}) = 0", image=OLD)
    assert recording.tree.image().files() == {"old": left}


def test_bytes_that_come_from_another_descriptor() -> None:
    recording = followed(
        '9 open("/r/old", O_RDONLY) = 3',
        '9 open("/r/new", O_WRONLY|O_CREAT, 0666) = 4',
        "9 sendfile(4, 3, [2] => [5], 3) = 3",
        "9 copy_file_range(3, NULL, 4, [1], 2, 0) = 2",
        "9 pipe2([5, 6], O_CLOEXEC) = 0",
        "9 splice(3, NULL, 6, NULL, 3, 0) = 3",
        "9 splice(5, NULL, 4, NULL, 3, 0) = 3",
        image=OLD,
    )
    assert recording.tree.image().files() == {"new": b"201234", "old": b"0123456789"}
    assert not recording.doubts


def test_bytes_from_where_they_are_not_seen_are_doubted() -> None:
    recording = followed(
        '9 open("/r/new", O_WRONLY|O_CREAT, 0666) = 4',
        "9 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3",
        "9 splice(3, NULL, 4, NULL, 3, 0) = 3",
    )
    assert list(recording.doubts) == ["splice took bytes from where they are not seen"]
    assert recording.tree.image().files() == {"new": bytes(3)}


def test_names_change_places() -> None:
    recording = followed(
        '9 mkdir("/r/d", 0777) = 0',
        '9 renameat2(AT_FDCWD, "/r/old", AT_FDCWD, "/r/d", RENAME_EXCHANGE) = 0',
        '9 link("/r/d", "/r/again") = 0',
        '9 rename("/r/again", "/r/d") = 0',
        image=OLD,
    )
    assert recording.tree.image().files() == {"again": b"0123456789", "d": b"0123456789", "old": None}


def test_in_and_out_of_the_directory() -> None:
    recording = followed('9 rename("/r/old", "/elsewhere") = 0', '9 rename("/else", "/r/new") = 0', image=OLD)
    assert recording.tree.image().files() == {"new": b""}
    assert list(recording.doubts) == ["new came from outside of the directory"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ('symlink("a", "/r/s") = 0', "s is neither a file nor a directory"),
        ('mknodat(AT_FDCWD, "/r/p", S_IFIFO|0600) = 0', "p is neither a file nor a directory"),
        ("io_uring_setup(8, {flags=0}) = 3", "io_uring"),
        ('renameat2(AT_FDCWD, "/r/old", AT_FDCWD, "/r/n", RENAME_WHITEOUT) = 0', "whiteout"),
    ],
)
def test_what_cannot_be_followed_is_told(call: str, why: str) -> None:
    assert any(why in reason for reason in followed(f"9 {call}", image=OLD).unseen)


def test_what_nobody_has_made_cannot_be_renamed() -> None:
    with pytest.raises(Inconclusive, match="ghost was renamed or removed"):
        followed('9 rename("/r/ghost", "/r/a") = 0')


def test_a_number_that_nothing_gave_out_is_strange() -> None:
    assert not followed('9 write(1, "out", 3) = 3', '9 write(50, "reply", 5) = 5').strange
    assert followed('9 write(7, "a", 1) = 1').strange
    assert followed("9 fsync(7) = 0").strange
    assert followed('9 open("/r/a", O_RDONLY|O_CREAT, 0666) = 3', "9 close(3) = 0", "9 fsync(3) = 0").strange
    recording = followed(
        '9 open("/r/a", O_WRONLY|O_CREAT, 0666) = 3',
        "9 fcntl(3, F_DUPFD_CLOEXEC, 0) = 7",
        "9 close(3) = 0",
        '9 write(7, "a", 1) = 1',
    )
    assert not recording.strange
    assert recording.tree.image().files() == {"a": b"a"}


def test_ranges_of_descriptors_are_closed_or_made_fleeting() -> None:
    recording = followed(
        '9 open("/r/a", O_WRONLY|O_CREAT, 0666) = 3',
        "9 dup2(3, 8) = 8",
        "9 close_range(7, 4294967295, CLOSE_RANGE_CLOEXEC) = 0",
        "9 close_range(0, 3, 0) = 0",
        '9 write(8, "a", 1) = 1',
    )
    assert recording.tree.image().files() == {"a": b"a"}
    recording.follow(calls(['9 execve("/x", [], []) = 0', '9 write(8, "a", 1) = 1']))
    assert recording.strange


def test_operations_are_marked_and_name_what_happens_in_them() -> None:
    recording = followed(
        '9 unlink("/dev/null/chaoswal .[[\\"opened\\"]]") = -1 ENOTDIR (Not a directory)',
        '9 unlink("/dev/null/chaoswal .[[\\"begin\\", 0, \\"append\\"]]") = -1 ENOTDIR (Not a directory)',
        '9 open("/r/a", O_WRONLY|O_CREAT, 0666) = 3',
        '9 unlink("/dev/null/chaoswal +[[\\"end\\", 0, \\"No") = -1 ENOTDIR (Not a directory)',
        '9 unlink("/dev/null/chaoswal .ne\\"], [\\"begin\\", 1, \\"sync\\"]]") = -1 ENOTDIR (Not a directory)',
        "9 fsync(3) = 0",
    )
    assert recording.opened == 0
    assert [line(event) for event in recording.tree.events] == [
        "begin 0",
        "create 0 a 1 append",
        "end 0 None",
        "begin 1",
        "sync-begin 1 no 1 sync",
        "sync-end 1 1 yes",
    ]
