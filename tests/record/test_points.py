"""Calls counted as strace counts them: per thread and name; and the entries at which something can be struck."""

from chaoswal.disk.image import EMPTY
from chaoswal.record.calls import Recording
from chaoswal.record.points import Point, cut_off, entries, walk
from chaoswal.record.strace import calls
from chaoswal.record.tree import Tree

_LINES = """
9 chdir("/dev/null/chaoswal") = -1 ENOTDIR (Not a directory)
9 unlink("/dev/null/chaoswal .[[\\"holds\\", \\"/w\\", 50]]") = -1 ENOTDIR (Not a directory)
9 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3
9 openat(AT_FDCWD, "/r/log", O_RDWR|O_CREAT, 0666) = 4
9 unlink("/dev/null/chaoswal .[[\\"opened\\"]]") = -1 ENOTDIR (Not a directory)
9 unlink("/r/none") = -1 ENOENT (No such file or directory)
9 unlink("/dev/null/chaoswal .[[\\"begin\\", 0, \\"append\\"]]") = -1 ENOTDIR (Not a directory)
9 clone(flags=CLONE_VM|CLONE_FS|CLONE_FILES) = 10
10 write(4, "a", 1) = 1
9 fsync(4 <unfinished ...>
10 write(4, "b", 1) = 1
9 <... fsync resumed>) = 0
9 unlink("/dev/null/chaoswal .[[\\"end\\", 0, \\"0\\"], [\\"begin\\", 1, \\"sync\\"]]") = -1 ENOTDIR (Not a directory)
9 unlink("/dev/null/chaoswal .[[\\"end\\", 1, \\"0\\"]]") = -1 ENOTDIR (Not a directory)
""".strip().splitlines()

_IN_THE_OPENING = Point(thread=0, call="openat", nth=2, operation=None)
_OPENED = Point(thread=0, call="unlink", nth=2, operation=None)
_FIRST_WRITE = Point(thread=1, call="write", nth=1, operation=0)
_SYNC = Point(thread=0, call="fsync", nth=1, operation=0)
_SECOND_WRITE = Point(thread=1, call="write", nth=2, operation=0)
_ENDED = Point(thread=0, call="unlink", nth=5, operation=0)


def _walked(*lines: str) -> tuple[Recording, list[Point], list[Point], list[Point]]:
    recording = Recording(Tree(EMPTY), "/r")
    steps = walk(recording, calls(lines))
    return recording, entries(steps, marks=True), entries(steps, marks=False), cut_off(steps)


def test_each_change_has_an_entry_and_so_has_the_promise_behind_it() -> None:
    """Not what fails, reads, or lies elsewhere; nor a promise behind which nothing was changed."""
    _, with_marks, without, cut = _walked(*_LINES)
    assert without == [_IN_THE_OPENING, _FIRST_WRITE, _SYNC, _SECOND_WRITE]
    assert with_marks == [_IN_THE_OPENING, _OPENED, _FIRST_WRITE, _SYNC, _SECOND_WRITE, _ENDED]
    assert cut == []


def test_what_never_returned_is_where_the_kill_was_and_has_done_nothing() -> None:
    recording, *_, cut = _walked(*_LINES[:10], '10 write(4, "b", 1) = ?', "9 <... fsync resumed>) = ?")
    assert cut == [_SYNC, _SECOND_WRITE]
    assert recording.tree.image().files() == {"log": b"a"}


def test_a_mark_that_never_returned_has_said_nothing() -> None:
    recording, *_, cut = _walked(*_LINES[:12], _LINES[12].rpartition(" = ")[0] + " = ?")
    assert cut == [_ENDED]
    assert "End" not in [type(event).__name__ for event in recording.tree.events]


def test_each_thread_has_counts_of_its_own() -> None:
    """Trap 11: strace's ``when=N`` counts per thread, so we count as it does, and say in which thread."""
    lines = ["9 fsync(4) = 0", "10 fsync(4) = 0", "9 fsync(4) = 0", "10 fdatasync(4) = 0", "10 fsync(4) = 0"]
    points = [step.point for step in walk(Recording(Tree(EMPTY), "/r"), calls(lines))]
    assert [(point.thread, point.call, point.nth) for point in points] == [
        (0, "fsync", 1),
        (1, "fsync", 1),
        (0, "fsync", 2),
        (1, "fdatasync", 1),
        (1, "fsync", 2),
    ]


def test_a_point_says_where_it_is() -> None:
    assert str(_SECOND_WRITE) == "write nth 2 in thread 1 in operation 1"
    assert str(_OPENED) == "unlink nth 2 in the opening"
