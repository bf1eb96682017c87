"""Marks: whatever is said is read back, in however many pieces, and other paths are no marks."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.record.marks import Marks, mark


@given(
    st.lists(st.tuples(st.sampled_from(["begin", "end"]), st.integers(), st.text()), max_size=3), st.integers(0, 4000)
)
def test_what_is_said_is_read_back(said: list[tuple[str, int, str]], more: int) -> None:
    paths: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", paths.append)
        mark(*said, ["end", 1, "x" * more])
    assert all(len(path) < 4000 for path in paths)
    marks = Marks()
    read = [entries for path in paths if (entries := marks.read(path))]
    assert read == [[*map(list, said), ["end", 1, "x" * more]]]


def test_a_mark_changes_nothing() -> None:
    mark(["opened"])


def test_other_paths_are_none() -> None:
    assert Marks().read("/dev/null") is None
    assert Marks().read("log") is None
