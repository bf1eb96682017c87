"""When appends become durable by themselves: by bytes, by time, by either; and the thread that sees to it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.engines.wal import WalEngine
from chaoswal.trace import SyncBegin
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime, StillRuntime
from chaoswal.vfs.scheduler import Scheduler
from chaoswal.wal import Log, LogPoisoned, NeedsThreads, Options
from chaoswal.wal.commit import Committer
from chaoswal.wal.log import Parts
from tests.wal.disks import open_log, payload, shown
from tests.wal.promises import Life

SEEDS = range(30)
INTERVAL = Options(sync="interval", sync_interval_ms=25)
FRAME_BYTES = 52
"""Of ``payload``."""


def syncs(vfs: MemoryVfs, start: int = 0) -> int:
    """How many syncs of data there were."""
    return sum(isinstance(event, SyncBegin) and event.data_only for event in vfs.events(start))


# -- by bytes ------------------------------------------------------------------------------------------------------


def test_the_append_that_makes_it_too_much_syncs_and_says_so() -> None:
    vfs = MemoryVfs()
    log = Log(vfs, StillRuntime(), Options(sync="bytes", sync_bytes=3 * FRAME_BYTES))
    durable = [log.append(payload(number)).durable for number in range(8)]
    assert durable == [False, False, True, False, False, True, False, False]
    assert len(shown(log)) == 6
    log.append_batch([payload(8), payload(9)])
    assert log.durable_sequence == 10
    assert log.append(bytes(200)).durable
    assert len(shown(Log(MemoryVfs(Disk(image=vfs.image())), StillRuntime()))) == 11


def test_what_was_synced_or_rotated_counts_no_more() -> None:
    log = Log(MemoryVfs(), StillRuntime(), Options(sync="bytes", sync_bytes=3 * FRAME_BYTES))
    for act in (log.sync, log.rotate):
        for number in range(2):
            assert not log.append(payload(number)).durable
        act()
    assert not log.append(payload(4)).durable


# -- by time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_idle_tail_becomes_durable(seed: int) -> None:
    life = Life(INTERVAL, seed)

    def main(log: Log) -> None:
        life.append(b"a")
        life.append(b"b")
        life.wait_for(lambda: log.durable_sequence == 2)  # nobody calls the log meanwhile

    life.run(main)
    assert not life.errors


@pytest.mark.parametrize("seed", SEEDS)
def test_receipts_of_all_policies_hold_in_every_crash(seed: int) -> None:
    policy: Any = ("interval", "either", "bytes")[seed % 3]
    options = Options(sync=policy, sync_bytes=120, sync_interval_ms=4, wal_bytes=(200, 10_000)[seed % 2])
    life = Life(options, seed)

    def main(log: Log) -> None:
        for number in range(5):
            life.append(payload(number))
            life.scheduler.sleep(0.003)
            life.promise(log.durable_sequence)

    life.run(main)
    assert not life.errors
    assert life.broken_promise() == ""


def test_an_idle_log_does_nothing() -> None:
    life = Life(INTERVAL)

    def main(log: Log) -> None:
        log.append(b"a")
        life.scheduler.sleep(1)
        before = len(life.vfs)
        life.scheduler.sleep(3600)
        assert len(life.vfs) == before
        assert syncs(life.vfs) == 1

    life.run(main)


def test_appends_within_an_interval_share_a_sync() -> None:
    life = Life(INTERVAL)

    def main(log: Log) -> None:
        for number in range(20):
            life.append(payload(number))
            life.scheduler.sleep(0.010)
        life.scheduler.sleep(0.030)
        assert log.durable_sequence == 20

    life.run(main)
    assert 5 <= syncs(life.vfs) <= 9


def test_either_is_whichever_comes_first() -> None:
    life = Life(Options(sync="either", sync_bytes=2 * FRAME_BYTES, sync_interval_ms=25))

    def main(log: Log) -> None:
        assert [log.append(payload(number)).durable for number in range(3)] == [False, True, False]
        life.scheduler.sleep(0.030)
        assert log.durable_sequence == 3

    life.run(main)


def test_what_is_durable_already_is_not_synced_again() -> None:
    life = Life(INTERVAL)

    def main(log: Log) -> None:
        log.append(b"a")
        log.sync()
        before = syncs(life.vfs)
        life.scheduler.sleep(1)
        assert syncs(life.vfs) == before

    life.run(main)


# -- failures and ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_failed_sync_in_the_background_poisons(seed: int) -> None:
    life = Life(INTERVAL, seed, faults=("fail EIO on fdatasync of wal-*.wal nth 1 once",))

    def main(log: Log) -> None:
        life.append(b"lost")
        life.wait_for(lambda: log._poisoned)
        with pytest.raises(LogPoisoned, match="sync of wal"):
            log.append(b"refused")
        with pytest.raises(LogPoisoned):
            log.sync()
        assert shown(log) == []

    life.run(main)
    assert isinstance(life.errors.pop(), LogPoisoned), "closing must say it too"
    assert life.broken_promise() == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_close_during_a_sync_in_the_background_waits_for_it(seed: int) -> None:
    life = Life(Options(sync="interval", sync_interval_ms=1, wal_bytes=200), seed)

    def main(log: Log) -> None:
        for number in range(1 + seed % 4):
            life.append(payload(number))
            life.scheduler.sleep(0.001)

    life.run(main)
    assert not life.errors
    assert life.broken_promise() == ""


def test_a_runtime_without_threads_is_told_before_anything_is_touched() -> None:
    vfs = MemoryVfs()
    for told, options in (
        ('sync="interval"', INTERVAL),
        ('sync="either"', Options(sync="either")),
        ("rotate_age_s=5", Options(rotate_age_s=5)),
        ('sync="either" with rotate_age_s=0.5', Options(sync="either", rotate_age_s=0.5)),
    ):
        with pytest.raises(NeedsThreads, match=f"^{told} is done by a thread .* give it one with threads"):
            Log(vfs, StillRuntime(), options)
    assert not vfs.changed()
    open_log(vfs).close()


class NoThreads(RealRuntime):
    """A machine that can start no more of them."""

    def spawn(self, target: Any, name: str) -> Any:
        raise RuntimeError("can't start new thread")


def test_a_thread_that_cannot_be_started_leaves_nothing_locked(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="start"):
        Log(RealVfs(tmp_path), NoThreads(), INTERVAL)
    Log(RealVfs(tmp_path), RealRuntime(), INTERVAL).close()


def wait_for(condition: Any) -> None:
    """Wait, not for ever."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_real_threads_sync_in_the_background_and_end_with_the_log(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(10):
        log = Log(RealVfs(tmp_path), RealRuntime(), Options(sync="interval", sync_interval_ms=1))
        assert threading.active_count() == before + 1
        end = log.append(b"x").sequence + 1
        wait_for(lambda log=log, end=end: log.durable_sequence == end)
        log.append(b"y")
        log.close()
        assert threading.active_count() == before
    assert len(shown(Log(RealVfs(tmp_path), RealRuntime()))) == 20


