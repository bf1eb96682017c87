"""Reach: the engine's lines that ran are told from those that did not, and from the harness's."""

import sys

from chaoswal.check import Judge
from chaoswal.disk.image import Image
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.reach import Reach
from chaoswal.wal.files import wal_name


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


def test_what_ran_does_not_depend_on_what_was_opened_before() -> None:
    """The log keeps what it works out often, for all that are open in a process."""
    first, second = reached(), reached()
    returns = wal_name.__wrapped__.__code__.co_firstlineno + 3
    assert ("wal/files.py", returns) in first.ran
    assert first.ran == second.ran


def test_no_tracer_is_left_behind() -> None:
    before = sys.gettrace()
    reached()
    assert sys.gettrace() is before
