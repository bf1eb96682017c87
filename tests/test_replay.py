"""Replay with the toys: FAILED with the mistake, FIXED without, STALE where an anchor is gone."""

from typing import Any

import pytest

from chaoswal import corpus
from chaoswal.check import Judge
from chaoswal.disk.profiles import POSIX, Profile
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.errors import UsageError
from chaoswal.explain import explain
from chaoswal.program import parse_step
from chaoswal.replay import Status, play, replay, simulated
from chaoswal.trace import End
from chaoswal.verdict import Violation
from chaoswal.vfs.protocol import Vfs


def toy(name: str) -> EngineRef:
    return EngineRef(name=f"tests/toys.py:{name}")


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


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("Forgets", ["append 1", "sync"]),
        ("AcksBeforeWriting", ["append 1"]),
        ("AcksBeforeWriting", ["append 1", "kill in operation 1 after end", "append 2"]),
    ],
)
def test_without_a_crash_the_end_is_looked_at_as_a_kill_leaves_it(name: str, lines: list[str]) -> None:
    steps = [parse_step(line) for line in lines]
    status, played = replay(toy(name), steps, POSIX)
    assert status is Status.FAILED
    assert played.found
    assert played.found.fault.kind is Violation.LOST
    assert status_of("ToyLog", lines) == "FIXED"


def test_such_a_finding_is_told_with_both_sides() -> None:
    finding = corpus.loads(
        f"{corpus.MAGIC}\nengine {toy('Forgets')}    profile kill    expect lost"
        "    found 2026-11-21 seed 1\nappend 1\n",
        "a test",
    )
    told = explain(finding)
    assert told.status is Status.FAILED
    assert not told.moved
    assert (told.recovered, told.allowed) != ("", "")


def test_what_fails_before_any_crash() -> None:
    lines = ["append 1", "cleanup"]
    status, played = replay(toy("ToyLog"), [parse_step(line) for line in lines], POSIX)
    assert status is Status.FAILED
    assert played.found is not None
    assert (played.found.fault.kind, played.found.crashes) == (Violation.STUCK, ())


def test_subscribers_are_asked_even_where_an_opening_failed_before_they_were() -> None:
    lines = ["subscribe s", "append 1", "power-cut in operation 2 after end lose all"]
    lines += ["fail EINTR on open of segment-*.seg nth 1 once", "poll s 1"]
    lines += ["power-cut in operation 3 after end lose all"]
    factory, traits = simulated(EngineRef(name="wal"))
    played = play(factory, traits, [parse_step(line) for line in lines], POSIX, Judge(factory))
    assert [event.result for event in played.run.events if isinstance(event, End)] == ["[(0, b'1')]"]
    assert played.found is None


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
        ("chaoswal.engines.registry:Factory", "takes no vfs"),
    ],
)
def test_an_engine_that_cannot_be_played(name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulated(EngineRef.parse(name))
    assert what in str(caught.value)


@pytest.mark.parametrize("options", ["no-such-option=1", "bug=no-sync-before-ack"])
def test_an_engine_that_cannot_be_opened_again_like_that(options: str) -> None:
    """In the middle of a program an engine takes the options that it takes at its beginning, and no bug is planted."""
    steps = [parse_step(line) for line in ("append 1", f"open {options}", "power-cut in operation 1 after end")]
    with pytest.raises(UsageError, match="cannot open wal sync=each"):
        replay(EngineRef.parse("wal sync=each"), steps, POSIX)


class Broken(WalEngine):
    """Raises what has nothing to do with its options."""

    def __init__(self, root: str = "", **more: Any) -> None:
        raise KeyError("where it begins")


class Endless(Broken):
    """Comes to no end."""

    def __init__(self, root: str = "", *, vfs: Vfs, **more: Any) -> None:
        while True:
            vfs.list()


@pytest.mark.parametrize(
    ("name", "why"),
    [("Broken", r"test_replay\.py:\d+: KeyError: 'where it begins'$"), ("Endless", r"StepLimit: .*more calls")],
)
def test_an_engine_that_cannot_be_opened_where_there_is_nothing_is_a_matter_of_usage(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"^cannot open tests/test_replay\.py:{name}: .*{why}"):
        simulated(EngineRef.parse(f"tests/test_replay.py:{name}"))


class KeepsItsThreadsSecret(WalEngine):
    """An adapter that does not say what its options need."""

    needs_threads = None  # type: ignore[assignment]


def test_threads_that_nobody_was_told_of_are_a_matter_of_usage() -> None:
    simulated(EngineRef.parse("wal sync=interval"))
    with pytest.raises(
        UsageError, match=r'^cannot open .*: sync="interval" is done by a thread .* or leave the option'
    ):
        simulated(EngineRef.parse("tests/test_replay.py:KeepsItsThreadsSecret sync=interval"))
