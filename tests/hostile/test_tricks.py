"""Hostile engines: whatever one does to whoever runs it, the end is a finding or UNKNOWN with its reason.

Never a hang, a traceback or a PASS, and no process and no file is left behind. An engine whose trick does no harm by
itself loses what it acknowledged, and must be caught at that all the same.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaoswal.errors import Exit
from chaoswal.realfs.loopfs import FILE_SYSTEMS
from chaoswal.tmpfs import MEMORY
from tests.hostile.tricks import OUTSIDE, SERVED, TRICKS

ROOT = Path(__file__).parents[2]
MARK = "CHAOSWAL_TEST_MARK"
SIMULATED, FILES = "tests/hostile/engines.py:Hostile", "tests/hostile/files.py:HostileFiles"
PROGRAM = f"cmd:{sys.executable} tests/hostile/program.py {{dir}} {{trick}} {{at}}"
PATIENCE = ("--patience", "1")
EXPLORE = ("--seed", "1", "--workers", "1", "--depth", "0", *PATIENCE, "--states")
KILL = ("--seed", "1", "--workers", "1", *PATIENCE, "--cycles")
GATE = ("--seed", "1", "--workers", "1", *PATIENCE, "--budget", "20", "--corpus", "{directory}/findings")
FINDING = "{directory}/findings/one.chaos"

WRONG, UNCLEAR = {Exit.VIOLATION, Exit.INCONCLUSIVE}, {Exit.VIOLATION, Exit.INCONCLUSIVE, Exit.CLEAN}


@dataclass(frozen=True)
class Way:
    """A way to run an engine."""

    engine: str
    command: str
    words: tuple[str, ...]
    ends: frozenset[Exit] = frozenset(WRONG)
    """The exit codes that it may have."""

    @property
    def plays_a_finding(self) -> bool:
        """Whether the engine is named by a file."""
        return FINDING in self.words


def _way(engine: str, command: str, *words: str, ends: set[Exit] = WRONG) -> Way:
    return Way(engine, command, words, frozenset(ends))


WAYS = {
    "simulated": _way(SIMULATED, "explore", *EXPLORE, "200"),
    "patched": _way(f"{FILES} recorder=patched", "explore", *EXPLORE, "60"),
    "syscalls": _way(FILES, "explore", *EXPLORE, "40"),
    "cmd": _way(PROGRAM, "explore", *EXPLORE, "40"),
    "kill-loop": _way(SIMULATED, "kill-loop", *KILL, "40"),
    "kill-loop of files": _way(FILES, "kill-loop", *KILL, "40"),
    "kill-loop at syscalls": _way(FILES, "kill-loop", *KILL, "20", "--at", "syscalls"),
    "kill-loop with a fault": _way(
        FILES, "kill-loop", *KILL, "4", "--fault", "fail EIO on fsync of * nth 2 once", ends=UNCLEAR
    ),
    "lint": _way(SIMULATED, "lint", *PATIENCE, ends=UNCLEAR),
    "lint of files": _way(f"{FILES} recorder=patched", "lint", *PATIENCE, ends=UNCLEAR),
    "replay": _way(SIMULATED, "replay", FINDING, *PATIENCE, ends=UNCLEAR),
    "replay of files": _way(FILES, "replay", FINDING, *PATIENCE, ends=UNCLEAR),
    "show": _way(SIMULATED, "show", FINDING, *PATIENCE, ends=UNCLEAR | {Exit.USAGE}),
    "show of files": _way(FILES, "show", FINDING, *PATIENCE, ends=UNCLEAR | {Exit.USAGE}),
    "gate": _way(SIMULATED, "gate", *GATE),
    "gate of files": _way(FILES, "gate", *GATE),
    "enact": _way(
        SIMULATED, "enact", FINDING, "--tries", "2", "--wait", "0", "--fs", "ext4", *PATIENCE, ends=WRONG | {Exit.USAGE}
    ),
}
"""Each way to run an engine. Where one that is sound but for its trick may be called clean, its trick is not played."""

NO_DIRECTORY = {trick for trick in TRICKS if trick.endswith("-directory") and trick != "change-directory"}
"""These need a directory of the engine's own."""

MAIN = ("simulated", "syscalls", "kill-loop of files")

CASES = [
    *((trick, way, "append") for way in WAYS for trick in TRICKS),
    *((trick, way, "opening") for way in MAIN for trick in TRICKS),
    *((trick, way, at) for way in MAIN for trick in SERVED for at in ("records", "result")),
    *((trick, way, at) for way in WAYS for trick in ("hang", "leave", "kill", "at-exit") for at in ("close", "exit")),
]

QUICK = [("leave", "simulated", "append"), ("kill", "kill-loop of files", "opening")]
"""What is tried at every run."""

MEMORY_BYTES = 192 << 20
SECONDS = 300

STEPS = "append 61\nappend 62\nkill in operation 2 after end\n"


