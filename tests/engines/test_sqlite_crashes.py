"""SQLite as it is, under every crash of drawn programs: each mode holds what its documentation says, and no more.

What is found where, is what was seen on real file systems too: with ``delete`` and ``full`` the last commit is lost and
the database whole; without syncs it is corrupt; without a journal a kill is enough.
"""

import datetime as dt
import shutil

import pytest

from chaoswal.corpus import dumps, loads
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.findings import conclude
from chaoswal.hunt import Catch, Hunter
from chaoswal.replay import Status, replay
from chaoswal.verdict import Violation

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def engine(journal: str, synchronous: str) -> EngineRef:
    return EngineRef(name="sqlite", options=(("journal", journal), ("synchronous", synchronous)))


def caught(journal: str, synchronous: str, programs: range) -> list[Catch]:
    hunter = Hunter(engine(journal, synchronous), tuple(PROFILES.values()), seed=1, depth=None)
    return [catch for number in programs if (catch := hunter.attempt(number).catch)]


SOUND = [("wal", "full"), ("wal", "normal"), ("delete", "extra"), ("truncate", "full"), ("persist", "full")]


@pytest.mark.slow
@pytest.mark.parametrize(("journal", "synchronous"), SOUND)
def test_a_sound_mode_is_left_alone(journal: str, synchronous: str) -> None:
    assert caught(journal, synchronous, range(12)) == []


UNSOUND = [
    ("delete", "full", "prefix", {Violation.LOST}),
    ("delete", "off", "xfs", {Violation.UNOPENABLE}),
    ("wal", "off", "xfs", {Violation.UNOPENABLE}),
    ("memory", "full", "kill", {Violation.UNOPENABLE}),
    ("off", "full", "kill", {Violation.UNOPENABLE}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("journal", "synchronous", "profile", "kinds"), UNSOUND)
def test_an_unsound_mode_is_found_out(journal: str, synchronous: str, profile: str, kinds: set[Violation]) -> None:
    catches = caught(journal, synchronous, range(12))
    assert {catch.fault.kind for catch in catches} == kinds
    assert {catch.profile.name for catch in catches} >= {profile}
    stronger = list(PROFILES)[: list(PROFILES).index(profile)]
    assert not {catch.profile.name for catch in catches} & set(stronger)


def test_the_default_mode_is_left_alone_and_a_missing_sync_is_found() -> None:
    assert caught("wal", "full", range(1, 3)) == []
    [catch] = caught("delete", "full", range(1))
    concluded = conclude(catch, seed=1, today=dt.date(2026, 11, 20))
    assert concluded.found.guilt == "no sync of the directory after append (unlink)"
    assert concluded.found.severity == "error"
    assert concluded.finding is not None
    finding = loads(dumps(concluded.finding), "finding")
    assert len(finding.steps) == 2
    assert replay(finding.engine, finding.steps, PROFILES[finding.profile])[0] is Status.FAILED
    assert replay(engine("delete", "extra"), finding.steps, PROFILES[finding.profile])[0] is Status.FIXED
