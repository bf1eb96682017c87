"""Read modes: plain calls and maps show the same, damage too, and no map outlives what it is for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import CorruptLog, Log, Options
from chaoswal.wal.frames import Record
from chaoswal.wal.reading import MAPS_KEPT
from chaoswal.wal.segment import FOOTER_BYTES
from tests.wal.disks import Files, disk_of, files_of, open_log, payload

MODES = ("plain", "mmap")
BATCHES = st.lists(st.lists(st.binary(max_size=90), max_size=4), max_size=12)


def seen(files: Files, mode: str, starts: list[int]) -> list[list[Record] | tuple[object, ...]]:
    """What reading from each of these numbers on shows, the error where it ends with one."""
    log = open_log(disk_of(files), seed=3, read_mode=mode)
    results: list[list[Record] | tuple[object, ...]] = []
    for start in starts:
        shown: list[Record] = []
        try:
            shown.extend(log.records(start))
            results.append(shown)
        except CorruptLog as error:
            results.append((*shown, *error.args))
    return results


def logged(batches: list[list[bytes]], frame: str) -> Files:
    """A log of these batches, single records where a batch has one."""
    vfs = MemoryVfs()
    with open_log(vfs, frame=frame) as log:
        for batch in batches:
            log.append(batch[0]) if len(batch) == 1 else log.append_batch(batch)
    return files_of(vfs)


@given(BATCHES, st.sampled_from("12"), st.lists(st.integers(0, 50), max_size=4))
def test_both_modes_show_the_same(batches: list[list[bytes]], frame: str, starts: list[int]) -> None:
    files = logged(batches, frame)
    records = list(enumerate(record for batch in batches for record in batch))
    expected = [records[start:] for start in starts]
    assert [seen(files, mode, starts) for mode in MODES] == [expected, expected]


@given(BATCHES.filter(any), st.sampled_from("12"), st.data())
def test_both_modes_find_the_same_damage(batches: list[list[bytes]], frame: str, draw: st.DataObject) -> None:
    files = logged([*batches, [bytes(300)]], frame)
    name = draw.draw(st.sampled_from([name for name in files if name.endswith(".seg")]))
    at = draw.draw(st.integers(0, len(files[name]) - FOOTER_BYTES - 1))  # a damaged footer keeps the log from opening
    files[name] = files[name][:at] + bytes([files[name][at] ^ 64]) + files[name][at + 1 :]
    starts = [0, draw.draw(st.integers(0, 20))]
    assert seen(files, "plain", starts) == seen(files, "mmap", starts)


def held_of(directory: Path) -> list[str]:
    """The files below it that this process has open or mapped."""
    targets = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            continue  # that of the listing itself
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    targets += [line.split(maxsplit=5)[-1] for line in mapped]
    return sorted(target for target in targets if target.startswith(str(directory)) and ".seg" in target)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_maps_are_given_back(tmp_path: Path) -> None:
    log = Log(RealVfs(tmp_path), RealRuntime(), Options(wal_bytes=300, read_mode="mmap"))
    subscriber = log.subscribe("s")
    count = 3 * MAPS_KEPT
    for number in range(5 * count):
        log.append(payload(number))
    assert len(list(log.records())) == 5 * count
    assert len(held_of(tmp_path)) == 2 * MAPS_KEPT  # a descriptor and a map each
    for number, _ in subscriber.poll(5 * count - 10):
        subscriber.ack(number)
    log.cleanup()
    left = [path.name for path in tmp_path.glob("*.seg")]
    assert {Path(held).name for held in held_of(tmp_path)} <= set(left)
    list(log.records())
    assert held_of(tmp_path)
    log.close()
    assert held_of(tmp_path) == []
