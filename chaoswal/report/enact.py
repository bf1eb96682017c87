"""What came of enacting a finding, as people and programs read it: a table, and the evidence in one line."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from chaoswal.corpus import Finding
from chaoswal.enact import CUTS, Enacted, Scene, Try, When, sightings
from chaoswal.evidence import SEPARATOR, told
from chaoswal.program import CrashStep, operations_of, step_line
from chaoswal.verdict import Verdict

_HEADS = ["file system", "power cut", "", "tries", "seen", "what was seen"]


def render(scene: Scene, enacted: Sequence[Enacted]) -> str:
    """What a person reads."""
    rows: list[tuple[object, ...]] = []
    for one in enacted:
        if one.skipped:
            rows.append((one.file_system.name, f"skipped: {one.skipped}", "", "", "", ""))
        for row in _rows(one):
            seen = {**row["kinds"], **({"not mounted": row["not_mounted"]} if row["not_mounted"] else {})}
            what = ", ".join(f"{kind} {times}" for kind, times in seen.items())
            rows.append((one.file_system.name, row["cut"], row["when"], row["tries"], row["seen"], what))
    table = tabulate(rows, _HEADS, tablefmt="plain", disable_numparse=True)
    examples = [f"  e.g. {_example(one)}" for one in enacted if one.seen]
    asked = f"{len(scene.calls)} calls of {scene.finding.engine}, expected: {scene.finding.expect}"
    return "\n".join([asked, table, f"{verdict(enacted)}  {evidence(scene.finding, enacted)}", *examples])


def _example(one: Enacted) -> str:
    """The first try that showed a violation."""
    way, fault = next((each.way, each.fault) for each in one.tries if each.fault)
    return f"{one.file_system.name}, {way}\n       {fault.kind}: {fault.explanation}"


def verdict(enacted: Sequence[Enacted]) -> Verdict:
    """FAIL where a violation was seen. Where none was, nothing is refuted: UNKNOWN."""
    return Verdict.FAIL if any(one.seen for one in enacted) else Verdict.UNKNOWN


def evidence(finding: Finding, enacted: Sequence[Enacted]) -> str:
    """Where it was seen, and where it was looked for in vain, in one line."""
    return SEPARATOR.join(told(sightings(finding, enacted))) or "not enacted: every file system was skipped"


def _rows(one: Enacted) -> list[dict[str, Any]]:
    """The tries of one file system, those of one way of cutting the power taken together."""
    groups: dict[tuple[str, When], list[Try]] = {}
    for each in one.tries:
        groups.setdefault((each.way.cut, each.way.when), []).append(each)
    order = sorted(groups, key=lambda key: (list(When).index(key[1]), list(CUTS).index(key[0])))
    return [_row(cut, when, groups[cut, when]) for cut, when in order]


def _row(cut: str, when: When, tries: Sequence[Try]) -> dict[str, Any]:
    kinds = Counter(str(each.fault.kind) for each in tries if each.fault)
    return {
        "cut": CUTS[cut],
        "when": str(when),
        "tries": len(tries),
        "seen": sum(kinds.values()),
        "not_mounted": sum(not each.mounted for each in tries),
        "kinds": dict(kinds),
    }


def summary(scene: Scene, enacted: Sequence[Enacted], path: Path, seed: int, seconds: float) -> dict[str, Any]:
    """The object that programs read."""
    finding = scene.finding
    last = finding.steps[-1]
    return {
        "verdict": str(verdict(enacted)),
        "reasons": [evidence(finding, enacted)],
        "engine": str(finding.engine),
        "seed": seed,
        "seconds": round(seconds, 3),
        "states": {"judged": scene.judge.coverage.judged, "distinct": scene.judge.coverage.distinct},
        "exhaustive": "nothing: what a real file system leaves is a sample",
        "findings": [
            {
                "id": finding.id,
                "kind": str(finding.expect),
                "profile": finding.profile,
                "operations": [step_line(step) for step in operations_of(finding.steps)],
                "deviations": [str(loss) for loss in last.losses] if isinstance(last, CrashStep) else [],
                "file": str(path),
                "seen_on": [one.file_system.name for one in enacted if one.seen],
            }
        ],
        "linux": os.uname().release,
        "file_systems": [
            {
                "name": one.file_system.name,
                "options": one.file_system.options,
                "skipped": one.skipped,
                "rows": _rows(one),
            }
            for one in enacted
        ],
    }
