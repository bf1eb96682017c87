"""One writer: others are refused by name, the dead are succeeded, and of a crowd one gets in."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import multiprocess
import pytest

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime, StillRuntime
from chaoswal.wal import Log, LogLocked
from tests.wal.disks import disk_of, files_of, filled, open_log

FORK = multiprocess.get_context("fork")
SECONDS = 30


def hold(root: str, report: Any, orders: Any) -> None:
    """A writer: it appends, says so, and waits to be told to close, or for its death."""
    with Log(RealVfs(root), RealRuntime()) as log:
        log.append(b"mine")
        report.send((os.getpid(), log.epoch))
        orders.recv()


def start(root: Path) -> tuple[Any, Any, int, int]:
    """A writer in a process of its own: the process, how to order it to close, its pid, its epoch."""
    answer, report = FORK.Pipe(duplex=False)
    orders, order = FORK.Pipe(duplex=False)
    process = FORK.Process(target=hold, args=(str(root), report, orders))
    process.start()
    assert answer.poll(SECONDS)
    pid, epoch = answer.recv()
    return process, order, pid, epoch


def test_a_second_writer_is_told_who_holds_the_log(tmp_path: Path) -> None:
    process, order, pid, _ = start(tmp_path)
    with pytest.raises(LogLocked) as caught:
        Log(RealVfs(tmp_path), RealRuntime())
    assert re.fullmatch(rf"pid {pid}, since \d+\.\d{{3}}, epoch 0", caught.value.owner)
    order.send("close")
    process.join(SECONDS)
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        assert (log.epoch, [data for _, data in log.records()]) == (0, [b"mine"])


def test_the_lock_of_a_killed_writer_is_taken_over_in_a_new_epoch(tmp_path: Path) -> None:
    for epoch in range(3):
        process, _, pid, told = start(tmp_path)
        assert told == epoch
        os.kill(pid, signal.SIGKILL)
        process.join(SECONDS)
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        assert (log.epoch, len(list(log.records()))) == (3, 3)
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        assert log.epoch == 3


def race(root: str, at: float, report: Any, over: Any) -> None:
    """Try to get in at a moment; stay in until all have tried."""
    time.sleep(max(0.0, at - time.time()))
    try:
        log = Log(RealVfs(root), RealRuntime())
    except LogLocked as error:
        report.send(("refused", error.owner))
    else:
        report.send(("in", f"pid {os.getpid()}"))
        over.recv()
        log.close()


@pytest.mark.parametrize("dead", [False, True])
def test_of_several_writers_at_once_one_gets_in(tmp_path: Path, dead: bool) -> None:
    for _ in range(5):
        died = "nobody"
        if dead:
            process, _, pid, _ = start(tmp_path)
            os.kill(pid, signal.SIGKILL)
            process.join(SECONDS)
            died = f"pid {pid},"
        at = time.time() + 0.05
        racers, ends = [], []
        for _ in range(6):
            (answer, report), (over, end) = FORK.Pipe(duplex=False), FORK.Pipe(duplex=False)
            racer = FORK.Process(target=race, args=(str(tmp_path), at, report, over))
            racer.start()
            racers.append((racer, answer, end))
            ends.append((report, over))
        answers = []
        for _, answer, _ in racers:
            assert answer.poll(SECONDS)
            answers.append(answer.recv())
        winners = [who for word, who in answers if word == "in"]
        assert len(winners) == 1
        known = (winners[0], "its holder", died)  # for a moment there is no text, or that of the dead
        assert all(word == "in" or owner.startswith(known) for word, owner in answers)
        for (racer, _, end), (word, _) in zip(racers, answers, strict=True):
            if word == "in":
                end.send("over")
            racer.join(SECONDS)


def test_a_new_epoch_is_durable_before_anything_is_appended() -> None:
    files = files_of(filled(2))
    vfs = MemoryVfs(disk_of(files).disk, died="pid 1, since 5.000")
    log = open_log(vfs)
    assert log.epoch == 1
    with pytest.raises(LogLocked, match=r"since 1000000000\.000, epoch 1\)"):
        Log(vfs, StillRuntime())
    events = vfs.events()
    for point in range(len(events) + 1):
        again = MemoryVfs(disk_of(files).disk.after(events[:point]), died="pid 2, since 6.000")
        assert open_log(again).epoch in {1, 2}
    assert open_log(MemoryVfs(vfs.killed())).epoch == 1


def test_a_log_that_cannot_be_taken_over_is_let_go_again() -> None:
    files = files_of(filled(0))
    vfs = disk_of(files, "fail EIO on rename of log.manifest.tmp nth 1 once")
    vfs._died = "pid 1"
    with pytest.raises(OSError, match="Input/output"):
        open_log(vfs)
    open_log(vfs).close()
