"""Engines of others under pytest: the tests they inherit, the fixture, the marker, the options, and the summary."""

import re
from pathlib import Path

import pytest

from chaoswal import testing
from chaoswal.engines import bugs
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from tests.house.nosync import Engine as NoSync
from tests.house.rules import ROOT

pytest_plugins = "pytester"

(MYLOG,) = re.findall(
    r"^```python\n(.+?)^```", (ROOT / "docs/writing-an-engine.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
LOADED = testing, bugs  # by now: what is first loaded in a run of pytester's is forgotten after it, and loaded twice
PLUGIN = ("-p", "no:chaoswal", "-p", "chaoswal.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:benchmark", "-rs")
"""The plugin by its module, wherever it is installed or not."""


@pytest.fixture
def mylog(pytester: pytest.Pytester) -> Path:
    """The engine of the guide, and one that promises too early, where tests can import them."""
    hasty = "\n\nclass Hasty(Engine):\n    def append(self, payload):\n        real, os.fsync = os.fsync, int\n"
    hasty += "        try:\n            return super().append(payload)\n        finally:\n            os.fsync = real\n"
    text = MYLOG.replace('    promise = "append"\n', '    promise = "append"\n    recorder = "patched"\n')
    return pytester.makepyfile(mylog=text + hasty)


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*PLUGIN, *words)


def test_a_sound_engine_conforms(pytester: pytest.Pytester, mylog: Path) -> None:
    pytester.makepyfile(
        """
        from chaoswal.testing import EngineConformance
        from mylog import Engine

        class TestMine(EngineConformance):
            engine = Engine
            profiles = ("prefix", "ext4-ordered")
        """
    )
    result = run(pytester, "--chaoswal-states", "60")
    result.assert_outcomes(passed=5, skipped=6)
    skipped = "\n".join(line for line in result.outlines if line.startswith("SKIPPED"))
    assert "the engine has no subscribe: its subscribers are NOT MEASURED" in skipped
    assert "the engine has no append_batch: its batches are NOT MEASURED" in skipped
    assert "TestMine.profiles says nothing of posix" in skipped
    assert not (pytester.path / "chaoswal-findings").exists()


def test_one_that_promises_too_early_does_not(pytester: pytest.Pytester, mylog: Path) -> None:
    pytester.makepyfile(
        """
        from chaoswal.testing import EngineConformance
        from mylog import Hasty

        class TestMine(EngineConformance):
            engine = Hasty
            profiles = ("prefix",)
        """
    )
    result = run(pytester, "--chaoswal-states", "60")
    result.assert_outcomes(passed=3, failed=1, skipped=7)
    result.stdout.fnmatch_lines(
        ["*FAIL: lost: records 0 were promised and are missing*", "*LOST*no fsync of log after*"]
    )
    (found,) = (pytester.path / "chaoswal-findings").rglob("*.chaos")
    result.stdout.fnmatch_lines(["*chaoswal: findings*", f"python -m chaoswal replay {found}"])
    assert "engine mylog.py:Hasty " in found.read_text(encoding="utf-8")


OPENS = "test_opens_on_an_empty_directory_and_goes_on"
HOLDS, BATCHES = "test_holds_what_it_was_given", "test_holds_batches"
KILLED, SUBSCRIBERS = "test_what_was_promised_survives_a_kill", "test_subscribers_are_given_every_record"

BROKEN = """
import os
from chaoswal.testing import EngineConformance
from mylog import Engine

class Broken(Engine):
    {body}

class TestBroken(EngineConformance):
    engine = Broken
    profiles = ()
"""


@pytest.mark.parametrize(
    ("body", "failing"),
    [
        ("def __init__(self, root): raise OSError('no')", {OPENS, HOLDS, KILLED, BATCHES, SUBSCRIBERS}),
        ("def records(self): return [*self.payloads, b'']", {OPENS, HOLDS, KILLED}),
        ("def read(self): return [], 0", {HOLDS, KILLED}),
        ("promise, append = 'sync', lambda self, payload: self.payloads.append(payload)", {HOLDS, KILLED}),
    ],
)
def test_each_test_can_fail(pytester: pytest.Pytester, mylog: Path, body: str, failing: set[str]) -> None:
    pytester.makepyfile(BROKEN.format(body=body))
    assert failed(pytester) == failing


def failed(pytester: pytest.Pytester) -> set[str]:
    """The names of the tests that failed."""
    _, _, reports = pytester.inline_run(*PLUGIN).listoutcomes()
    return {report.nodeid.rpartition("::")[2] for report in reports}


@pytest.mark.parametrize(
    ("options", "failing"),
    [
        ({}, set()),
        ({"bug": "off-by-one-at-the-end-of-file"}, {BATCHES, SUBSCRIBERS, HOLDS, KILLED}),
        ({"bug": "ack-counted-before-delivery"}, {SUBSCRIBERS}),
    ],
)
def test_what_an_engine_has_besides_is_tested(
    pytester: pytest.Pytester, options: dict[str, str], failing: set[str]
) -> None:
    pytester.makepyfile(
        f"""
        from chaoswal.testing import EngineConformance

        class TestWal(EngineConformance):
            engine = "wal"
            options = {options}
            profiles = ()
        """
    )
    assert failed(pytester) == failing


EXPLORING = """
import pytest
from chaoswal.notices import ExploreFinished
from mylog import Engine, Hasty

def test_plain(chaoswal_explore):
    finished = chaoswal_explore(Engine, profiles=["prefix"])
    assert isinstance(finished, ExploreFinished)
    print("seed", finished.seed, "judged", finished.progress.judged + finished.progress.nested)

@pytest.mark.chaoswal(states=9, seed=7, profiles=["kill"])
def test_marked(chaoswal_explore):
    finished = chaoswal_explore(Engine)
    print("seed", finished.seed, "judged", finished.progress.judged + finished.progress.nested)
    assert chaoswal_explore(Engine, seed=8).seed == 8
"""


def told(result: pytest.RunResult) -> list[tuple[int, int]]:
    """The seed and the number of judged states of each test."""
    found = (re.fullmatch(r"seed (\d+) judged (\d+)", line) for line in result.outlines)
    return [(int(one[1]), int(one[2])) for one in found if one]


def test_options_marker_and_configuration(pytester: pytest.Pytester, mylog: Path) -> None:
    pytester.makepyfile(EXPLORING)
    pytester.makeini("[pytest]\nchaoswal_states = 40\nchaoswal_seed = 3\n")
    (plain, marked) = told(run(pytester, "-rP", "--strict-markers"))
    assert plain[0] == 3
    assert 40 <= plain[1] < 200
    assert marked[0] == 7
    (plain, marked) = told(run(pytester, "-rP", "--chaoswal-seed", "5", "--chaoswal-states", "1"))
    assert (plain[0], marked[0]) == (5, 7)
    assert plain[1] < 40


def test_a_configuration_that_is_none_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nchaoswal_states = many\n")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*chaoswal_states = many: expected a number from 0 on*"])


