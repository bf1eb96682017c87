"""Anchors: a crash goes by meaning and comes back as the same crash, also where the engine has changed a little."""

from typing import Any

import pytest

from chaoswal.anchors import crash_of, step_of, tell
from chaoswal.disk.crashes import Bound, Crash, crashed, cuts, in_flight, plan
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import role
from chaoswal.disk.profiles import EXT4_ORDERED, KILL, POSIX, PREFIX, PROFILES, Profile, Tear
from chaoswal.disk.volume import Volume
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append, Operation, Reopen, Sync, Together
from chaoswal.program import CrashStep, parse_step, step_line
from chaoswal.run import Run, record
from tests import toys
from tests.disk.traces import TRACES, Trace

PROGRAM: list[Operation] = [Append(size=100), Append(size=700), Sync(), Reopen(), Append(size=9000)]


def run_of(kind: type[Any], operations: list[Operation] | None = None, disk: Disk | None = None) -> Run:
    return record(toys.factory(kind), PROGRAM if operations is None else operations, disk)


def crash_step(line: str) -> CrashStep:
    step = parse_step(line)
    assert isinstance(step, CrashStep)
    return step


@pytest.mark.parametrize("profile", [PREFIX, EXT4_ORDERED, POSIX], ids=lambda profile: profile.name)
@pytest.mark.parametrize("kind", [toys.ToyLog, toys.NoSync])
def test_every_crash_of_a_run_comes_back(kind: type[Any], profile: Profile) -> None:
    """By way of its text; the disk is the same, and so is what was lost."""
    run = run_of(kind)
    volume = Volume(run.start, profile)
    for point in range(len(run.events) + 1):
        if point:
            volume.apply(run.events[point - 1])
        for cut, torn in cuts(volume, Bound(random_states=2), point):
            crash = plan(point, cut, torn)
            again = crash_of(run, crash_step(step_line(step_of(run, crash, profile))), profile)
            assert again is not None
            assert (again.losses, again.torn) == (crash.losses, crash.torn)
            assert crashed(run.start, run.events, again, profile).image.key == volume.image(cut, torn).key


def test_every_kill_of_a_run_comes_back() -> None:
    run = run_of(toys.ToyLog)
    for point in range(len(run.events)):
        for taken in [0, *in_flight(run.events[point])]:
            crash = Crash(point=point, power=False, taken=taken)
            again = crash_of(run, crash_step(step_line(step_of(run, crash, POSIX))), POSIX)
            assert again is not None
            before, after = (crashed(run.start, run.events, each, POSIX).view.key for each in (crash, again))
            assert before == after


def test_a_crash_among_operations_at_once_comes_back() -> None:
    """An event belongs to the operation that began last, and an end to its own."""
    appends = [Append(size=9), Append(size=8), Append(size=7)]
    switches = tuple((point, 1 + point % 2) for point in range(1, 24) if point % 4 != 2)
    run = record(EngineRef(name="wal").factory(), [Append(size=1), Together(count=3, switches=switches), *appends])
    for point in range(len(run.events) + 1):
        step = step_of(run, Crash(point=point, power=False), KILL)
        again = crash_of(run, crash_step(step_line(step)), KILL)
        assert again is not None
        assert again.point == point or point <= run.opened


def test_a_crash_behind_a_kill_comes_back() -> None:
    """What was pending on the disk a run starts from is named like the rest."""
    first = run_of(toys.NoSync, [Append(size=100)])
    run = run_of(toys.NoSync, [Append(size=50)], first.start.after(first.events))
    volume = Volume(run.start.after(run.events), POSIX)
    for cut, torn in cuts(volume, Bound(), 0):
        crash = plan(len(run.events), cut, torn)
        again = crash_of(run, crash_step(step_line(step_of(run, crash, POSIX))), POSIX)
        assert again is not None
        assert again.losses == crash.losses


@pytest.mark.parametrize(
    "line",
    [
        "power-cut in operation 9 after end",
        "power-cut in operation 1 after write of other nth 1",
        "power-cut in operation 1 after write of log nth 7",
        "power-cut in operation 1 after end lose rename of log nth 1",
        "power-cut in operation 1 after end tear write of log nth 9 sector 0 at 1",
        "kill in operation 1 inside write of other nth 1 at 4096",
    ],
)
def test_what_is_not_there_is_stale(line: str) -> None:
    assert crash_of(run_of(toys.ToyLog), crash_step(line), POSIX) is None


def test_what_is_durable_by_now_cannot_be_lost() -> None:
    line = "power-cut in operation 1 after end lose write of log nth 1"
    unsound = crash_of(run_of(toys.NoSync), crash_step(line), POSIX)
    sound = crash_of(run_of(toys.ToyLog), crash_step(line), POSIX)
    assert unsound is not None
    assert unsound.losses
    assert sound is not None
    assert sound.losses == ()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_where_nothing_tears_a_torn_write_is_stale(profile: Profile) -> None:
    line = "power-cut in operation 1 after write of log nth 1 tear write of log nth 1 sector 0 at 7"
    crash = crash_of(run_of(toys.NoSync), crash_step(line), profile)
    tears = profile.tear is Tear.BYTE_AND_GARBAGE
    assert (crash is not None and crash.torn is not None) == tears


def test_the_shorter_of_the_lost_and_the_kept_is_told() -> None:
    run = run_of(toys.NoSync, [Append(size=600), Append(size=600)])
    volume = Volume(run.start.after(run.events), POSIX)
    pending = list(volume.pending())
    first = next(effect.chain for effect in pending if effect.part == "sector 0")
    most = {chain: 0 for chain in volume.chains.values() if chain is not first}
    told = {step_line(step_of(run, plan(len(run.events), cut, None), POSIX)) for cut in ({first: 0}, most)}
    assert told == {
        "power-cut in operation 2 after end lose write of log nth 1 sector 0",
        "power-cut in operation 2 after end lose all but write of log nth 1 sector 0",
    }


def test_points_of_the_opening() -> None:
    run = run_of(toys.ToyLog)
    start = crash_of(run, crash_step("kill in opening after start"), POSIX)
    end = crash_of(run, crash_step("kill in opening after end"), POSIX)
    assert (start and start.point, end and end.point) == (0, run.opened)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("wal-000017.wal", "wal-#.wal"), ("d1/2-3", "d#/#-#"), ("", "."), ("a b", "a_b"), ("plain", "plain")],
)
def test_roles(path: str, expected: str) -> None:
    assert role(path) == expected


def test_events_in_words() -> None:
    trace = Trace().create("a1").rename("a1", "dir/b2").write("dir/b2", 0, b"x").unlink("dir/b2").write("old", 0, b"y")
    told = tell(Disk(image=trace.image), trace.events)
    assert [(item.path, item.before) for item in told] == [
        ("a1", ""),
        ("dir/b2", "a1"),
        ("dir/b2", ""),
        ("dir/b2", ""),
        ("old", ""),
    ]
    assert [str(item.on_disk) for item in told] == [
        "create of a# nth 1",
        "rename of dir/b# nth 1",
        "write of dir/b# nth 1",
        "unlink of dir/b# nth 1",
        "write of old nth 1",
    ]


@pytest.mark.parametrize("name", TRACES)
def test_no_two_events_share_an_anchor(name: str) -> None:
    trace = TRACES[name]
    told = tell(Disk(image=trace.image), trace.events)
    assert len({item.on_disk for item in told}) == len(told)
