"""The sweep: every error fires, every damage is judged; planted bugs are seen, and the sound engine is clean."""

from collections import Counter
from dataclasses import replace as changed
from itertools import islice

import pytest

from chaoswal.check import Depth, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.faults import Call, Fault, FaultPlan
from chaoswal.disk.profiles import EXT4_ORDERED, KILL, PROFILES, Profile
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive
from chaoswal.hunt import Hunter
from chaoswal.ops import Append
from chaoswal.oracle import Traits
from chaoswal.program import Step, lives, parse_step, step_line
from chaoswal.replay import Status, play, play_to_last_run, replay, simulated
from chaoswal.sweep import IN_OPENING, fires, glob_of, io_faults, io_programs, rot_trials, start_of_last_life
from chaoswal.workload import Generator
from tests import toys

BOUND = Bound(random_states=1, states_per_point=20)


def parsed(program: str) -> list[Step]:
    return [parse_step(line) for line in program.split("; ")]


def swept(engine: str, program: str, profile: Profile = KILL, *, lies: bool = False) -> tuple[Counter[str], list[str]]:
    """What is found with one error after the other, by kind, and the first program that shows something."""
    factory, traits = simulated(EngineRef.parse(engine))
    judge, found, first = Judge(factory), Counter[str](), list[str]()
    for steps in io_programs(factory, traits, parsed(program), profile, lies=lies):
        played = play_to_last_run(factory, traits, steps, profile)
        assert not played.stale
        violation = played.found or check(played.run, played.history, judge, profile, bound=BOUND)
        if violation:
            found[violation.fault.kind] += 1
            first = first or [step_line(step) for step in steps]
    return found, first


def rotted(engine: str, program: str, profile: Profile = KILL) -> tuple[Counter[str], list[Step]]:
    """What is found with one damage after the other, by kind, and the first program that shows something."""
    factory, traits = simulated(EngineRef.parse(engine))
    found, first = Counter[str](), list[Step]()
    for trial in rot_trials(factory, traits, parsed(program), profile, Judge(factory)):
        if trial.fault:
            found[trial.fault.kind] += 1
            first = first or list(trial.steps)
    return found, first


# -- which errors there are ----------------------------------------------------------------------------------------

CALLS = [
    Call(call="readdir", path=""),
    Call(call="write", path="wal-1.wal", offset=0, length=100),
    Call(call="write", path="wal-2.wal", offset=0, length=1),
    Call(call="fdatasync", path="wal-2.wal"),
    Call(call="rename", path="a.tmp"),
]


def test_every_fault_fires_in_the_run_that_was_counted() -> None:
    found = list(io_faults(CALLS, lies=True))
    assert len(set(found)) == len(found)
    assert all(fires(faults[0], CALLS) for faults in found)
    assert not fires(Fault(call="write", glob="wal-*.wal", nth=3, error="EIO"), CALLS)


def test_faults_go_by_kind_of_call_role_and_number() -> None:
    lines = [", ".join(map(str, faults)) for faults in io_faults(CALLS, lies=True)]
    assert "fail EIO on readdir of . nth 1 from then on" in lines
    assert "fail ENOSPC on write of wal-*.wal nth 2 once" in lines
    assert "fail EINTR on write of wal-*.wal nth 1 once" in lines
    assert "fail EINTR on write of wal-*.wal nth 1 from then on" not in lines, "no system does that for ever"
    assert "fail EDQUOT on rename of a.tmp nth 1 once" in lines
    assert "lie on fdatasync of wal-*.wal nth 1 once" in lines
    shorts = [line for line in lines if line.startswith("short") and "," not in line]
    assert [line.partition(" at ")[2] for line in shorts] == ["1", "50", "99", "50 from then on"]
    assert "short write of wal-*.wal nth 1 at 50, fail ENOSPC on write of wal-*.wal nth 2 once" in lines
    assert lines[-1] == "fail EDQUOT on write of * nth 2 from then on"
    assert sum("on * of *" in line for line in lines) == len(CALLS)
    assert not any("lie on" in str(faults) for faults in io_faults(CALLS))


def test_roles_are_globs() -> None:
    assert glob_of("wal-0012.wal") == "wal-*.wal"
    assert glob_of("") == "."


def test_the_last_life_begins_behind_the_last_crash_that_something_follows() -> None:
    for program, place in (
        ("append 1; append 2", 0),
        ("append 1; power-cut in operation 1 after end", 0),
        ("append 1; power-cut in operation 1 after end; append 2", 2),
        ("append 1; kill in operation 1 after end; power-cut in opening after end", 2),
    ):
        assert start_of_last_life(parsed(program)) == place


