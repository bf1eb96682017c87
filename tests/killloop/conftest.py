"""Small campaigns: one worker's loop on a directory of its own, or the whole command in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaoswal.disk.profiles import profile_named
from chaoswal.engines.registry import EngineRef
from chaoswal.killloop.finding import Finding
from chaoswal.killloop.loop import Loop, Settings, Tally

ROOT = Path(__file__).parents[2]
SUBJECTS = str(Path(__file__).with_name("subjects.py"))
TOYS = str(ROOT / "tests" / "toys.py")

Run = Callable[..., tuple[Finding | None, Tally]]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory in memory, where there is one: a sync costs nothing there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


@pytest.fixture
def run(place: Path) -> Run:
    """Run the loop: an engine, faults with commas between, cycles."""

    def run(
        engine: str,
        faults: str = "kill",
        cycles: int = 40,
        *,
        seed: int = 1,
        profile: str = "ext4-ordered",
        patience: float = 1.0,
    ) -> tuple[Finding | None, Tally]:
        directory = place / f"{len(list(place.iterdir()))}"
        directory.mkdir()
        settings = Settings(
            engine=EngineRef.parse(engine),
            profile=profile_named(profile),
            faults=tuple(faults.split(",")),
            seed=seed,
            worker=0,
            directory=str(directory),
            cycles=cycles,
            until=None,
            patience=patience,
        )
        with closing(Loop(settings)) as loop:
            return loop.run(lambda: True), loop.tally

    return run


@pytest.fixture
def command() -> Command:
    """Run the command line."""

    def command(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "chaoswal", "kill-loop", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command
