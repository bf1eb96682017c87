"""The stateful machine finds the bugs of the zoo too, and leaves the sound engine alone."""

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from chaoswal.engines.bugs import ENTRIES
from chaoswal.stateful import ViolationFound, crash_machine

OPTIONS = {"sync": ("each", "explicit"), "wal_bytes": ("300", "1000")}
QUICK = (
    "no-sync-before-ack",
    "ack-before-sync-of-the-same-bytes",
    "no-dir-sync-after-new-wal",
    "no-dir-sync-after-segment",
    "rename-before-sync",
    "unlink-old-before-new-durable",
    "fsync-of-the-directory-instead-of-the-file",
    "wal-purged-before-segment-durable",
    "cursor-durable-before-data",
    "header-not-synced",
    "no-checksum",
    "off-by-one-at-the-end-of-file",
    "batch-written-record-by-record",
    "serves-what-is-not-yet-durable",
    "crash-in-recovery-loses-the-wal",
    "replays-none",
    "replays-twice",
    "leaves-temporary-files",
)
"""Bugs that take it a second at most: more than the 15 it must find."""


def life(bug: str, profile: str, *, faults: bool, examples: int) -> ViolationFound | None:
    """What the machine finds with examples drawn from one seed, unshrunk."""
    machine = crash_machine(f"wal bug={bug}" if bug else "wal", profile=profile, options=OPTIONS, faults=faults)
    drawn_alike = settings(
        phases=[Phase.generate],
        max_examples=examples,
        stateful_step_count=25,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(1)(machine), settings=drawn_alike)
    except ViolationFound as found:
        return found
    return None


@pytest.mark.parametrize("name", QUICK)
def test_the_machine_finds(name: str) -> None:
    found = life(name, ENTRIES[name].profiles[0], faults=False, examples=10)
    assert found
    assert found.fault.kind in {*ENTRIES[name].kinds, "unstable", "stuck"}


def test_the_machine_leaves_the_sound_engine_alone() -> None:
    assert life("", "posix", faults=False, examples=10) is None


@pytest.mark.slow
@pytest.mark.parametrize("faults", [False, True], ids=["crashes", "faults"])
@pytest.mark.parametrize("profile", ["kill", "prefix", "ext4-ordered", "posix"])
def test_the_machine_leaves_the_sound_engine_alone_for_long(profile: str, faults: bool) -> None:
    assert life("", profile, faults=faults, examples=400) is None
