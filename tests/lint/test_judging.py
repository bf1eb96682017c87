"""From an engine to judged lints: bugs of the zoo are confirmed at their line, the sound engine has none."""

import dataclasses

import pytest

from chaoswal.check import Found
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.registry import EngineRef
from chaoswal.lint import judging
from chaoswal.lint.judging import Linted, lint
from chaoswal.program import operations_of, parse_step, step_line
from chaoswal.replay import Played, Status, play, replay
from tests.lint.test_rules import found as suspicions
from tests.lint.toys import OneLine

CAUGHT = {
    "no-sync-before-ack": "ack-before-sync",
    "ack-before-sync-of-the-same-bytes": "ack-before-sync",
    "no-dir-sync-after-new-wal": "name-not-synced",
    "no-dir-sync-after-segment": "name-not-synced",
    "no-dir-sync-after-rename": "name-not-synced",
    "unlink-resurrects": "name-not-synced",
    "rename-before-sync": "rename-before-sync",
    "fsync-of-the-directory-instead-of-the-file": "rename-before-sync",
    "wal-purged-before-segment-durable": "rename-before-sync",
    "header-not-synced": "rename-before-sync",
    "progress-not-synced": "rename-before-sync",
    "unlink-old-before-new-durable": "unlink-before-replacement",
    "sync-wrong-descriptor": "sync-of-the-wrong-file",
    "state-file-rewritten-in-place": "overwrite-in-place",
    "retries-failed-sync": "promise-after-failed-sync",
    "syncs-before-the-last-write": "rename-before-sync",
    "unlinks-before-renaming": "unlink-before-replacement",
}
"""The bugs of the zoo that an order of calls gives away, and the rule that does."""

CONFIGURATIONS = [
    "wal",
    "wal sync=explicit",
    "wal sync=bytes sync_bytes=100",
    "wal wal_bytes=300",
    "wal wal_bytes=300 sync=explicit",
    "wal preallocate_bytes=4096",
    "wal frame=2 read_mode=mmap",
    "wal budget_bytes=4000",
    "wal budget_bytes=4000 budget_policy=drop-oldest",
    "wal age_seconds=1 lag_records=1",
    "wal lag_records=1 slow=unregister",
]


def linted(engine: str) -> Linted:
    """What comes of an engine named as on the command line."""
    return lint(EngineRef.parse(engine))


@pytest.mark.parametrize("bug", CAUGHT)
def test_a_bug_of_the_zoo_is_confirmed_at_its_line(bug: str) -> None:
    (found,) = linted(f"wal bug={bug}").lints
    assert found.fault
    assert found.rule == CAUGHT[bug]
    assert found.fault.kind in ENTRIES[bug].kinds
    assert set(ENTRIES[bug].profiles) <= set(found.profiles)
    assert found.function == ENTRIES[bug].site


@pytest.mark.parametrize("bug", CAUGHT)
def test_what_is_confirmed_replays(bug: str) -> None:
    engine = EngineRef.parse(f"wal bug={bug}")
    (found,) = lint(engine).lints
    steps = [parse_step(step_line(step)) for step in found.steps]
    assert replay(engine, steps, PROFILES[found.profiles[0]])[0] is Status.FAILED
    assert replay(EngineRef(name="wal"), steps, PROFILES[found.profiles[0]])[0] is not Status.FAILED


@pytest.mark.parametrize("engine", CONFIGURATIONS)
def test_the_sound_engine_has_none(engine: str) -> None:
    result = linted(engine)
    assert (result.lints, result.broken, result.confirmed) == ([], None, False)
    assert result.events > 200


def test_every_bug_whose_order_of_syncs_is_wrong_is_caught_but_one() -> None:
    group = {name for name, entry in ENTRIES.items() if entry.group == "sync_order"}
    assert group - set(CAUGHT) == {"cursor-durable-before-data"}, "docs/lint.md says why"


