"""What the documents say is so: links lead somewhere, tables equal the code, and the example engine works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaoswal.cli import COMMANDS, main
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.adapter import KvEngine, LogEngine, MinimalEngine, QueueEngine
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.errors import Exit
from chaoswal.verdict import Violation
from tests.house.rules import ROOT, tracked_paths

DOCUMENTS = [path for path in tracked_paths() if path.endswith(".md")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
ENGINE_GUIDE = "docs/writing-an-engine.md"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_links_lead_somewhere(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    dead = [target for target in LINK.findall(text) if not (ROOT / path).parent.joinpath(target).exists()]
    assert not dead, f"{path} links to what is not there: {dead}"


def test_decisions_are_numbered_one_by_one_and_called_by_their_numbers() -> None:
    decisions = sorted(Path(path).name for path in DOCUMENTS if path.startswith("docs/adr/"))
    assert [name[:4] for name in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for name in decisions:
        assert (ROOT / "docs/adr" / name).read_text(encoding="utf-8").startswith(f"# {name[:4]}. ")
    for path in DOCUMENTS:
        called = re.findall(r"\[decision (\d+)\]\([^)]*?(\d{4})-", (ROOT / path).read_text(encoding="utf-8"))
        assert all(one == other for one, other in called), f"{path} calls a decision by another number"


def test_readme_lists_every_command_and_no_other() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `chaoswal ([a-z-]+)` \|", text, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_commands_told_of_exist(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:python -m |`)chaoswal ([a-z][a-z-]+)", text))
    assert named <= set(COMMANDS), f"{path} tells of commands that do not exist: {named - set(COMMANDS)}"


def test_claims_of_the_fault_model_are_those_of_the_profiles() -> None:
    text = (ROOT / "docs/fault-model.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([A-Z]\d+) \| `([\w-]+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert told == [
        (row.label, profile.name, row.claim, row.evidence) for profile in PROFILES.values() for row in profile.rows
    ]


def test_every_trap_has_a_test_that_names_it() -> None:
    text = (ROOT / "docs/traps.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+ \| \[(\w+)\]\(\.\./(tests/\S+\.py)\) \|$", text, re.MULTILINE)
    assert sorted({int(number) for number, _, _ in rows}) == list(range(1, 13))
    for number, test, path in rows:
        found = re.search(
            rf"^def {test}\([^\"]+\"\"\"Trap {number}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE
        )
        assert found, f"{path} has no test {test} that names trap {number}"


def test_example_finding_reads_as_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/reading-a-finding.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"^```text\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(ROOT)  # the engine of the example goes by its path
    assert main(["show", "tests/house/no-sync.chaos"]) == Exit.CLEAN
    assert capsys.readouterr().out == told


def test_every_kind_of_violation_is_explained() -> None:
    text = (ROOT / "docs/reading-a-finding.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(Violation)


def test_the_guide_tells_of_every_member_an_adapter_may_have() -> None:
    text = (ROOT / ENGINE_GUIDE).read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+).*` \| ", text, re.MULTILINE)
    kinds = MinimalEngine, LogEngine, QueueEngine, KvEngine
    named = {name for kind in kinds for name in (*vars(kind), *kind.__annotations__)}
    members = {name for name in named if not name.startswith("_")}
    assert sorted(set(told) - {"vfs", "runtime", "__init__"}) == sorted(members)


def test_the_format_tells_of_every_row_of_recovery() -> None:
    text = (ROOT / "docs/format.md").read_text(encoding="utf-8")
    told = [
        label for cell in re.findall(r"^\| ([A-Z]\d(?: [A-Z]\d)*) \| ", text, re.MULTILINE) for label in cell.split()
    ]
    decided = [decision.split()[0] for decision in WalEngine.decisions]
    assert sorted(told) == sorted([*decided, "T1"])


@pytest.fixture
def example(tmp_path: Path) -> str:
    """The engine of the guide, saved as a reader would."""
    text = (ROOT / ENGINE_GUIDE).read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mylog.py"
    path.write_text(code, encoding="utf-8")
    return f"{path}:Engine"


def test_example_engine_recovers(example: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    factory = EngineRef.of(example, []).factory()
    engine: Any = factory.open_directory(str(root))
    assert [engine.append(b"one"), engine.append(b"")] == [0, 1]
    engine.sync()
    engine.close()
    with (root / "log").open("ab") as log:
        log.write(b"torn")
    engine = factory.open_directory(str(root))
    assert engine.records() == [b"one", b""]
    engine.append(b"three")
    engine.close()
    engine = factory.open_directory(str(root))
    assert engine.records() == [b"one", b"", b"three"]
    engine.close()


def commands_of_programs() -> list[Any]:
    """The commands by which the guide explores programs; those in Python take longer."""
    text = (ROOT / ENGINE_GUIDE).read_text(encoding="utf-8")
    found = re.findall(r"^    python -m chaoswal (explore 'cmd:.+)$", text, re.MULTILINE)
    return [pytest.param(one, marks=[pytest.mark.slow] if "python" in one else []) for one in found]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("command", commands_of_programs())
def test_programs_of_the_guide_are_what_it_says(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.replace("cmd:python ", f"cmd:{sys.executable} "))
    few = ["--states", "10", "--profile", "prefix", "--seed", "1", "--workers", "1", "--corpus", str(tmp_path)]
    code = main([*words, *few])
    assert code == (Exit.VIOLATION if "no-sync" in command else Exit.CLEAN), capsys.readouterr().err


def kill_loop(engine: str, *words: str) -> tuple[int, Any]:
    """The exit code of a kill loop, and the object it prints."""
    command = [sys.executable, "-m", "chaoswal", "kill-loop", engine, "--json", "--seed", "1", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kill loop needs Linux")
def test_example_engine_survives_kills(example: str) -> None:
    code, told = kill_loop(example, "--cycles", "20")
    assert (code, told["verdict"]) == (Exit.CLEAN, "PASS"), told
    assert "NOT MEASURED" in told["exhaustive"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kill loop needs Linux")
def test_example_with_the_mistake_survives_no_power_cut(tmp_path: Path) -> None:
    keep = ("--cycles", "50", "--corpus", str(tmp_path / "corpus"), "--dir", str(tmp_path))
    code, told = kill_loop("tests/house/nosync.py:Engine", "--faults", "power", *keep)
    assert (code, told["verdict"]) == (Exit.VIOLATION, "FAIL"), told
    assert {found["kind"] for found in told["findings"]} == {"lost"}
