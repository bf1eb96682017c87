"""A window shows of a file what the whole of it would, whatever the size of its pieces."""

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.wal.window import NamedFile, Window
from tests.wal.windows import Bytes, window_of

DATA = st.lists(st.sampled_from([b"\0", b"CWf", b"CW", b"fC", b"x" * 20, bytes(50)]), max_size=30).map(b"".join)
PIECES = st.integers(32, 80)


@given(DATA, PIECES, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=6))
def test_what_is_asked_for_is_there(data: bytes, piece_bytes: int, asked: list[tuple[int, int]]) -> None:
    window = window_of(data, piece_bytes)
    for offset, length in asked:
        at = window.cover(offset, length)
        assert window.data[at : at + length] == data[offset : offset + length]
        assert len(window.data) <= max(piece_bytes, *(most for _, most in asked))


@given(DATA, PIECES, st.integers(0, 200), st.integers(3, 32))
def test_finding_is_as_in_the_whole(data: bytes, piece_bytes: int, offset: int, room: int) -> None:
    window = window_of(data, piece_bytes)
    found = window.find(b"CWf", offset, room)
    whole = data.find(b"CWf", offset)
    assert found == (whole if whole + room <= len(data) else -1)
    assert found < 0 or window.data[found - window.base :][:room] == data[found : found + room]


def test_what_lies_across_two_pieces_is_found() -> None:
    for place in range(150):
        data = bytes(place) + b"CWf" + bytes(60)
        assert window_of(data, 32).find(b"CWf", 0, 32) == place


@given(DATA, PIECES, st.integers(0, 200))
def test_zeros_to_the_end(data: bytes, piece_bytes: int, offset: int) -> None:
    assert window_of(data, piece_bytes).blank(offset) == (not any(data[offset:]))


def test_a_short_file_is_read_by_one_call_and_stays() -> None:
    file = Bytes(bytes(100))
    window = Window(file, 100)
    assert window.whole
    assert window.blank(0)
    assert window.find(b"x", 50, 1) == -1
    window.cover(99, 50)
    assert file.reads == [(0, 100)]


def test_a_file_that_was_cut_meanwhile_ends_there() -> None:
    window = Window(Bytes(bytes(100)), 150, piece_bytes=80)
    assert window.size == 150
    assert window.blank(0)
    assert window.size == 100


def test_nothing_is_read_of_nothing() -> None:
    file = Bytes(b"")
    assert Window(file, 0).whole
    assert Window(file, 0, 40).find(b"x", 40, 1) == -1
    assert not file.reads


def test_a_named_file_is_opened_for_each_read() -> None:
    vfs = MemoryVfs()
    vfs.create("a").write(0, b"abc")
    file = NamedFile(vfs, "a")
    assert [file.read(1, 9), file.read(0, 1)] == [b"bc", b"a"]
    vfs.unlink("a")
    vfs.create("a").write(0, b"new")
    assert file.read(0, 9) == b"new"
