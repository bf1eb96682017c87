"""``new engine``, and what the guide does with it; engines of installed packages by name."""

import re
import shlex
from pathlib import Path

import pytest

from chaoswal import testing
from chaoswal.cli import main
from chaoswal.engines import bugs
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, UsageError
from tests.house.rules import ROOT

pytest_plugins = "pytester"

GUIDE = (ROOT / "docs/writing-an-engine.md").read_text(encoding="utf-8")
BEGIN, TEST, EXPLORE = (shlex.split(line) for line in re.findall(r"^    python -m (.+)$", GUIDE, re.MULTILINE)[:3])
PROMISE, FINDING = re.findall(r"^    (os\.fsync.+|FAILED .+)$", GUIDE, re.MULTILINE)
LOADED = testing, bugs  # by now: what is first loaded in a run of pytester's is forgotten after it, and loaded twice
FIXED = ["--seed", "1", "--workers", "1"]


def test_the_first_five_minutes_of_the_guide(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pytester.path)
    assert main(BEGIN[1:]) == Exit.CLEAN
    plugin = ("-p", "no:chaoswal", "-p", "chaoswal.pytest_plugin", "-p", "no:benchmark")
    assert TEST[0] == "pytest"
    pytester.runpytest_inprocess(*plugin, *TEST[1:], "--chaoswal-states", "30").assert_outcomes(passed=9, skipped=2)
    assert main([*EXPLORE[1:], "--states", "200", *FIXED]) == Exit.CLEAN
    mylog = pytester.path / "mylog.py"
    text = mylog.read_text(encoding="utf-8")
    assert text.count(f"        {PROMISE}\n") == 1
    mylog.write_text(text.replace(f"        {PROMISE}\n", ""), encoding="utf-8")
    capsys.readouterr()
    assert main([*EXPLORE[1:], "--states", "1", *FIXED]) == Exit.VIOLATION
    told = capsys.readouterr().err
    assert FINDING in told
    assert "mylog.py:" in told
    pytester.runpytest_inprocess(*plugin, *TEST[1:], "-k", "prefix").assert_outcomes(failed=1)


def test_what_is_written_bears_errors_too(capsys: pytest.CaptureFixture[str]) -> None:
    engine = "chaoswal.engines.smallest:Engine"
    words = ["explore", engine, "--faults", "io", "--profile", "ext4-ordered", "--strict", "--states", "2000", *FIXED]
    assert main(words) == Exit.CLEAN, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("contract", ["queue", "kv"])
def test_the_first_five_minutes_with_another_contract(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], contract: str
) -> None:
    monkeypatch.chdir(pytester.path)
    assert main(["new", "engine", "mine", "--contract", contract]) == Exit.CLEAN
    plugin = ("-p", "no:chaoswal", "-p", "chaoswal.pytest_plugin", "-p", "no:benchmark")
    words = ("test_mine.py", "--chaoswal-states", "30")
    pytester.runpytest_inprocess(*plugin, *words).assert_outcomes(passed=9, skipped=2)
    assert main(["explore", "mine.py:Engine", "--faults", "crash,io", "--strict", "--states", "1000", *FIXED]) == 0
    assert main(["kill-loop", "mine.py:Engine", "--cycles", "30", *FIXED]) == Exit.CLEAN
    mine = pytester.path / "mine.py"
    text = mine.read_text(encoding="utf-8")
    for line in ("            os.fsync(new)", "            os.fsync(directory)"):
        assert text.count(line) == 1
        mine.write_text(text.replace(line, "            pass"), encoding="utf-8")
        assert main(["explore", "mine.py:Engine", "--states", "300", *FIXED]) == Exit.VIOLATION, line
    capsys.readouterr()


@pytest.mark.parametrize("place", ["mylog.py", "test_mylog.py", ".github/workflows/mylog.yml"])
def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str) -> None:
    mine = tmp_path / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    assert main(["new", "engine", "mylog", "--dir", str(tmp_path)]) == Exit.USAGE
    assert f"{mine} is there already" in capsys.readouterr().err
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("name", ["my-log", "1log", "class", "", "a/b"])
def test_a_name_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["new", "engine", name, "--dir", str(tmp_path)]) == Exit.USAGE
    assert "is no name for a module" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["new", "engine", "mylog", "--dir", str(tmp_path / "file")]) == Exit.USAGE
    assert "cannot write" in capsys.readouterr().err


def install(site: Path, package: str, line: str) -> None:
    """What an installer leaves of a package that makes an engine known."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[chaoswal.engines]\n{line}\n", encoding="utf-8")


def test_engines_of_installed_packages_go_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, "one", "smallest = chaoswal.engines.smallest:Engine")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["explore", "smallest", "--states", "30", *FIXED]) == Exit.CLEAN
    assert EngineRef.parse("smallest").factory().kind.__name__ == "Engine"
    capsys.readouterr()
    with pytest.raises(UsageError, match=r"unknown engine 'largest'; there are wal, .*, smallest, or path"):
        EngineRef.parse("largest").factory()
    install(tmp_path / "two", "two", "smallest = chaoswal.engines.wal:WalEngine\nwal = no.such:Engine")
    monkeypatch.syspath_prepend(tmp_path / "two")
    with pytest.raises(UsageError, match=r"'smallest' is ambiguous"):
        EngineRef.parse("smallest").factory()
    EngineRef.parse("wal").factory()  # those that ship are nobody else's
