"""The line that an explanation names as guilty lies in the function that the zoo says it does."""

import ast
from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.engines.bugs import ENTRIES
from chaoswal.explain import explain

ROOT = Path(__file__).parents[2]
BLAMED = [name for name, entry in ENTRIES.items() if entry.site and (ROOT / f"corpus/zoo/{name}.chaos").exists()]


def function_at(site: str) -> str:
    """``Class.function`` of a call site, ``file:line`` with the file given from the package on."""
    file, _, line = site.rpartition(":")
    path = ROOT / "chaoswal" / file
    for owner in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(owner, ast.ClassDef):
            continue
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.lineno <= int(line) <= (node.end_lineno or 0):
                return f"{owner.name}.{node.name}"
    return ""


@pytest.mark.parametrize("name", BLAMED)
def test_the_guilty_line_is_where_the_zoo_says(name: str) -> None:
    explanation = explain(corpus.load(ROOT / f"corpus/zoo/{name}.chaos"))
    assert function_at(explanation.guilty) == ENTRIES[name].site, explanation.guilty
