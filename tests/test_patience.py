"""How long an engine may take: as many times the user's patience as its kind of work needs."""

import pytest

from chaoswal import patience
from chaoswal.patience import OPENING, Deadline, be_patient


def test_a_deadline_is_so_many_times_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_patience", 20.0)
    assert (OPENING.seconds, Deadline(3).seconds) == (20.0, 60.0)
    be_patient(2.0)
    assert (OPENING.seconds, Deadline(3).seconds) == (2.0, 6.0)
