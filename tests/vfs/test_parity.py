"""The simulated disk cannot drift from the truth: one workload, the same changes on it and on the real one."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from chaoswal.engines.wal import WalEngine
from chaoswal.ops import Append, Batch, Cleanup, Operation, Poll, Reopen, Rotate, Subscribe, Sync
from chaoswal.vfs.memory import MemoryFile, MemoryVfs
from chaoswal.workload import Generator
from tests.vfs.strace import Change, Options, play, play_under_strace, recorded, seen_by_strace

CAPABILITIES = frozenset({"append_batch", "rotate", "cleanup", "subscribe"})

CASES: dict[str, tuple[Options, int]] = {
    "each append synced": ({}, 1),
    "explicit syncs": ({"sync": "explicit"}, 2),
    "small WALs": ({"wal_bytes": 600}, 3),
    "small WALs, explicit syncs": ({"sync": "explicit", "wal_bytes": 400}, 4),
    "a WAL for each record": ({"wal_bytes": 1}, 5),
    "another rhythm": ({"sync": "explicit", "wal_bytes": 2_000}, 6),
    "a WAL that grows ahead": ({"preallocate_bytes": 1_500}, 7),
}

EVERYTHING: Sequence[Operation] = (
    Subscribe(name="s"),
    Append(size=0),
    Append(size=5_000),
    Sync(),
    Batch(sizes=(70_000, 0, 3, 70_000)),
    Batch(sizes=(1, 700, 30)),
    Rotate(),
    Poll(name="s", count=3),
    Append(size=70_000),
    Reopen(),
    Append(size=100),
    Cleanup(),
)


@cache
def why_not() -> str:
    """Why strace cannot be used here; empty where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def both(tmp_path: Path, options: Options, program: Sequence[Operation]) -> tuple[list[Change], list[Change]]:
    """What was changed for real and in the simulation; the results of the operations are the same."""
    if why_not():
        pytest.skip(why_not())
    root, log = tmp_path / "root", tmp_path / "strace"
    root.mkdir()
    real_results = play_under_strace(root, log, options, program)
    vfs = MemoryVfs()
    assert play(vfs, options, program) == real_results
    return seen_by_strace(log.read_text(), root), recorded(vfs.events())


@pytest.mark.parametrize(("options", "seed"), CASES.values(), ids=CASES.keys())
def test_a_drawn_workload_changes_the_same(tmp_path: Path, options: Options, seed: int) -> None:
    real, simulated = both(tmp_path, options, Generator(seed, CAPABILITIES).program(60))
    assert real == simulated
    assert len(real) > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_drawn_workloads_change_the_same(tmp_path: Path, seed: int) -> None:
    options = list(CASES.values())[seed % len(CASES)][0]
    real, simulated = both(tmp_path, options, Generator(seed, CAPABILITIES).program(120))
    assert real == simulated


def test_every_operation_changes_the_same(tmp_path: Path) -> None:
    real, simulated = both(tmp_path, {}, EVERYTHING)
    assert real == simulated
    assert {change[0] for change in real} >= {"create", "write", "rename", "unlink", "fsync"}


def test_a_dropped_sync_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    sync = MemoryFile.sync

    def drop_the_third(file: MemoryFile, *, data_only: bool = False) -> None:
        synced.append(file)
        if len(synced) != 3:
            sync(file, data_only=data_only)

    monkeypatch.setattr(MemoryFile, "sync", drop_the_third)
    real, simulated = both(tmp_path, {}, EVERYTHING)
    assert len(real) == len(simulated) + 1


def test_an_altered_write_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    write = MemoryFile.write

    def alter_the_last_byte(file: MemoryFile, offset: int, data: bytes) -> int:
        written.append(data)
        if len(written) == 3:
            data = data[:-1] + bytes([data[-1] ^ 1])
        return write(file, offset, data)

    monkeypatch.setattr(MemoryFile, "write", alter_the_last_byte)
    real, simulated = both(tmp_path, {}, (Append(size=10), Append(size=20), Append(size=30)))
    differing = [pair for pair in zip(real, simulated, strict=True) if pair[0] != pair[1]]
    assert [pair[0][:3] for pair in differing] == [pair[1][:3] for pair in differing]
    assert len(differing) == 1


def test_what_the_engine_calls_scratch_is_the_lock() -> None:
    assert WalEngine.scratch == ("LOCK",)
