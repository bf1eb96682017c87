"""Exploring: the same seed and number of states give the same, whoever works; verdicts are honest."""

import datetime as dt
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chaoswal import campaign, corpus
from chaoswal.campaign import Campaign, Explorer, canary
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines import smallest_queue
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit
from chaoswal.findings import ERROR, WARNING, conclude
from chaoswal.hunt import PLAIN, SCENARIO, SHAPES, SHORT, TOUR, Given, Hunter
from chaoswal.notices import Explored, ExploreFinished, Found, Notice
from chaoswal.program import parse_step
from chaoswal.replay import Status, replay

TODAY = dt.date(2026, 11, 20)


class Heard:
    """Notices, by their kind."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def __call__(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def found(self) -> list[Found]:
        return [notice for notice in self.notices if isinstance(notice, Found)]

    @property
    def finished(self) -> ExploreFinished:
        (one,) = (notice for notice in self.notices if isinstance(notice, ExploreFinished))
        return one


def explored(
    hunter: Hunter | Given,
    directory: Path | None = None,
    *,
    states: int | None = 3000,
    workers: int = 0,
    strict: bool = False,
    clock: Iterator[float] | None = None,
) -> tuple[int, Heard]:
    heard = Heard()
    asked = Campaign(
        hunter=hunter,
        states=states,
        budget_seconds=None if states else 30.0,
        workers=workers,
        strict=strict,
        corpus=directory,
        today=TODAY,
        command="explore again",
    )
    ticks = clock or count()
    return Explorer(asked, heard, lambda: next(ticks)).run(), heard


def hunter(bug: str = "", seed: int = 3) -> Hunter:
    engine = EngineRef(name="wal").with_options(**({"bug": bug} if bug else {}))
    return Hunter(engine, tuple(PROFILES.values()), seed=seed)


def test_the_sound_engine_is_clean(tmp_path: Path) -> None:
    code, heard = explored(hunter(), tmp_path, strict=True)
    assert (code, heard.finished.verdict, heard.found) == (Exit.CLEAN, "PASS", [])
    assert heard.finished.progress.judged + heard.finished.progress.nested >= 3000
    assert not list(tmp_path.iterdir())


def test_a_planted_bug_is_found_shrunk_and_saved(tmp_path: Path) -> None:
    code, heard = explored(hunter("no-sync-before-ack"), tmp_path)
    assert code == Exit.VIOLATION
    assert heard.finished.verdict == "FAIL"
    assert heard.finished.findings == tuple(heard.found)
    for found in heard.found:
        finding = corpus.load(Path(found.file))
        assert finding.found == "2026-11-20"
        status, played = replay(finding.engine, finding.steps, PROFILES[finding.profile])
        assert status is Status.FAILED
        assert played.found is not None
        assert played.found.fault.kind == found.kind


def test_what_is_found_does_not_depend_on_who_works(tmp_path: Path) -> None:
    results: list[tuple[object, ...]] = []
    for workers in (0, 1, 2, 2):
        place = tmp_path / str(len(results))
        code, heard = explored(hunter("no-sync-before-ack", seed=4), place, states=1000, workers=workers)
        files = {path.name: path.read_bytes() for path in place.iterdir()}
        progress = heard.finished.progress
        results.append((code, files, progress.programs, progress.judged, progress.nested, progress.distinct))
    assert results[1:] == results[:-1]
    assert results[0][1]


def test_a_time_only_decides_how_many_programs_there_are() -> None:
    _, longer = explored(hunter(), states=None, clock=count(0.0, 4.0))
    programs = longer.finished.progress.programs
    assert 1 < programs < 20
    _, shorter = explored(hunter(), states=None, clock=count(0.0, 8.0))
    told = [notice for notice in longer.notices if isinstance(notice, Explored)]
    assert 0 < shorter.finished.progress.programs < programs
    assert shorter.finished.progress.judged in [notice.judged for notice in told]


def test_shrinking_ends_half_a_budget_behind_its_end_at_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on by 4 s each time somebody looks, and the budget is 30 s."""
    given: list[float] = []

    def concluding(*args: Any, seconds: float, **more: Any) -> Any:
        given.append(seconds)
        return conclude(*args, seconds=seconds, **more)

    monkeypatch.setattr(campaign, "conclude", concluding)
    explored(hunter("no-sync-before-ack"), states=None, clock=count(0.0, 4.0))
    assert 15.0 <= given[0] < 30.0
    assert given[-1] == 15.0
    given.clear()
    explored(hunter("no-sync-before-ack"))
    assert set(given) == {math.inf}


