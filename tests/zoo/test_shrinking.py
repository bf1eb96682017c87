"""What is caught of the zoo shrinks to something small and minimal."""

from functools import cache
from statistics import median

import pytest

from chaoswal.engines.bugs import ENTRIES
from chaoswal.program import CrashStep, operations_of
from chaoswal.selftest import MEANS
from chaoswal.shrink import Shrunk, Target, shrink
from chaoswal.simpler import deviations
from tests.test_shrink import assert_minimal
from tests.zoo.test_zoo import caught

QUICK = (
    "no-sync-before-ack",
    "no-dir-sync-after-new-wal",
    "rename-before-sync",
    "unlink-old-before-new-durable",
    "header-not-synced",
    "no-checksum",
    "checksum-not-seeded",
    "serves-what-is-not-yet-durable",
    "crash-in-recovery-loses-the-wal",
    "short-write-ignored",
    "recovers-to-a-different-state-the-second-time",
    "progress-not-synced",
)
"""Bugs of each group that are caught and shrunk in no time."""

PROGRAMS = 400
TRIES_MAX = 400
STATES_MAX = 20_000


@cache
def small(name: str) -> Shrunk:
    entry = ENTRIES[name]
    catch = caught(entry.engine, MEANS[entry.by, entry.faults], range(PROGRAMS))
    assert catch, name
    found = shrink(Target(engine=catch.engine, profile=catch.profile, kind=catch.fault.kind), catch.steps)
    assert found, name
    return found


def deviations_of(shrunk: Shrunk) -> int:
    return sum(deviations(step) for step in shrunk.steps if isinstance(step, CrashStep))


def assert_small(names: list[str]) -> None:
    shrunk = [small(name) for name in names]
    assert median(len(operations_of(each.steps)) for each in shrunk) <= 4
    assert median(map(deviations_of, shrunk)) <= 1
    assert max(map(deviations_of, shrunk)) <= 2
    assert max(each.tries for each in shrunk) <= TRIES_MAX
    assert max(each.states for each in shrunk) <= STATES_MAX


@pytest.mark.parametrize("name", QUICK)
def test_what_is_caught_shrinks_to_something_minimal(name: str) -> None:
    assert_minimal(small(name))


def test_what_is_caught_shrinks_to_something_small() -> None:
    assert_small(list(QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in QUICK])
def test_whatever_is_caught_shrinks_to_something_minimal(name: str) -> None:
    assert_minimal(small(name))


@pytest.mark.slow
def test_whatever_is_caught_shrinks_to_something_small() -> None:
    assert_small(list(ENTRIES))
