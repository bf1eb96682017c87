"""The rows of the engine: every module, option, call, command and test that the page names is there."""

import re
from dataclasses import fields

import pytest

from chaoswal import wal
from chaoswal.cli import COMMANDS
from chaoswal.engines.wal import parse_options
from tests.house.rules import ROOT

TEXT = (ROOT / "docs/rows.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([^`]+)`")
OPTIONS = {field.name for field in fields(wal.Options)}


def rows(text: str) -> dict[str, list[list[str]]]:
    """What each row names in each of its cells: modules, options and the like, tests."""
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    return {name.strip(): [NAMED.findall(cell) for cell in others] for name, *others in cells}


def is_module(name: str) -> bool:
    """Whether there is such a module of the package."""
    return (ROOT / "chaoswal" / name).is_file()


def is_offered(name: str) -> bool:
    """Whether it is a command of ours, an option of the log with a text that it takes, or a class or member."""
    program, _, command = name.partition(" ")
    option, equals, text = name.partition("=")
    if command:
        return program == "chaoswal" and command.split()[0] in COMMANDS
    if equals:
        return is_taken(option, text)
    kind, _, member = name.removesuffix("()").partition(".")
    return name in OPTIONS or (hasattr(wal, kind) and hasattr(getattr(wal, kind), member or "__doc__"))


def is_taken(option: str, text: str) -> bool:
    """Whether the log takes an option."""
    try:
        parse_options({option: text})
    except ValueError:
        return False
    return True


def is_test(name: str) -> bool:
    """Whether there is such a test; it lies in tests/wal where it names no folder."""
    path, _, function = name.partition("::")
    file = ROOT / path if "/" in path else ROOT / "tests/wal" / path
    return file.is_file() and f"\ndef {function}(" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", rows(TEXT))
def test_what_a_row_names_is_there(row: str) -> None:
    modules, offered, tests = rows(TEXT)[row]
    assert modules
    assert offered
    assert tests
    assert [name for name in modules if not is_module(name)] == []
    assert [name for name in offered if not is_offered(name)] == []
    assert [name for name in tests if not is_test(name)] == []


def test_every_option_has_a_row() -> None:
    named = {name.partition("=")[0] for _, offered, _ in rows(TEXT).values() for name in offered}
    assert OPTIONS - named == {"preallocate_bytes"}  # which changes what a sync costs, and nothing that was asked for


@pytest.mark.parametrize("name", ["wal/no.py", "sync=sometimes", "chaoswal fly", "Log.fly()", "Fly", "nor_this=1"])
def test_what_is_not_there_is_seen(name: str) -> None:
    assert not is_module(name)
    assert not is_offered(name)
    assert not is_test("test_log.py::test_that_nobody_wrote")
