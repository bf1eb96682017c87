"""A campaign as GitHub Actions reads it: an annotation a cause, and a summary of the job.

A workflow command is one line, ``::error file=F,line=N,title=T::message``. In the message ``%`` and line ends are
escaped, in a property ``:`` and ``,`` as well. GitHub shows ten of a level for each step, so the worst come first.
"""

from collections.abc import Mapping
from pathlib import Path

from chaoswal.notices import Finished
from chaoswal.report.causes import ERROR, NO_KNOWN, NOTE, WARNING, Cause, causes, legible
from chaoswal.report.markdown import render as summary_of
from chaoswal.verdict import Verdict

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of a step's summary."""

_COMMANDS = {ERROR: "error", WARNING: "warning", NOTE: "notice"}


def render(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> str:
    """The annotations, a line each; ``known``: fingerprints that are borne with, and why."""
    found = causes(finished, known)
    lines = [_annotation(cause) for cause in found]
    unsaid = finished.verdict is Verdict.FAIL and not any(cause.level == ERROR for cause in found)
    if finished.verdict is Verdict.UNKNOWN or unsaid:
        title = f"chaoswal: {finished.verdict}, {finished.engine}"
        lines.append(_command(ERROR, {"title": title}, "; ".join(finished.reasons)))
    return legible("".join(f"{line}\n" for line in lines))


def _annotation(cause: Cause) -> str:
    place = {"file": cause.file, "line": str(cause.line)} if cause.file else {}
    return _command(cause.level, {**place, "title": f"chaoswal: {cause.title}"}, "\n".join(cause.story))


def _command(level: str, properties: Mapping[str, str], message: str) -> str:
    told = ",".join(f"{name}={_in_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[level]} {told}::{_in_message(message)}"


def _in_message(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _in_property(words: str) -> str:
    return _in_message(words).replace(":", "%3A").replace(",", "%2C")


def append_summary(finished: Finished, environment: Mapping[str, str], known: Mapping[str, str] = NO_KNOWN) -> bool:
    """Append a summary to the file that the environment names; whether it names one. OSError where it cannot be."""
    path = environment.get(SUMMARY, "")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary_of(finished, known))
    return bool(path)
