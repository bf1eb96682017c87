"""The gate: clean on the sound engine, shut by a planted bug in every report, and held open by the baseline alone."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pysarif
import pytest

from chaoswal import cli, corpus
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit
from tests.report.test_github import read
from tests.report.test_junit import SCHEMA, outcomes
from tests.report.test_sarif import complaints

ROOT = Path(__file__).parents[1]
BUG = "no-sync-before-ack"
NAMES = "no-dir-sync-after-new-wal"
"""One that no kill shows, nor a power cut under the profile of the kill loop: what kills show hangs on the moment."""

REPORTS = ["--junit", "j.xml", "--sarif", "s.sarif", "--markdown", "m.md", "--github"]

DAY_PASSED, DAY_TO_COME = "2020-01-01", "2999-12-31"


@dataclass(kw_only=True)
class Outcome:
    """What a run of the gate came to."""

    code: int
    out: str
    err: str
    directory: Path

    @property
    def told(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.out.splitlines()[-1])
        return told


Gate = Callable[..., Outcome]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gate:
    """Runs the gate in an empty directory, with a bug planted or none."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, bug: str = "", budget: str = "1s") -> Outcome:
        monkeypatch.setenv("CHAOSWAL_BUG", bug)
        try:
            code = cli.main(["gate", "--workers", "1", "--budget", budget, *words])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Outcome(code=code, out=out, err=err, directory=tmp_path)

    return run


def baseline(directory: Path, fingerprints: set[str], day: str) -> None:
    entries = [f'[[known]]\nfingerprint = "{f}"\nreason = "as planted"\nexpires = {day}\n' for f in fingerprints]
    (directory / "chaoswal-baseline.toml").write_text("\n".join(entries))


def fingerprints(outcome: Outcome) -> set[str]:
    return {found["fingerprint"] for found in outcome.told["findings"]}  # type: ignore[attr-defined]


def test_the_sound_engine_passes(gate: Gate) -> None:
    outcome = gate("--strict", "--json", "--junit", "j.xml", "--sarif", "s.sarif", budget="4s")
    assert outcome.code == Exit.CLEAN, outcome.err
    stages = [(stage["name"], stage["verdict"]) for stage in outcome.told["stages"]]  # type: ignore[attr-defined]
    assert stages == [(name, "PASS") for name in ("self-test", "corpus", "explore", "kill-loop")]
    SCHEMA.validate("j.xml")
    assert all(told == "passed" for _, told in outcomes(ET.parse("j.xml").getroot()))
    assert json.loads(Path("s.sarif").read_text())["runs"][0]["results"] == []
    assert not (outcome.directory / "chaoswal-findings").exists()


def assert_shut_in_all_formats(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, bug: str, *words: str, budget: str
) -> list[tuple[str, str]]:
    """Each report is as its schema has it, and all tell of the same causes, what the bug does among them.

    Returns these: how bad each is, and its kind.
    """
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    outcome = gate(*words, *REPORTS, bug=bug, budget=budget)
    assert outcome.code == Exit.VIOLATION
    assert f"CHAOSWAL_BUG={bug} python -m chaoswal gate" in outcome.err
    told = json.loads(Path("s.sarif").read_text())
    assert complaints(told, pysarif.SarifLog) == []
    causes = sorted((result["level"], result["ruleId"]) for result in told["runs"][0]["results"])
    assert {kind for _, kind in causes} & set(ENTRIES[bug].kinds)
    SCHEMA.validate("j.xml")
    cases = outcomes(ET.parse("j.xml").getroot())
    assert "failure" in [became for _, became in cases]
    levels = {"failure": "error", "skipped": "warning"}
    assert sorted((levels[became], name.split()[0]) for name, became in cases if name != "verdict") == causes
    lines = [read(line) for line in outcome.out.splitlines()]
    assert "error" in {level for level, _, _ in lines}
    of_causes = [(level, message.split(":")[0]) for level, where, message in lines if "FAIL" not in where["title"]]
    assert sorted(of_causes) == causes, "one a fingerprint"
    summary = Path("m.md").read_text()
    assert summary == Path("summary.md").read_text()
    assert summary.startswith("### ❌ chaoswal: FAIL")
    assert sorted(re.findall(r"^\| (error|warning) \| ([a-z-]+) \|", summary, re.MULTILINE)) == causes
    for saved in (outcome.directory / "chaoswal-findings").glob("*.chaos"):
        assert dict(corpus.load(saved).engine.options)["bug"] == bug
    return causes


