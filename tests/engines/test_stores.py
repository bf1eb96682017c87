"""Adapters of engines as they are: what is appended is read, in its order, and again after reopening."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from chaoswal.check import Judge
from chaoswal.cli import main
from chaoswal.disk.profiles import KILL
from chaoswal.engines.adapter import LogEngine
from chaoswal.engines.registry import REGISTERED, EngineRef
from chaoswal.program import parse_step, step_line
from chaoswal.replay import ready
from chaoswal.sweep import rot_trials

OWN = ("wal", "dbm.dumb", "sqlite", "persist-queue")
MODULES = {"leveldb": "plyvel", "rocksdb": "rocksdict"}
STORES = [name for name in REGISTERED if name not in OWN]
OPTIONS = {
    "lmdb": ["sync=no"],
    "leveldb": ["sync=no"],
    "rocksdb": ["sync=no"],
    "huey": ["fsync=no"],
    "redis": ["fsync=everysec"],
}
YES_OR_NO = [name for name in OPTIONS if name != "redis"]


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    if importlib.util.find_spec(MODULES.get(found, found)) is None:
        pytest.skip(f"{MODULES.get(found, found)} is not installed")
    server = getattr(EngineRef(name=found).factory().kind, "server", None)
    if server and shutil.which(server) is None:
        pytest.skip(f"{server} is not installed")
    return found


def payloads(opened: LogEngine) -> list[bytes]:
    return [item[1] if isinstance(item, tuple) else item for item in opened.records()]


def shown(engine: EngineRef, directory: Path) -> list[bytes]:
    opened = engine.factory().open_directory(str(directory))
    try:
        return payloads(opened)
    finally:
        opened.close()


def test_what_is_appended_is_read_and_is_there_after_reopening(name: str, tmp_path: Path) -> None:
    engine = EngineRef(name=name)
    opened = engine.factory().open_directory(str(tmp_path))
    records = [b"first", b"\x00" * 300, b"\xff\n"]
    for record in records:
        opened.append(record)
    if hasattr(opened, "append_batch"):
        records += [b"x", b"y"]
        opened.append_batch(records[-2:])
    opened.sync()
    assert payloads(opened) == records
    opened.close()
    assert shown(engine, tmp_path) == records


@pytest.mark.parametrize("name", OPTIONS, indirect=True)
def test_less_is_promised_where_less_is_asked_for(name: str, tmp_path: Path) -> None:
    engine = EngineRef(name=name).factory()
    weak = EngineRef.of(name, OPTIONS[name]).factory()
    (tmp_path / "strong").mkdir()
    (tmp_path / "weak").mkdir()
    strong, less = engine.open_directory(str(tmp_path / "strong")), weak.open_directory(str(tmp_path / "weak"))
    assert "append" in strong.promise.split()
    assert "append" not in less.promise.split()
    strong.close()
    less.close()


@pytest.mark.parametrize("name", YES_OR_NO, indirect=True)
def test_a_word_that_is_neither_yes_nor_no(name: str, tmp_path: Path) -> None:
    key = OPTIONS[name][0].partition("=")[0]
    with pytest.raises(ValueError, match="yes or no"):
        EngineRef.of(name, [f"{key}=maybe"]).factory().open_directory(str(tmp_path))


def test_engines_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines"]) == 0
    table = capsys.readouterr().out
    assert main(["engines", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["engines"]
    assert [one["name"] for one in listed] == list(REGISTERED)
    assert all(one["name"] in table for one in listed)
    assert all(one["documented"] for one in listed if one["package"] != "chaoswal")


def test_one_that_is_not_installed_is_listed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chaoswal.engines.lmdb.LmdbEngine.package", "no-such-distribution")
    assert main(["engines"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lmdb ")]
    assert "not installed" in line


def test_leveldb_reports_damage_where_it_looks_for_it_but_for_two_kinds() -> None:
    pytest.importorskip("plyvel")
    factory, traits = ready(EngineRef.parse("leveldb paranoid=yes"))
    steps = [parse_step(f"append {size}") for size in (10, 20, 30)]
    trials = list(rot_trials(factory, traits, steps, KILL, Judge(factory)))
    silent = {step_line(trial.steps[-1]) for trial in trials if trial.fault}
    assert {trial.fault.kind for trial in trials if trial.fault} == {"dishonest"}
    lengths = {f"flip bit {bit} at {at} of #.log nth 1" for at in (4, 5, 44, 45) for bit in range(8)}
    assert "remove #.log nth 1" in silent
    assert silent - {"remove #.log nth 1"} <= lengths
    assert len(trials) > 400
    assert not ready(EngineRef(name="leveldb"))[1].reports