def limited() -> None:
    """So that whoever eats memory has soon eaten all."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def command_line(trick: str, way: Way, at: str, directory: Path) -> list[str]:
    words = [word.replace("{directory}", str(directory)) for word in way.words]
    if way.plays_a_finding:
        (directory / "findings").mkdir()
        engine = f"engine {way.engine} trick={trick} at={at}    profile kill    expect lost    found 2026-11-20 seed 1"
        (directory / "findings" / "one.chaos").write_text(f"chaoswal-finding 1\n{engine}\n{STEPS}")
        return [way.command, *words]
    if way.command == "gate":
        (directory / "findings").mkdir()
        shutil.copy(ROOT / "corpus" / "zoo" / "no-sync-before-ack.chaos", directory / "findings")
        words += ["--save", str(directory / "saved"), "--junit", str(directory / "junit")]
    else:
        words += ["--corpus", str(directory / "corpus")]
    engine, *options = [way.engine] if way.engine.startswith("cmd:") else way.engine.split(" ")
    options += [f"trick={trick}", f"at={at}"]
    return [way.command, engine, *words, "--json", *(word for option in options for word in ("-o", option))]


@contextmanager
def memory_of_its_own(directory: Path) -> Iterator[tuple[Path, list[str]]]:
    """Where a command finds the file system in memory, and the words before it; root gives it one of its own.

    What others do there at the same time is no matter then.
    """
    if os.geteuid():
        yield MEMORY, []
        return
    own = directory / "memory"
    own.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "chaoswal", str(own)], check=True)
    try:
        yield (
            own,
            ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(own), str(MEMORY)],
        )
    finally:
        subprocess.run(["umount", "--lazy", str(own)], check=True)


def played(
    trick: str, way: Way, at: str, directory: Path, before: list[str]
) -> "tuple[subprocess.CompletedProcess[str], str]":
    """What came of it, and the mark that all its processes bear."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    temporary = directory / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [*before, sys.executable, "-m", "chaoswal", *command_line(trick, way, at, directory)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            OUTSIDE: str(directory / "outside"),
            MARK: mark,
            "TMPDIR": str(temporary),
        },
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
        preexec_fn=limited if trick in ("eat", "endless", "million") else None,
        start_new_session=True,
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


def left_in_memory(memory: Path) -> set[str]:
    """Directories of processes that are no more."""
    names = os.listdir(memory) if memory.is_dir() else []
    owned = {name: re.match(r"chaoswal-(?:kill-loop-)?(\d+)-", name) for name in names}
    return {name for name, owner in owned.items() if owner and not os.path.exists(f"/proc/{owner[1]}")}


def left_in_files(directory: Path) -> set[str]:
    """What lies in the temporary directory of a command that has ended."""
    return set(os.listdir(directory / "temporary"))


def evidence(told: str) -> Iterator[Path]:
    """The directories that a finding of the kill loop has kept."""
    for path in re.findall(r"^  kept +(\S+)", told, re.MULTILINE):
        yield Path(path).parent


def judge(trick: str, way: str, at: str, directory: Path) -> None:
    asked = WAYS[way]
    with memory_of_its_own(directory) as (memory, words):
        before = left_in_memory(memory)
        done, mark = played(trick, asked, at, directory, words)
        for kept in evidence(done.stderr):
            subprocess.run(["rm", "-rf", str(memory / kept.relative_to(MEMORY))], check=True)
        left = left_in_memory(memory) - before
    told = done.stdout + done.stderr
    assert not re.search(r"^Traceback", told, re.MULTILINE), told[-3000:]
    assert done.returncode in asked.ends | ({Exit.CLEAN} if at in ("close", "exit", "result") else set()), told[-3000:]
    if done.returncode in WRONG:
        said = done.stderr if asked.command in ("explore", "kill-loop", "gate") else told
        assert re.search(r"(FAIL|UNKNOWN|confirmed|ERROR|not \w+)\b", said), told[-3000:]
    if done.stdout.strip() and not asked.plays_a_finding:
        summary = json.loads(done.stdout)
        assert (summary["verdict"] == "PASS") == (done.returncode == Exit.CLEAN)
    assert bearing(mark) == []
    assert left == set()
    assert left_in_files(directory) == set()


@pytest.mark.parametrize(("trick", "way", "at"), QUICK, ids=["-".join(one) for one in QUICK])
def test_a_few_tricks(trick: str, way: str, at: str, tmp_path: Path) -> None:
    judge(trick, way, at, tmp_path)


def needs(way: str) -> str:
    """What is lacking here for a way, if anything is."""
    if way in ("syscalls", "cmd", "kill-loop at syscalls", "kill-loop with a fault") or way.endswith(" files"):
        return "" if shutil.which("strace") or way == "kill-loop of files" else "needs strace"
    if way == "enact":
        kind = next(kind for kind in FILE_SYSTEMS if kind.name == "ext4")
        return "needs root, and mkfs.ext4" if os.geteuid() or not shutil.which(f"mkfs.{kind.name}") else ""
    return ""


@pytest.mark.slow
@pytest.mark.parametrize(("trick", "way", "at"), CASES, ids=["-".join(one) for one in CASES])
def test_every_trick_in_every_way(trick: str, way: str, at: str, tmp_path: Path) -> None:
    if missing := needs(way):
        pytest.skip(missing)
    if trick in NO_DIRECTORY and WAYS[way].engine == SIMULATED:
        pytest.skip("on the simulated disk there is no directory")
    judge(trick, way, at, tmp_path)
