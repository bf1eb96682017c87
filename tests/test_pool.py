"""A pool gives results in the order of its tasks, tells who died, and leaves no process behind."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import count, islice

import pytest
from multiprocess.connection import wait

from chaoswal import processes
from chaoswal.errors import HarnessFault, Inconclusive, UsageError
from chaoswal.pool import AHEAD, Pool
from chaoswal.text import spans


def square(number: int) -> int:
    return number * number


def slow_at_first(number: int) -> int:
    """Later tasks are done before earlier ones."""
    return sum(range(200_000 if number % 4 == 0 else 1)) * 0 + number


def ends_with_the_first(number: int) -> int:
    while number:
        signal.pause()
    return number


def pid(_number: int) -> int:
    return os.getpid()


def dies(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(_number: int) -> int:
    raise UsageError("no such thing")


def breaks(number: int) -> int:
    return spans(number)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    with Pool(slow_at_first, workers) as pool:
        assert list(islice(pool.ordered(count()), 40)) == list(range(40))


def test_an_end_of_tasks_is_an_end_of_results() -> None:
    with Pool(square, 2) as pool:
        assert list(pool.ordered(iter(range(5)))) == [0, 1, 4, 9, 16]
        assert list(pool.ordered(iter([]))) == []


def test_tasks_are_made_no_further_ahead_than_workers_need() -> None:
    made = []

    def tasks() -> Iterator[int]:
        for number in count():
            made.append(number)
            yield number

    with Pool(ends_with_the_first, 2) as pool:
        next(pool.ordered(tasks()))
    assert len(made) <= 1 + 2 * AHEAD


def test_who_dies_is_told_and_nobody_is_left() -> None:
    pids: list[int] = []
    with Pool(pid, 2) as pool:
        pids = list(pool.ordered(iter(range(8))))
    for one in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(one, 0)
    with Pool(dies, 2) as pool, pytest.raises(Inconclusive, match="ended by SIGKILL"):
        list(pool.ordered(iter(range(8))))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_checker_comes_through(workers: int) -> None:
    with Pool(refuses, workers) as pool, pytest.raises(UsageError, match="no such thing"):
        list(pool.ordered(iter(range(2))))


def test_an_error_of_ours_is_told_with_its_place() -> None:
    with Pool(breaks, 2) as pool, pytest.raises(HarnessFault, match=r"text.py:\d+: TypeError"):
        list(pool.ordered(iter(range(2))))


class Later:
    """The clock of somebody who was away for an hour."""

    @staticmethod
    def monotonic() -> float:
        return time.monotonic() + 3600.0


def test_nobody_hangs_for_having_been_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done long ago, and what is asked of one that had nothing to do, is heard all the same."""
    with Pool(square, 1) as pool:
        results = pool.ordered(iter([1, 2]))
        assert next(results) == 1
        wait(list(pool._workers))
        monkeypatch.setattr(processes, "time", Later)
        assert list(results) == [4]
    monkeypatch.setattr(processes, "time", time)
    with Pool(square, 1) as pool:
        assert list(pool.ordered(iter([3]))) == [9]
        monkeypatch.setattr(processes, "time", Later)
        assert list(pool.ordered(iter([4]))) == [16]


def test_who_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(time.sleep, 1) as pool:
        results = pool.ordered(iter([0, 600]))
        assert next(results) is None
        monkeypatch.setattr(processes, "time", Later)
        with pytest.raises(Inconclusive, match="hangs"):
            next(results)


def prints(number: int) -> int:
    os.write(1, b"noise")
    os.write(2, b"noise")
    return number


def test_what_an_engine_prints_is_not_mixed_with_what_the_checker_says(capfd: pytest.CaptureFixture[str]) -> None:
    with Pool(prints, 1) as pool:
        assert list(pool.ordered(iter([1, 2]))) == [1, 2]
    assert capfd.readouterr() == ("", "")
