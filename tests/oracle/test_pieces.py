"""What is left of written bytes below later ones, against one byte at a time."""

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.image import Image
from chaoswal.oracle.damage import Piece, _calls_in, _pieces, _without
from chaoswal.trace import Write

PIECES: st.SearchStrategy[Piece] = st.tuples(st.integers(1, 2), st.integers(0, 7), st.binary(min_size=1, max_size=5))
WRITES = st.lists(st.tuples(st.frozensets(st.integers(0, 3), min_size=1, max_size=2), PIECES), max_size=6)


def bytes_of(piece: Piece) -> dict[tuple[int, int], int]:
    inode, offset, data = piece
    return {(inode, offset + place): byte for place, byte in enumerate(data)}


@given(PIECES, st.lists(PIECES, max_size=4))
def test_what_is_left_is_each_byte_that_no_later_piece_has(piece: Piece, later: list[Piece]) -> None:
    covered = {place for other in later for place in bytes_of(other)}
    parts = _without([piece], later)
    assert all(data for _, _, data in parts)
    found = [entry for part in parts for entry in bytes_of(part).items()]
    assert sorted(found) == sorted((at, byte) for at, byte in bytes_of(piece).items() if at not in covered)


@given(made=WRITES, damage=st.none() | st.tuples(st.integers(0, 11), st.integers(1, 255)), named=st.booleans())
def test_a_call_is_there_where_each_byte_is_that_it_wrote_last(
    *, made: list[tuple[frozenset[int], Piece]], damage: tuple[int, int] | None, named: bool
) -> None:
    """The file holds what was written to it, but for one byte; of the other file nothing is asked."""
    last: dict[int, tuple[frozenset[int], int]] = {}
    for calls, piece in made:
        last.update({at: (calls, byte) for (inode, at), byte in bytes_of(piece).items() if inode == 1})
    content = bytearray(max(last, default=-1) + 1)
    for at, (_, byte) in last.items():
        content[at] = byte
    if damage and damage[0] < len(content):
        content[damage[0]] ^= damage[1]
    wrong = {call for at, (calls, byte) in last.items() if content[at] != byte or not named for call in calls}
    expected = {call for calls, _ in last.values() for call in calls} - wrong
    writes = [(calls, Write(inode=i, offset=at, data=data, site="")) for calls, (i, at, data) in made]
    assert _calls_in(Image({(0, "a"): 1} if named else {}, {1: bytes(content)}), _pieces(writes, {1})) == expected


def test_a_file_without_bytes_holds_none() -> None:
    assert _calls_in(Image({(0, "a"): 1}, {1: b""}), {0: [(1, 0, b"X")]}) == set()
