"""Causes: findings with one fingerprint taken together, as the reporters for CI systems tell of them, once each.

A cause has a level: ``error`` and ``warning`` are the severities of findings, ``note`` is one that is known and borne
with for now (``baseline.py``). Its place is a file and a line as the repository has them, as far as that can be told:
the call site of a finding names files from the engine's package on, or by their bare names.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaoswal.notices import ExploreFinished, Finished, Found, GateFinished, KillLoopFinished

ERROR, WARNING, NOTE = "error", "warning", "note"
LEVELS = (ERROR, WARNING, NOTE)
"""The worst first."""

OPERATIONS_SHOWN = 40

NO_KNOWN: Mapping[str, str] = {}

_SITE = re.compile(r"(?P<file>.+?):(?P<line>[1-9]\d*)(?: in (?P<function>.+))?")
_PACKAGE = "chaoswal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Findings that have one thing to be mended."""

    fingerprint: str
    found: Found
    """The first of the worst of them."""
    times: int
    """How many there are."""
    reason: str
    """Why it is borne with; empty where it is not known."""
    file: str
    """Where the guilty call is, from the top of the repository; empty where none is known."""
    line: int
    """Its line, from 1; 0 where none is known."""

    @property
    def level(self) -> str:
        """One of ``LEVELS``."""
        return NOTE if self.reason else self.found.severity

    @property
    def title(self) -> str:
        """What and where, on one line."""
        return f"{self.found.kind} at {self.found.site}" if self.found.site else self.found.kind

    @property
    def story(self) -> list[str]:
        """All there is to say, in lines: the cause first, the commands last."""
        found = self.found
        last = found.operations[-OPERATIONS_SHOWN:]
        left_out = len(found.operations) - len(last)
        times = f" · {self.times} times" if self.times > 1 else ""
        return [
            f"{found.kind}: {found.explanation}",
            f"{found.severity} under {', '.join(found.profiles or (found.profile,))} · {found.id}{times}",
            *([f"known: {self.reason}"] if self.reason else []),
            *([f"guilty: {found.site}"] if found.site else []),
            *([f"({left_out} operations before these)"] if left_out else []),
            *(f"  {line}" for line in last),
            *(f"  {line}" for line in found.deviations),
            *([f"reproduce: python -m chaoswal replay {found.file}"] if found.file else []),
        ]


def causes(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> list[Cause]:
    """The findings of a campaign by cause, the worst first; ``known``: why a fingerprint is borne with."""
    groups: dict[str, list[Found]] = {}
    for found in finished.findings:
        groups.setdefault(fingerprint_of(found), []).append(found)
    found_causes = [_cause(name, group, known, finished.engine) for name, group in groups.items()]
    return sorted(found_causes, key=lambda cause: LEVELS.index(cause.level))


def fingerprint_of(found: Found) -> str:
    """What a finding shares with others of its cause; its own id where nothing is said of that."""
    return found.fingerprint or found.id


def _cause(fingerprint: str, group: Sequence[Found], known: Mapping[str, str], engine: str) -> Cause:
    worst = min(group, key=lambda found: LEVELS.index(found.severity))
    file, line = place(worst.site, engine)
    return Cause(
        fingerprint=fingerprint,
        found=worst,
        times=len(group),
        reason=known.get(fingerprint, ""),
        file=file,
        line=line,
    )


def place(site: str, engine: str) -> tuple[str, int]:
    """File and line of a call site; ``engine`` as corpus files have it, which names its own file."""
    match = _SITE.fullmatch(site)
    if not match:
        return "", 0
    return _path(match["file"], engine), int(match["line"])


def _path(file: str, engine: str) -> str:
    """A file below the top of the repository: the engine's own by its name, those of the package below that."""
    own, _, _ = shlex.split(engine)[0].rpartition(":")
    if own and not own.endswith(".py"):
        own = own.replace(".", "/") + ".py"
    if own.rpartition("/")[2] == file:
        return own
    return file if own else f"{_PACKAGE}/{file}"


def legible(words: str) -> str:
    """A text that can be written as UTF-8: what is left of undecodable bytes of file names comes out as escapes."""
    return words.encode("utf-8", errors="backslashreplace").decode("utf-8")


def seconds_of(finished: Finished) -> float:
    """How long it took; 0 where that was not measured."""
    if isinstance(finished, GateFinished):
        return finished.seconds
    return finished.progress.seconds if isinstance(finished, ExploreFinished | KillLoopFinished) else 0.0
