"""Each rule notices what it is for, in the smallest engine that does it, and leaves sound ones alone."""

import random

import pytest

from chaoswal.disk.crashes import crashed
from chaoswal.disk.faults import Fault
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.lint.facts import Facts
from chaoswal.lint.rules import FIRST, LAST, RULES, Lint, lints
from chaoswal.ops import Operation
from chaoswal.program import operations_of, parse_step
from chaoswal.run import record
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.workload import Generator, traits_of
from tests.lint import toys
from tests.toys import NoChecksum, NoSync, ToyLog, factory

CALM = ["append 30", "append 700", "sync", "append 5", "reopen", "append 600"]
FAILING = ["fail EIO on fdatasync of * nth 1 once", "append 30", "append 40", "sync"]
MISTAKES = [
    (toys.TriesAgain, "promise-after-failed-sync"),
    (toys.CutsFirst, "overwrite-in-place"),
    (toys.Overwrites, "overwrite-in-place"),
    (toys.SyncsAfterwards, "rename-before-sync"),
    (toys.ForgetsTheName, "name-not-synced"),
    (toys.MovesAway, "unlink-before-replacement"),
    (toys.RemovesFirst, "unlink-before-replacement"),
    (toys.SyncsAnother, "sync-of-the-wrong-file"),
    (NoSync, "ack-before-sync"),
]
SOUND = [ToyLog, NoChecksum, toys.StateLog, toys.Scratches, toys.Passes, toys.Padded]


def facts_of(engine: Factory, steps: list[Operation | Fault]) -> Facts:
    """What a run of these steps shows."""
    traits = traits_of(engine.open_simulated(MemoryVfs(), StillRuntime()))
    scratch = getattr(engine.kind, "scratch", ())
    return Facts(record(engine, steps), operations_of(steps), promise=traits.promise, scratch=scratch)


def toy_facts(kind: type, lines: list[str]) -> Facts:
    """The same of a toy, and of steps as text."""
    steps: list[Operation | Fault] = [parse_step(line) for line in lines]  # type: ignore[misc]
    return facts_of(factory(kind), steps)


def found(kind: type) -> list[Lint]:
    """All that is suspicious in a toy."""
    return [*lints(toy_facts(kind, CALM)), *lints(toy_facts(kind, FAILING), failing=True)]


@pytest.mark.parametrize(("kind", "rule"), MISTAKES)
def test_a_mistake_is_noticed(kind: type, rule: str) -> None:
    assert rule in {lint.rule for lint in found(kind)}


def test_there_is_a_mistake_for_every_rule() -> None:
    assert [rule.name for rule in RULES] == list(dict.fromkeys(rule for _, rule in MISTAKES))


@pytest.mark.parametrize("kind", SOUND)
def test_what_is_sound_is_left_alone(kind: type) -> None:
    assert found(kind) == []


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in MISTAKES))
def test_what_is_proposed_can_happen(kind: type) -> None:
    """The events are there, the site is that of the last, and the disk can be left like that."""
    for lines, failing in ((CALM, False), (FAILING, True)):
        facts = toy_facts(kind, lines)
        run = record(factory(kind), [parse_step(line) for line in lines])  # type: ignore[misc]
        for lint in lints(facts, failing=failing):
            assert lint.site == facts.events[lint.events[-1]].site  # type: ignore[union-attr]
            assert lint.crash.power == (lint.profile != "kill")
            assert max(lint.events) <= len(facts.events)
            crashed(run.start, run.events, lint.crash, PROFILES[lint.profile])


@pytest.mark.parametrize(
    ("kind", "rule", "profiles"),
    [
        (NoSync, "ack-before-sync", set(PROFILES) - {"kill"}),
        (toys.SyncsAnother, "sync-of-the-wrong-file", set(PROFILES) - {"kill", "prefix"}),
        (toys.SyncsAfterwards, "rename-before-sync", set(PROFILES) - {"kill", "prefix"}),
        (toys.CutsFirst, "overwrite-in-place", set(PROFILES)),
        (toys.Overwrites, "overwrite-in-place", set(PROFILES) - {"kill", "prefix"}),
        (toys.MovesAway, "unlink-before-replacement", set(PROFILES)),
    ],
)
def test_a_mistake_shows_where_the_profile_allows_it(kind: type, rule: str, profiles: set[str]) -> None:
    assert {lint.profile for lint in found(kind) if lint.rule == rule} == profiles


