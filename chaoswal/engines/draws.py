"""Draws: the options of an engine for one opening, from the tables that its adapter offers as ``draws``.

A table has texts for each of its options; one that stands more than once is drawn more often, and so is a table. An
option with a single text is what the rest of its table is for: it is never left out, and the whole table is, where
another text is fixed. So it is where something is fixed of which another table speaks and this one does not.
"""

import random
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from chaoswal.engines.registry import Factory

Options: TypeAlias = tuple[tuple[str, str], ...]
Table: TypeAlias = Mapping[str, Sequence[str]]
Tables: TypeAlias = Sequence[Table]


def tables_of(factory: Factory) -> Tables:
    """What an adapter offers; most offer nothing."""
    tables: Tables = getattr(factory.kind, "draws", ())
    return tables


def fitting(tables: Tables, fixed: Mapping[str, str]) -> Tables:
    """The tables that go with what is ``fixed``."""
    told = {key for table in tables for key in table}
    return [table for table in tables if all(_fits(table, key, text) for key, text in fixed.items() if key in told)]


def _fits(table: Table, key: str, text: str) -> bool:
    return key in table and (len(table[key]) != 1 or text in table[key])


def draw_options(
    chance: random.Random,
    tables: Tables,
    fixed: Mapping[str, str] | None = None,
    *,
    share: float = 1.0,
    turn: int | None = None,
) -> Options:
    """Options from one of the tables, the one whose ``turn`` it is if that is given: about this share of them.

    Without those that are ``fixed``.
    """
    fixed = fixed or {}
    tables = fitting(tables, fixed)
    if not tables:
        return ()
    table = chance.choice(tables) if turn is None else tables[turn % len(tables)]
    drawn = [(key, chance.choice(texts)) for key, texts in table.items() if len(texts) == 1 or chance.random() < share]
    return tuple((key, text) for key, text in drawn if key not in fixed)
