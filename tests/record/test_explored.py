"""Exploring engines as they are, from the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from chaoswal import bench_syscalls
from chaoswal.cli import main
from chaoswal.errors import Exit

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

HERE = "tests/record/engines.py"


def explored(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the object that is printed, and what people read."""
    fixed = ["--seed", "1", "--workers", "1", "--corpus", str(tmp_path / "corpus"), "--json"]
    code = main(["explore", *words, *fixed])
    out, told = capsys.readouterr()
    return code, json.loads(out), told


def test_what_is_not_seen_makes_it_unknown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, found, told = explored(capsys, tmp_path, f"{HERE}:Mapped", "--states", "10")
    assert (code, found["verdict"]) == (Exit.INCONCLUSIVE, "UNKNOWN")
    assert "writes through mmap are not seen" in found["reasons"][0]
    assert "UNKNOWN" in told
    assert "NOT MEASURED" in told


def test_a_finding_is_kept_and_replays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, found, told = explored(capsys, tmp_path, "sqlite", "-o", "journal=delete", "--states", "100")
    assert (code, found["verdict"]) == (Exit.VIOLATION, "FAIL")
    assert [(each["kind"], each["profile"]) for each in found["findings"]] == [("lost", "prefix")]
    assert "unlink log.db-journal            LOST            <- no sync of the directory after: append" in told
    assert main(["replay", found["findings"][0]["file"], "--json"]) == Exit.VIOLATION
    assert json.loads(capsys.readouterr().out)["files"][0]["status"] == "FAILED"
    assert main(["replay", found["findings"][0]["file"], "-o", "synchronous=extra"]) == Exit.CLEAN


@pytest.mark.parametrize("faults", ["io", "crash,leak", "rot"])
def test_what_needs_the_simulated_disk_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, faults: str
) -> None:
    assert main(["explore", f"{HERE}:Calls", "--faults", faults]) == Exit.USAGE
    assert faults.rpartition(",")[2] in capsys.readouterr().err


def test_the_benchmark_measures_all_three(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_syscalls, "COMMITS", 3)
    monkeypatch.setattr(bench_syscalls, "STATES_COMMITS", 1)
    assert main(["bench", "syscalls", "--rounds", "1", "--json"]) == Exit.CLEAN
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert set(figures) == {bench_syscalls.BARE, bench_syscalls.RECORDED, bench_syscalls.JUDGED}
    assert all(figure["per_second"] > 0 for figure in figures.values())