def test_what_cannot_be_explored_fails_with_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(chaoswal_explore): chaoswal_explore('no-such-engine')")
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["chaoswal: unknown engine 'no-such-engine'*"])


@pytest.mark.slow
def test_with_xdist_the_summary_lists_what_the_workers_saved(pytester: pytest.Pytester, mylog: Path) -> None:
    pytest.importorskip("xdist")
    hasty = "    chaoswal_explore(Hasty, profiles=['prefix'], states=1)\n"
    pytester.makepyfile(
        "from mylog import Hasty\n" + "".join(f"def test_{n}(chaoswal_explore):\n{hasty}" for n in "ab")
    )
    result = pytester.runpytest_subprocess(*PLUGIN, "-n", "2")
    result.assert_outcomes(failed=2)
    (found,) = (pytester.path / "chaoswal-findings").iterdir()
    assert [one.suffix for one in found.iterdir()] == [".chaos"]
    assert len([line for line in result.outlines if line.startswith("python -m chaoswal replay")]) == 1


def test_a_class_goes_by_where_it_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Inside:
        pass

    with pytest.raises(UsageError, match="move it there"):
        testing.reference(Inside)
    assert testing.reference(NoSync).name == "tests.house.nosync:Engine"
    assert testing.reference("wal", {"sync": "explicit"}) == EngineRef.parse("wal sync=explicit")
