"""Kills at system calls: a planted loss is found at exactly its call, and a sound engine is let alone at every one."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit
from chaoswal.killloop.striking import TRIES, Count, Strike, Striker
from chaoswal.ops import Append, Operation, Put, Sync
from chaoswal.outside import promises
from chaoswal.verdict import Violation
from tests.killloop.conftest import ROOT

AIMED = "tests/killloop/aimed.py"
TWICE = (Append(size=10), Append(size=20))

Struck = Callable[..., tuple[list[Strike], Count]]

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def struck(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Struck]:
    """Strike an engine at every call of a program: what that came to, and the counts."""
    monkeypatch.chdir(ROOT)
    with ExitStack() as stack:

        def struck(engine: str, operations: Sequence[Operation]) -> tuple[list[Strike], Count]:
            ref = EngineRef.parse(engine)
            factory = ref.factory()
            count = Count()
            striker = Striker(ref, factory, promises(factory.name), str(place), count)
            stack.enter_context(closing(striker))
            return [strike for strike in striker.program(0, operations) if strike], count

        yield struck


@needs_strace
def test_a_planted_loss_is_found_at_exactly_its_call(struck: Struck) -> None:
    """The second append empties the file when it opens it: whoever is killed at the write behind has lost the first."""
    strikes, count = struck(f"{AIMED}:Rewrites", TWICE)
    (strike,) = strikes
    assert strike.at
    assert (strike.at.call, strike.at.operation, strike.fault.kind) == ("write", 1, Violation.LOST)
    assert (count.aimed, count.struck, count.missed, count.left) == (8, 8, [], 0)
    assert count.kills == {("append", call): 2 for call in ("openat", "write", "fsync", "unlink")}
    assert count.judged == count.processes == 9


@needs_strace
def test_what_is_taken_behind_a_kill_outlives_the_next(struck: Struck) -> None:
    strikes, count = struck(f"{AIMED}:GoesOnBehind", TWICE[:1])
    (strike,) = strikes
    assert strike.at
    assert (strike.at.call, strike.at.nth, strike.fault.kind) == ("write", 2, Violation.LOST)
    assert "a kill takes away" in strike.fault.explanation
    assert count.aimed == count.struck == 5


@needs_strace
@pytest.mark.slow
def test_dumb_loses_all_between_the_rename_and_the_new_file(struck: Struck) -> None:
    """The old index is a backup by then, which nobody reads, and the new one is not there, or empty."""
    strikes, count = struck("dbm.dumb", [Put(key=1, size=10), Sync(), Put(key=2, size=10), Sync()])
    assert {one.fault.kind for one in strikes} == {Violation.LOST}
    assert [one.at.call for one in strikes if one.at] == ["openat", "write"]
    assert {one.at.operation for one in strikes if one.at} == {3}
    assert count.aimed == count.struck > 10


@needs_strace
@pytest.mark.slow
def test_a_sound_engine_is_let_alone_at_every_call(struck: Struck) -> None:
    strikes, count = struck(f"{AIMED}:Replaces", TWICE)
    assert strikes == []
    assert (count.aimed, count.struck) == (10, 10)
    assert count.kills == {("append", call): 2 for call in ("openat", "write", "fsync", "rename", "unlink")}


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["wal", "sqlite", f"{AIMED}:Rewrites recorder=patched"])
def test_engines_of_other_recorders_are_struck_as_they_are(struck: Struck, engine: str) -> None:
    strikes, count = struck(engine, TWICE)
    assert count.aimed == count.struck > 7
    assert bool(strikes) == ("Rewrites" in engine)


@needs_strace
@pytest.mark.slow
def test_the_process_of_a_program_is_killed_and_not_who_speaks_to_it(struck: Struck) -> None:
    strikes, count = struck(f"'cmd:{sys.executable} docs/examples/log_json.py {{dir}}'", TWICE[:1])
    assert strikes == []
    assert count.aimed == count.struck > 4
    assert count.judged == count.processes


@needs_strace
@pytest.mark.slow
def test_a_call_that_is_not_made_again_is_missed(struck: Struck, tmp_path: Path) -> None:
    """One more file was made in the run that was recorded: without that, each opening of a file is one too far."""
    strikes, count = struck(f"{AIMED}:Wavers counted={tmp_path}/n", TWICE)
    assert strikes == []
    assert (count.aimed, count.struck) == (12, 9)
    assert [missed.partition(" ")[0] for missed in count.missed] == ["openat"] * 3
    assert count.judged == count.processes == 1 + 9 + 3 * TRIES


def test_without_strace_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["kill-loop", f"{ROOT}/{AIMED}:Replaces", "--at", "syscalls"]) == Exit.USAGE
    assert "a kill at every system call needs strace(1): install the package strace" in capsys.readouterr().err


def test_nothing_but_a_kill_happens_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill-loop", "--at", "syscalls", "--faults", "kill,torn"]) == Exit.USAGE
    assert "no power is cut" in capsys.readouterr().err


@needs_strace
@pytest.mark.slow
def test_the_command_tells_the_call_and_how_many_were_struck(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    words = ["--at", "syscalls", "--seed", "1", "--cycles", "30", "--dir", str(place), "--corpus", str(tmp_path)]
    assert main(["kill-loop", f"{ROOT}/{AIMED}:Rewrites", *words, "--json"]) == Exit.VIOLATION
    told = json.loads(capsys.readouterr().out)
    (found,) = told["findings"]
    assert (told["aimed"], told["struck"], found["kind"]) == (30, 30, "lost")
    assert "after" in found["deviations"][0]
    assert re.fullmatch(r"openat at aimed\.py:\d+ in put and write at aimed\.py:\d+ in put", found["between"])
    assert main(["replay", found["file"]]) == Exit.VIOLATION
    assert {entry.name for entry in place.iterdir()} == {Path(found["kept"]).name, ".chaoswal-kill-loop"}
