"""Draws: options follow from the seed, and fit each other and what the user has fixed."""

import random

from chaoswal.engines.draws import Options, draw_options

TABLES = ({"a": ("1",), "b": ("2", "3")}, {"a": ("4",), "c": ("5", "6")})


def drawn(share: float = 1.0, **fixed: str) -> set[Options]:
    return {draw_options(random.Random(seed), TABLES, fixed, share=share) for seed in range(100)}


def test_a_draw_is_of_one_table() -> None:
    assert drawn() == {(("a", "1"), ("b", b)) for b in "23"} | {(("a", "4"), ("c", c)) for c in "56"}


def test_what_is_fixed_is_not_drawn_and_leaves_out_tables_that_are_for_something_else() -> None:
    assert drawn(a="4") == {(("c", "5"),), (("c", "6"),)}
    assert drawn(b="9") == {(("a", "1"),)}  # and not the table that says nothing of it
    assert drawn(d="9") == drawn()
    assert drawn(a="7") == {()}


def test_what_a_table_is_for_is_in_every_share_of_it() -> None:
    assert drawn(share=0.0) == {(("a", "1"),), (("a", "4"),)}
    assert drawn(share=0.5) == drawn(share=0.0) | drawn()


def test_the_same_seed_draws_the_same() -> None:
    assert draw_options(random.Random(5), TABLES) == draw_options(random.Random(5), TABLES)
    assert draw_options(random.Random(5), ()) == ()
