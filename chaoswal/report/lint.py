"""Lints as people and programs read them: a table, and below it each with what was done and a program that shows it."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from chaoswal.corpus import Finding
from chaoswal.lint.judging import Judged, Linted
from chaoswal.lint.rules import RULES
from chaoswal.program import CrashStep, step_line
from chaoswal.verdict import Verdict


def render(linted: Linted, files: Sequence[str]) -> str:
    """What a person reads; ``files`` are those of the confirmed lints, where they were kept."""
    if linted.broken:
        return f"{Verdict.FAIL}  {linted.engine}: {_broken(linted)}"
    lines = [_table(linted.lints)] if linted.lints else []
    for number, lint in enumerate(linted.lints, start=1):
        lines += _details(number, lint)
    lines += [f"kept {file}" for file in files]
    lines += [f"{verdict(linted)}  {linted.engine}: {'; '.join(_reasons(linted))}", f"looked at: {looked_at(linted)}"]
    return "\n".join(lines)


def verdict(linted: Linted) -> Verdict:
    """FAIL where something is known to be wrong. PASS is said of the patterns that were looked for, and of no more."""
    return Verdict.FAIL if linted.confirmed else Verdict.PASS


def looked_at(linted: Linted) -> str:
    """What was covered, in words and numbers."""
    return (
        f"{len(RULES)} patterns in one run and in two with a failing sync, {linted.events} events in all; "
        f"{linted.coverage.judged} proposed crashes judged; this is no search for others"
    )


def _table(lints: Sequence[Judged]) -> str:
    rows = [(number, lint.rule, _where(lint), _judgement(lint)) for number, lint in enumerate(lints, start=1)]
    return tabulate(rows, ["", "pattern", "where", ""], disable_numparse=True)


def _where(lint: Judged) -> str:
    return f"{lint.site} in {lint.function}" if lint.function else lint.site


def _judgement(lint: Judged) -> str:
    under = ", ".join(lint.profiles)
    return f"confirmed: {lint.fault.kind} under {under}" if lint.fault else f"not confirmed; possible under {under}"


def _details(number: int, lint: Judged) -> list[str]:
    lines = ["", f"{number}. {lint.words}"]
    lines += [f"   {lint.fault.kind}: {lint.fault.explanation}"] if lint.fault else []
    return [*lines, *(f"     {step_line(step)}" for step in lint.steps)]


def _reasons(linted: Linted) -> list[str]:
    if linted.broken:
        return [_broken(linted)]
    confirmed = [lint for lint in linted.lints if lint.fault]
    notes = len(linted.lints) - len(confirmed)
    found = [f"{lint.fault.kind}: {lint.rule} at {_where(lint)}" for lint in confirmed if lint.fault]
    return found or [f"nothing confirmed, {notes} note{'' if notes == 1 else 's'}"]


def _broken(linted: Linted) -> str:
    assert linted.broken is not None
    return f"{linted.broken.kind} without any crash, so that there is no passing run: {linted.broken.explanation}"


def summary(linted: Linted, files: Sequence[str], seconds: float) -> dict[str, Any]:
    """The object that programs read; ``findings`` are the confirmed lints, ``notes`` the others."""
    confirmed = [lint for lint in linted.lints if lint.fault]
    kept = [*files, *[""] * (len(confirmed) - len(files))]
    return {
        "verdict": str(verdict(linted)),
        "reasons": _reasons(linted),
        "engine": str(linted.engine),
        "seed": 0,
        "seconds": round(seconds, 3),
        "states": {"judged": linted.coverage.judged, "distinct": linted.coverage.distinct},
        "exhaustive": f"nothing: {looked_at(linted)}",
        "findings": [_found(linted, lint, file) for lint, file in zip(confirmed, kept, strict=True)],
        "notes": [_note(lint) for lint in linted.lints if not lint.fault],
    }


def _found(linted: Linted, lint: Judged, file: str) -> dict[str, Any]:
    finding = kept_as(linted, lint, "")
    return {
        **_note(lint),
        "id": finding.id,
        "kind": finding.expect,
        "explanation": lint.fault.explanation if lint.fault else "",
        "profile": finding.profile,
        "file": file,
        "seen_on": [],
    }


def _note(lint: Judged) -> dict[str, Any]:
    last = lint.steps[-1]
    return {
        "rule": lint.rule,
        "site": lint.site,
        "function": lint.function,
        "words": lint.words,
        "profiles": list(lint.profiles),
        "operations": [step_line(step) for step in lint.steps],
        "deviations": [str(loss) for loss in last.losses] if isinstance(last, CrashStep) else [],
    }


def kept_as(linted: Linted, lint: Judged, date: str) -> Finding:
    """A confirmed lint as a finding of the corpus, found on that date (as 2026-11-20)."""
    assert lint.fault is not None, "what no crash has shown is no finding"
    return Finding(
        engine=linted.engine,
        profile=lint.profiles[0],
        expect=lint.fault.kind,
        found=date,
        seed=0,
        steps=lint.steps,
    )
