"""The adapter of the builtin log: what may be drawn for it."""

from dataclasses import fields

import pytest

from chaoswal.engines.wal import WalEngine, parse_options
from chaoswal.wal.options import Options


def test_every_option_is_drawn_with_texts_that_the_log_takes() -> None:
    for table in WalEngine.draws:
        for option, texts in table.items():
            for text in texts:
                chosen = parse_options({**{key: others[0] for key, others in table.items()}, option: text})
                assert str(getattr(chosen, option)) in (text, f"{text}.0")


@pytest.mark.parametrize("name", [field.name for field in fields(Options)])
def test_every_option_is_drawn_with_more_than_one_text(name: str) -> None:
    assert len({text for table in WalEngine.draws for text in table.get(name, ())}) > 1
