"""The kills of a gate: what is said where none were tried, and what they leave behind."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chaoswal import cli
from chaoswal.errors import Exit, Inconclusive, UsageError
from chaoswal.killloop import campaign

ROOT = Path(__file__).parents[1]


def gate(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object], str]:
    code = cli.main(["gate", "--workers", "1", "--budget", "1s", "--json", *words])
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]), err


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """What is left of the directories of kill loops: those of this test alone."""
    prepare = campaign.prepare

    def here(_directory: Path | None) -> Path:
        return prepare(Path(tempfile.mkdtemp(prefix="kills-", dir=tmp_path)))

    monkeypatch.setattr(campaign, "prepare", here)
    return lambda: list(tmp_path.glob("kills-*"))


def test_what_kills_found_leaves_no_directory_unless_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: Callable[[], list[Path]]
) -> None:
    (tmp_path / "toys.py").write_text((ROOT / "tests/toys.py").read_text())
    monkeypatch.chdir(tmp_path)
    code, told, _ = gate(capsys, "toys.py:Forgets")
    assert code == Exit.VIOLATION
    stages = {stage["name"]: stage for stage in told["stages"]}  # type: ignore[attr-defined]
    assert stages["kill-loop"]["findings"]
    assert kept() == []


@pytest.mark.parametrize("error", [Inconclusive, UsageError])
def test_what_kills_found_is_told_as_it_was_seen_where_it_cannot_be_played(
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kept: Callable[[], list[Path]],
) -> None:
    (tmp_path / "toys.py").write_text((ROOT / "tests/toys.py").read_text())
    monkeypatch.chdir(tmp_path)

    def broken(*_: object) -> object:
        raise error("cannot open it like that")

    monkeypatch.setattr("chaoswal.gate._concluded", broken)
    code, told, _ = gate(capsys, "toys.py:Forgets")
    assert code == Exit.VIOLATION
    assert {"name": "kill-loop", "verdict": "FAIL"}.items() <= told["stages"][-1].items()  # type: ignore[index]
    assert kept() == []


@pytest.mark.slow
def test_where_none_were_tried_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, told, _ = gate(capsys, f"cmd:{sys.executable} {ROOT}/docs/examples/log_json.py {{dir}}")
    stages = {stage["name"]: stage for stage in told["stages"]}  # type: ignore[attr-defined]
    assert (code, stages["kill-loop"]["verdict"]) == (Exit.CLEAN, "PASS")
    assert "no kills were tried" in " ".join(stages["kill-loop"]["reasons"])
    assert "no kills were tried" in " ".join(told["reasons"])  # type: ignore[arg-type]


@pytest.mark.slow
def test_kills_are_tried_on_every_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: Callable[[], list[Path]]
) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.chdir(ROOT)
    _, told, _ = gate(capsys, "tests/contracts/queues.py:Items", "--corpus", str(tmp_path / "corpus"))
    stages = {stage["name"]: stage for stage in told["stages"]}  # type: ignore[attr-defined]
    assert stages["kill-loop"]["verdict"] == "PASS"
    assert "kills" in stages["kill-loop"]["judged"]
    assert kept() == []
