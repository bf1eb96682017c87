"""Shrinking with the toys: small, minimal, the same violation, and honest about profiles and other violations."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import pytest

from chaoswal.anchors import crash_of, step_of
from chaoswal.check import Depth, Judge, check
from chaoswal.disk.crashes import Bound, Crash, loss_of
from chaoswal.disk.profiles import KILL, POSIX, PREFIX, PROFILES, Profile
from chaoswal.disk.volume import Volume
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.findings import conclude
from chaoswal.hunt import Hunter
from chaoswal.ops import Append, Operation, Reopen, Sync
from chaoswal.oracle import History
from chaoswal.program import CrashStep, Step, operations_of, parse_step, step_line
from chaoswal.replay import Status, play_to_last_run, replay, simulated
from chaoswal.run import record
from chaoswal.shrink import Bench, Program, Shrunk, Target, crash_steps, shrink
from chaoswal.verdict import Violation
from chaoswal.vfs.protocol import Vfs
from tests import toys

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


class Muddled(toys.NoSync):
    """Loses what it acknowledged, and cannot be opened on a file that is empty."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.known = "log" in vfs.list()
        super().__init__(vfs=vfs)

    def read(self) -> tuple[list[bytes], int]:
        if self.known and not self.file.size():
            raise RuntimeError("no header")
        return super().read()


class Optional(toys.NoSync):
    """Has the mistake where an option is large enough, and others that do not matter."""

    def __init__(self, root: str = "", *, limit: str = "0", **rest: Any) -> None:
        self.limit = int(limit)
        super().__init__(root, vfs=rest["vfs"])

    def sync(self) -> None:
        if self.limit < 10:
            self.file.sync(data_only=True)


def toy(name: str, file: str = "tests/toys.py") -> EngineRef:
    return EngineRef(name=f"{file}:{name}")


def seen(engine: EngineRef, profile: Profile, operations: list[Operation] | None = None) -> tuple[Step, ...]:
    """A long program with the crash that shows a toy's mistake."""
    program = operations or PROGRAM
    factory, traits = simulated(engine)
    run, history = record(factory, program), History(program, traits)
    found = check(run, history, Judge(factory), profile, bound=Bound(random_states=0), depth=Depth(samples=60))
    assert found is not None
    return (*program, *crash_steps(found, profile))


@cache
def shrunk(name: str, kind: Violation, profile_name: str) -> Shrunk:
    profile = PROFILES[profile_name]
    small = shrink(Target(engine=toy(name), profile=profile, kind=kind), seen(toy(name), profile), [profile])
    assert small is not None
    return small


def program_of(small: Shrunk) -> Program:
    return Program(engine=small.engine, profile=small.profile, steps=small.steps)


