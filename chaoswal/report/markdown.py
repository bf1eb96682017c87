"""A campaign as Markdown, for the summary of a CI job or a comment: the verdict, and the causes with their programs.

What engines and operations say is text of others: in a table it is escaped, and a program stands in a fence that is
longer than any run of backticks in it.
"""

import re
from collections.abc import Mapping, Sequence

from chaoswal.notices import Finished
from chaoswal.report.causes import NO_KNOWN, Cause, causes, legible
from chaoswal.verdict import Verdict

CAUSES_TOLD = 20
"""So many causes are told at length; a summary of a job may have 1 MiB."""

_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.UNKNOWN: "❔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@])")


def render(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> str:
    """The document; ``known``: fingerprints that are borne with, and why."""
    found = causes(finished, known)
    lines = [f"### {_SIGNS[finished.verdict]} chaoswal: {finished.verdict} · {plain(finished.engine)}", ""]
    lines += [f"Why: {plain('; '.join(finished.reasons))}", ""] if finished.reasons else []
    lines += [*_table(found), ""] if found else []
    for cause in found[:CAUSES_TOLD]:
        lines += _details(cause)
    lines += [f"… and {len(found) - CAUSES_TOLD} more causes.", ""] if len(found) > CAUSES_TOLD else []
    lines += [f"Covered: {plain(finished.exhaustive)}", "", *fenced([finished.command]), ""]
    return legible("\n".join(lines))


def _table(found: Sequence[Cause]) -> list[str]:
    lines = ["| | kind | where | profiles | times | |", "|---|---|---|---|---:|---|"]
    for cause in found:
        profiles = ", ".join(cause.found.profiles or (cause.found.profile,))
        cells = (cause.level, cause.found.kind, cause.found.site, profiles, str(cause.times), cause.fingerprint)
        lines.append("| " + " | ".join(plain(cell) for cell in cells) + " |")
    return lines


def _details(cause: Cause) -> list[str]:
    summary = plain(f"{cause.title} [{cause.fingerprint}]")
    return ["<details>", f"<summary>{summary}</summary>", "", *fenced(cause.story), "", "</details>", ""]


def plain(words: str) -> str:
    """A text on one line that Markdown shows as it is."""
    line = " ".join(words.split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[1])};", line)


def fenced(lines: Sequence[str]) -> list[str]:
    """Lines as they are, in a fence."""
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence]
