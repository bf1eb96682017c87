"""``bench engines``: the same states by one worker and by two, what is not installed, and what it shows."""

import json
import subprocess
import sys

import pytest

from chaoswal import bench_engines
from chaoswal.bench_engines import Rate
from chaoswal.cli import main
from chaoswal.engines.registry import EngineRef


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_engines, "PROGRAMS", {"dbm.dumb": 2})


def test_one_worker_and_two_judge_the_same() -> None:
    found = bench_engines._found(EngineRef(name="dbm.dumb"), 2, 1)
    assert list(found) == [1, 2]
    [[one], [two]] = found.values()
    assert one.states == two.states > 0
    assert min(one.seconds, two.seconds, one.processor_seconds) > 0


def test_what_cannot_be_opened_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_engines, "PROGRAMS", {"dbm.dumb no-such-option=1": 2})
    [rate] = bench_engines.measure(1)
    assert rate.per_second == 0
    assert rate.note.startswith("UNKNOWN: cannot open dbm.dumb")


def test_the_time_of_what_was_started_counts() -> None:
    """Also while it goes on, and below what was started."""
    before = bench_engines.processor_seconds()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert bench_engines.processor_seconds() - before >= 0.3 - 1 / bench_engines._TICKS_PER_SECOND
        process.communicate(b"\n")


def test_what_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Rate(engine="a", recorder="syscalls", workers=1, per_second=100.0, processor_ms=2.0),
        Rate(engine="a", recorder="syscalls", workers=2, per_second=150.0, processor_ms=2.5),
        Rate(engine="b", recorder="syscalls", workers=0, per_second=0.0, processor_ms=0.0, note="UNKNOWN: not here"),
    ]
    monkeypatch.setattr(bench_engines, "measure", lambda _rounds: found)
    assert main(["bench", "engines"]) == 0
    shown = capsys.readouterr().out
    assert "150" in shown
    assert "UNKNOWN: not here" in shown
    assert main(["bench", "engines", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"][1]["per_second"] == 150.0
