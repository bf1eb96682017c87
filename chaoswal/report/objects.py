"""What the objects have in common that programs read: one for each command that checks something."""

from typing import Any

from chaoswal.notices import Finished, Found


def common(notice: Finished, seconds: float, states: dict[str, int]) -> dict[str, Any]:
    """What each of them has at least; ``states``: how many were judged, and how many of them differed."""
    return {
        "verdict": str(notice.verdict),
        "reasons": list(notice.reasons),
        "engine": notice.engine,
        "seed": notice.seed,
        "seconds": round(seconds, 3),
        "states": states,
        "exhaustive": notice.exhaustive,
        "findings": [_finding(found) for found in notice.findings],
        "command": notice.command,
    }


def _finding(found: Found) -> dict[str, Any]:
    """One finding, for programs."""
    return {
        "id": found.id,
        "kind": found.kind,
        "severity": found.severity,
        "explanation": found.explanation,
        "profile": found.profile,
        "profiles": list(found.profiles),
        "site": found.site,
        "function": found.function,
        "guilt": found.guilt,
        "between": found.between,
        "fingerprint": found.fingerprint,
        "operations": list(found.operations),
        "deviations": list(found.deviations),
        "cut": found.cut,
        "file": found.file,
        "kept": found.kept,
        "seen_on": [],
    }
