"""Every bug of the zoo shows in its program; programs like those of ``explore`` find nothing in the sound engine."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import KILL, PROFILES
from chaoswal.engines.bugs import BUGS, ENTRIES
from chaoswal.engines.registry import EngineRef
from chaoswal.hunt import BOUND, CRASH, DEPTH, FAULTS, IO, LEAK, ROT, Catch, Hunter
from chaoswal.leaks import leaks
from chaoswal.program import parse_step, without_last_crashes
from chaoswal.replay import play_to_last_run, simulated
from chaoswal.sweep import rot_trials
from chaoswal.trace import Write
from chaoswal.verdict import Violation

CORPUS = Path(__file__).parents[2] / "corpus/zoo"
ALL = tuple(PROFILES.values())
CASES = [(name, profile) for name, entry in ENTRIES.items() for profile in entry.profiles if entry.by == "crashes"]


def caught(engine: EngineRef, faults: Sequence[str], programs: Iterable[int], seed: int = 0) -> Catch | None:
    """The first violation among these programs of ``explore``."""
    hunter = Hunter(engine, ALL, seed=seed, faults=faults)
    return next((attempt.catch for number in programs if (attempt := hunter.attempt(number)).catch), None)


@pytest.mark.parametrize(("name", "profile"), CASES)
def test_a_bug_shows_in_its_program_under_each_of_its_profiles(name: str, profile: str) -> None:
    finding = corpus.load(CORPUS / f"{name}.chaos")
    factory, traits = simulated(finding.engine)
    played = play_to_last_run(factory, traits, without_last_crashes(finding.steps), PROFILES[profile])
    depth = replace(DEPTH, samples=40)
    found = played.found or check(
        played.run, played.history, Judge(factory), PROFILES[profile], bound=BOUND, depth=depth
    )
    assert found, f"{name} does not show under {profile}: {ENTRIES[name].story}"
    assert found.fault.kind in ENTRIES[name].kinds, found.fault


PROGRAMS = {CRASH: 10, IO: 4, ROT: 4, LEAK: 1}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_sound_engine_is_clean(kind: str) -> None:
    assert caught(EngineRef(name="wal"), [kind], range(PROGRAMS[kind])) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_the_sound_engine_is_clean_for_long(seed: int) -> None:
    assert caught(EngineRef(name="wal"), FAULTS, range(200), seed) is None


ROTTED = ("append 1; append 1", "append 1; rotate; append 1", "subscribe s; append 1; poll s 1; ack s 0; flush s")


def under_damage(engine: EngineRef) -> set[Violation]:
    """What is found when the disks of a few programs are damaged, in every way there is."""
    factory, traits = simulated(engine)
    found: set[Violation] = set()
    for program in ROTTED:
        steps = [parse_step(line) for line in program.split("; ")]
        found |= {t.fault.kind for t in rot_trials(factory, traits, steps, KILL, Judge(factory)) if t.fault}
    return found


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.by == "damage"])
def test_a_bug_under_damage_is_found_by_damage_and_by_nothing_else(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.kinds[0] in (found := under_damage(entry.engine)), entry.story
    assert found <= set(entry.kinds)
    assert caught(entry.engine, [CRASH], range(2)) is None


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.by == "reopening"])
def test_a_leak_is_found_by_reopening_and_by_nothing_else(name: str) -> None:
    entry = ENTRIES[name]
    fault = leaks(entry.engine.factory())
    assert fault
    assert fault.kind in entry.kinds
    assert caught(entry.engine, [CRASH], range(2)) is None


NEEDED = sorted({entry.options for entry in ENTRIES.values() if entry.options})
VARIANTS = {
    "chaoswal.engines.bugs.recycling:RecyclingEngine": ("checksum-not-seeded", False),
    "chaoswal.engines.bugs.recycling:InPlaceEngine": ("torn-header-accepted", False),
    "chaoswal.engines.bugs.sequence:ShowingEngine": ("sequence-reused-after-truncation", False),
    "chaoswal.engines.bugs.padding:PaddingEngine": ("checksum-skips-length", False),
    "chaoswal.engines.bugs.threads:TakingBackEngine": ("ghost-behind-a-shorter-record", True),
}
"""Engines that a bug had to be given, each with the bug, which is theirs alone, and whether calls fail."""


@pytest.mark.parametrize("options", NEEDED, ids=str)
def test_the_sound_engine_is_clean_with_the_options_that_a_bug_needs(options: tuple[tuple[str, str], ...]) -> None:
    assert caught(EngineRef(name="wal", options=options), [CRASH], range(4)) is None


def variant(name: str) -> tuple[EngineRef, tuple[str, ...]]:
    bug, faults = VARIANTS[name]
    return EngineRef(name=name, options=ENTRIES[bug].options), (CRASH, IO) if faults else (CRASH,)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_clean_without_its_bug(name: str) -> None:
    assert caught(*variant(name), range(4)) is None
    assert ENTRIES[VARIANTS[name][0]].by != "damage" or not under_damage(EngineRef(name=name))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_clean_for_long(name: str, seed: int) -> None:
    assert caught(*variant(name), range(100), seed) is None


def test_each_bug_tells_where_it_was_made() -> None:
    for name, entry in ENTRIES.items():
        assert BUGS[name] is entry.adapter
        assert ": " in entry.story, f"{name}: say what is wrong, and behind a colon where that was made for real"


# --- bugs that show under one kind of crash only ------------------------------------------------------------------

SHOWS = (["append 100"], ["append 1", "append 2500", "append 30"], ["batch 100 30 9", "rotate", "append 5"])


def judged(bug: str, profile: str, lines: list[str], depth: Depth | None, seed: int = 0) -> Found | None:
    """What is found in a program whose every crash state within two deviations is explored."""
    factory, traits = simulated(EngineRef(name="wal").with_options(bug=bug))
    played = play_to_last_run(factory, traits, [parse_step(line) for line in lines], PROFILES[profile])
    bound = Bound(deviations=2, random_states=20)
    return check(played.run, played.history, Judge(factory), PROFILES[profile], bound=bound, depth=depth, seed=seed)


@pytest.mark.parametrize("lines", SHOWS)
@pytest.mark.parametrize("profile", ["ext4-ordered", "posix"])
def test_what_is_not_yet_durable_is_served_shows_in_a_double_crash_only(profile: str, lines: list[str]) -> None:
    """Kill, recover, power cut: no single crash, however many states of it, tells. Which are kills, the seed says."""
    bug = "serves-what-is-not-yet-durable"
    assert judged(bug, profile, lines, depth=None) is None
    found = next(filter(None, (judged(bug, profile, lines, Depth(samples=200), seed) for seed in range(8))), None)
    assert found
    assert found.fault.kind == "phantom"
    assert [crash.power for crash in found.crashes] == [False, True]


@pytest.mark.parametrize("lines", SHOWS)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_wal_lost_in_recovery_shows_in_a_crash_inside_recovery_only(profile: str, lines: list[str]) -> None:
    bug = "crash-in-recovery-loses-the-wal"
    assert judged(bug, profile, lines, depth=None) is None
    found = judged(bug, profile, lines, depth=Depth(samples=200))
    assert found
    assert found.fault.kind == "lost"
    assert len(found.crashes) == 2


def test_a_torn_large_frame_shows_in_a_kill_inside_the_write_only(monkeypatch: pytest.MonkeyPatch) -> None:
    bug, lines = "torn-large-frame-accepted", ["append 9000", "append 30"]
    found = judged(bug, "kill", lines, depth=DEPTH)
    assert found
    assert found.fault.kind == "invented"
    assert found.crashes[-1].taken % 4096 != 0, "the write began behind a header"
    monkeypatch.setattr("chaoswal.disk.points.in_flight", lambda event: [])
    assert judged(bug, "kill", lines, depth=DEPTH) is None


def test_a_large_frame_is_cut_at_a_page_only_where_it_crosses_one() -> None:
    assert judged("torn-large-frame-accepted", "kill", ["append 3000"], depth=DEPTH) is None


@pytest.mark.parametrize("profile", ["ext4-ordered", "posix", "prefix"])
def test_an_image_is_judged_again_once_its_history_promises_more(profile: str) -> None:
    """The disk is the same before and after the acknowledgement; only behind it something may not be lost."""
    found = judged("ack-before-sync-of-the-same-bytes", profile, ["append 100"], depth=None)
    assert found
    assert found.fault.kind == "lost"
    factory, traits = simulated(EngineRef(name="wal").with_options(bug="ack-before-sync-of-the-same-bytes"))
    run = play_to_last_run(factory, traits, [parse_step("append 100")], PROFILES[profile]).run
    assert found.crashes[-1].point == len(run.events), "the last event is the return of the append"
    assert isinstance(run.events[-2], Write), "and the one before it is the write"


def test_the_document_lists_every_bug() -> None:
    text = (CORPUS.parents[1] / "docs/zoo.md").read_text(encoding="utf-8")
    for name, entry in ENTRIES.items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {', '.join(entry.kinds)} | {', '.join(entry.profiles)} |" in row
