"""Threads on one log under the scheduler: the same seed is the same disk, and every schedule ends well."""

from functools import partial

import pytest

from chaoswal.trace import Event
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.scheduler import Scheduler
from chaoswal.wal import Log, Options

SEEDS = range(25)
EACH = 6
CONFIGURATIONS = [Options(), Options(sync="explicit"), Options(wal_bytes=200)]


def appended(name: str) -> list[bytes]:
    return [f"{name}{number}".encode() * (number + 1) for number in range(EACH)]


def append_all(log: Log, name: str, receipts: dict[int, bytes]) -> None:
    """One thread's work."""
    for payload in appended(name):
        receipts[log.append(payload).sequence] = payload
    log.sync()


def two_appenders(scheduler: Scheduler, options: Options) -> tuple[list[Event], list[bytes]]:
    """The events of the disk, and the records in order, of two threads that append to one log."""
    vfs = MemoryVfs(step=scheduler.step)

    def main() -> list[bytes]:
        log = Log(vfs, scheduler, options)
        receipts: dict[int, bytes] = {}

        for task in [scheduler.spawn(partial(append_all, log, name, receipts), name) for name in "ab"]:
            task.join()
        shown = dict(log.records())
        log.close()
        assert shown == receipts
        return [shown[sequence] for sequence in sorted(shown)]

    records = scheduler.run(main)
    return vfs.events(), records


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_the_same_seed_is_the_same_event_stream(options: Options) -> None:
    streams = []
    for seed in SEEDS:
        first, second = Scheduler(seed), Scheduler(seed)
        assert two_appenders(first, options) == two_appenders(second, options)
        assert first.switches == second.switches
        replayed = Scheduler(seed, switches=first.switches)
        streams.append(two_appenders(replayed, options)[0])
    assert len({str(stream) for stream in streams}) > 5


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_every_schedule_ends_well(options: Options) -> None:
    orders = set()
    for seed in SEEDS:
        _, records = two_appenders(Scheduler(seed), options)
        for name in "ab":
            assert [record for record in records if record.startswith(name.encode())] == appended(name)
        orders.add(tuple(records))
    assert len(orders) > 5


def test_a_subscriber_reads_while_others_append() -> None:
    for seed in SEEDS:
        scheduler = Scheduler(seed)
        assert scheduler.run(partial(_followed, scheduler)) == sorted(appended("a") + appended("b"))


def _followed(scheduler: Scheduler) -> list[bytes]:
    log = Log(MemoryVfs(step=scheduler.step), scheduler, Options(wal_bytes=300))
    subscriber = log.subscribe("s")
    tasks = [scheduler.spawn(partial(append_all, log, name, {}), name) for name in "ab"]
    got: list[bytes] = []
    while len(got) < 2 * EACH:
        for sequence, payload in subscriber.poll(3):
            got.append(payload)
            subscriber.ack(sequence)
        subscriber.flush()
        log.cleanup()
        scheduler.sleep(0.01)
    for task in tasks:
        task.join()
    log.close()
    return sorted(got)
