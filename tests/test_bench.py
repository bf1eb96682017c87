"""``bench recovery``: it measures what it says; recovery reads of a segment its footer, and a WAL by pieces."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from chaoswal import bench, bench_saved
from chaoswal.cli import main
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Call, FaultPlan
from chaoswal.disk.image import Image
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import Log, Options
from chaoswal.wal.segment import FOOTER_BYTES
from chaoswal.wal.window import PIECE_BYTES


def test_every_case_is_measured() -> None:
    found = bench.recovery(1, [(2, 0), (1, 5)])
    assert [(line.segments, line.wal_records) for line in found] == [(2, 0), (1, 5)]
    assert all(line.milliseconds > 0 and line.peak_mib > 0 for line in found)


def test_the_command_prints_a_table_and_an_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "RECOVERIES", ((1, 1),))
    monkeypatch.setattr(bench.recovery, "__defaults__", (bench.RECOVERIES,))
    assert main(["bench", "recovery", "--rounds", "1"]) == 0
    assert "ms to open" in capsys.readouterr().out
    assert main(["bench", "recovery", "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"][0]["wal_records"] == 1


def left_behind(tmp_path: Path, segments: int, wal_records: int) -> dict[str, bytes]:
    path = bench._left_behind(tmp_path / f"{segments}-{wal_records}", segments, wal_records)
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name != "LOCK"}


def calls_to_open(files: dict[str, bytes]) -> list[Call]:
    tally = FaultPlan(tally=True)
    Log(MemoryVfs(Disk(image=Image.of_files(files)), faults=tally), StillRuntime(0), Options())
    return tally.seen


def kinds(calls: list[Call]) -> Counter[str]:
    """How many calls of each kind there were, by what they did to which kind of file."""
    return Counter(f"{each.call} {Path(each.path).suffix or each.path}" for each in calls)


def test_of_a_segment_the_footer_is_read_and_nothing_else(tmp_path: Path) -> None:
    few, many = (calls_to_open(left_behind(tmp_path, segments, 3)) for segments in (5, 25))
    assert kinds(many) - kinds(few) == Counter({"open .seg": 20, "read .seg": 20, "close .seg": 20})
    assert {each.length for each in many if each.call == "read" and each.path.endswith(".seg")} == {FOOTER_BYTES}


def test_a_wal_of_one_piece_takes_as_many_calls_however_many_records_it_holds(tmp_path: Path) -> None:
    few, many = (calls_to_open(left_behind(tmp_path, 5, records)) for records in (3, 1_500))
    assert kinds(few) == kinds(many)
    assert kinds(few)["read .wal"] == 1


@pytest.mark.parametrize("records", [3_000, 12_000])
def test_a_longer_wal_is_read_twice_a_piece_at_a_time(tmp_path: Path, records: int) -> None:
    files = left_behind(tmp_path, 5, records)
    pieces = math.ceil(max(len(data) for name, data in files.items() if name.endswith(".wal")) / PIECE_BYTES)
    short, long = calls_to_open(left_behind(tmp_path, 5, 3)), calls_to_open(files)
    assert kinds(long)["read .wal"] == 2 * pieces
    assert {each.length for each in long if each.call == "read" and each.path.endswith(".wal")} > {PIECE_BYTES}
    assert max(each.length for each in long) <= 2 * PIECE_BYTES
    beside = {"read .wal", "open .wal", "close .wal", "write .tmp"}
    assert {kind for kind, _ in (kinds(long) - kinds(short)).items()} <= beside


# -- saved ratios ------------------------------------------------------------------------------------------------------


def bench_recording(monkeypatch: pytest.MonkeyPatch, rate: float, *words: str) -> int:
    found = [bench.Measured(name=bench.NOTHING, per_second=100.0), bench.Measured(name="write", per_second=rate)]
    monkeypatch.setattr(bench, "recorded", lambda _rounds: found)
    return main(["bench", "recording", *words])


def test_a_ratio_that_fell_by_more_than_a_fifth_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = str(tmp_path / "figures.json")
    assert bench_recording(monkeypatch, 50.0, "--save", saved) == 0
    assert bench_recording(monkeypatch, 41.0, "--compare", saved) == 0
    capsys.readouterr()
    assert bench_recording(monkeypatch, 39.0, "--compare", saved, "--json") == 1
    slower = [change["name"] for change in json.loads(capsys.readouterr().out)["changes"] if change["slower"]]
    assert slower == ["write"]


def test_only_what_was_saved_by_the_same_benchmark_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "figures.json"
    assert bench_recording(monkeypatch, 50.0, "--compare", str(saved)) == 2
    saved.write_text('{"what": "wal", "ratios": {}}', encoding="utf-8")
    assert bench_recording(monkeypatch, 50.0, "--compare", str(saved)) == 2
    assert "bench wal" in capsys.readouterr().err
    saved.write_text("[1]", encoding="utf-8")
    assert bench_recording(monkeypatch, 50.0, "--compare", str(saved)) == 2
    assert bench_recording(monkeypatch, 50.0, "--save", str(tmp_path / "no" / "where")) == 2


def test_what_is_new_or_gone_is_told_and_is_no_regression() -> None:
    changes = bench_saved.compare({"gone": 1.0, "same": 1.0}, {"same": 0.9, "new": 1.0})
    assert [change.name for change in changes] == ["same", "new", "gone"]
    assert not any(change.fell(0.2) for change in changes)
