"""``bench recovery``: it measures what it says, and recovery reads no more of a segment than its footer."""

import json
from pathlib import Path

import pytest

from chaoswal import bench, bench_saved
from chaoswal.cli import main
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import Log, Options


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


class Counting(MemoryVfs):
    """Counts the calls, and the bytes that are read of segments."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(Disk(image=Image.of_files(files)), step=self.count)
        self.calls = 0

    def count(self) -> None:
        """One more."""
        self.calls += 1


def left_behind(tmp_path: Path, segments: int, wal_records: int) -> dict[str, bytes]:
    path = bench._left_behind(tmp_path / f"{segments}-{wal_records}", segments, wal_records)
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name != "LOCK"}


def calls_to_open(files: dict[str, bytes]) -> int:
    vfs = Counting(files)
    Log(vfs, StillRuntime(0), Options())
    return vfs.calls


def test_calls_do_not_grow_with_the_wal_and_by_a_footer_with_each_segment(tmp_path: Path) -> None:
    short, long = (calls_to_open(left_behind(tmp_path, 5, count)) for count in (3, 3_000))
    assert short == long
    more = calls_to_open(left_behind(tmp_path, 25, 3))
    assert more - short == 3 * 20  # open, read, close


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
