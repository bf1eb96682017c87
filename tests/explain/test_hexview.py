"""The hexadecimal view: only of writes of which a part was kept, with marks at exactly the bytes that differ."""

import re

import pytest

from chaoswal.anchors import crash_of
from chaoswal.disk.crashes import crashed
from chaoswal.disk.profiles import PROFILES
from chaoswal.explain.hexview import LINES_MAX, torn_regions
from chaoswal.ops import Append
from chaoswal.program import CrashStep, parse_step
from chaoswal.run import record
from tests import toys

CASES = {
    "torn": ("posix", 100, "power-cut in operation 1 after write of log nth 1 tear write of log nth 1 sector 0 at 37"),
    "garbage": (
        "posix",
        100,
        "power-cut in operation 1 after write of log nth 1 tear write of log nth 1 sector 0 at 40 with garbage",
    ),
    "half lost": (
        "ext4-ordered",
        700,
        "power-cut in operation 1 after write of log nth 1 lose write of log nth 1 sector 1",
    ),
    "cut": ("kill", 5000, "kill in operation 1 inside write of log nth 1 at 4096"),
}


def view(profile_name: str, size: int, line: str) -> tuple[list[str], bytes, bytes]:
    """The lines, and the file as it was written and as it was left."""
    profile, step = PROFILES[profile_name], parse_step(line)
    run = record(toys.factory(toys.NoSync), [Append(size=size)])
    assert isinstance(step, CrashStep)
    crash = crash_of(run, step, profile)
    assert crash
    before = run.start.after(run.events).view.files()["log"]
    after = crashed(run.start, run.events, crash, profile).view.files()["log"]
    return torn_regions(run, crash, profile), before or b"", after or b""


@pytest.mark.parametrize("case", CASES)
def test_what_is_shown_is_what_is_there(case: str) -> None:
    lines, before, after = view(*CASES[case])
    assert lines[0] == f"log [0:{len(before)}], as it was written and as it was left"
    shown = [number for number, line in enumerate(lines) if "written  " in line and number]
    assert 0 < len(shown) <= LINES_MAX
    for number in shown:
        at = int(lines[number].split()[0], 16)
        for line, content in ((lines[number], before), (lines[number + 1], after)):
            row = content[at : at + 16]
            assert line[19:66].strip() == row.hex(" ")
        marked = {place for place in range(16) if lines[number + 2][19 + 3 * place :][:2] == "^^"}
        assert marked == {
            place
            for place in range(len(before[at : at + 16]))
            if before[at + place : at + place + 1] != after[at + place : at + place + 1]
        }


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_left_out_without_a_word(case: str) -> None:
    lines, before, _ = view(*CASES[case])
    counted = sum(int(found[1]) for line in lines if (found := re.search(r"… (\d+) bytes", line)))
    shown = sum("written  " in line for line in lines[1:])
    assert counted + 16 * shown >= len(before) > counted + 16 * (shown - 1)


@pytest.mark.parametrize(
    "line",
    [
        "power-cut in operation 1 after end",
        "power-cut in operation 1 after end lose all",
        "power-cut in operation 1 after end lose write of log nth 1",
        "kill in operation 1 after end",
    ],
)
def test_what_is_kept_or_lost_whole_is_not_shown(line: str) -> None:
    assert view("posix", 100, line)[0] == []
