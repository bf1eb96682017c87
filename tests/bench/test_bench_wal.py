"""``bench wal``: measures what is installed, says UNKNOWN of the rest, and leaves nothing behind."""

import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import pytest

from chaoswal import bench_wal
from chaoswal.bench_wal import BARE, OURS, OURS_ONE_BY_ONE, Line, median_and_half
from chaoswal.cli import main
from chaoswal.errors import Exit

INSTALLED = importlib.util.find_spec


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """One size, the fewest calls, and as if nothing were installed that Python does not bring."""
    monkeypatch.setattr(bench_wal, "SIZES", {"100 B": 100})
    monkeypatch.setattr(bench_wal, "TURN_S", 0.001)
    monkeypatch.setattr(bench_wal, "SCANNED", 200)
    missing = {"lmdb", "rocksdict", "plyvel"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else INSTALLED(name))


@pytest.mark.usefixtures("little")
def test_it_measures_what_is_there_and_owns_up_to_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "wal", "--rounds", "2", "--dir", str(tmp_path), "--json"]) == Exit.CLEAN
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    lines = {(line["what"], line["name"]): line for line in found["figures"]["lines"]}
    assert lines["100 B, each synced", BARE]["ratio"] == 1
    assert lines["100 B, each synced", OURS]["per_second"] > 0
    assert lines["100 B, groups of 100", "sqlite3, WAL and FULL"]["per_second"] > 0
    assert ("100 B, each synced", OURS_ONE_BY_ONE) not in lines, "there is nothing to put together"
    assert lines["100 B, groups of 100", OURS_ONE_BY_ONE]["per_second"] > 0
    assert lines["100 B, records", "scan of a segment through mmap"]["per_second"] > 0
    assert len([name for what, name in lines if what in ("100 B, threads", "100 B, records")]) == 7
    unknown = [name for (_, name), line in lines.items() if line["per_second"] == "UNKNOWN"]
    assert unknown == ["LMDB", "RocksDB", "LevelDB"]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("little")
def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "wal", "--rounds", "1", "--dir", str(tmp_path)]) == Exit.CLEAN
    told = capsys.readouterr().out
    assert "UNKNOWN" in told
    assert "install chaoswal[bench]" in told


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["bench", "wal", "--dir", str(tmp_path / "missing")]) == Exit.USAGE


@pytest.mark.parametrize("name", list(bench_wal.CONTENDERS))
def test_every_contender_that_is_installed_appends(name: str, tmp_path: Path) -> None:
    module, contender = bench_wal.CONTENDERS[name]
    pytest.importorskip(module)
    assert bench_wal.appends(tmp_path, contender, b"x", 1) > 0
    assert bench_wal.appends(tmp_path, contender, b"x", 3) > 0


def test_a_turn_ends_by_time_or_by_calls_but_not_before_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(bench_wal, "TURN_S", 5)
    calls: list[None] = []
    assert bench_wal.rate(lambda: calls.append(None), 10) == 10
    assert len(calls) == 5
    bench_wal.rate(lambda: calls.append(None), 10, calls_most=4)
    assert len(calls) == 5 + 4
    bench_wal.rate(lambda: calls.append(None), 10, calls_most=1)
    assert len(calls) == 5 + 4 + 3


def test_quartiles_and_medians_of_rates_and_of_the_ratios_of_rounds() -> None:
    line = Line(what="", name="", rates=(1.0, 2.0, 3.0, 4.0, 5.0), bases=(2.0, 1.0, 6.0, 4.0, 1.0))
    assert median_and_half(line.rates) == (3.0, 2.0, 4.0)
    assert line.ratios == (0.5, 2.0, 0.5, 1.0, 5.0)
    assert median_and_half(line.ratios) == (1.0, 0.5, 2.0)
    assert median_and_half((7.0,)) == (7.0, 7.0, 7.0)
    assert median_and_half(()) == (0.0, 0.0, 0.0)
