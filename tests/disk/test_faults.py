"""Faults while running: as text, and struck on the n-th matching call."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.faults import CALLS, Fault, FaultPlan
from chaoswal.errors import UsageError

GLOBS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12)
FAULTS = st.one_of(
    st.builds(
        Fault,
        call=st.sampled_from(CALLS),
        glob=GLOBS,
        nth=st.integers(0, 99),
        error=st.sampled_from(["EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE"]),
        once=st.booleans(),
    ),
    st.builds(Fault, call=st.just("write"), glob=GLOBS, nth=st.integers(0, 99), at=st.integers(0, 9999)),
)


@given(FAULTS)
def test_the_text_parses_back(fault: Fault) -> None:
    assert Fault.parse(str(fault)) == fault


def test_the_text_is_that_of_the_documents() -> None:
    once = Fault(call="fsync", glob="*.wal", nth=3, error="EIO")
    assert str(once) == "fail EIO on fsync of *.wal nth 3 once"
    assert str(Fault(call="read", glob="*", nth=1, error="EIO", once=False)).endswith("nth 1 from then on")
    assert str(Fault(call="write", glob="*.wal", nth=2, at=10)) == "short write of *.wal nth 2 at 10"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fail EIO", "cannot read the fault 'fail EIO'"),
        ("fail EIO on fsync of * nth 3", "cannot read"),
        ("fail EIO on fsync of * nth x once", "cannot read"),
        ("fail EIO on fsync of * nth 1 once more", "cannot read"),
        ("fail EWHAT on fsync of * nth 1 once", "unknown call or error"),
        ("fail EIO on explode of * nth 1 once", "unknown call or error"),
        ("fail errorcode on fsync of * nth 1 once", "cannot read"),
        ("fail ERRORCODE on fsync of * nth 1 once", "unknown call or error"),
        ("short read of * nth 1 at 3", "cannot read"),
        ("", "cannot read"),
    ],
)
def test_a_bad_line_says_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Fault.parse(text)


def struck(plan: FaultPlan, calls: list[tuple[str, str]]) -> list[int]:
    """Which of these calls fail, counted from 1."""
    failed = []
    for number, (call, path) in enumerate(calls, start=1):
        try:
            plan.strike(call, path)
        except OSError as error:
            failed.append(number if (error.errno, error.filename) == (errno.ENOSPC, path) else -1)
    return failed


def test_once_and_from_then_on() -> None:
    calls = [("fsync", "a.wal")] * 5
    assert struck(FaultPlan((Fault(call="fsync", glob="*", nth=3, error="ENOSPC"),)), calls) == [3]
    assert struck(FaultPlan((Fault(call="fsync", glob="*", nth=3, error="ENOSPC", once=False),)), calls) == [3, 4, 5]


def test_only_matching_calls_count() -> None:
    plan = FaultPlan((Fault(call="fsync", glob="*.wal", nth=2, error="ENOSPC"),))
    calls = [("fsync", "a.wal"), ("write", "a.wal"), ("fsync", "a.seg"), ("fsync", "A.WAL"), ("fsync", "d/b.wal")]
    assert struck(plan, calls) == [5]
    assert [str(fault) for fault in plan.fired] == ["fail ENOSPC on fsync of *.wal nth 2 once"]


def test_a_fault_armed_later_counts_from_then() -> None:
    plan = FaultPlan()
    assert struck(plan, [("write", "a")] * 3) == []
    plan.arm(Fault(call="write", glob="a", nth=2, error="ENOSPC"))
    assert struck(plan, [("write", "a")] * 3) == [2]


def test_short_writes_are_not_errors() -> None:
    plan = FaultPlan((Fault(call="write", glob="*", nth=2, at=10),))
    assert struck(plan, [("write", "a")] * 5) == []
    assert [plan.short("write", "a") for _ in range(3)] == [None, 10, None]
    assert len(plan.fired) == 1
