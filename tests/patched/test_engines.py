"""Engines as they are, explored on the simulated disk: sound ones are left alone, and known mistakes are found."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaoswal.check import Found, Judge, check
from chaoswal.contracts import history_of
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit
from chaoswal.guilt import guilty
from chaoswal.ops import Append, Delete, Done, Enqueue, Operation, Put, Reopen, Sync, Take
from chaoswal.replay import ready
from chaoswal.run import record
from chaoswal.shrink import crash_steps
from chaoswal.verdict import Violation
from chaoswal.vfs.sites import place_of

PROGRAM: Sequence[Operation] = [
    Append(size=1),
    Append(size=700),
    Sync(),
    Append(size=30),
    Reopen(),
    Append(size=5_000),
    Sync(),
]


def found(engine: str, operations: Sequence[Operation], profile: str) -> Found | None:
    """The first violation in all crash states of one run."""
    factory, traits = ready(EngineRef.parse(engine))
    history = history_of(operations, traits)
    run = record(factory, operations)
    return check(run, history, Judge(factory), PROFILES[profile], bound=Bound(random_states=2))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", ["OsLog", "StreamLog", "KeepsFunctions"])
def test_sound(kind: str, profile: str) -> None:
    assert found(f"tests.patched.toys:{kind}", PROGRAM, profile) is None


@pytest.mark.parametrize(
    ("kind", "profile"),
    [("NeverSyncs", "ext4-ordered"), ("NeverSyncs", "prefix"), ("NoDirectorySync", "posix")],
)
def test_a_planted_mistake(kind: str, profile: str) -> None:
    seen = found(f"tests.patched.toys:{kind}", PROGRAM, profile)
    assert seen
    assert seen.fault.kind is Violation.LOST
    assert found(f"tests.patched.toys:{kind}", PROGRAM, "kill") is None


def test_dbm_dumb_loses_all_to_a_kill() -> None:
    """Between the rename of its directory to a backup, which it never reads, and the end of the new one."""
    kill = PROFILES["kill"]
    program: Sequence[Operation] = [Put(key=1, size=1), Sync(), Sync()]
    seen = found("dbm.dumb", program, "kill")
    assert seen
    assert (seen.fault.kind, seen.observed and seen.observed.items) == (Violation.LOST, ())
    blamed = guilty(EngineRef(name="dbm.dumb"), [*program, *crash_steps(seen, kill)], kill)
    assert blamed
    place = place_of(blamed.site)
    assert place
    assert (blamed.function, place.source) == (
        "_Database._commit",
        "self._os.rename(self._dirfile, self._bakfile)",
    )
    assert blamed.words.startswith("not a missing sync: the disk is wrong from the rename of store.bak in dumb.py:")


def test_dbm_dumb_does_not_sync() -> None:
    seen = found("dbm.dumb", [Put(key=1, size=1), Sync()], "ext4-ordered")
    assert seen
    assert seen.fault.kind in (Violation.LOST, Violation.INVENTED)


def test_dbm_dumb_writes_over_a_value() -> None:
    """A smaller value goes where the larger one was, whose length is what a kill leaves in the directory."""
    seen = found("dbm.dumb", [Put(key=1, size=2), Put(key=1, size=1)], "kill")
    assert seen
    assert seen.fault.kind is Violation.INVENTED
    assert found("dbm.dumb", [Put(key=1, size=1), Delete(key=1), Put(key=2, size=600)], "kill") is None


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # its destructors fail where it did not open
@pytest.mark.parametrize("options", ["", " chunksize=1", " chunksize=3 autosave=no"])
def test_persist_queue_does_not_sync(options: str) -> None:
    """While nothing is got a kill takes nothing from it: whatever says so is a false alarm. A power cut does."""
    engine, program = f"persist-queue{options}", [Enqueue(size=size) for size in (1, 40, 700, 1)]
    assert found(engine, [*program, Reopen(), *program], "kill") is None
    seen = found(engine, program, "ext4-ordered")
    assert seen
    assert seen.fault.kind is Violation.LOST
    blamed = guilty(
        EngineRef.parse(engine), [*program, *crash_steps(seen, PROFILES["ext4-ordered"])], PROFILES["ext4-ordered"]
    )
    assert blamed
    assert blamed.site.startswith("queue.py:")


def test_persist_queue_is_done_with_what_was_got_as_soon_as_more_is_put() -> None:
    """Though its documentation says that without autosave this is only persisted when task_done is called."""
    got: list[Operation] = [Enqueue(size=1), Enqueue(size=2), Take(), Done(), Take()]
    engine = "persist-queue chunksize=1 autosave="
    assert found(f"{engine}no", got, "kill") is None
    assert found(f"{engine}yes", [*got, Enqueue(size=3)], "kill") is None
    seen = found(f"{engine}no", [*got, Enqueue(size=3)], "kill")
    assert seen
    assert seen.fault.kind is Violation.LOST


def test_persist_queue_hands_out_again_after_a_power_cut() -> None:
    seen = found("persist-queue", [Enqueue(size=1), Take()], "prefix")
    assert seen
    assert seen.fault.kind in (Violation.LOST, Violation.RESURRECTED)


def test_explored_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chaoswal", "explore", "dbm.dumb", "--states", "400", "--seed", "2"]
    command += ["--workers", "1", "--profile", "kill,ext4-ordered", "--corpus", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == Exit.VIOLATION, done.stderr
    assert "is missing; the one it was given was promised" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
