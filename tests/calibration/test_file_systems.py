"""The profiles against the real file systems: nothing is seen outside them, and what held every time is claimed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from chaoswal.disk.profiles import PROFILES
from chaoswal.disk.volume import Volume
from chaoswal.realfs import loopfs
from chaoswal.realfs.loopfs import EXT4, FILE_SYSTEMS, FileSystem, LoopFs
from tests.calibration import facts
from tests.calibration.facts import FACTS, Fact, written
from tests.calibration.programs import NUDGES, Files, Program, acts, allows, drawn, volume_after

pytestmark = pytest.mark.root
why_not = cache(loopfs.why_not)


@pytest.fixture(scope="module", params=FILE_SYSTEMS, ids=lambda kind: kind.name)
def file_system(request: pytest.FixtureRequest) -> Iterator[LoopFs]:
    kind: FileSystem = request.param
    if reason := why_not(kind):
        pytest.skip(f"no loop images of {kind.name} here: {reason}")
    with loopfs.loop_file_system(kind) as found:
        yield found


def after(file_system: LoopFs, program: Program, crash: str = "") -> Volume:
    return volume_after(program, PROFILES[file_system.kind.profile], crash)


def floor(volume: Volume) -> Files:
    """What the profile claims to be durable."""
    return volume.image(dict.fromkeys(volume.chains.values(), 0)).files()


# -- facts ---------------------------------------------------------------------------------------------------------


def check(file_system: LoopFs, fact: Fact, crash: str, seed: int = 0) -> None:
    """What is there is among what was seen before, and the profile allows it."""
    files = file_system.after_crash(acts(fact.lines()), crash, seed)
    assert written(files) in fact.seen_on(file_system.kind.name)
    assert allows(after(file_system, fact.lines()), files)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.about)
def test_a_fact_holds(file_system: LoopFs, fact: Fact) -> None:
    kinds = [crash for crash in facts.AT_ONCE if crash in file_system.kind.crashes]
    check(file_system, fact, kinds[FACTS.index(fact) % len(kinds)])


@pytest.mark.slow
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.about)
def test_a_fact_holds_each_time(file_system: LoopFs, fact: Fact) -> None:
    for crash in facts.AT_ONCE:
        for seed in range(5) if crash in file_system.kind.crashes else ():
            check(file_system, fact, crash, seed)


@pytest.mark.parametrize("kind", FILE_SYSTEMS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.about)
def test_what_was_seen_is_allowed_and_claimed(fact: Fact, kind: FileSystem) -> None:
    """Of the table alone: the profile claims as durable what was there at the least, or the fact says why not."""
    volume = volume_after(fact.lines(), PROFILES[kind.profile])
    least = written(floor(volume))
    claims_all = least in fact.seen_on(kind.name)
    assert claims_all or fact.may_show_more(kind.name)
    assert not (claims_all and any(kind.name in names.split() for names in fact.more)), "the reason is none any more"


def test_every_measured_row_has_a_fact() -> None:
    measured = {row.label for kind in FILE_SYSTEMS for row in PROFILES[kind.profile].rows}
    assert measured <= {label for fact in FACTS for label in fact.rows.split()}


# -- drawn programs --------------------------------------------------------------------------------------------------


def outside(file_system: LoopFs, seeds: range, crashes: int) -> list[str]:
    """Where something is there that the profile does not allow, of so many kinds of crash for each seed."""
    found = []
    for seed in seeds:
        kinds = file_system.kind.crashes
        for crash in [kinds[(seed + number) % len(kinds)] for number in range(crashes)]:
            seen = file_system.after_crash(acts(drawn(seed)), crash, seed)
            if not allows(after(file_system, drawn(seed), crash), seen):
                found.append(f"seed {seed}, {crash}: {'; '.join(drawn(seed))}\n  {written(seen)}")
    return found


def test_drawn_programs_stay_within_the_profile(file_system: LoopFs) -> None:
    assert outside(file_system, range(12), crashes=1) == []


@pytest.mark.slow
def test_many_drawn_programs_stay_within_the_profile(file_system: LoopFs) -> None:
    assert outside(file_system, range(1_000, 1_200), crashes=6) == []


def nudged(program: Program) -> Iterator[list[str]]:
    """The program as it is, and moved on somewhere: by a commit, and by the write-back of a file before."""
    yield list(program)
    paths = sorted({line.split()[1] for line in program if line.startswith("write ")})
    for place in range(1, len(program)):
        for nudge in [["commit"], *([f"writeback {path}", "commit"] for path in paths)]:
            yield [*program[:place], *nudge, *program[place:]]


def reached(file_system: LoopFs, seed: int) -> bool | None:
    """Whether some moment leaves no more than the profile claims; None where nothing is synced."""
    program = [line for line in drawn(seed, 10) if line.split()[0] not in NUDGES]
    if not any("sync" in line for line in program):
        return None
    least = floor(after(file_system, program))
    for variant in nudged(program):
        try:
            seen = file_system.after_crash(acts(variant), "flushed")
        except FileNotFoundError:
            continue  # there is no such file at that place
        if seen == least:
            return True
    return False


@pytest.mark.slow
def test_the_profile_claims_what_is_guaranteed(file_system: LoopFs) -> None:
    """For nearly every program the least that is ever there is what the profile claims, and no more.

    Not for every one: what two nudges at two moments would show, one does not; and of btrfs it is not told which
    renames were in the log already.
    """
    found = [reached(file_system, seed) for seed in range(80)]
    assert found.count(False) <= 0.15 * (found.count(True) + found.count(False))


# -- the means -----------------------------------------------------------------------------------------------------


def test_the_comparison_can_fail(file_system: LoopFs) -> None:
    program = ["create a", "write a 0 600", "fsync a", "create b", "write a 0 100"]
    volume = after(file_system, program)
    seen = file_system.after_crash(acts(program), "flushed")
    assert allows(volume, seen)
    assert not allows(volume, {**seen, "a": b"?" * 600})
    assert not allows(volume, {**seen, "c": b""})
    assert not allows(volume, {})


def test_nothing_is_left_mounted() -> None:
    if reason := why_not(EXT4):
        pytest.skip(reason)
    before = _left(os.getpid())
    with loopfs.loop_file_system(EXT4) as found, pytest.raises(ZeroDivisionError):
        found.after_crash([_fail], "now")
    assert _left(os.getpid()) == before


def _fail(root: Path) -> None:
    raise ZeroDivisionError(root)


def test_what_a_killed_process_left_is_swept() -> None:
    if reason := why_not(EXT4):
        pytest.skip(reason)
    child = subprocess.Popen([sys.executable, "-c", KILLED])
    assert child.wait() == -signal.SIGKILL
    assert _left(child.pid)
    loopfs.sweep()
    assert _left(child.pid) == []


KILLED = """
import os, signal
from chaoswal.realfs import loopfs
with loopfs.loop_file_system(loopfs.EXT4) as file_system:
    file_system.after_crash([lambda root: os.kill(os.getpid(), signal.SIGKILL)], "now")
"""


def _left(process: int) -> list[str]:
    """Scratch directories, and the lines of mounts and loop devices that belong to a process."""
    prefix = f"{loopfs.PREFIX}{process}-"
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    loops = [path.read_text(encoding="utf-8") for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    scratch = [str(path) for path in loopfs.SCRATCH.glob(f"{prefix}*")]
    return sorted(line for line in [*mounts, *loops, *scratch] if prefix in line)
