"""Simpler steps weigh less and read back; programs that are edited keep their crashes in place."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.faults import Fault
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Ack, Append, Batch, Poll, Put, PutBatch, Sync, Wait
from chaoswal.program import CrashStep, Step, lives, operations_of, parse_step, step_line
from chaoswal.simpler import edited, merged, simpler, simpler_options, smaller_numbers, weight, weight_of_options
from tests.test_program import STEPS


@given(STEPS)
def test_what_is_simpler_weighs_less_and_reads_back(step: Step) -> None:
    for other in simpler(step):
        assert weight(other) < weight(step)
        assert parse_step(step_line(other)) == other
        assert other != step


@pytest.mark.parametrize(
    ("step", "first"),
    [
        (Append(size=100), "append 1"),
        (Batch(sizes=(3, 4)), "append 3"),
        (PutBatch(pairs=((3, 40), (1, 2))), "put 3 40"),
        (Put(key=3, size=40), "put 1 40"),
        (Poll(name="s", count=4), "poll s 1"),
        (Ack(name="s", places=(2, 3)), "ack s 0"),
        (Wait(milliseconds=60_000), "wait 1"),
        (Fault.parse("fail EIO on fsync of *.wal nth 3 once"), "fail EIO on fsync of *.wal nth 1 once"),
        (Fault.parse("fail EIO on fsync of * nth 1 from then on"), "fail EIO on fsync of * nth 1 once"),
        (Fault.parse("short write of *.wal nth 1 at 33"), "short write of *.wal nth 1 at 1"),
        (parse_step("power-cut in operation 2 after write of log nth 1 lose all"), "kill in operation 2 after end"),
    ],
)
def test_the_simplest_comes_first(step: Step, first: str) -> None:
    assert step_line(next(simpler(step))) == first


@pytest.mark.parametrize("step", [Append(size=1), Append(size=0), Sync(), Poll(name="s", count=1)])
def test_nothing_is_simpler_than_the_simplest(step: Step) -> None:
    assert list(simpler(step)) == []


@pytest.mark.parametrize(
    ("line", "never"),
    [
        (
            "power-cut in operation 1 after end lose all but write of log nth 1",
            "power-cut in operation 1 after end lose all",
        ),
        ("kill in operation 1 inside write of log nth 1 at 4096", "kill in operation 1 inside write of log nth 1 at 1"),
    ],
)
def test_a_simpler_crash_loses_no_more(line: str, never: str) -> None:
    assert never not in map(step_line, simpler(parse_step(line)))


@given(st.integers(0, 20_000))
def test_smaller_numbers_come_down_to_one(value: int) -> None:
    """Where everything above some least number will do, a number comes near to it in few steps."""
    for least in (1, value // 3, value):
        steps, now = 0, value
        while smaller := next((number for number in smaller_numbers(now) if number >= least), 0):
            assert 0 < smaller < now
            now, steps = smaller, steps + 1
        assert steps <= 60
        assert now - least < 1000 or now <= 2 * least


LINES = [
    "append 1",
    "append 2",
    "kill in operation 2 after write of log nth 1",
    "append 3",
    "fail EIO on fsync of * nth 1 once",
    "append 4",
    "power-cut in operation 3 after write of log nth 1",
    "power-cut in opening after end",
]
PROGRAM = [parse_step(line) for line in LINES]


@pytest.mark.parametrize(
    ("changes", "crashes"),
    [
        ({}, [(2, "write"), (3, "write"), (0, "end")]),
        ({0: None}, [(1, "write"), (2, "write"), (0, "end")]),
        ({1: None}, [(1, "end"), (2, "write"), (0, "end")]),
        ({0: None, 1: None}, [(0, "end"), (1, "write"), (0, "end")]),
        ({2: None}, [(3, "write"), (0, "end")]),
        ({3: None}, [(2, "write"), (0, "end"), (0, "end")]),
        ({4: None}, [(2, "write"), (3, "write"), (0, "end")]),
        ({0: Batch(sizes=(1, 2)), 1: None}, [(1, "end"), (2, "write"), (0, "end")]),
        ({0: Append(size=9)}, [(2, "write"), (3, "write"), (0, "end")]),
    ],
)
def test_crashes_stay_in_their_operations(changes: Any, crashes: list[tuple[int, str]]) -> None:
    steps = edited(PROGRAM, changes)
    assert [(step.operation, step.after.call) for step in steps if isinstance(step, CrashStep)] == crashes
    assert len(steps) == len(PROGRAM) - sum(step is None for step in changes.values())


@given(st.sets(st.integers(0, len(LINES) - 1)))
def test_an_edited_crash_is_in_its_own_life(gone: set[int]) -> None:
    first = 0
    for life in lives(edited(PROGRAM, dict.fromkeys(gone))):
        count = len(operations_of(life.steps))
        if life.crash and life.crash.operation:
            assert first < life.crash.operation <= first + count
        first += count


def test_merged() -> None:
    one, two = Append(size=3), Append(size=4)
    assert list(merged(one, two, batches=False)) == [Append(size=7)]
    assert list(merged(one, two, batches=True)) == [Append(size=7), Batch(sizes=(3, 4))]
    assert list(merged(Batch(sizes=(1, 2)), two, batches=True)) == [Batch(sizes=(1, 2, 4))]
    assert list(merged(one, Sync(), batches=True)) == []


def test_simpler_options_keep_the_bug() -> None:
    engine = EngineRef.parse("wal sync=each wal_bytes=300 bug=no-checksum")
    simple = list(simpler_options(engine))
    assert str(simple[0]) == "wal bug=no-checksum"
    assert "wal sync=each wal_bytes=1 bug=no-checksum" in map(str, simple)
    for other in simple:
        assert ("bug", "no-checksum") in other.options
        assert weight_of_options(other) < weight_of_options(engine)
    assert list(simpler_options(simple[0])) == []


def test_options_that_were_given_stay_as_they_are() -> None:
    engine = EngineRef.parse("wal sync=each wal_bytes=300 bug=no-checksum")
    assert [str(other) for other in simpler_options(engine, ("wal_bytes",))] == ["wal wal_bytes=300 bug=no-checksum"]
    assert list(simpler_options(engine, ("sync", "wal_bytes"))) == []


def test_a_step_of_a_kind_that_is_not_known_goes_by_its_fields() -> None:
    assert [other.milliseconds for other in simpler(Wait(milliseconds=7)) if isinstance(other, Wait)] == [1, 3, 6]
    once = Fault.parse("fail EIO on fsync of * nth 2 once")
    assert replace(once, nth=1) in list(simpler(once))
