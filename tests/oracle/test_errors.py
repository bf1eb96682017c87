"""What errors leave uncertain."""

from chaoswal.ops import Append, Operation, Poll, Reopen, Subscribe
from chaoswal.oracle import ERROR, Observed
from tests.test_oracle import ACKED, FLUSHED, SIZE, A, kind, told


def test_a_flush_promises_no_acknowledgement_that_a_failed_opening_may_have_forgotten() -> None:
    acked: list[tuple[Operation, object]] = [
        (Append(size=SIZE), 0),
        (Subscribe(name="s"), None),
        (Poll(name="s", count=1), [(0, A)]),
        ACKED,
    ]
    seen = Observed(records=[A], next_position=1, deliveries={"s": [(0, A)]})
    failed: tuple[Operation, object] = (Reopen(), f"{ERROR}OSError: no")
    for more, expected in (([FLUSHED], "cursor-lost"), ([failed, FLUSHED], "fine"), ([FLUSHED, failed], "cursor-lost")):
        history, fault = told([*acked, *more], faulty=True)
        assert fault is None
        assert kind(history.judge(seen)) == expected
