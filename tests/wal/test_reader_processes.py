"""A reader that lives through the SIGKILLs of its writers never shows a lost, changed or reordered record."""

import os
import random
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest

from chaoswal.engines.draws import draw_options
from chaoswal.engines.wal import WalEngine, parse_options
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, LogReader, RecordGone

LIFE_SECONDS = (0.005, 0.06)


def write_for_ever(directory: Path, life: int) -> NoReturn:
    """The child: append, read on behind, rotate and clean up until killed. What it appends says in which life."""
    chance = random.Random(life)
    options = parse_options(dict(draw_options(chance, WalEngine.draws, {"budget_bytes": "0"})))
    log = Log(RealVfs(directory), RealRuntime(), options)
    subscriber = log.subscribe("s")
    while True:
        for _ in range(chance.randrange(1, 9)):
            log.append(b"%d:%d:" % (life, log.next_sequence) + bytes(chance.randrange(200)))
        log.append_batch([b"%d:%d:" % (life, log.next_sequence + place) for place in range(3)])
        log.sync()
        for number, _ in subscriber.poll(chance.randrange(12)):
            subscriber.ack(number)
        if chance.random() < 0.2:
            log.cleanup()


def fork(directory: Path, life: int) -> int:
    """Let a new writer take the directory over."""
    child = os.fork()
    if child == 0:
        try:
            write_for_ever(directory, life)
        finally:
            os._exit(1)  # never back into the tests
    return child


class Watch:
    """A reader that goes on reading, and all it was shown."""

    def __init__(self, directory: Path, read_mode: str) -> None:
        self.reader = LogReader(RealVfs(directory), read_mode=read_mode, pause=time.sleep)
        self.shown: dict[int, bytes] = {}
        self.upcoming = 0
        self.skipped = 0

    def look(self) -> None:
        """Take what is new; it must follow what was shown, and numbers must match the contents."""
        try:
            run = self.reader.read(self.upcoming, 4000)
        except RecordGone as gone:
            self.skipped += 1
            self.upcoming = max(self.upcoming + 1, gone.start)
            return
        for number, record in run:
            assert number == self.upcoming
            assert int(record.split(b":")[1]) == number
            self.shown[number] = record
            self.upcoming += 1

    def compare(self, records: dict[int, bytes], start: int) -> None:
        """Nothing that was shown has been lost or changed, but for what was cleaned up."""
        for number, record in self.shown.items():
            assert number < start or records[number] == record, number


@pytest.mark.parametrize("kills", [30, pytest.param(100, marks=pytest.mark.slow)])
def test_a_reader_survives_kills_of_its_writers(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    Log(RealVfs(tmp_path), RealRuntime()).close()
    watches = [Watch(tmp_path, "plain"), Watch(tmp_path, "mmap")]
    for life in range(kills):
        child = fork(tmp_path, life)
        end = time.monotonic() + chance.uniform(*LIFE_SECONDS)
        while time.monotonic() < end:
            for watch in watches:
                watch.look()
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the writer failed by itself"
        fresh = LogReader(RealVfs(tmp_path))
        assert fresh.durable_sequence >= max(watch.upcoming for watch in watches)
        for watch in watches:
            watch.compare(dict(fresh.records()), fresh.start_sequence)
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        log.rotate()
        for watch in watches:
            while (before := watch.upcoming) < log.durable_sequence:
                watch.look()
                assert watch.upcoming > before, "it shows no more, and there is"
            watch.compare(dict(log.records()), log.start_sequence)
            assert len(watch.shown) > kills
            watch.reader.close()
