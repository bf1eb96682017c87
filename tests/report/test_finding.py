"""A finding as text: what matters is shown, what does not is counted."""

from pathlib import Path

from chaoswal import corpus
from chaoswal.engines.registry import EngineRef
from chaoswal.explain import Explanation, Line
from chaoswal.replay import Status
from chaoswal.report.finding import render
from chaoswal.verdict import Violation

FINDING = corpus.Finding(
    engine=EngineRef(name="wal"),
    profile="posix",
    expect=Violation.LOST,
    found="2026-11-20",
    seed=8271,
    steps=(),
    profiles=("ext4-ordered", "posix"),
    origin=corpus.Origin(operations=48, states=913, cut=True),
)


def told(lines: list[Line]) -> Explanation:
    return Explanation(status=Status.FAILED, headline="lost: it is gone", lines=lines, torn=[], disk=None)


def table(lines: list[Line]) -> list[str]:
    text = render(FINDING, told(lines), None).splitlines()
    first = next(number for number, line in enumerate(text) if line.startswith("  #"))
    return [line.strip() for line in text[first + 1 : text.index("", first)]]


def durable(count: int) -> list[Line]:
    return [Line(event=f"write {number}", fate="durable") for number in range(count)]


def test_what_is_durable_and_far_away_is_counted() -> None:
    lost = Line(event="rename", fate="LOST")
    assert table([*durable(100), lost, *durable(100), Line(event="-- kill --")]) == [
        "… 98 durable events and syncs …",
        "99                write 98                         durable",
        "100               write 99                         durable",
        "101               rename                           LOST",
        "102               write 0                          durable",
        "103               write 1                          durable",
        "… 96 durable events and syncs …",
        "200               write 98                         durable",
        "201               write 99                         durable",
        "202               -- kill --",
    ]


def test_operations_and_what_they_returned_stay() -> None:
    asked = Line(operation="1 append 1", event="write", fate="durable")
    rows = table([asked, *durable(5), Line(event="returned 0"), *durable(2)])
    assert [row.split()[0] for row in rows] == ["1", "…", "7", "8", "9"], "few rows are not worth leaving out"


def test_where_it_comes_from_and_what_to_do() -> None:
    text = render(FINDING, told([]), Path("corpus/wal/a.chaos"))
    assert text.startswith(f"FAILED  lost: it is gone\n  wal · ext4-ordered, posix · {FINDING.id}\n")
    assert "  shrunk from 48 operations in 913 states, not to the end; found 2026-11-20, seed 8271\n" in text
    for command in (
        "python -m chaoswal replay corpus/wal/a.chaos\n",
        "python -m chaoswal show corpus/wal/a.chaos --disk DIR\n",
        "python -m chaoswal explore --program corpus/wal/a.chaos\n",
        "python -m chaoswal replay corpus/wal/a.chaos --emit-test FILE\n",
    ):
        assert command in text
    assert f"corpus/{FINDING.id}.chaos" in render(FINDING, told([]), None)