def test_a_program_is_swept_in_its_opening_too_and_lazily() -> None:
    factory, traits = simulated(EngineRef.parse("wal"))
    steps = parsed("append 1; power-cut in operation 1 after end; append 2")
    tally = FaultPlan(tally=True)
    play_to_last_run(factory, traits, steps, KILL, tally)
    assert 0 < tally.opening < len(tally.seen)
    programs = list(io_programs(factory, traits, steps, KILL))
    assert next(io_programs(factory, traits, steps, KILL)) == programs[0]
    twice = [program for program in programs if IN_OPENING in program]
    assert twice
    for program in programs:
        assert program[:2] == steps[:2]
        assert isinstance(program[2], Fault)
        assert program[-1] == steps[-1]
    assert len(lives(twice[0])) == 3


def test_a_program_that_fails_without_a_fault_is_not_swept() -> None:
    factory, traits = simulated(EngineRef.parse("wal"))
    assert list(io_programs(factory, traits, parsed("append 1; kill in operation 9 after end; append 2"), KILL)) == []


# -- errors while running ------------------------------------------------------------------------------------------

TWO_LIVES = "append 100; power-cut in operation 1 after end; append 50"


def test_the_sound_engine_is_clean_under_every_error() -> None:
    assert swept("wal", "append 100; append 20")[0] == {}
    assert swept("wal wal_bytes=300", TWO_LIVES, EXT4_ORDERED, lies=True)[0] == {}


@pytest.mark.parametrize(
    ("bug", "program", "profile", "kind"),
    [
        ("short-write-ignored", "append 10", "kill", "lost"),
        ("enospc-leaves-half-frame", "append 10; append 20", "kill", "lost"),
        ("swallows-finalize-error", "append 9; rotate; append 9", "kill", "lost"),
        ("failed-flush-then-success-skips-records", "append 9; rotate", "kill", "unopenable"),
        ("retries-failed-sync", "append 10", "ext4-ordered", "lost"),
        ("eio-on-read-treated-as-end-of-log", TWO_LIVES, "kill", "lost"),
    ],
)
def test_a_bug_after_an_error_is_found(bug: str, program: str, profile: str, kind: str) -> None:
    found, _ = swept(f"wal bug={bug}", program, PROFILES[profile])
    assert found[kind], found


def test_what_a_failed_sync_takes_back_is_missed() -> None:
    """Under a profile that goes back to the old bytes, as btrfs does, a sync tried again shows without a crash."""
    reverting = changed(KILL, reverts=True)
    assert swept("wal", "append 10; append 20; reopen; append 5", reverting)[0] == {}
    assert swept("wal bug=retries-failed-sync", "append 10", KILL)[0] == {}
    found, first = swept("wal bug=retries-failed-sync", "append 10", reverting)
    assert found["lost"], found
    assert "fail EIO on fdatasync of wal-*.wal nth 1 once" in first


def test_an_error_while_recovering_is_found_there() -> None:
    _, first = swept("wal bug=eio-on-read-treated-as-end-of-log", TWO_LIVES)
    assert first[2] == "fail EIO on open of wal-*.wal nth 1 once"


def test_garbage_is_not_excused_by_a_lie() -> None:
    found, first = swept("wal bug=no-checksum sync=explicit", "append 600; sync", PROFILES["posix"], lies=True)
    assert found["invented"], found
    assert first


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_the_sound_engine_is_clean_under_every_error_in_drawn_programs(profile: str) -> None:
    hunter = Hunter(EngineRef(name="wal"), (PROFILES[profile],), seed=5)
    for number in range(8, 20):
        engine = hunter.configured(number)
        factory, traits = simulated(engine)
        judge = Judge(factory)
        life = Generator(number, traits.capabilities).program(10)
        for steps in io_programs(factory, traits, life, PROFILES[profile], lies=True):
            played = play_to_last_run(factory, traits, steps, PROFILES[profile])
            found = played.found or check(played.run, played.history, judge, PROFILES[profile], bound=BOUND)
            assert not played.stale
            assert found is None, f"{engine}: {found.fault}: {[step_line(step) for step in steps]}"


# -- damage at rest ------------------------------------------------------------------------------------------------

PROGRESS = "subscribe s; append 1; poll s 1; ack s 0; flush s"


@pytest.mark.parametrize(
    "program", ["append 10; append 20; append 0", "append 1; rotate; append 1; append 300", PROGRESS, TWO_LIVES]
)
def test_the_sound_engine_reports_every_damage(program: str) -> None:
    assert rotted("wal", program)[0] == {}
    assert rotted("wal sync=explicit preallocate_bytes=512", program, EXT4_ORDERED)[0] == {}


