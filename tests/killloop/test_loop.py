"""The loop itself: sound engines come through, mistakes do not, and what was not noted is no verdict."""

import random
from pathlib import Path

import pytest

from chaoswal.contracts import LOG
from chaoswal.corpus import load as load_finding
from chaoswal.disk.directory import load
from chaoswal.disk.profiles import profile_named
from chaoswal.errors import Inconclusive
from chaoswal.killloop.finding import describe, save_finding
from chaoswal.killloop.journal import Offers
from chaoswal.killloop.loop import DEFAULT
from chaoswal.killloop.places import sought_of
from chaoswal.killloop.plans import RECOVERY_KILLS_MAX, Program, draw, scenario
from chaoswal.oracle import Traits
from chaoswal.program import Opening, step_line
from chaoswal.replay import Status, replay
from chaoswal.verdict import Violation
from chaoswal.vfs.noted import Moment
from tests.killloop.conftest import SUBJECTS, TOYS, Run


@pytest.mark.parametrize("profile", ["ext4-ordered", "prefix", "posix"])
def test_a_sound_toy_survives_everything(run: Run, profile: str) -> None:
    finding, tally = run(f"{TOYS}:ToyLog", "kill,torn,power", 40, profile=profile)
    assert finding is None
    assert tally.cycles == 40
    assert tally.judged > 20
    assert {fault for _, fault in tally.kills} == {"kill", "torn", "power"}


@pytest.mark.parametrize(("options", "cycles"), [("", 60), ("durability=segment-only", 30)])
def test_the_builtin_log_survives_everything(run: Run, options: str, cycles: int) -> None:
    finding, tally = run(f"wal {options}", "kill,torn,power", cycles)
    assert finding is None
    assert tally.acks > cycles
    assert len(tally.kills) > 10


def test_what_is_promised_follows_the_options_of_each_opening(run: Run) -> None:
    finding, tally = run(f"{SUBJECTS}:Choosy", "kill,power", 80)
    assert finding is None
    assert tally.acks > 20
    drawn = {(option, text) for option, text in tally.options if text != DEFAULT}
    assert drawn == {("syncs", "each"), ("syncs", "never"), ("label", ""), ("label", "two words")}
    assert (
        tally.options["syncs", "each"] + tally.options["syncs", "never"] + tally.options["syncs", DEFAULT]
        == tally.judged
    )


def test_a_finding_tells_the_options_of_each_opening_and_replays_with_them(run: Run, tmp_path: Path) -> None:
    finding, _ = run(f"{SUBJECTS}:ChoosyAndWrong", "power", 80)
    assert finding is not None
    assert finding.fault.kind in (Violation.LOST, Violation.PHANTOM)
    told = [line for line in describe(finding).operations if line.startswith("open ")]
    assert any("syncs=never" in line for line in told)
    saved = load_finding(save_finding(finding, tmp_path / "corpus"))
    assert [step_line(step) for step in saved.steps if isinstance(step, Opening)] == told
    assert replay(saved.engine, saved.steps, profile_named(saved.profile))[0] is Status.FAILED
    eager = [Opening() if isinstance(step, Opening) else step for step in saved.steps]
    assert replay(saved.engine, eager, profile_named(saved.profile))[0] is Status.FIXED


def test_an_option_that_is_given_is_not_drawn(run: Run) -> None:
    finding, tally = run(f"{SUBJECTS}:ChoosyAndWrong syncs=each", "power", 40)
    assert finding is None
    assert {option for option, _ in tally.options} == {"label"}


TIMED = "wal sync=interval sync_interval_ms=0.05 rotate_age_s=0.0005"


def test_kills_land_in_what_a_thread_of_the_engine_does(run: Run) -> None:
    finding, tally = run(TIMED, "kill,torn,power", 60)
    assert finding is None
    assert sum(count for (place, _), count in tally.kills.items() if place == "timer") > 0