def test_without_its_canary_nothing_is_green(monkeypatch: pytest.MonkeyPatch) -> None:
    assert canary()
    monkeypatch.setattr(campaign, "CANARY", EngineRef(name="wal"))
    assert not canary()
    code, heard = explored(hunter(), states=100)
    assert (code, heard.finished.verdict) == (Exit.INCONCLUSIVE, "UNKNOWN")


def test_what_only_posix_allows_is_a_warning() -> None:
    steps = [parse_step(line) for line in ("append 100", "append 30")]
    given = Given(EngineRef.parse("wal bug=no-checksum"), steps, [PROFILES["posix"]])
    code, heard = explored(given)
    assert heard.found
    assert {found.severity for found in heard.found} == {"warning"}
    assert (code, heard.finished.verdict) == (Exit.CLEAN, "PASS")
    assert "warning" in heard.finished.reasons[0]
    code, heard = explored(given, strict=True)
    assert (code, heard.finished.verdict) == (Exit.VIOLATION, "FAIL")


def test_nothing_judged_is_no_pass() -> None:
    program = Given(EngineRef(name="wal"), [parse_step("append 1")], [])
    code, heard = explored(program)
    assert (code, heard.finished.verdict) == (Exit.NOTHING_RAN, "UNKNOWN")


def test_an_interruption_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    one = hunter()
    attempt = one.attempt

    def interrupted(number: int, _parent: int | None) -> object:
        if number == 2:
            raise KeyboardInterrupt
        return attempt(number)

    monkeypatch.setattr(one, "attempt", interrupted)
    code, heard = explored(one)
    assert (code, heard.finished.verdict) == (Exit.INTERRUPTED, "UNKNOWN")
    assert heard.finished.progress.programs == 2


def test_a_given_program_is_explored_under_each_profile() -> None:
    steps = [parse_step(line) for line in ("append 100", "sync", "rotate", "append 30")]
    code, heard = explored(Given(EngineRef(name="wal"), steps, tuple(PROFILES.values()), deviations=2), states=None)
    assert code == Exit.CLEAN
    assert heard.finished.progress.programs == len(PROFILES)
    assert "at most 2 deviations" in heard.finished.exhaustive
    code, heard = explored(Given(EngineRef.parse("wal bug=no-checksum"), steps, [PROFILES["posix"]]))
    assert code == Exit.CLEAN, "only posix was looked at: a warning"
    assert heard.found


def test_programs_differ_and_the_first_are_short() -> None:
    one = hunter()
    assert {one.shape(number) for number in range(12)} == {SHORT, SCENARIO, TOUR, PLAIN}
    assert {one.shape(number) for number in range(200)} == {SHORT, SCENARIO, TOUR, *SHAPES}


def test_a_warning_does_not_hide_the_error_of_the_same_cause(tmp_path: Path) -> None:
    text = Path(smallest_queue.__file__).read_text(encoding="utf-8")
    line = "            os.fsync(new)"
    assert text.count(line) == 1
    (tmp_path / "hasty.py").write_text(text.replace(line, "            pass"), encoding="utf-8")
    hunter = Hunter(EngineRef(name=f"{tmp_path / 'hasty.py'}:Engine"), list(PROFILES.values()), seed=1)
    code, heard = explored(hunter, states=600)
    assert code == Exit.VIOLATION
    assert [found.severity for found in heard.found] == [WARNING, ERROR]
    assert len({found.fingerprint for found in heard.found}) == 1
