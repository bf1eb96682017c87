"""How long an engine may take: as the user says, and in haste by what sound ones took."""

import pytest

from chaoswal import patience
from chaoswal.patience import HURRIED_SECONDS, HURRIED_TIMES, Deadline, be_patient, hurried


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_patience", 20.0)


def test_a_deadline_is_so_many_times_the_patience() -> None:
    assert Deadline(3).seconds == 60.0
    be_patient(2.0)
    assert Deadline(3).seconds == 6.0


@pytest.mark.parametrize(
    ("took", "seconds"), [([], 20.0), ([0.001, 0.01], HURRIED_SECONDS), ([0.2, 0.1], 0.2 * HURRIED_TIMES), ([7], 20.0)]
)
def test_in_haste_it_is_no_longer_than_a_sound_one_could_need(took: list[float], seconds: float) -> None:
    deadline = Deadline(1)
    for one in took:
        deadline.took(one)
    assert deadline.seconds == 20.0
    with hurried():
        assert deadline.seconds == pytest.approx(seconds)
    assert deadline.seconds == 20.0


def test_haste_inside_haste_ends_with_the_outer() -> None:
    deadline = Deadline(1)
    deadline.took(0.001)
    with hurried():
        with hurried():
            pass
        assert deadline.seconds == HURRIED_SECONDS