def without_one_step(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for place in range(len(steps)):
        yield steps[:place] + steps[place + 1 :]


def one_restored(program: Program) -> Iterator[CrashStep]:
    """The last crash with one lost event restored, and all that must be there before it, one after the other."""
    played = Bench(Violation.LOST).played(program)
    assert played
    assert played.crash
    volume = Volume(played.run.start.after(played.run.events[: played.crash.point]), program.profile)
    for event in {loss.event for loss in played.crash.losses}:
        back = {
            loss_of(earlier)
            for chain in volume.chains.values()
            for place, effect in enumerate(chain.effects)
            if effect.index == event
            for earlier in chain.effects[: place + 1]
        }
        kept = tuple(loss for loss in played.crash.losses if loss not in back)
        step = step_of(played.run, replace(played.crash, losses=kept), program.profile)
        crash = crash_of(played.run, step, program.profile)
        if crash and event not in {loss.event for loss in crash.losses}:  # else it rests on others that are lost
            yield step


def assert_minimal(small: Shrunk) -> None:
    """No step can go, whatever crash is tried instead of the one that is there, and nothing lost be given back."""
    bench, program = Bench(small.fault.kind, at_creation=small.at_creation), program_of(small)
    assert bench.shown(program)
    for steps in without_one_step(program.steps):
        found = bench.find(replace(program, steps=steps), wide=True)
        assert found is None or len(found.steps) == len(program.steps), "one step less takes one crash more"
    for crash in one_restored(program) if isinstance(program.steps[-1], CrashStep) else ():
        assert bench.shown(replace(program, steps=(*program.steps[:-1], crash))) is None


each_mistake = pytest.mark.parametrize(("name", "kind", "profile"), MISTAKES)


@each_mistake
def test_small(name: str, kind: Violation, profile: Profile) -> None:
    small = shrunk(name, kind, profile.name)
    assert small.fault.kind is kind
    assert len(operations_of(small.steps)) <= 2
    assert all(step.size <= 10 for step in small.steps if isinstance(step, Append))
    assert sum(isinstance(step, CrashStep) for step in small.steps) == (2 if kind is Violation.PHANTOM else 1)
    assert small.tries > 0 < small.states


@each_mistake
def test_minimal(name: str, kind: Violation, profile: Profile) -> None:
    assert_minimal(shrunk(name, kind, profile.name))


@each_mistake
def test_failed_with_the_mistake_and_fixed_without(name: str, kind: Violation, profile: Profile) -> None:
    for steps in (seen(toy(name), profile), shrunk(name, kind, profile.name).steps):
        through_text = [parse_step(step_line(step)) for step in steps]
        status, played = replay(toy(name), through_text, profile)
        assert status is Status.FAILED
        assert played.found is not None
        assert played.found.fault.kind is kind
        status, played = replay(toy("ToyLog"), through_text, profile)
        assert (status, played.found) == (Status.FIXED, None)


def test_what_does_not_show_the_violation_is_not_shrunk() -> None:
    steps = seen(toy("NoSync"), POSIX)
    assert shrink(Target(engine=toy("NoSync"), profile=POSIX, kind=Violation.HOLE), steps) is None
    assert shrink(Target(engine=toy("NoSync"), profile=POSIX, kind=Violation.LOST), steps[:1]) is None
    assert shrink(Target(engine=toy("ToyLog"), profile=POSIX, kind=Violation.LOST), steps) is None


@pytest.mark.parametrize("looks", [0, 1, 5, 20])
def test_when_time_is_up_the_best_so_far_is_taken(looks: int) -> None:
    """However early that is, it is a program that shows the violation, and it says that it may not be the smallest."""
    target, steps = Target(engine=toy("NoSync"), profile=POSIX, kind=Violation.LOST), seen(toy("NoSync"), POSIX)
    asked = count()
    small = shrink(target, steps, over=lambda: next(asked) >= looks)
    assert small
    assert small.cut
    assert small.tries <= looks
    assert (len(small.steps) < len(steps)) == (looks >= 5)
    assert Bench(Violation.LOST).shown(program_of(small))
    assert not shrunk("NoSync", Violation.LOST, POSIX.name).cut


def test_violations_of_another_kind_are_passed_over() -> None:
    """Wherever this toy loses a record by the size of its file it cannot be opened, and that state comes first."""
    engine = toy("Muddled", __file__)
    lines = ["append 5", "append 5", "append 700", "power-cut in operation 3 after end lose write of log nth 3"]
    by_hand = tuple(parse_step(line) for line in lines)
    for kind, steps in ((Violation.LOST, by_hand), (Violation.UNOPENABLE, seen(engine, POSIX))):
        small = shrink(Target(engine=engine, profile=POSIX, kind=kind), steps)
        assert small
        assert small.fault.kind is kind
        assert len(operations_of(small.steps)) == 1


def test_what_loses_something_is_not_shrunk_to_what_does_not() -> None:
    """Before the first promise the toy cannot be opened either; that is another matter, unless it was the matter."""
    engine = toy("Muddled", __file__)
    early = parse_step("power-cut in opening after truncate of log nth 1")
    target = Target(engine=engine, profile=POSIX, kind=Violation.UNOPENABLE)
    small = shrink(target, [Append(size=3), early])
    assert small
    assert small.at_creation
    assert operations_of(small.steps) == []
    small = shrink(target, seen(engine, POSIX))
    assert small
    assert not small.at_creation


def test_without_time_a_finding_stays_as_it_was_caught_and_says_so() -> None:
    catch = Hunter(toy("NoSync"), [PREFIX], depth=None).attempt(0).catch
    assert catch
    at_once = conclude(catch, seed=0, today=dt.date(2026, 11, 21), seconds=0.0)
    assert at_once.finding
    assert (at_once.finding.steps, at_once.found.cut) == (catch.steps, True)
    assert not conclude(catch, seed=0, today=dt.date(2026, 11, 21)).found.cut


def test_options_that_were_given_stay_as_they_are() -> None:
    """Without them the mistake is there too, but in another engine than that which was asked about."""
    engine = toy("Optional", __file__).with_options(limit="731", other="3")
    catch = Hunter(engine, [PREFIX], depth=None).attempt(0).catch
    assert catch
    finding = conclude(catch, seed=0, today=dt.date(2026, 11, 21)).finding
    assert finding
    assert str(finding.engine) == str(engine)
    free = conclude(replace(catch, given=()), seed=0, today=dt.date(2026, 11, 21)).finding
    assert free
    assert free.engine.options == (("limit", "10"),)


def test_the_strongest_profile_and_all_it_happens_under() -> None:
    small = shrink(Target(engine=toy("NoSync"), profile=POSIX, kind=Violation.LOST), seen(toy("NoSync"), POSIX))
    assert small
    assert (small.profile, small.profiles) == (PREFIX, tuple(name for name in PROFILES if name != KILL.name))
    small = shrink(
        Target(engine=toy("NoChecksum"), profile=POSIX, kind=Violation.INVENTED), seen(toy("NoChecksum"), POSIX)
    )
    assert small
    assert KILL.name not in small.profiles
    assert PREFIX.name not in small.profiles


def test_options_that_do_not_matter_go_and_those_that_do_are_simple() -> None:
    engine = toy("Optional", __file__).with_options(limit="731", sync="often", other="3")
    small = shrink(Target(engine=engine, profile=PREFIX, kind=Violation.LOST), seen(engine, PREFIX), [PREFIX])
    assert small
    assert small.engine.options == (("limit", "10"),)


def test_lives_that_do_not_matter_go() -> None:
    lines = [
        "append 5",
        "kill in operation 1 after write of log nth 1",
        "append 6",
        "power-cut in operation 2 after end",
        "sync",
        "append 7",
        "power-cut in operation 4 after end lose write of log nth 1",
    ]
    target = Target(engine=toy("NoSync"), profile=PREFIX, kind=Violation.LOST)
    small = shrink(target, [parse_step(line) for line in lines], [PREFIX])
    assert small
    assert [step_line(step) for step in small.steps] == [
        "append 1",
        "power-cut in operation 1 after end lose write of log nth 1",
    ]


def test_faults_stay_where_they_are_needed() -> None:
    lines = [
        "append 30",
        "fail EIO on rename of * nth 1 once",
        "short write of log nth 1 at 9",
        "append 6",
        "power-cut in operation 2 after end",
    ]
    engine = toy("ToyLog")
    kinds = {
        kind
        for kind in Violation
        if Bench(kind).shown(Program(engine=engine, profile=POSIX, steps=tuple(parse_step(line) for line in lines)))
    }
    assert kinds == {Violation.LOST}, "the toy takes a write cut short for a whole one"
    small = shrink(Target(engine=engine, profile=POSIX, kind=Violation.LOST), [parse_step(line) for line in lines])
    assert small
    assert [step_line(step) for step in small.steps] == [
        "short write of log nth 1 at 1",
        "append 1",
        "kill in operation 1 after end",
    ]


def test_what_makes_no_sense_alone_stays_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(factory: Any, traits: Any, steps: Any, profile: Any) -> Any:
        if not steps or steps[0] != Sync():
            raise UsageError("a sync must come first")
        return play_to_last_run(factory, traits, steps, profile)

    monkeypatch.setattr("chaoswal.shrink.play_to_last_run", strict)
    lines = ["sync", "append 5", "append 6", "power-cut in operation 3 after end lose all"]
    target = Target(engine=toy("NoSync"), profile=PREFIX, kind=Violation.LOST)
    small = shrink(target, [parse_step(line) for line in lines], [PREFIX])
    assert small
    assert operations_of(small.steps) == [Sync(), Append(size=1)]


def test_two_appends_become_one() -> None:
    lines = [
        "append 600",
        "append 600",
        "power-cut in operation 2 after write of log nth 1 lose write of log nth 2 sector 1",
    ]
    target = Target(engine=toy("NoChecksum"), profile=POSIX, kind=Violation.INVENTED)
    small = shrink(target, [parse_step(line) for line in lines])
    assert small
    assert len(operations_of(small.steps)) == 1


def test_the_crash_is_moved_to_the_end() -> None:
    lines = ["append 1", "sync", "power-cut in operation 2 after start lose write of log nth 1"]
    target = Target(engine=toy("NoSync"), profile=PREFIX, kind=Violation.LOST)
    small = shrink(target, [parse_step(line) for line in lines], [PREFIX])
    assert small
    assert step_line(small.steps[-1]) == "power-cut in operation 1 after end lose write of log nth 1"


def test_a_crash_plan_is_closed() -> None:
    """What is lost of a chain takes with it what comes after it, though the step names the first of it only."""
    run = record(simulated(toy("NoSync"))[0], [Append(size=5), Append(size=5)])
    step = parse_step("power-cut in operation 2 after end lose write of log nth 1")
    assert isinstance(step, CrashStep)
    crash = crash_of(run, step, PREFIX)
    assert isinstance(crash, Crash)
    assert len({loss.event for loss in crash.losses}) == 2
    assert step_of(run, crash, PREFIX) == step
