"""Workflow commands: one line a cause, read back as GitHub's runner reads it; and the summary of a step."""

import re
from pathlib import Path

import pytest
from hypothesis import given

from chaoswal.notices import Finished
from chaoswal.report.causes import causes, legible
from chaoswal.report.github import SUMMARY, append_summary, render
from chaoswal.report.markdown import render as markdown
from chaoswal.verdict import Verdict
from tests.report.campaigns import drawn_campaigns, finished, found

ONE = (
    "::error file=chaoswal/wal/walfile.py,line=120,title=chaoswal%3A lost at wal/walfile.py%3A120::"
    "lost: records 0 were promised and are missing%0Aerror under ext4-ordered, posix · a91f3c%0A"
    "guilty: wal/walfile.py:120%0A  append 61%0A  rotate%0A"
    "  power-cut in operation 2 after end lose write of wal-#.wal nth 1%0A"
    "reproduce: python -m chaoswal replay corpus/wal/a91f3c.chaos\n"
)


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Level, properties and message of a command, as the runner reads them."""
    match = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
    assert match, line
    properties = dict(pair.split("=", 1) for pair in match[2].split(","))
    return match[1], {name: _unescaped(value) for name, value in properties.items()}, _unescaped(match[3])


def _unescaped(words: str) -> str:
    for code, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        words = words.replace(code, letter)
    return words


def test_one_finding() -> None:
    assert render(finished(found())) == ONE


def test_what_would_end_a_line_or_a_property_is_escaped() -> None:
    text = render(finished(found(explanation="50 %\r\n::a, b: \udc80", site="a,b.py:3", file=""), engine="x.y:Z"))
    assert "::error file=a%2Cb.py,line=3,title=chaoswal%3A lost at a%2Cb.py%3A3::" in text
    assert "::lost: 50 %25%0D%0A::a, b: \\udc80%0A" in text
    assert text.count("\n") == 1


@given(drawn_campaigns())
def test_every_cause_is_one_line_and_reads_back(campaign: Finished) -> None:
    lines = render(campaign).split("\n")[:-1]
    told = causes(campaign)
    for cause, line in zip(told, lines, strict=False):
        level, properties, message = read(line)
        assert level == cause.level
        assert message == legible("\n".join(cause.story))
        assert properties["title"] == legible(f"chaoswal: {cause.title}")
        assert (properties.get("file", ""), int(properties.get("line", "0"))) == (legible(cause.file), cause.line)
    unsaid = campaign.verdict is Verdict.FAIL and all(cause.level != "error" for cause in told)
    extra = campaign.verdict is Verdict.UNKNOWN or unsaid
    assert len(lines) == len(told) + extra


def test_the_worst_come_first_for_only_ten_are_shown() -> None:
    text = render(finished(found(severity="warning", fingerprint="w"), found(), found(fingerprint="k")), {"k": "why"})
    assert [read(line)[0] for line in text.splitlines()] == ["error", "warning", "notice"]


def test_where_warnings_count_that_is_an_error() -> None:
    strict = finished(found(severity="warning"), verdict=Verdict.FAIL, reasons=("new lost: it is gone",))
    told = [(level, message) for level, _, message in map(read, render(strict).splitlines())]
    assert [level for level, _ in told] == ["warning", "error"]
    assert told[1][1] == "new lost: it is gone"


def test_what_is_not_known_is_an_error() -> None:
    level, properties, message = read(render(finished(verdict=Verdict.UNKNOWN, reasons=("nothing ran",))).rstrip("\n"))
    assert (level, message) == ("error", "nothing ran")
    assert properties == {"title": "chaoswal: UNKNOWN, wal sync=explicit"}
    assert render(finished()) == ""


def test_a_summary_is_appended_where_the_environment_names_a_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n", encoding="utf-8")
    campaign = finished(found(explanation="\udc80"))
    assert append_summary(campaign, {SUMMARY: str(path)}, {"f1": "why"})
    assert path.read_text(encoding="utf-8") == "before\n" + markdown(campaign, {"f1": "why"})
    assert not append_summary(campaign, {})
    assert not append_summary(campaign, {SUMMARY: ""})


def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        append_summary(finished(), {SUMMARY: str(tmp_path)})
