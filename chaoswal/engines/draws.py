"""Draws: the options of an engine for one opening, from the tables that its adapter offers as ``draws``.

A table has texts for each of its options; one that stands more than once is drawn more often. An option with a single
text is what the rest of its table is for: it is never left out, and the whole table is, where another text is fixed.
"""

import random
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from chaoswal.engines.registry import Factory

Options: TypeAlias = tuple[tuple[str, str], ...]
Tables: TypeAlias = Sequence[Mapping[str, Sequence[str]]]


def tables_of(factory: Factory) -> Tables:
    """What an adapter offers; most offer nothing."""
    tables: Tables = getattr(factory.kind, "draws", ())
    return tables


def draw_options(
    chance: random.Random, tables: Tables, fixed: Mapping[str, str] | None = None, *, share: float = 1.0
) -> Options:
    """Options from one of the tables: about this share of them, without those that are ``fixed``."""
    fixed = fixed or {}
    fitting = [table for table in tables if all(_fits(table.get(key, ()), text) for key, text in fixed.items())]
    if not fitting:
        return ()
    table = chance.choice(fitting)
    drawn = [(key, chance.choice(texts)) for key, texts in table.items() if len(texts) == 1 or chance.random() < share]
    return tuple((key, text) for key, text in drawn if key not in fixed)


def _fits(texts: Sequence[str], text: str) -> bool:
    return len(texts) != 1 or text in texts
