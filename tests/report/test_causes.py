"""Findings of one cause are told once, at a place the repository has."""

import re
from pathlib import Path

import pytest

from chaoswal.report.causes import causes, place
from chaoswal.report.kinds import MEANINGS
from chaoswal.verdict import Violation
from tests.report.campaigns import finished, found

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("site", "engine", "where"),
    [
        ("wal/walfile.py:120", "wal", ("chaoswal/wal/walfile.py", 120)),
        ("wal/walfile.py:120 in WalFile.write", "wal bug=x", ("chaoswal/wal/walfile.py", 120)),
        ("nosync.py:46", "tests/house/nosync.py:Engine", ("tests/house/nosync.py", 46)),
        ("store.py:9", "my.shop.store:Engine a=b", ("my/shop/store.py", 9)),
        ("other.py:9", "my/engine.py:Engine", ("other.py", 9)),
        ("engine.py:9", "'my own/engine.py:Engine' a=b", ("my own/engine.py", 9)),
        ("engine.py:9", "/srv/engine.py:Engine", ("/srv/engine.py", 9)),
        ("", "wal", ("", 0)),
        ("somewhere", "wal", ("", 0)),
        ("file.py:0", "wal", ("", 0)),
    ],
)
def test_a_place_is_one_the_repository_has(site: str, engine: str, where: tuple[str, int]) -> None:
    assert place(site, engine) == where


def test_findings_of_one_cause_are_one_with_the_worst_of_them_told() -> None:
    mild, bad = found(id="1", severity="warning"), found(id="2")
    other = found(id="3", fingerprint="", severity="warning")
    told = causes(finished(mild, other, bad, mild))
    assert [(cause.fingerprint, cause.found.id, cause.times) for cause in told] == [("f1", "2", 3), ("3", "3", 1)]


def test_the_worst_come_first_and_what_is_known_last() -> None:
    told = causes(
        finished(
            found(fingerprint="a", severity="warning"),
            found(fingerprint="b", severity="error"),
            found(fingerprint="c", severity="error"),
        ),
        {"b": "waits for the new format"},
    )
    assert [(cause.fingerprint, cause.level) for cause in told] == [("c", "error"), ("a", "warning"), ("b", "note")]


def test_a_story_tells_the_cause_first_and_the_command_last() -> None:
    (cause,) = causes(finished(found(operations=tuple(f"append {n}" for n in range(50)))), {"f1": "why"})
    assert cause.title == "lost at wal/walfile.py:120"
    assert cause.story[:4] == [
        "lost: records 0 were promised and are missing",
        "error under ext4-ordered, posix · a91f3c",
        "known: why",
        "guilty: wal/walfile.py:120",
    ]
    assert cause.story[4:6] == ["(10 operations before these)", "  append 10"]
    assert cause.story[-1] == "reproduce: python -m chaoswal replay corpus/wal/a91f3c.chaos"


def test_the_document_has_the_same_meanings() -> None:
    text = (ROOT / "docs/reading-a-finding.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", text, re.MULTILINE)) == MEANINGS
    assert list(MEANINGS) == list(Violation)
