"""NotedVfs: what it notes is what it did, and a kill may be asked for at each moment around it."""

from pathlib import Path

import pytest

from chaoswal.disk.directory import difference, load
from chaoswal.disk.disk import apply_all
from chaoswal.disk.image import EMPTY
from chaoswal.trace import Create, Rename, SyncBegin, SyncEnd, Truncate, Unlink, Write
from chaoswal.vfs.noted import DONE, FAILED, LOCKED, WRITE, Moment, Note, NotedVfs, event_of


class Stop(BaseException):
    """In place of a kill."""


class Keeper:
    """Keeps the notes, and stops at a moment."""

    def __init__(self, stop: tuple[Moment, int] | None = None, part: int | None = None) -> None:
        self.notes: list[Note] = []
        self.stop = stop
        self.cut = part

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def reach(self, moment: Moment, code: int, path: str) -> None:
        if self.stop == (moment, code):
            raise Stop

    def part(self, offset: int, length: int, path: str) -> int | None:
        return self.cut


def work(vfs: NotedVfs) -> None:
    vfs.make_directory("d")
    file = vfs.create("d/a")
    file.write(3, b"abc")
    file.truncate(4)
    file.sync(data_only=True)
    file.close()
    vfs.rename("d/a", "b")
    vfs.sync_directory()
    vfs.create("c").close()
    vfs.unlink("c")


def test_applying_the_events_to_the_start_gives_the_directory(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    start, keeper = load(str(tmp_path)), Keeper()
    vfs = NotedVfs(str(tmp_path), keeper)
    work(vfs)
    vfs.open("old", write=True).write(0, b"O")
    events = [event_of(note) for note in keeper.notes if note[0] >= 0]
    assert difference(apply_all(start, events), load(str(tmp_path))) == ""
    kinds = [type(event) for event in events]
    assert [kind for kind in (Create, Write, Truncate, SyncBegin, SyncEnd, Rename, Unlink) if kind not in kinds] == []
    assert all(event.site.startswith("test_noted.py:") for event in events if not isinstance(event, SyncEnd))  # type: ignore[union-attr]


def test_each_change_has_a_result_behind_it(tmp_path: Path) -> None:
    keeper = Keeper()
    file = NotedVfs(str(tmp_path), keeper).create("a")
    file.write(0, b"abc")
    assert [note[0] for note in keeper.notes][1::2] == [DONE, DONE]
    assert keeper.notes[-1] == (DONE, 3)


def test_what_failed_is_said_to_have_failed(tmp_path: Path) -> None:
    keeper = Keeper()
    vfs = NotedVfs(str(tmp_path), keeper)
    vfs.create("a")
    for call in (lambda: vfs.create("a"), lambda: vfs.rename("x", "y"), lambda: vfs.unlink("x")):
        with pytest.raises(OSError):
            call()
        assert keeper.notes[-1] == (FAILED,)
    with pytest.raises(FileNotFoundError):
        vfs.open("x")


def test_the_numbers_are_those_of_a_scan_or_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    keeper = Keeper()
    NotedVfs(str(tmp_path), keeper).open("a/x", write=True).write(0, b"1")
    NotedVfs(str(tmp_path), keeper, names={(0, "b"): 7}, next_inode=20).open("b", write=True).write(0, b"1")
    NotedVfs(str(tmp_path), keeper, names={}, next_inode=20).create("c")
    assert [note[2] for note in keeper.notes if note[0] == WRITE] == [3, 7]
    assert keeper.notes[-2][4] == 20


def test_a_lock_is_noted_by_its_path(tmp_path: Path) -> None:
    keeper = Keeper()
    NotedVfs(str(tmp_path), keeper).lock("LOCK", "me").release()
    assert keeper.notes == [(LOCKED, "LOCK")]


@pytest.mark.parametrize(
    ("moment", "noted", "made"),
    [(Moment.BEFORE, 0, False), (Moment.MADE, 1, True), (Moment.AFTER, 2, True)],
)
def test_the_moments_of_a_write(tmp_path: Path, moment: Moment, noted: int, made: bool) -> None:
    (tmp_path / "a").touch()
    keeper = Keeper((moment, WRITE))
    file = NotedVfs(str(tmp_path), keeper).open("a", write=True)
    with pytest.raises(Stop):
        file.write(0, b"abc")
    assert len(keeper.notes) == noted
    assert (tmp_path / "a").read_bytes() == (b"abc" if made else b"")


def test_a_write_may_end_inside(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    keeper = Keeper((Moment.INSIDE, WRITE), part=2)
    with pytest.raises(Stop):
        NotedVfs(str(tmp_path), keeper).open("a", write=True).write(0, b"abc")
    assert (tmp_path / "a").read_bytes() == b"ab"
    assert [event_of(note) for note in keeper.notes] != []


def test_an_empty_directory_needs_no_numbers(tmp_path: Path) -> None:
    assert NotedVfs(str(tmp_path), Keeper()).list() == []
    assert load(str(tmp_path)).key == EMPTY.key
