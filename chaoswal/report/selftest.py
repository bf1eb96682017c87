"""A self-test as people and programs read it: a row for each bug, and what they come to together."""

import statistics
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from chaoswal.notices import ExploreFinished, Hunted

BLAMED = ("sync_order", "frames", "recovery", "errors")
"""The groups of bugs whose guilty line counts."""


def table(rows: Sequence[Hunted]) -> str:
    """A line for each hunt."""
    lines = [
        (
            row.bug,
            row.seed,
            _found(row),
            row.found.profile if row.found else "",
            f"{row.seconds:.2f}",
            f"{row.states:,}",
            row.operations if row.found else "",
            row.deviations if row.found else "",
            _site(row),
        )
        for row in rows
    ]
    head = ["bug", "seed", "found", "profile", "seconds", "states", "operations", "deviations", "guilty line"]
    return tabulate(lines, head, tablefmt="simple", disable_numparse=True)


def _found(row: Hunted) -> str:
    if row.found is None:
        return "MISSED"
    return row.found.kind if row.kind_right else f"{row.found.kind}: WRONG KIND"


def _site(row: Hunted) -> str:
    if row.found is None or row.site_right is None:
        return ""
    return "right" if row.site_right else f"WRONG: {row.found.function} ({row.found.site})"


def totals(rows: Sequence[Hunted]) -> dict[str, Any]:
    """All rows in a few figures."""
    found = [row for row in rows if row.found]
    blamed = [row for row in rows if row.group in BLAMED and row.site_right is not None]
    return {
        "hunts": len(rows),
        "found": len(found),
        "kind_right": sum(row.kind_right for row in rows),
        "seconds_median": round(_median([row.seconds for row in found]), 3),
        "seconds_most": round(max((row.seconds for row in found), default=0.0), 3),
        "operations_median": _median([row.operations for row in found]),
        "deviations_median": _median([row.deviations for row in found]),
        "lines_blamed": len(blamed),
        "lines_right": sum(bool(row.site_right) for row in blamed),
    }


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def summary(rows: Sequence[Hunted], sound: Sequence[ExploreFinished]) -> dict[str, Any]:
    """The object that programs read."""
    missed = [f"{row.bug}, seed {row.seed}: {_found(row)}" for row in rows if not row.kind_right]
    alarms = [f"false alarm: {found.kind}: {found.explanation}" for one in sound for found in one.findings]
    return {
        "verdict": "FAIL" if missed or alarms else "PASS" if rows or sound else "UNKNOWN",
        "reasons": missed + alarms,
        "totals": totals(rows),
        "bugs": [_row(row) for row in rows],
        "sound": [
            {
                "seed": one.seed,
                "states": one.progress.judged + one.progress.nested,
                "findings": len(one.findings),
                "seconds": round(one.progress.seconds, 1),
            }
            for one in sound
        ],
    }


def _row(row: Hunted) -> dict[str, Any]:
    return {
        "bug": row.bug,
        "seed": row.seed,
        "group": row.group,
        "kind": row.found.kind if row.found else "",
        "kind_right": row.kind_right,
        "profile": row.found.profile if row.found else "",
        "seconds": round(row.seconds, 3),
        "states": row.states,
        "programs": row.programs,
        "operations": list(row.found.operations) if row.found else [],
        "deviations": row.deviations,
        "site": row.found.site if row.found else "",
        "site_right": row.site_right,
    }


def closing(rows: Sequence[Hunted], sound: Sequence[ExploreFinished]) -> str:
    """What all of it comes to."""
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in totals(rows).items()] if rows else []
    for one in sound:
        states = one.progress.judged + one.progress.nested
        lines.append(f"sound engine, seed {one.seed}: {states:,} states, {len(one.findings)} findings")
    found = summary(rows, sound)
    return "\n".join([*lines, f"{found['verdict']}  {'; '.join(found['reasons']) or 'all found, no false alarm'}"])