# -- by age --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_old_wal_is_finalized_however_idle_the_log_is(seed: int) -> None:
    life = Life(Options(rotate_age_s=5), seed)

    def main(log: Log) -> None:
        life.append(b"a")
        life.scheduler.sleep(3)
        life.append(b"b")
        life.wait_for(lambda: log._segments and log._segments[-1].end == 2)
        rotated = len(life.vfs)
        life.scheduler.sleep(3600)
        assert len(life.vfs) == rotated, "an empty WAL has no age"

    life.run(main)
    assert not life.errors
    assert life.broken_promise() == ""


def test_age_counts_from_the_first_record_of_the_wal() -> None:
    life = Life(Options(rotate_age_s=5))

    def main(log: Log) -> None:
        life.append(b"a")
        life.scheduler.sleep(4)
        log.rotate()
        life.append(b"b")
        life.scheduler.sleep(4)
        assert len(log._segments) == 1
        life.scheduler.sleep(2)
        assert len(log._segments) == 2

    life.run(main)


def test_a_finalize_in_the_background_that_fails_poisons() -> None:
    life = Life(Options(rotate_age_s=5), faults=("fail ENOSPC on write of segment-*.tmp nth 1 once",))

    def main(log: Log) -> None:
        life.append(b"a")
        life.wait_for(lambda: log._poisoned)
        with pytest.raises(LogPoisoned, match="finalize"):
            log.append(b"b")

    life.run(main)
    assert isinstance(life.errors.pop(), LogPoisoned)
    assert life.broken_promise() == ""


# -- the adapter, and what a broken policy looks like --------------------------------------------------------------


@pytest.mark.parametrize("sync", ["explicit", "bytes", "interval", "either"])
def test_the_adapter_promises_an_append_only_where_each_is_synced(sync: str) -> None:
    scheduler = Scheduler()

    def main() -> str:
        engine = WalEngine(vfs=MemoryVfs(), runtime=scheduler, sync=sync, sync_interval_ms="2.5")
        engine.close()
        return engine.promise

    assert scheduler.run(main) == "sync rotate close"


class _Boasts(Committer):
    """Counts as durable what is only written."""

    def finish(self, wal: Any) -> None:
        wal.settle(wal.mark())

    def _sync(self, wal: Any) -> None:
        pass


def test_a_receipt_without_a_sync_is_found() -> None:
    boastful = type("Boastful", (Log,), {"parts": Parts(committer=_Boasts)})
    life = Life(Options(sync="bytes", sync_bytes=60), log_class=boastful)
    life.run(lambda _: [life.append(payload(number)) for number in range(4)])
    assert "promised" in life.broken_promise()