@pytest.mark.parametrize("profile", ["kill", "prefix", "ext4-ordered", "posix"])
def test_one_is_judged_under_the_profiles_that_are_asked_for(profile: str) -> None:
    result = lint(EngineRef.parse("wal bug=no-dir-sync-after-new-wal"), [PROFILES[profile]])
    assert [found.confirmed for found in result.lints if found.confirmed] == [True] * (profile == "posix")
    assert {name for found in result.lints for name in found.profiles} <= {profile}


def test_the_strongest_profile_comes_first() -> None:
    asked = [PROFILES["posix"], PROFILES["prefix"]]
    (found,) = lint(EngineRef.parse("wal bug=no-sync-before-ack"), asked).lints
    assert found.profiles == ("prefix", "posix")


def test_what_recovery_can_live_with_is_a_note() -> None:
    result = linted("tests/lint/toys.py:Hints")
    assert [found.rule for found in result.lints] == ["name-not-synced", "sync-of-the-wrong-file"]
    assert not result.confirmed
    assert result.coverage.judged > 0


def test_a_crash_before_anything_is_promised_confirms_nothing() -> None:
    result = linted("tests/lint/toys.py:Unborn")
    assert [(found.rule, found.confirmed) for found in result.lints] == [("rename-before-sync", False)]


def test_a_line_is_named_once_for_what_is_confirmed() -> None:
    """The first rule suspects it for a file that nobody needs, and can show nothing; a later one is right."""
    confirmed, *notes = linted("tests/lint/toys.py:OneLine").lints
    assert (confirmed.rule, confirmed.confirmed) == ("ack-before-sync", True)
    assert "rename-before-sync" in {lint.rule for lint in suspicions(OneLine) if lint.site == confirmed.site}
    assert confirmed.site not in {note.site for note in notes}


def test_what_needs_no_crash_is_not_put_down_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_a_crash(*arguments: object) -> Played:
        played = play(*arguments)  # type: ignore[arg-type]
        assert played.found
        return dataclasses.replace(played, found=Found(fault=played.found.fault, crashes=()))

    monkeypatch.setattr(judging, "play", without_a_crash)
    assert [found.confirmed for found in linted("tests/toys.py:NoSync").lints] == [False]


def test_a_run_that_is_wrong_without_a_crash_is_no_passing_run() -> None:
    result = linted("wal bug=replays-none")
    assert result.confirmed
    assert result.broken
    assert result.lints == []


def test_the_program_has_what_the_engine_offers() -> None:
    steps = linted("wal bug=no-dir-sync-after-segment").lints[0].steps
    assert {"batch", "rotate", "subscribe"} <= {step_line(step).split()[0] for step in steps}
    steps = linted("tests/toys.py:NoSync").lints[0].steps
    assert [step_line(step) for step in steps][:1] == ["append 30"]
    assert len(operations_of(steps)) == 1


STORES, QUEUES = "tests.contracts.stores", "tests.contracts.queues"


@pytest.mark.parametrize(
    "engine", [f"{STORES}:Store", f"{STORES}:LazyStore", f"{QUEUES}:Items", f"{QUEUES}:Lazy", f"{QUEUES}:HandsOver"]
)
def test_of_a_sound_store_or_queue_nothing_is_confirmed(engine: str) -> None:
    result = linted(engine)
    assert not result.confirmed, [(found.rule, found.site, found.fault) for found in result.lints]
    assert result.events > 60


@pytest.mark.parametrize("engine", [f"{STORES}:NoSync", f"{QUEUES}:NoSync", f"{STORES}:NoChecksum"])
def test_a_store_or_queue_that_acknowledges_too_early(engine: str) -> None:
    rules = {found.rule for found in linted(engine).lints if found.confirmed}
    assert rules == (set() if engine.endswith("NoChecksum") else {"ack-before-sync"}), "a checksum has no order"


def test_a_module_of_the_standard_library() -> None:
    """As it is: what it promises is in none of its calls durable, and one of them a kill is enough for."""
    confirmed = [found for found in linted("dbm.dumb").lints if found.confirmed]
    kill = [found for found in confirmed if "kill" in found.profiles]
    assert [(found.rule, found.function) for found in kill] == [("unlink-before-replacement", "_Database._commit")]
    assert {"rename-before-sync", "ack-before-sync"} <= {found.rule for found in confirmed}
