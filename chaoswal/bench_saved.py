"""Ratios of a benchmark, saved and compared: what has become slower beside its neighbours in the same run.

Rates swing several-fold with the machine, and the ratios of one run much less: they are what is saved. A ratio that has
fallen by more than the tolerance is a regression; one that is new, or gone, is told and is none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaoswal.errors import UsageError

TOLERANCE = 0.2
"""A fall beyond a fifth is no noise, in most hours of most machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One ratio before and now; None where it is not there."""

    name: str
    before: float | None
    now: float | None

    def fell(self, tolerance: float) -> bool:
        """Whether it is a regression."""
        return self.before is not None and self.now is not None and self.now < self.before * (1 - tolerance)


def save(path: Path, what: str, ratios: Mapping[str, float]) -> None:
    """Write the ratios of a run, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(json.dumps({"what": what, "ratios": ratios}, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def load(path: Path, what: str) -> dict[str, float]:
    """The ratios of an earlier run; UsageError where the file is not one of ``bench what --save``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["what"] != what:
            raise UsageError(f"{path} holds figures of 'bench {found['what']}', not of 'bench {what}'")
        return {str(name): float(ratio) for name, ratio in found["ratios"].items()}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not what 'bench {what} --save' writes") from error


def compare(before: Mapping[str, float], now: Mapping[str, float]) -> list[Change]:
    """Every ratio of the two, those of now first."""
    names = [*now, *(name for name in before if name not in now)]
    return [Change(name=name, before=before.get(name), now=now.get(name)) for name in names]