@pytest.mark.parametrize(
    ("engine", "kinds"),
    [
        (
            "ExpiresEarly age_seconds=60 budget_bytes=0 lag_records=0 lag_seconds=0",
            {Violation.EARLY_CLEANUP, Violation.HOLE},
        ),
        ("SkipsEarly lag_seconds=60 slow=skip budget_bytes=0 lag_records=0 age_seconds=0", {Violation.CURSOR_AHEAD}),
    ],
)
def test_what_goes_too_early_by_the_real_clock_is_found(run: Run, engine: str, kinds: set[Violation]) -> None:
    name, _, options = engine.partition(" ")
    options += " lag_records=0 budget_bytes=0"
    assert run(f"wal {options}", "kill", 30)[0] is None
    finding, _ = run(f"{SUBJECTS}:{name} {options}", "kill", 2000)
    assert finding is not None
    assert finding.fault.kind in kinds


GROUPS = "sync=each budget_bytes=0 age_seconds=0 lag_records=0 lag_seconds=0 wal_bytes=100000 preallocate_bytes=0"
LATE = "bug=group-commit-acks-waiters-that-joined-after-the-sync-began"


def test_who_is_acknowledged_by_the_sync_of_another_that_does_not_cover_it_is_found(run: Run) -> None:
    finding, tally = run(f"wal {GROUPS}", "power", 60)
    assert finding is None
    assert tally.together
    finding, _ = run(f"wal {LATE} {GROUPS}", "power", 2000)
    assert finding is not None
    assert finding.fault.kind in (Violation.LOST, Violation.PHANTOM)


@pytest.mark.parametrize("options", ["", "journal=delete synchronous=extra", "synchronous=normal"])
def test_sqlite_survives_kills(run: Run, options: str) -> None:
    finding, tally = run(f"sqlite {options}", "kill", 20)
    assert finding is None
    assert tally.judged > 7


@pytest.mark.parametrize("name", ["Buffers", "WritesLate"])
def test_what_was_not_written_is_lost_by_a_mere_kill(run: Run, name: str) -> None:
    finding, _ = run(f"{SUBJECTS}:{name}", "kill", 60)
    assert finding is not None
    assert finding.fault.kind is Violation.LOST


def test_what_was_not_synced_is_lost_by_a_power_cut_and_never_by_a_kill(run: Run, tmp_path: Path) -> None:
    assert run(f"{TOYS}:NoSync", "kill", 60)[0] is None
    finding, _ = run(f"{TOYS}:NoSync", "power", 60)
    assert finding is not None
    assert finding.fault.kind in (Violation.LOST, Violation.PHANTOM)
    found = describe(finding)
    assert found.profile == "ext4-ordered"
    assert found.site.startswith("toys.py:")
    saved = load_finding(save_finding(finding, tmp_path / "corpus"))
    status, _ = replay(saved.engine, saved.steps, profile_named(saved.profile))
    assert status is Status.FAILED


def test_a_kill_and_then_a_power_cut_is_one_story(run: Run) -> None:
    """Serving before syncing shows only where a power cut follows a recovery that a kill had made necessary."""
    findings = (run(f"{TOYS}:ServesBeforeSync", "kill,power", 150, seed=seed)[0] for seed in range(10))
    finding = next(finding for finding in findings if finding)
    assert finding.fault.kind is Violation.PHANTOM


def test_a_change_past_the_vfs_is_no_verdict(run: Run) -> None:
    with pytest.raises(Inconclusive, match="aside is there, and nothing made it"):
        run(f"{SUBJECTS}:GoesAround", "power", 20)


def test_a_process_that_ends_by_itself_is_a_finding_with_its_last_words(run: Run) -> None:
    finding, _ = run(f"{SUBJECTS}:Exits", "kill", 40)
    assert finding is not None
    assert finding.fault.kind is Violation.STUCK
    assert "exit status 7" in finding.fault.explanation
    assert "good bye" in finding.stderr


