"""Durability "segment-only": a crash may lose the open segment whole, and nothing else."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.wal import Log, LogPoisoned, LogReader, Options, Receipt
from chaoswal.wal.held import HeldFile
from tests.wal.disks import disk_of, files_of, open_log, payload, shown
from tests.wal.promises import Life
from tests.wal.test_group_commit import all_at_once

held = partial(open_log, durability="segment-only")


# -- what an append does, and what it takes to make it durable -----------------------------------------------------


def test_an_append_costs_no_call_and_is_not_durable() -> None:
    vfs = MemoryVfs()
    log = held(vfs, wal_bytes=10_000)
    before = len(vfs)
    assert [log.append(payload(number)) for number in range(5)] == [Receipt(n, durable=False) for n in range(5)]
    assert log.append_batch([b"a", b"b"]) == Receipt(5, durable=False, count=2)
    assert len(vfs) == before
    assert (log.durable_sequence, log.next_sequence) == (0, 7)
    assert shown(log) == []
    assert log.subscribe("s").poll(9) == []


@pytest.mark.parametrize("act", [Log.sync, Log.rotate, Log.close])
def test_what_makes_it_durable_is_a_segment(act: Callable[[Log], None]) -> None:
    vfs = MemoryVfs()
    log = held(vfs, wal_bytes=10_000)
    log.append(payload(0))
    log.append_batch([b"a", b"b"])
    act(log)
    assert [name for name in files_of(vfs) if name.endswith(".seg")] == ["segment-00000000000000000000.seg"]
    assert shown(open_log(MemoryVfs(vfs.killed()), seed=9)) == [payload(0), b"a", b"b"]
    assert log.durable_sequence == 3


@pytest.mark.parametrize("act", [Log.sync, Log.rotate, Log.close])
def test_nothing_is_made_of_nothing(act: Callable[[Log], None]) -> None:
    vfs = MemoryVfs()
    log = held(vfs)
    before = len(vfs)
    act(log)
    assert len(vfs) == before


def test_the_memory_is_bounded_by_the_size_of_a_segment() -> None:
    log = held(MemoryVfs(), wal_bytes=500)
    for number in range(100):
        log.append(payload(number))
        assert log._wal.file.size() <= 500
    assert log.durable_sequence > 90
    assert shown(log) == [payload(number) for number in range(log.durable_sequence)]


def test_what_is_in_memory_cannot_be_synced() -> None:
    with pytest.raises(AssertionError, match="cannot be made durable"):
        HeldFile().sync()


# -- crashes -------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 150)),
        st.tuples(st.sampled_from(["sync", "rotate", "reopen", "kill"]), st.sampled_from(["wal", "segment-only"])),
    ),
    max_size=25,
)


@given(STEPS, st.integers(60, 400))
def test_a_kill_loses_the_open_segment_and_nothing_else(steps: list[tuple[str, Any]], wal_bytes: int) -> None:
    vfs = MemoryVfs()
    log = held(vfs, wal_bytes=wal_bytes)
    written: list[bytes] = []
    for step, (word, argument) in enumerate(steps):
        if word == "append":
            written.append(bytes([step]) * argument)
            assert log.append(written[-1]).sequence == len(written) - 1
        elif word in {"sync", "rotate"}:
            getattr(log, word)()
            assert log.durable_sequence == len(written)
        else:
            if word == "reopen":
                log.close()
                assert log.durable_sequence == len(written)
            elif log.options.durability == "segment-only":
                del written[log.durable_sequence :]
            vfs = MemoryVfs(vfs.killed())
            log = open_log(vfs, seed=step, wal_bytes=wal_bytes, durability=argument, sync="explicit")
            assert log.next_sequence == len(written), "numbers go on behind what there is"
        assert shown(log) == written[: log.durable_sequence]


@pytest.mark.parametrize("seed", range(12))
def test_every_promise_holds_in_every_crash(seed: int) -> None:
    life = Life(
        Options(durability="segment-only", wal_bytes=(160, 400, 10_000)[seed % 3], rotate_age_s=(0, 0.004)[seed % 2]),
        seed,
    )

    def work(log: Log, name: str) -> None:
        for number in range(4):
            life.append(f"{name}{number}".encode() * 4)
            if number % 2:
                end = log.next_sequence
                log.sync()
                life.promise(end)
            life.scheduler.sleep(0.003)

    def main(log: Log) -> None:
        all_at_once(life, partial(work, log), "ab")
        life.promise(log.durable_sequence)

    life.run(main)
    assert not life.errors
    assert sorted(life.given) == list(range(8))
    assert life.broken_promise() == ""


def test_an_old_open_segment_is_finished_however_idle_the_log_is() -> None:
    life = Life(Options(durability="segment-only", rotate_age_s=5))

    def main(log: Log) -> None:
        life.append(b"a")
        life.scheduler.sleep(4)
        assert log.durable_sequence == 0
        life.wait_for(lambda: log.durable_sequence == 1)

    life.run(main)
    assert not life.errors


@pytest.mark.parametrize("act", [Log.sync, Log.rotate, Log.close])
@pytest.mark.parametrize("call", ["create", "write", "fsync", "rename"])
def test_a_segment_that_cannot_be_finished_poisons_and_is_never_shown(act: Callable[[Log], None], call: str) -> None:
    vfs = disk_of({}, f"fail EIO on {call} of segment-*.tmp nth 2 once")
    log = held(vfs, wal_bytes=10_000)
    log.append(b"good")
    log.sync()
    log.append(b"lost")
    with pytest.raises(OSError, match="Input/output"):
        act(log)
    if act is not Log.close:
        assert shown(log) == [b"good"]
        for again in (lambda: log.append(b"x"), log.sync, log.close):
            with pytest.raises(LogPoisoned):
                again()
    log = open_log(MemoryVfs(vfs.killed()), seed=9)
    assert shown(log) in ([b"good"], [b"good", b"lost"])


# -- beside others -------------------------------------------------------------------------------------------------


def test_a_reader_beside_the_writer_follows_the_segments() -> None:
    vfs = MemoryVfs()
    log = held(vfs, wal_bytes=10_000)
    reader = LogReader(vfs, unsynced=True)
    for number in range(3):
        log.append(payload(number))
        assert list(reader.records()) == [(n, payload(n)) for n in range(number)]
        log.sync()
        assert [data for _, data in reader.records()] == shown(log) == [payload(n) for n in range(number + 1)]
