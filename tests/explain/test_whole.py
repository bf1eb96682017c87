"""A whole explanation: of what fails, also near its anchor, of what is fixed, and of what needs no crash."""

from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.engines.registry import EngineRef
from chaoswal.explain import explain
from chaoswal.program import parse_step
from chaoswal.replay import Status
from chaoswal.verdict import Violation
from tests import toys

LOST = "power-cut in operation 1 after end lose write of log nth 1"


def finding(name: str, *lines: str, expect: Violation = Violation.LOST) -> corpus.Finding:
    return corpus.Finding(
        engine=EngineRef(name=f"{toys.__file__}:{name}"),
        profile="posix",
        expect=expect,
        found="2026-11-20",
        seed=1,
        steps=tuple(parse_step(line) for line in lines),
    )


def test_a_failure() -> None:
    told = explain(finding("NoSync", "append 1", LOST))
    assert told.status is Status.FAILED
    assert not told.moved
    assert (told.recovered, told.allowed) == ("no record", "records 0")
    assert told.guilt
    assert told.guilt.words == f"no fsync of log after {told.guilt.site} (write)"
    assert (told.function, told.source) == ("ToyLog.append", "self.file.write(self.end, frame)")
    assert len(told.fingerprint) == 6
    assert told.disk
    assert told.disk.files() == {"log": b""}
    assert told.torn == []


def test_a_failure_near_its_anchor_is_told_where_it_is() -> None:
    told = explain(finding("NoSync", "append 1", "power-cut in operation 1 after start"))
    assert told.status is Status.FAILED
    assert told.moved
    assert (told.recovered, told.allowed) == ("no record", "records 0")
    assert [line.event for line in told.lines if line.fate.startswith("LOST")] == ["write log [0:9]"]
    assert told.lines[-1].event == "-- power cut --"
    assert told.guilt
    assert told.guilt.sync


@pytest.mark.parametrize("last", [LOST, "power-cut in operation 1 after unlink of log nth 1"])
def test_what_does_not_fail(last: str) -> None:
    told = explain(finding("ToyLog", "append 1", last))
    assert told.status is (Status.FIXED if last == LOST else Status.STALE)
    assert told.headline == "lost: not seen any more"
    assert told.guilt is None
    assert told.fingerprint == ""
    assert told.recovered == ("records 0" if last == LOST else "")


def test_what_needs_no_crash_has_no_crashed_disk() -> None:
    told = explain(finding("ToyLog", "append 1", "cleanup", expect=Violation.STUCK))
    assert told.status is Status.FAILED
    assert told.disk is None
    assert told.recovered == told.allowed == ""
    assert told.guilt
    assert not told.guilt.sync


def test_a_violation_behind_a_crash_is_not_that_of_the_crash() -> None:
    told = explain(finding("ToyLog", "append 1", LOST, "cleanup", expect=Violation.STUCK))
    assert told.status is Status.FAILED
    assert told.disk is not None
    assert told.recovered == told.allowed == ""
    assert "-- power cut --" in [line.event for line in told.lines]


def test_a_torn_write_is_shown() -> None:
    torn = "power-cut in operation 1 after write of log nth 1 tear write of log nth 1 sector 0 at 9 with garbage"
    told = explain(finding("NoChecksum", "append 20", torn, expect=Violation.INVENTED))
    assert told.status is Status.FAILED
    assert told.torn[0] == "log [0:28], as it was written and as it was left"
    assert told.recovered == "1 that was never appended"
    assert told.allowed == "perhaps records 0"


def test_damage_is_told_where_it_was_done() -> None:
    path = Path(__file__).parents[2] / "corpus/zoo/truncates-at-first-bad-even-if-good-follow.chaos"
    told = explain(corpus.load(path))
    assert told.status is Status.FAILED
    assert told.headline.startswith("dishonest: synced data was damaged, and instead of a report: lost: records 0-1")
    words = [line.event for line in told.lines]
    assert words[words.index("-- power cut --") + 1] == "-- flip bit 0 at 40 of wal-#.wal nth 1 --"
    assert told.recovered == "no record"
    assert told.disk
    content = told.disk.files()[f"wal-{0:020}.wal"]
    assert content
    assert content[40:44] == b"BWf1", "the disk is shown damaged"
