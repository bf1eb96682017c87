"""Environments of their own: what is installed where, what is listed, and what is said where it cannot be."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.engines import pinned
from chaoswal.engines.registry import REGISTERED
from chaoswal.errors import Exit

PACKAGE = "duckdb"
VERSION = "9.9.9"


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installer of these tests: a module of this name, without asking anybody for it."""

    def install(requirement: str, place: Path) -> None:
        name, _, version = requirement.partition("==")
        packages = pinned._packages(place)
        (packages / f"{name}.py").write_text(f"__version__ = {version!r}\n", encoding="utf-8")
        (packages / f"{name}-{version}.dist-info").mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (packages / f"{name}-{version}.dist-info" / "METADATA").write_text(metadata, encoding="utf-8")

    monkeypatch.setattr(pinned, "_install", install)
    monkeypatch.setitem(pinned.PINNED, PACKAGE, f"{PACKAGE}=={VERSION}")


def listed(cache: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["engines", "--json", "--cache", str(cache)]) == Exit.CLEAN
    engines = json.loads(capsys.readouterr().out)["engines"]
    found: dict[str, str] = next(one for one in engines if one["name"] == PACKAGE)
    return found


def test_an_environment_has_the_pinned_version_and_this_checker(
    installs: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (listed(tmp_path, capsys)["pinned"], listed(tmp_path, capsys)["environment"]) == ("duckdb==9.9.9", "")
    assert main(["engines", "--setup", PACKAGE, "--cache", str(tmp_path), "--json"]) == Exit.CLEAN
    command = json.loads(capsys.readouterr().out)["command"]
    assert command[1:] == ["-m", "chaoswal", "explore", PACKAGE]
    asked = "import duckdb, chaoswal, hypothesis; print(duckdb.__version__, chaoswal.__file__)"
    said = subprocess.run([command[0], "-c", asked], capture_output=True, text=True, check=True, cwd=tmp_path, env={})
    checker = importlib.util.find_spec("chaoswal")
    assert checker
    assert said.stdout.split() == [VERSION, checker.origin]
    assert listed(tmp_path, capsys)["environment"] == str(Path(command[0]).parents[1])
    before = Path(command[0]).lstat().st_mtime_ns
    assert main(["engines", "--setup", PACKAGE, "--cache", str(tmp_path)]) == Exit.CLEAN
    assert capsys.readouterr().out.endswith(f"    {' '.join(command)}\n")
    assert Path(command[0]).lstat().st_mtime_ns == before, "it was there, and was made again"
    assert main(["engines", "--cache", str(tmp_path)]) == Exit.CLEAN
    assert "duckdb==9.9.9, set up" in capsys.readouterr().out


def test_one_that_was_not_finished_is_made_again(installs: None, tmp_path: Path) -> None:
    place = pinned.set_up(PACKAGE, tmp_path)
    (pinned._packages(place) / "chaoswal-checker.pth").unlink()
    (place / "left").touch()
    assert pinned.environment_of(PACKAGE, tmp_path) is None
    assert pinned.set_up(PACKAGE, tmp_path) == place
    assert pinned.environment_of(PACKAGE, tmp_path) == place
    assert not (place / "left").exists()


def test_what_cannot_be_set_up_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "--setup", "wal", "--cache", str(tmp_path)]) == Exit.USAGE
    assert "'wal' is not pinned to a version of a package" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["engines", "--setup", PACKAGE, "--cache", str(tmp_path / "file")]) == Exit.USAGE
    assert "cannot make an environment in" in capsys.readouterr().err


@pytest.mark.slow
def test_what_pip_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(pinned.PINNED, PACKAGE, "no==where==")  # pip refuses it before it asks anybody
    assert main(["engines", "--setup", PACKAGE, "--cache", str(tmp_path)]) == Exit.USAGE
    assert f"pip cannot install no==where== for {sys.version.split()[0]}" in capsys.readouterr().err


def test_what_is_pinned_is_one_version_of_an_engine_that_ships() -> None:
    assert set(pinned.PINNED) <= set(REGISTERED)
    assert all(requirement.count("==") == 1 for requirement in pinned.PINNED.values())
