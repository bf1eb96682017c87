"""A finding as text: cause first, the commands at the end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

from chaoswal.corpus import Finding
from chaoswal.explain import Explanation, Line

AROUND = 2
"""So many rows are shown before and after one that matters."""
FEWEST = 3
"""Fewer rows than this are not left out: the line that says so takes one itself."""


def render(finding: Finding, told: Explanation, path: Path | None) -> str:
    """What a person reads about one finding."""
    where = str(path or f"corpus/{finding.id}.chaos") + (" --allow-commands" if finding.engine.foreign else "")
    parts = [*_head(finding, told), "", *_table(told.lines), "", *_sides(told), *_torn(told), _origin(finding)]
    commands = [
        f"reproduce   python -m chaoswal replay {where}",
        f"look        python -m chaoswal show {where} --disk DIR",
        f"around      python -m chaoswal explore --program {where}",
        f"as a test   python -m chaoswal replay {where} --emit-test FILE",
    ]
    return "\n".join([parts[0], *(f"  {line}".rstrip() for line in (*parts[1:], *commands)), ""])


def _head(finding: Finding, told: Explanation) -> Iterator[str]:
    yield f"{told.status}  {told.headline}"
    if told.guilt:
        yield told.guilt.words
        if told.source:
            yield f"    {told.guilt.site}  {told.source}    in {told.function}"
    profiles = ", ".join(finding.seen_under)
    cause = f" · cause {told.fingerprint}" if told.fingerprint else ""
    yield f"{finding.engine} · {profiles} · {finding.id}{cause}"
    if finding.evidence_words not in ("", f"allowed by {profiles}"):
        yield finding.evidence_words
    if told.moved:
        yield "not at the crash of the finding, but near it: told here is the one that shows it"


def _table(lines: Sequence[Line]) -> list[str]:
    rows = [
        (number, line.operation, line.event, line.fate, line.note) if isinstance(line, Line) else ("", "", line)
        for number, line in _elided(lines)
    ]
    headers = ["#", "operation", "disk event", "at the crash", ""]
    return tabulate(rows, headers, tablefmt="plain", disable_numparse=True).splitlines()


def _elided(lines: Sequence[Line]) -> Iterator[tuple[int, Line | str]]:
    """The rows with their numbers, those left out that are durable and far from any that matters."""
    near = {place + by for place, line in enumerate(lines) if line.matters for by in range(-AROUND, AROUND + 1)}
    shown = near.union(place for place, line in enumerate(lines) if line.operation or line.event.startswith("returned"))
    place = 0
    while place < len(lines):
        stop = next((later for later in range(place, len(lines)) if later in shown), len(lines))
        if stop - place >= FEWEST:
            durable = "durable " if any(line.fate for line in lines[place:stop]) else ""
            yield 0, f"… {stop - place} {durable}events and syncs …"
            place = stop
        else:
            yield place + 1, lines[place]
            place += 1


def _sides(told: Explanation) -> Iterator[str]:
    if told.recovered:
        yield f"recovered  {told.recovered}"
        yield f"allowed    {told.allowed}"


def _torn(told: Explanation) -> list[str]:
    return ["", *told.torn, ""] if told.torn else []


def _origin(finding: Finding) -> str:
    shrunk = f"{finding.origin}; " if finding.origin else ""
    return f"{shrunk}found {finding.found}, seed {finding.seed}"
