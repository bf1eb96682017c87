"""What an engine has changed of the process it shares with the checker is seen, and told from mistakes of ours."""

import builtins
import json
import os
import sys
import time
from types import FunctionType

import pytest

from chaoswal.errors import HarnessFault, Inconclusive
from chaoswal.oracle import History
from chaoswal.tamper import Seal
from chaoswal.text import spans


@pytest.fixture(scope="module")
def seal() -> Seal:
    return Seal()


def failed(seal: Seal, act: object, *arguments: object) -> Exception:
    try:
        act(*arguments)  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever it is
        return seal.failure(error, "here")
    raise AssertionError


def test_nothing_is_changed(seal: Seal) -> None:
    assert seal.broken() == ""


@pytest.mark.parametrize(("owner", "name"), [(builtins, "any"), (os, "fsync"), (time, "monotonic"), (History, "judge")])
def test_another_function_is_seen(seal: Seal, owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    broken = seal.broken()
    monkeypatch.undo()
    assert broken.endswith(f".{name}")
    assert not seal.broken()


def test_what_the_checker_puts_there_itself_is_its_own(seal: Seal, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = FunctionType(spans.__code__, spans.__globals__)
    wrapped.__module__ = "posix"  # as ``functools.wraps`` does
    monkeypatch.setattr(os, "fsync", wrapped)
    assert not seal.broken()


def test_a_mistake_of_ours_is_told_as_one(seal: Seal) -> None:
    error = failed(seal, spans, 1)
    assert isinstance(error, HarnessFault)
    assert "internal error here at text.py:" in str(error)


def test_a_failure_behind_a_change_is_none_of_ours(seal: Seal) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 1)
    error = failed(seal, spans, 1)
    sys.setrecursionlimit(before)
    assert isinstance(error, Inconclusive)
    assert "had changed sys.setrecursionlimit" in str(error)


def test_nor_is_what_was_raised_by_others(seal: Seal) -> None:
    def left_behind() -> None:
        raise ZeroDivisionError

    error = failed(seal, left_behind)
    assert isinstance(error, Inconclusive)
    assert "an engine's code failed here" in str(error)


def test_nor_is_what_a_library_raised_that_others_called(seal: Seal) -> None:
    def left_behind() -> None:
        json.loads("{")

    assert isinstance(failed(seal, left_behind), Inconclusive)


def test_what_the_checker_says_itself_stands_unless_somebody_changed_it(
    seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge that lets all pass makes the checker find a mistake of its own, which is none."""
    own = HarnessFault("a recovery is adopted that was found wrong")
    assert seal.failure(own, "here") is own
    monkeypatch.setattr(History, "judge", lambda *_: None)
    told = seal.failure(own, "here")
    monkeypatch.undo()
    assert isinstance(told, Inconclusive)
    assert "judge" in str(told)


@pytest.mark.parametrize("raised", [MemoryError, RecursionError])
def test_what_is_used_up_is_no_verdict(seal: Seal, raised: type[Exception]) -> None:
    assert isinstance(seal.failure(raised(), "here"), Inconclusive)
