"""Replay and shrinking with the toys: FAILED with the mistake, FIXED without, STALE where an anchor is gone."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from chaoswal.anchors import step_of
from chaoswal.check import Depth, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import POSIX, PREFIX, Profile
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.ops import Append, Batch, Operation, Poll, Reopen, Sync
from chaoswal.oracle import History
from chaoswal.program import CrashStep, Step, operations_of, parse_step, step_line
from chaoswal.replay import Status, play, replay, simulated
from chaoswal.run import record
from chaoswal.shrink import Target, _simpler, _size, crash_steps, shrink
from chaoswal.verdict import Violation

PROGRAM: list[Operation] = [
    Append(size=100),
    Sync(),
    Append(size=700),
    Append(size=20),
    Reopen(),
    Sync(),
    Append(size=600),
    Append(size=30),
]
MISTAKES = [
    ("NoSync", Violation.LOST, POSIX),
    ("NoSync", Violation.LOST, PREFIX),
    ("NoChecksum", Violation.INVENTED, POSIX),
    ("NoCut", Violation.PHANTOM, POSIX),
    ("ServesBeforeSync", Violation.PHANTOM, POSIX),
]


def toy(name: str) -> EngineRef:
    return EngineRef(name=f"tests/toys.py:{name}")


@cache
def found(name: str, profile_name: str) -> tuple[Target, tuple[Step, ...]]:
    """A long program with the crash that shows a toy's mistake."""
    profile = POSIX if profile_name == "posix" else PREFIX
    factory, traits = simulated(toy(name))
    run, history = record(factory, PROGRAM), History(PROGRAM, traits)
    seen = check(run, history, Judge(factory), profile, bound=BOUND, depth=Depth(samples=60))
    assert seen is not None
    steps = (*PROGRAM, *crash_steps(factory, run, seen, profile, ()))
    return Target(factory=factory, traits=traits, profile=profile, kind=seen.fault.kind), steps


@cache
def shrunk(name: str, profile_name: str) -> tuple[Step, ...]:
    target, steps = found(name, profile_name)
    return tuple(shrink(target, steps))


BOUND = Bound(random_states=0)
each_mistake = pytest.mark.parametrize(("name", "kind", "profile"), MISTAKES)


@each_mistake
def test_found_under_its_name_and_shrunk(name: str, kind: Violation, profile: Profile) -> None:
    target, steps = found(name, profile.name)
    small = shrunk(name, profile.name)
    assert target.kind is kind
    assert target.plays(small) is not None
    assert len(operations_of(small)) <= 2
    assert len(operations_of(small)) < len(operations_of(steps))
    assert all(step.size <= 10 for step in small if isinstance(step, Append))
    assert sum(isinstance(step, CrashStep) for step in small) == (2 if kind is Violation.PHANTOM else 1)


@each_mistake
def test_what_is_shrunk_is_minimal(name: str, kind: Violation, profile: Profile) -> None:
    """No operation can go, and nothing lost be given back."""
    target, _ = found(name, profile.name)
    small = list(shrunk(name, profile.name))
    for place in range(len(operations_of(small))):
        assert target.plays([*small[:place], *small[place + 1 :]]) is None
    last = small[-1]
    assert isinstance(last, CrashStep)
    played = target.plays(small)
    assert played is not None
    assert played.crash is not None
    for place in range(len(played.crash.losses)):
        fewer = played.crash.losses[:place] + played.crash.losses[place + 1 :]
        milder = step_of(played.run, replace(played.crash, losses=fewer), profile)
        assert target.plays([*small[:-1], milder]) is None


@each_mistake
def test_failed_with_the_mistake_and_fixed_without(name: str, kind: Violation, profile: Profile) -> None:
    for steps in (found(name, profile.name)[1], shrunk(name, profile.name)):
        through_text = [parse_step(step_line(step)) for step in steps]
        status, played = replay(toy(name), through_text, profile)
        assert status is Status.FAILED
        assert played.found is not None
        assert played.found.fault.kind is kind
        status, played = replay(toy("ToyLog"), through_text, profile)
        assert (status, played.found) == (Status.FIXED, None)