def test_a_process_that_dies_of_a_signal_in_recovery_is_a_finding(run: Run) -> None:
    finding, _ = run(f"{SUBJECTS}:Aborts", "kill", 40)
    assert finding is not None
    assert finding.fault.kind is Violation.UNOPENABLE
    assert "SIGUSR1" in finding.fault.explanation


@pytest.mark.parametrize("name", ["Hangs", "HangsInRecovery"])
def test_a_process_that_hangs_is_a_finding(run: Run, name: str) -> None:
    finding, _ = run(f"{SUBJECTS}:{name}", "kill", 80, patience=0.3)
    assert finding is not None
    assert finding.fault.kind is Violation.HUNG
    assert "within 0.3 s" in finding.fault.explanation


REACHED = dict.fromkeys(sought_of(LOG, {"rotate", "cleanup", "maintain", "subscribe"}), 0)


def test_no_kill_is_armed_for_a_place_that_an_engine_does_not_have() -> None:
    bare = dict.fromkeys(sought_of(LOG, set()), 0)
    places = {draw(f"s{number}", ["kill"], bare).place for number in range(200)}
    assert places == {"append", "sync", "recovery", ""}
    assert {draw(f"s{number}", ["kill"], REACHED).place for number in range(400)} == {*REACHED, "recovery", ""}


def test_plans_follow_from_their_seed_and_take_every_turn() -> None:
    plans = [draw(f"s{number}", ["kill", "torn", "power"], REACHED) for number in range(400)]
    assert plans == [draw(f"s{number}", ["kill", "torn", "power"], REACHED) for number in range(400)]
    assert {plan.fault for plan in plans} == {"kill", "torn", "power"}
    assert {plan.moment for plan in plans if plan.armed} == set(Moment)
    assert 0.4 < sum(plan.armed for plan in plans) / len(plans) < 0.6
    assert any(plan.in_recovery and not plan.armed for plan in plans)


def test_after_some_kills_in_recovery_one_opening_is_waited_for() -> None:
    plans = [draw(f"s{number}", ["kill"], REACHED, RECOVERY_KILLS_MAX) for number in range(200)]
    assert not any(plan.in_recovery or plan.place == "recovery" for plan in plans)


def test_a_program_is_the_same_for_child_and_parent() -> None:
    traits = Traits(promise=frozenset(), capabilities=frozenset({"rotate", "cleanup", "subscribe", "append_batch"}))
    offers = Offers(traits=traits, scratch=(), places={}, concurrent=True)
    plan = next(plan for number in range(99) if (plan := draw(f"{number}", ["kill"], REACHED)).place == "cleanup")
    one, other = (Program(plan, offers, ["s"]) for _ in range(2))
    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]


def test_no_scenario_asks_for_what_an_engine_does_not_have() -> None:
    for place in ("rotate", "cleanup", "maintain", "flush", "subscribe", "sync", "append", "finalize"):
        words = {type(operation).__name__ for operation in scenario(place, frozenset(), [], random.Random(1))}
        assert words <= {"Append", "Sync"}


def test_the_directory_a_finding_is_about_is_kept_as_the_last_recovery_found_it(run: Run) -> None:
    finding, _ = run(f"{TOYS}:NoSync", "power", 60)
    assert finding is not None
    assert finding.before is not None
    assert set(finding.before.files()) <= {"log"}
    assert "log" in load(finding.root).files()


@pytest.mark.parametrize("how", ["writes", "removes", "renames"])
def test_an_engine_that_changes_something_elsewhere_gets_no_verdict(run: Run, place: Path, how: str) -> None:
    beside = place / "beside"
    beside.touch()
    with pytest.raises(Inconclusive, match=rf"it writes outside of its directory, at {beside}: "):
        run(f"{SUBJECTS}:Strays how={how} beside={beside}", cycles=20)
