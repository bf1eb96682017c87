"""The profile ``ext4-ordered`` against the real ext4: nothing is seen outside it, and what it guarantees holds."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoswal.disk.profiles import EXT4_ORDERED
from tests.calibration import facts, loopfs
from tests.calibration.facts import FACTS, Fact
from tests.calibration.programs import allows, drawn, perform_for_real, volume_after

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def file_systems() -> Iterator[loopfs.LoopFs]:
    reason = loopfs.why_not()
    if reason:
        pytest.skip(f"no loop images here: {reason}")
    with loopfs.loop_file_systems() as found:
        yield found


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.claim)
def test_a_fact_holds_each_time(file_systems: loopfs.LoopFs, fact: Fact) -> None:
    seen = facts.measure(file_systems, fact)
    assert set(seen) <= {str(dict(state)) for state in fact.seen}


def _row(fact: Fact) -> object:
    marks = [pytest.mark.xfail(reason=fact.beyond, raises=AssertionError)] if fact.beyond else []
    return pytest.param(fact, id=fact.claim, marks=marks)


@pytest.mark.parametrize("fact", [_row(fact) for fact in FACTS])
def test_the_profile_allows_what_was_seen(file_systems: loopfs.LoopFs, fact: Fact) -> None:
    assert facts.within(fact, file_systems)


def outside(file_systems: loopfs.LoopFs, seeds: range) -> list[str]:
    found = []
    for seed in seeds:
        program = drawn(seed)
        volume = volume_after(program, EXT4_ORDERED)
        for crash in loopfs.CRASHES:
            seen = file_systems.after_crash(lambda root, lines=program: perform_for_real(lines, root), crash)  # type: ignore[misc]
            if not allows(volume, seen):
                found.append(f"seed {seed}, {crash}: {'; '.join(program)}\n  {facts.written(seen)}")
    return found


def test_drawn_programs_stay_within_the_profile(file_systems: loopfs.LoopFs) -> None:
    assert outside(file_systems, range(30)) == []


@pytest.mark.slow
def test_many_drawn_programs_stay_within_the_profile(file_systems: loopfs.LoopFs) -> None:
    assert outside(file_systems, range(1_000, 1_400)) == []


def test_the_comparison_can_fail(file_systems: loopfs.LoopFs) -> None:
    program = ["create a", "write a 0 600", "fsync a", "create b", "write a 0 100"]
    volume = volume_after(program, EXT4_ORDERED)
    seen = file_systems.after_crash(lambda root: perform_for_real(program, root), "now")
    assert allows(volume, seen)
    assert not allows(volume, {**seen, "a": b"?" * 600})
    assert not allows(volume, {**seen, "c": b""})
    assert not allows(volume, {})


def test_nothing_is_left_mounted() -> None:
    if loopfs.why_not():
        pytest.skip("no loop images here")
    before = _left(os.getpid())
    with loopfs.loop_file_systems() as found, pytest.raises(ZeroDivisionError):
        found.after_crash(_fail, "now")
    assert _left(os.getpid()) == before


def _fail(root: Path) -> None:
    raise ZeroDivisionError(root)


def test_what_a_killed_process_left_is_swept() -> None:
    if loopfs.why_not():
        pytest.skip("no loop images here")
    child = subprocess.Popen([sys.executable, "-c", KILLED])
    assert child.wait() == -signal.SIGKILL
    assert _left(child.pid)
    loopfs.sweep()
    assert _left(child.pid) == []


KILLED = """
import os, signal
from tests.calibration import loopfs
with loopfs.loop_file_systems() as file_systems:
    file_systems.after_crash(lambda root: os.kill(os.getpid(), signal.SIGKILL), "now")
"""


def _left(process: int) -> list[str]:
    """Scratch directories, and the lines of mounts and loop devices that belong to a process."""
    prefix = f"{loopfs.PREFIX}{process}-"
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    loops = [path.read_text(encoding="utf-8") for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    scratch = [str(path) for path in loopfs.SCRATCH.glob(f"{prefix}*")]
    return sorted(line for line in [*mounts, *loops, *scratch] if prefix in line)
