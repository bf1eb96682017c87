"""What a violation is called, and the words it is told in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.models.log import Log
from chaoswal.ops import Ack, Append, Cleanup, Operation, Poll, Subscribe
from chaoswal.oracle import Observed
from chaoswal.oracle.explaining import positions_of, records
from tests.test_oracle import EACH, NEVER, SIZE, A, B, C, appended, cleaned, kind, told


@given(st.lists(st.sampled_from([b"", b"x", b"y"]), max_size=8), st.data())
def test_what_is_left_of_a_log_is_known_at_its_places(appended_records: list[bytes], data: st.DataObject) -> None:
    """Whatever is missing, and though records look alike: nothing that is there seems to be there twice, or early."""
    log = Log()
    log.records = appended_records
    log.removed = data.draw(st.integers(0, len(appended_records)))
    left = [record for record in appended_records[log.removed :] if data.draw(st.booleans())]
    places = [place for place in positions_of(log, left) if place is not None]
    assert places == sorted(set(places))
    assert [appended_records[place] for place in places] == left
    assert all(place >= log.removed for place in places)


@pytest.mark.parametrize(("next_position", "expected"), [(1, "duplicated"), (2, "fine"), (7, "hole")])
def test_a_wrong_number_where_everything_is_there_that_was_served(next_position: int, expected: str) -> None:
    history = appended(2, NEVER)
    history.take(EACH)
    assert history.open(Observed(records=[A, B], next_position=2)) is None
    assert kind(history.judge(Observed(records=[A, B], next_position=next_position))) == expected


def test_a_wrong_number_where_everything_is_there_that_is_not_cleaned() -> None:
    history, _ = told(cleaned(2))
    assert kind(history.judge(Observed(records=[C], next_position=9, deliveries={"s": [(2, C)]}))) == "hole"


def test_one_record_may_be_cleaned_and_two_are_gone() -> None:
    steps: list[tuple[Operation, object]] = [*[(Append(size=SIZE), number) for number in range(3)]]
    steps += [(Subscribe(name="s"), None), (Poll(name="s", count=1), [(0, A)]), (Ack(name="s", places=(0,)), None)]
    history, _ = told([*steps, (Cleanup(), ...)])
    assert kind(history.judge(Observed(records=[C], next_position=3))) == "early-cleanup"


def test_records_are_told_by_their_positions() -> None:
    assert records([0, 1, 2, 7]) == "records 0-2, 7"
    assert records([]) == "no record"


@pytest.mark.parametrize("size", [1, 24, 25, 26])
def test_of_a_long_record_its_beginning_is_told(size: int) -> None:
    fault = appended(1).judge(Observed(records=[b"x" * size]))
    assert fault is not None
    assert fault.explanation.endswith(f": {size} bytes {b'x' * min(size, 24)!r}" + "…" * (size > 24))
