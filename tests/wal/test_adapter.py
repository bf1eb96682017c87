"""The adapter: options from text, promises that follow from them, and a real directory."""

from dataclasses import fields
from pathlib import Path

import pytest

from chaoswal.engines.wal import OPTIONS_HELP, WalEngine
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import Options


def test_promises_follow_from_the_options() -> None:
    for sync, promise in (("each", "append append_batch sync rotate close"), ("explicit", "sync rotate close")):
        engine = WalEngine(vfs=MemoryVfs(), runtime=StillRuntime(), sync=sync, wal_bytes="4096")
        assert engine.promise == promise
        assert engine.log.options.wal_bytes == 4096
    assert WalEngine(vfs=MemoryVfs(), runtime=StillRuntime(), durability="segment-only").promise == "sync rotate close"


WRONG = [
    {"durability": "none"},
    {"durability": "segment-only", "sync": "each"},
    {"durability": "segment-only", "sync": "interval"},
    {"durability": "segment-only", "preallocate_bytes": "4096"},
    {"durability": "segment-only", "group_delay_ms": "1"},
    {"sync": "maybe"},
    {"wal_bytes": "many"},
    {"wal_bytes": "0"},
    {"colour": "red"},
    {"sync_bytes": "0"},
    {"sync_bytes": "1.5"},
    {"sync_interval_ms": "0"},
    {"sync_interval_ms": "nan"},
    {"group_delay_ms": "-1"},
    {"group_delay_ms": "inf"},
    {"group_max": "0"},
    {"rotate_age_s": "-5"},
    {"preallocate_bytes": "-1"},
    {"rotate_age_s": "1e9"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_options_are_refused_and_the_right_ones_told(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match='sync="each"'):
        WalEngine(vfs=MemoryVfs(), runtime=StillRuntime(), **wrong)


def test_every_option_is_told_of() -> None:
    for field in fields(Options):
        assert f"{field.name}=" in OPTIONS_HELP
    engine = WalEngine(vfs=MemoryVfs(), runtime=StillRuntime(), sync="bytes", sync_bytes="77", group_delay_ms="0.5")
    assert engine.log.options == Options(sync="bytes", sync_bytes=77, group_delay_ms=0.5)


def test_a_directory_is_needed() -> None:
    with pytest.raises(ValueError, match="directory"):
        WalEngine()


def test_a_real_directory(tmp_path: Path) -> None:
    engine = WalEngine(str(tmp_path))
    assert engine.append(b"a") == 0
    assert engine.append_batch([b"b", b"c"]) == 1
    engine.rotate()
    subscriber = engine.subscribe("s")
    assert [number for number, _ in subscriber.poll(2)] == [0, 1]
    engine.sync()
    assert engine.cleanup() == 0
    engine.close()
    engine = WalEngine(str(tmp_path))
    assert list(engine.records()) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert engine.next_sequence() == 3
    engine.close()
