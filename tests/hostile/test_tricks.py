"""Hostile engines: whatever one does to whoever runs it, the end is a finding or UNKNOWN with its reason.

Never a hang, a traceback or a PASS, and no process and no file is left behind. An engine whose trick does no harm by
itself loses what it acknowledged, and must be caught at that all the same.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaoswal.errors import Exit
from tests.hostile.tricks import OUTSIDE, TRICKS

ROOT = Path(__file__).parents[2]
MARK = "CHAOSWAL_TEST_MARK"
SIMULATED, FILES = "tests/hostile/engines.py:Hostile", "tests/hostile/files.py:HostileFiles"
PROGRAM = f"cmd:{sys.executable} tests/hostile/program.py {{dir}} {{trick}} {{at}}"
EXPLORE = ("--seed", "1", "--workers", "1", "--states")
KILL = ("--seed", "1", "--workers", "1", "--patience", "1", "--cycles", "60")

WAYS = {
    "simulated": ("explore", SIMULATED, *EXPLORE, "300"),
    "patched": ("explore", FILES, "-o", "recorder=patched", *EXPLORE, "100"),
    "syscalls": ("explore", FILES, *EXPLORE, "60"),
    "cmd": ("explore", PROGRAM, *EXPLORE, "60"),
    "kill-loop": ("kill-loop", SIMULATED, *KILL),
    "kill-loop of files": ("kill-loop", FILES, *KILL),
}
"""Each way to run an engine."""

NOT_SEEN = {("write-outside", "kill-loop"), ("write-outside", "kill-loop of files")}
"""A kill loop has no trace, and sees what is in the directory alone."""

QUICK = [("leave", "simulated", "append"), ("kill", "kill-loop of files", "opening")]
"""What is tried at every run."""

MEMORY_BYTES = 512 << 20
SECONDS = 900


def limited() -> None:
    """So that whoever eats memory has soon eaten all."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def played(trick: str, way: str, at: str, directory: Path) -> "tuple[subprocess.CompletedProcess[str], str]":
    """What came of it, and the mark that all its processes bear."""
    command, *words = WAYS[way]
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    options = ("-o", f"trick={trick}", "-o", f"at={at}", "--json", "--corpus", str(directory / "corpus"))
    done = subprocess.run(
        [sys.executable, "-m", "chaoswal", command, *words, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), OUTSIDE: str(directory / "outside"), MARK: mark},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        preexec_fn=limited if trick == "eat" else None,
        check=False,
    )
    return done, mark


def bearing(mark: str) -> list[int]:
    """The processes that are left."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue  # it has ended, or is none of ours
        if f"{MARK}={mark}".encode() in environment:
            found.append(int(entry))
    return found


def left_in_memory() -> set[str]:
    """Directories of processes that are no more."""
    names = os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []
    owned = {name: re.match(r"chaoswal-(\d+)-", name) for name in names}
    return {name for name, owner in owned.items() if owner and not os.path.exists(f"/proc/{owner[1]}")}


def judge(trick: str, way: str, at: str, directory: Path) -> None:
    before = left_in_memory()
    done, mark = played(trick, way, at, directory)
    told = done.stdout + done.stderr
    assert "Traceback" not in told, told
    assert done.returncode in (Exit.VIOLATION, Exit.INCONCLUSIVE) or (trick, way) in NOT_SEEN, told
    assert re.search(r"(FAIL|UNKNOWN) {1,2}\S|UNKNOWN: \S", done.stderr) or (trick, way) in NOT_SEEN, told
    if done.stdout.strip():
        summary = json.loads(done.stdout)
        assert summary["verdict"] != "PASS" or (trick, way) in NOT_SEEN
        for found in summary["findings"]:
            if found.get("kept"):
                subprocess.run(["rm", "-r", str(Path(found["kept"]).parent)], check=True)
    assert bearing(mark) == []
    assert left_in_memory() <= before


@pytest.mark.parametrize(("trick", "way", "at"), QUICK, ids=["-".join(one) for one in QUICK])
def test_a_few_tricks(trick: str, way: str, at: str, tmp_path: Path) -> None:
    judge(trick, way, at, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("at", ["append", "opening"])
@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("way", WAYS)
def test_every_trick_in_every_way(trick: str, way: str, at: str, tmp_path: Path) -> None:
    judge(trick, way, at, tmp_path)