def test_a_planted_bug_shuts_it_in_all_formats(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    corpus.save(corpus.load(ROOT / f"corpus/zoo/{BUG}.chaos"), tmp_path / "corpus")
    causes = assert_shut_in_all_formats(gate, monkeypatch, BUG, budget="1s")
    assert {level for level, _ in causes} == {"error"}
    assert "lost" in {kind for _, kind in causes}


def test_what_is_known_does_not_shut_it_until_its_day(gate: Gate, tmp_path: Path) -> None:
    corpus.save(corpus.load(ROOT / f"corpus/zoo/{NAMES}.chaos"), tmp_path / "corpus")
    first = gate("--json", "--strict", bug=NAMES, budget="2s")
    assert first.code == Exit.VIOLATION
    listed = fingerprints(first)
    baseline(first.directory, {*listed, "abcdef"}, DAY_TO_COME)
    again = gate("--json", "--strict", bug=NAMES)
    assert fingerprints(again) <= listed, "the same causes whatever the time"
    assert again.code == Exit.CLEAN
    assert again.told["known"] == dict.fromkeys(sorted(fingerprints(again)), "as planted")
    assert "abcdef" in again.told["fixed"]  # type: ignore[operator]
    assert "not found within this budget: abcdef" in again.err
    baseline(first.directory, listed, DAY_PASSED)
    expired = gate("--json", "--strict", bug=NAMES)
    assert expired.code == Exit.VIOLATION
    assert all(why.startswith("expired ") for why in expired.told["reasons"])  # type: ignore[attr-defined]


def test_a_finding_that_is_back_shuts_it(gate: Gate, tmp_path: Path) -> None:
    finding = corpus.load(ROOT / f"corpus/zoo/{BUG}.chaos")
    corpus.save(finding, tmp_path / "corpus", "once")
    assert gate("--json").code == Exit.CLEAN, "without its bug it is fixed"
    (tmp_path / "toys.py").write_text((ROOT / "tests/toys.py").read_text())
    toy = EngineRef(name="toys.py:NoSync")
    kept = corpus.Finding(
        engine=toy, profile="prefix", expect=finding.expect, found="2026-01-01", seed=0, steps=finding.steps
    )
    (tmp_path / "corpus/once.chaos").unlink()
    path = corpus.save(kept, tmp_path / "corpus")
    outcome = gate("--json")
    assert outcome.code == Exit.VIOLATION
    files = [found["file"] for found in outcome.told["findings"]]  # type: ignore[attr-defined]
    assert files == [str(path.relative_to(tmp_path))]
    path.write_text(path.read_text().replace("append", "amend"))
    assert gate("--json").code == Exit.INCONCLUSIVE, "a file that cannot be played is no pass"


def test_without_eyes_nothing_passes(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.gate.canary", lambda: False)
    outcome = gate("--json")
    assert outcome.code == Exit.INCONCLUSIVE
    assert outcome.told["verdict"] == "UNKNOWN"
    baseline(outcome.directory, {"abcdef"}, DAY_TO_COME)
    assert gate("--json").told["fixed"] == [], "who sees nothing cannot say what is gone"


@pytest.mark.parametrize(
    ("words", "bug", "why"),
    [
        ([], "nothing-like-it", "no such planted bug"),
        (["sqlite"], BUG, "the builtin engine only"),
        (["--baseline", "missing.toml"], "", "no such file: missing.toml"),
        (["--corpus", "missing"], "", "missing"),
        (["--junit", "missing/j.xml"], "", "there is no directory missing"),
        (["--faults", "fire"], "", "--faults fire"),
        (["no-such-engine"], "", "no-such-engine"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(gate: Gate, words: list[str], bug: str, why: str) -> None:
    outcome = gate(*words, bug=bug)
    assert outcome.code == Exit.USAGE
    assert why in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("bug", ENTRIES)
def test_any_planted_bug_shuts_it_in_all_formats(gate: Gate, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    """Strict, for of one of them ``posix`` alone allows what it does."""
    assert_shut_in_all_formats(gate, monkeypatch, bug, "--strict", "--corpus", str(ROOT / "corpus"), budget="20s")