LINES = ["append 1", "power-cut in operation 1 after end lose write of log nth 1"]


def status_of(name: str, lines: list[str], profile: Profile = POSIX) -> Status:
    return replay(toy(name), [parse_step(line) for line in lines], profile)[0]


def test_stale_where_an_anchor_is_gone() -> None:
    assert status_of("ToyLog", ["append 1", "power-cut in operation 1 after end lose rename of log nth 1"]) == "STALE"
    assert status_of("ToyLog", ["append 1", "power-cut in operation 1 after unlink of log nth 1"]) == "STALE"
    assert status_of("ToyLog", ["append 1", "power-cut in operation 2 after end"]) == "STALE"


def test_stale_on_the_way() -> None:
    lines = [
        "append 1",
        "kill in operation 1 after unlink of log nth 1",
        "append 1",
        "power-cut in operation 2 after end",
    ]
    assert status_of("ToyLog", lines) == "STALE"


def test_an_anchor_that_is_gone_does_not_hide_the_mistake() -> None:
    assert status_of("NoSync", ["append 1", "power-cut in operation 1 after unlink of log nth 1"]) == "FAILED"
    assert status_of("NoSync", ["append 1", "power-cut in operation 1 after start"]) == "FAILED"


def test_failed_at_the_anchor_itself() -> None:
    assert status_of("NoSync", LINES) == "FAILED"
    assert status_of("ToyLog", LINES) == "FIXED"


def test_a_program_without_a_crash() -> None:
    assert status_of("ToyLog", ["append 1", "sync"]) == "FIXED"
    assert status_of("ToyLog", []) == "FIXED"


def test_what_fails_before_any_crash() -> None:
    lines = ["append 1", "cleanup"]
    status, played = replay(toy("ToyLog"), [parse_step(line) for line in lines], POSIX)
    assert status is Status.FAILED
    assert played.found is not None
    assert (played.found.fault.kind, played.found.crashes) == (Violation.STUCK, ())


def test_faults_are_part_of_a_program() -> None:
    lines = [
        "append 1",
        "fail EIO on fdatasync of log nth 1 once",
        "append 2",
        "power-cut in operation 2 after end lose all",
    ]
    factory, traits = simulated(toy("ToyLog"))
    played = play(factory, traits, [parse_step(line) for line in lines], POSIX, Judge(factory))
    assert played.run.faulty
    assert played.found is None


def test_two_kills_and_a_power_cut() -> None:
    lines = [
        "append 5",
        "kill in operation 1 after write of log nth 1",
        "append 6",
        "kill in operation 2 after end",
        "append 7",
        "power-cut in operation 3 after end lose all",
    ]
    assert status_of("ToyLog", lines) == "FIXED"
    assert status_of("NoSync", lines) == "FAILED"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nothing", "unknown engine 'nothing'"),
        ("wal no-such-option=1", "cannot open wal no-such-option=1"),
        ("chaoswal.engines.registry:Factory", "takes no vfs: it runs on real directories only"),
    ],
)
def test_an_engine_that_cannot_be_played(name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulated(EngineRef.parse(name))
    assert what in str(caught.value)


@pytest.mark.parametrize(
    "step", [Append(size=100), Append(size=2), Batch(sizes=(3, 4)), Batch(sizes=(9,)), Poll(name="s", count=4)]
)
def test_simpler_steps_are_smaller(step: Any) -> None:
    simpler = list(_simpler(step))
    assert simpler
    assert all(_size([other]) < _size([step]) for other in simpler)
    assert list(_simpler(Append(size=1))) == []
    assert list(_simpler(Sync())) == []


def test_another_violation_is_not_the_same() -> None:
    target, steps = found("NoSync", "posix")
    other = replace(target, kind=Violation.HOLE)
    assert target.search(operations_of(steps)) is not None
    assert other.search(operations_of(steps)) is None
    assert other.plays(steps) is None


def test_what_cannot_be_shrunk_is_given_back() -> None:
    target, _ = found("NoSync", "posix")
    sound: list[Step] = [Append(size=1)]
    assert shrink(target, sound) == sound
