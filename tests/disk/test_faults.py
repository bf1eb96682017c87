"""Faults while running: as text, and struck on the n-th matching call."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.faults import ANY, CALLS, RANGED, SYNCS, Call, Fault, FaultPlan
from chaoswal.errors import UsageError

GLOBS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=12)
ERRORS = st.sampled_from(["EIO", "ENOSPC", "EDQUOT", "EINTR", "EMFILE"])
FAULTS = st.one_of(
    st.builds(
        Fault,
        call=st.sampled_from([*CALLS, ANY]),
        glob=GLOBS,
        nth=st.integers(0, 99),
        error=ERRORS,
        once=st.booleans(),
    ),
    st.builds(
        Fault,
        call=st.sampled_from(RANGED),
        glob=GLOBS,
        nth=st.integers(0, 99),
        error=ERRORS,
        once=st.booleans(),
        offset=st.integers(0, 9999),
    ),
    st.builds(
        Fault,
        call=st.sampled_from(RANGED),
        glob=GLOBS,
        nth=st.integers(0, 99),
        at=st.integers(0, 9999),
        once=st.booleans(),
        offset=st.none() | st.integers(0, 9999),
    ),
    st.builds(Fault, call=st.sampled_from(SYNCS), glob=GLOBS, nth=st.integers(0, 99), once=st.booleans()),
)


@given(FAULTS)
def test_the_text_parses_back(fault: Fault) -> None:
    assert Fault.parse(str(fault)) == fault


def test_the_text_is_that_of_the_documents() -> None:
    once = Fault(call="fsync", glob="*.wal", nth=3, error="EIO")
    assert str(once) == "fail EIO on fsync of *.wal nth 3 once"
    assert str(Fault(call="read", glob="*", nth=1, error="EIO", once=False)).endswith("nth 1 from then on")
    assert str(Fault(call="write", glob="*.wal", nth=2, at=10)) == "short write of *.wal nth 2 at 10"
    assert str(Fault(call="read", glob="*", nth=1, at=3, once=False)) == "short read of * nth 1 at 3 from then on"
    assert str(Fault(call="fsync", glob="*", nth=1)) == "lie on fsync of * nth 1 once"
    assert str(Fault(call="read", glob="*", nth=1, error="EIO", offset=512)) == (
        "fail EIO on read of * at offset 512 nth 1 once"
    )


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
        ("short fsync of * nth 1 at 3", "cannot read"),
        ("lie on write of * nth 1 once", "cannot read"),
        ("lie on fsync of * nth 1", "cannot read"),
        ("fail EIO on fsync of * at offset 3 nth 1 once", "fsync has no offset"),
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
            told = error.errno, error.strerror, error.filename
            failed.append(number if told == (errno.ENOSPC, os.strerror(errno.ENOSPC), path) else -1)
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
    assert [plan.cut("write", "a", 0, 20) for _ in range(3)] == [20, 10, 20]
    assert len(plan.fired) == 1


def test_a_short_read_from_then_on() -> None:
    plan = FaultPlan((Fault(call="read", glob="*", nth=2, at=10, once=False),))
    assert [plan.cut("read", "a", 0, length) for length in (20, 20, 5)] == [20, 10, 5]
    assert plan.cut("write", "a", 0, 20) == 20
    for path, length in (("a.seg", 20), ("a.wal", 3)):
        assert FaultPlan((Fault(call="read", glob="*.wal", nth=1, at=3),)).cut("read", path, 0, 20) == length


def test_an_offset_matches_the_calls_that_hold_it() -> None:
    plan = FaultPlan((Fault(call="read", glob="*", nth=2, at=1, offset=100),))
    ranges = [(0, 100), (0, 101), (101, 5), (100, 1), (100, 1)]
    assert [plan.cut("read", "a", *which) for which in ranges] == [100, 101, 5, 1, 1]
    assert len(plan.fired) == 1
    failing = FaultPlan((Fault(call="write", glob="*", nth=1, error="EIO", offset=0, once=False),))
    failing.strike("write", "a", 1, 5)
    with pytest.raises(OSError):
        failing.strike("write", "a", 0, 5)


def test_any_call_and_the_root() -> None:
    plan = FaultPlan((Fault(call=ANY, glob=".", nth=2, error="ENOSPC"),))
    assert struck(plan, [("readdir", ""), ("fsync", "a"), ("fsync", "")]) == [3]
    assert plan.fired


def test_a_sync_that_lies_does_not_fail() -> None:
    plan = FaultPlan((Fault(call="fsync", glob="*", nth=2),))
    assert struck(plan, [("fsync", "a")] * 3) == []
    assert [plan.lies("fsync", "a") for _ in range(3)] == [False, True, False]
    assert not plan.lies("fdatasync", "a")
    for path, lies in (("a.seg", False), ("a.wal", True)):
        assert FaultPlan((Fault(call="fsync", glob="*.wal", nth=1),)).lies("fsync", path) == lies


def test_a_tally_keeps_what_was_called_and_strikes_nothing() -> None:
    plan = FaultPlan(tally=True)
    assert not plan.armed
    assert struck(plan, [("fsync", "a"), ("readdir", "")]) == []
    assert plan.cut("write", "b", 3, 4) == 4
    plan.strike("write", "b", 3, 4)
    assert plan.seen[1:] == [Call(call="readdir", path=""), Call(call="write", path="b", offset=3, length=4)]
    assert plan.opening == 0, "until somebody says how many"
    plain = FaultPlan()
    plain.strike("write", "b", 3, 4)
    assert plain.seen == []
