"""How long an engine may take: as many times the user's patience as its kind of work needs."""

import pytest

from chaoswal import cli, patience
from chaoswal.errors import Exit
from chaoswal.patience import OPENING, Deadline, be_patient


def test_a_deadline_is_so_many_times_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_patience", 20.0)
    assert (OPENING.seconds, Deadline(3).seconds) == (20.0, 60.0)
    be_patient(2.0)
    assert (OPENING.seconds, Deadline(3).seconds) == (2.0, 6.0)


@pytest.mark.parametrize(
    "words", ["show nothing", "replay nothing", "kill-loop nothing", "explore nothing", "lint nothing"]
)
def test_every_command_that_takes_one_is_as_patient(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_patience", 20.0)
    assert cli.main([*words.split(), "--patience", "3"]) == Exit.USAGE
    assert OPENING.seconds == 3.0
