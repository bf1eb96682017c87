"""The text form of operations and events: it parses back, and what is no such text is refused with the reason."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal import text
from chaoswal.errors import UsageError
from chaoswal.ops import OPERATIONS, Append, Batch, Flush, Poll, Together, payload, payloads
from chaoswal.trace import EVENTS, End, SyncBegin, Write

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 1 << 40),
    bool: st.booleans(),
    str: NAMES,
    bytes: st.binary(max_size=12),
    tuple[int, ...]: st.lists(st.integers(0, 99), max_size=4).map(tuple),
    tuple[tuple[int, int], ...]: st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9)), max_size=3).map(tuple),
}


def of(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a vocabulary type."""
    return st.builds(kind, **{name: VALUES[kind.__annotations__[name]] for name in kind.__slots__})  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [*OPERATIONS, *EVENTS], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_the_line_parses_back(kind: type, data: st.DataObject) -> None:
    item = data.draw(of(kind))
    line = text.line(item)
    assert text.parse(line, OPERATIONS if kind in OPERATIONS else EVENTS) == item
    assert line.startswith(text.word_of(kind))


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (Append(size=61), "append 61"),
        (Batch(sizes=(1, 2)), "batch 1 2"),
        (Batch(sizes=()), "batch"),
        (Together(count=2, switches=((7, 1), (12, 3))), "together 2 7:1 12:3"),
        (Together(count=2, switches=()), "together 2"),
        (Poll(name="a b", count=3), "poll 'a b' 3"),
        (Flush(name=""), "flush ''"),
        (SyncBegin(inode=1, data_only=True, ticket=2, site="log.py:3"), "sync-begin 1 yes 2 log.py:3"),
        (Write(inode=1, offset=0, data=b"", site="s"), "write 1 0 '' s"),
        (End(op_index=0, result="error: it's"), """end 0 'error: it'"'"'s'"""),
    ],
)
def test_lines(item: object, line: str) -> None:
    assert text.line(item) == line


def test_no_two_types_share_a_word() -> None:
    for kinds in (OPERATIONS, EVENTS):
        assert len({text.word_of(kind) for kind in kinds}) == len(kinds)


BAD = [
    ("", "unknown word ''"),
    ("   ", "unknown word ''"),
    ("explode", "unknown word 'explode' in 'explode'; known are: ack, activate,"),
    ("Append 3", "unknown word 'Append'"),
    ("append", "cannot read 'append': expected append <size: int>"),
    ("append x", "expected append <size: int>"),
    ("append 3 4", "'4' is too much"),
    ("append 3.0", "expected append"),
    ("append -1", "cannot read"),
    ("append 1_0", "cannot read"),
    ("append ٣", "cannot read"),
    ("batch 1 two", "expected batch"),
    ("batch 1 -2", "cannot read"),
    ("poll a", "expected poll <name: str> <count: int>"),
    ("poll 'a 3", "No closing quotation"),
    ("sync now", "'now' is too much"),
]


@pytest.mark.parametrize(("line", "what"), BAD)
def test_a_bad_line_says_what_is_wrong(line: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        text.parse(line, OPERATIONS)
    assert what in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_raises_anything_else(line: str) -> None:
    try:
        text.parse(line, OPERATIONS)
    except UsageError:
        return  # refused, as it should be
    assert line.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoWords:
    """A type of its own, for the word."""


def test_words() -> None:
    assert text.word_of(TwoWords) == "two-words"


@given(st.integers(0, 999), st.integers(0, 9), st.integers(0, 400))
def test_a_payload_says_where_it_comes_from(op_index: int, place: int, size: int) -> None:
    data = payload(op_index, place, size)
    assert len(data) == size
    assert data.startswith(b"%d.%d|" % (op_index, place)) or size < len(b"%d.%d|" % (op_index, place))
    assert payload(op_index, place, size) == data


def test_payloads() -> None:
    assert payloads(3, Append(size=20)) == [payload(3, 0, 20)]
    assert payloads(3, Batch(sizes=(5, 6))) == [payload(3, 0, 5), payload(3, 1, 6)]
    drawn = [payload(op_index, place, 30) for op_index in range(30) for place in range(5)]
    assert len(set(drawn)) == len(drawn)