@pytest.mark.parametrize(
    ("bug", "program", "kinds"),
    [
        ("truncates-at-first-bad-even-if-good-follow", "append 1; append 1", {"dishonest"}),
        ("passes-over-what-is-damaged", "append 1; rotate; append 1", {"dishonest"}),
        ("damaged-progress-begins-anew", PROGRESS, {"dishonest"}),
        ("no-checksum", "append 10; append 10", {"invented"}),
        ("length-trusted-before-checksum", "append 10", {"unopenable"}),
    ],
)
def test_a_bug_under_damage_is_found_and_replays(bug: str, program: str, kinds: set[str]) -> None:
    found, first = rotted(f"wal bug={bug}", program)
    assert set(found) == kinds
    status, played = replay(EngineRef.parse(f"wal bug={bug}"), first, KILL)
    assert status is Status.FAILED
    assert played.found
    assert played.found.fault.kind in kinds
    assert replay(EngineRef(name="wal"), first, KILL)[0] is Status.FIXED


def test_the_last_record_is_conceded_and_not_one_more() -> None:
    """The documented limit: what no later frame testifies for may be taken for a torn tail, but is not elsewhere."""
    factory, traits = simulated(EngineRef.parse("wal"))
    strict = Traits(promise=traits.promise, reports=traits.reports, capabilities=traits.capabilities)
    trials = list(rot_trials(factory, strict, parsed("append 9; append 9"), KILL, Judge(factory)))
    silent = {int(step_line(trial.steps[-1]).split()[4]) for trial in trials if trial.fault and _is_flip(trial.steps)}
    assert silent == set(range(40 + 41, 40 + 82)), "the second frame, and it alone"


def _is_flip(steps: tuple[Step, ...]) -> bool:
    return step_line(steps[-1]).startswith("flip")


def test_an_engine_that_promises_no_report_is_not_judged_by_damage() -> None:
    factory = toys.factory(toys.ToyLog)
    traits = Traits(promise=frozenset({"append"}))
    with pytest.raises(Inconclusive, match="names no errors by which it reports damage"):
        list(rot_trials(factory, traits, [Append(size=5)], KILL, Judge(factory)))


def test_what_holds_nothing_durable_is_not_damaged() -> None:
    factory, traits = simulated(EngineRef.parse("wal"))
    trials = islice(rot_trials(factory, traits, parsed("append 1"), KILL, Judge(factory)), 20)
    assert not any("LOCK" in step_line(trial.steps[-1]) for trial in trials)


def test_damage_behind_a_crash_is_played_and_what_follows_is_judged() -> None:
    factory, traits = simulated(EngineRef.parse("wal bug=truncates-at-first-bad-even-if-good-follow"))
    damaged = "append 9; append 9; power-cut in operation 2 after end; flip bit 0 at 50 of wal-#.wal nth 1"
    for program in (damaged, f"{damaged}; append 5; kill in operation 3 after end"):
        played = play(factory, traits, parsed(program), KILL, Judge(factory))
        assert played.found
        assert played.found.fault.kind == "dishonest"
    stale = play(factory, traits, parsed(damaged.replace("at 50", "at 5000")), KILL, Judge(factory))
    assert stale.stale


def test_a_crash_after_damage_is_explored() -> None:
    """The damaged last record is cut; what is appended in its place must survive the next crash as any other."""
    program = (
        "append 9; append 9; power-cut in operation 2 after end; flip bit 0 at 100 of wal-#.wal nth 1; append 5; rotate"
    )
    for engine, kind in (("wal", None), ("wal bug=no-sync-before-ack", "dishonest")):
        factory, traits = simulated(EngineRef.parse(engine))
        played = play_to_last_run(factory, traits, parsed(program), EXT4_ORDERED)
        depth = Depth(levels=1, samples=4)
        found = check(played.run, played.history, Judge(factory), EXT4_ORDERED, bound=BOUND, depth=depth)
        assert (found.fault.kind if found else None) == kind


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["kill", "ext4-ordered"])
def test_the_sound_engine_reports_every_damage_in_drawn_programs(profile: str) -> None:
    hunter = Hunter(EngineRef(name="wal"), (PROFILES[profile],), seed=5)
    for number in range(8, 20):
        engine = hunter.configured(number)
        factory, traits = simulated(engine)
        life = Generator(number, traits.capabilities).program(12)
        for trial in rot_trials(factory, traits, life, PROFILES[profile], Judge(factory)):
            assert trial.fault is None, f"{engine}: {trial.fault}: {[step_line(step) for step in trial.steps]}"
