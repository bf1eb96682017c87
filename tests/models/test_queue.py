"""The model of a queue, by examples that can be worked out by hand."""

from chaoswal.models.queue import Queue


def filled(*items: bytes, promised: int = 0) -> Queue:
    queue = Queue()
    for item in items:
        queue.begin_append([item])
        queue.end_append(1)
    queue.promise(promised)
    return queue


def test_what_was_put_and_promised_is_handed_out() -> None:
    queue = filled(b"a", b"b", b"c", promised=2)
    assert queue.allows([b"a", b"b"]) == (0, 2)
    assert queue.allows([b"a", b"b", b"c"]) == (0, 3)
    assert queue.allows([b"a"]) is None
    assert queue.allows([b"b", b"c"]) is None


def test_what_is_done_may_be_gone_and_once_promised_must_be() -> None:
    queue = filled(b"a", b"b", b"c", promised=3)
    queue.take([0])
    queue.take([1])
    assert queue.allows([b"c"]) is None, "handed out, and not done"
    queue.begin_done()
    assert queue.allows([b"c"]) == (2, 3)
    assert queue.allows([b"a", b"b", b"c"]) == (0, 3)
    queue.end_done(promise=True)
    assert queue.allows([b"a", b"b", b"c"]) is None


def test_what_is_due_next() -> None:
    queue = filled(b"a", b"b", b"c", promised=3)
    assert queue.due() == [0]
    queue.take([0])
    assert queue.due() == [1]
    queue.begin_done()
    queue.end_done(promise=False)
    queue.reopen()
    assert queue.due() == [0, 1], "done and not promised: perhaps again"
    queue.take([0])
    queue.take([1])
    queue.take([2])
    assert queue.due() == []


def test_of_items_alike_any_may_be_meant() -> None:
    queue = filled(b"", b"", b"c")
    queue.take([0])
    queue.begin_done()
    queue.end_done(promise=False)
    queue.reopen()
    assert queue.passed(b"") == [0, 1]
    queue.take([0, 1])
    assert (queue.taken, queue.perhaps_taken, queue.due()) == (1, 2, [1, 2])
    assert queue.passed(b"c") == [2]
    assert queue.passed(b"") == [1]
    queue.begin_done()
    assert queue.removable == 2
    queue.end_done(promise=True)
    assert queue.removed == 1, "of which one it is done, one is certain"


def test_a_copy_is_independent() -> None:
    queue = filled(b"a", b"b", promised=2)
    queue.take([0])
    other = queue.copy()
    other.take([1])
    other.begin_done()
    assert (queue.taken, queue.removable) == (1, 0)
    assert (other.taken, other.removable) == (2, 2)