def test_one_name_behind_another_can_be_lost_alone_where_names_are_in_no_order() -> None:
    engine = EngineRef.parse("wal bug=no-dir-sync-after-segment").factory()
    found = lints(facts_of(engine, [parse_step("append 9"), parse_step("rotate")]))  # type: ignore[list-item]
    assert {(lint.rule, lint.profile) for lint in found} == {
        ("name-not-synced", profile) for profile in ("btrfs", "posix")
    }


def test_only_the_profiles_that_are_asked_for_are_looked_at() -> None:
    run = record(factory(NoSync), [parse_step(line) for line in CALM])  # type: ignore[misc]
    operations = operations_of([parse_step(line) for line in CALM])
    for asked in (["prefix"], ["kill"], ["kill", "posix"]):
        profiles = [PROFILES[name] for name in asked]
        facts = Facts(run, operations, promise=frozenset({"append"}), profiles=profiles)
        assert {lint.profile for lint in lints(facts)} == set(asked) - {"kill"}


def test_what_a_line_does_again_and_again_is_proposed_a_few_times() -> None:
    facts = toy_facts(NoSync, ["append 9"] * 40)
    found = lints(facts)
    assert len(found) == 5 * (FIRST + LAST), "under each profile but kill"
    assert max(lint.crash.point for lint in found) == len(facts.events), "the last time is among them"


def test_bytes_of_a_call_that_failed_are_promised_by_nobody() -> None:
    lines = ["fail EIO on fdatasync of * nth 1 once", "append 30", "sync"]
    assert lints(toy_facts(ToyLog, lines), failing=True) == []


def test_a_promise_is_no_more_than_the_adapter_says() -> None:
    run = record(factory(NoSync), [parse_step(line) for line in ["append 30", "sync"]])  # type: ignore[misc]
    operations = operations_of([parse_step("append 30"), parse_step("sync")])
    facts = Facts(run, operations, promise=frozenset({"sync"}))
    assert [call.promises for call in facts.calls] == [False, True]
    assert {lint.crash.point for lint in lints(facts)} == {len(run.events)}
    assert lints(Facts(run, operations, promise=frozenset())) == []


# -- the builtin log -----------------------------------------------------------------------------------------------

CHOICES: dict[str, tuple[str, ...]] = {
    "sync": ("each", "explicit", "bytes"),
    "sync_bytes": ("100",),
    "wal_bytes": ("300", "1000", "100000"),
    "preallocate_bytes": ("0", "4096"),
    "budget_bytes": ("0", "3000", "20000"),
    "budget_policy": ("backpressure", "drop-oldest"),
    "lag_records": ("0", "2"),
    "slow": ("skip", "unregister"),
    "age_seconds": ("0", "1"),
    "frame": ("1", "2"),
}


def drawn(seed: int, *, faults: int) -> Facts:
    """The builtin log, configured and used as the seed says."""
    chance = random.Random(f"lint:{seed}")
    engine = EngineRef(name="wal").with_options(**{name: chance.choice(values) for name, values in CHOICES.items()})
    opened = engine.factory()
    capabilities = traits_of(opened.open_simulated(MemoryVfs(), StillRuntime())).capabilities
    steps: list[Operation | Fault] = [*Generator(seed, capabilities, waits=True).program(40)]
    for _ in range(faults):
        line = f"fail EIO on {chance.choice(('fsync', 'fdatasync'))} of * nth {chance.randint(1, 4)} once"
        steps.insert(chance.randrange(len(steps)), Fault.parse(line))
    return facts_of(opened, steps)


def complaints(seed: int) -> list[Lint]:
    """What is suspicious in a calm and in a failing program."""
    return [*lints(drawn(seed, faults=0)), *lints(drawn(seed, faults=2), failing=True)]


@pytest.mark.parametrize("seed", range(30))
def test_the_builtin_log_is_left_alone(seed: int) -> None:
    assert complaints(seed) == []


@pytest.mark.slow
def test_the_builtin_log_is_left_alone_for_long() -> None:
    assert {seed: found for seed in range(2_000) if (found := complaints(seed))} == {}
