"""``bench explore``: the same pairs in one process and in two, and what it shows."""

import json

import pytest

from chaoswal import bench_explore
from chaoswal.bench import RECORDS
from chaoswal.cli import main


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_explore, "RHYTHMS", (20,))
    monkeypatch.setattr(bench_explore, "LENGTHS", (10, 20))
    monkeypatch.setattr(bench_explore, "TURNS", 1)
    monkeypatch.setattr(bench_explore, "COST_ROUNDS", 1)


def test_what_is_measured() -> None:
    found = bench_explore.measure(1)
    once = bench_explore._explore(bench_explore._recorded(20, RECORDS))
    assert found.pairs == 3 * once  # one process, and two
    assert 0 < found.peak_first_mib == found.peak_last_mib
    assert [cost.records for cost in found.costs] == [10, 20]
    assert 0 < found.costs[0].log_bytes < found.costs[1].log_bytes


def test_what_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = bench_explore.measure(1)
    monkeypatch.setattr(bench_explore, "measure", lambda _rounds: found)
    assert main(["bench", "explore", "--rounds", "1"]) == 0
    shown = capsys.readouterr().out
    assert "two processes" in shown
    assert "ns a byte" in shown
    assert main(["bench", "explore", "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["pairs"] > 1000
