"""Reach: the engine's lines that ran are told from those that did not, and from the harness's."""

import sys

from chaoswal.check import Judge
from chaoswal.disk.image import Image
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.reach import Reach


def reached() -> Reach:
    reach = Reach()
    empty = Image({}, {})
    Judge(EngineRef(name="wal").factory(), reach=reach).sight(empty.key, lambda: empty, ())
    return reach


def test_lines_and_decisions_of_the_engine_are_seen() -> None:
    reach = reached()
    assert {file.partition("/")[0] for file, _ in reach.ran} == {"wal", "engines"}
    assert "L4 nothing there yet" in reach.decided
    assert reach.decided < set(WalEngine.decisions)
    assert reach.ran <= reach.possible


def test_lines_that_never_ran_are_told() -> None:
    unreached = reached().unreached
    assert "wal/recovery.py" in unreached
    assert all(lines == sorted(lines) for lines in unreached.values())


def test_only_what_is_new_is_fruitful() -> None:
    whole, one = Reach(), reached()
    assert whole.add(one)
    assert not whole.add(reached())
    assert whole.ran == one.ran


def test_no_tracer_is_left_behind() -> None:
    before = sys.gettrace()
    reached()
    assert sys.gettrace() is before
