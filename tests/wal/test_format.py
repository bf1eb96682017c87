"""Golden files: today's code writes exactly the bytes of ``corpus/format``, and reads them back.

A change of one of these files is a change of the format: it needs a new version, and the old files stay readable.
Directories v1 and v2 have the footers, manifest and cursors of version 1, and frames of versions 1 and 2; v3 and v4 the
same frames with what is written now. To write the files of a new version down, run this module.
"""

from pathlib import Path

import pytest

from chaoswal.vfs.memory import MemoryVfs
from tests.wal.disks import Files, disk_of, files_of, open_log, shown

FORMAT = Path(__file__).parents[2] / "corpus" / "format"
WRITTEN = {"3": "1", "4": "2"}
"""The directories of what is written now, and the versions of their frames."""
VERSIONS = ("1", "2", *WRITTEN)
RECORDS = [b"", b"one", b"batch of", b"", b"three", bytes(range(256)), b"last"]


def golden(version: str) -> Files:
    """A small log with frames of this version: a segment, a WAL, a cursor with a gap, a manifest of two names."""
    vfs = MemoryVfs()
    with open_log(vfs, seed=7, frame=version, wal_bytes=10_000) as log:
        log.append(RECORDS[0])
        log.append(RECORDS[1])
        log.append_batch(RECORDS[2:5])
        log.rotate()
        log.append(RECORDS[5])
        log.append(RECORDS[6])
        log.subscribe("late", start="latest")
        subscriber = log.subscribe("early-bird_1")
        subscriber.poll(4)
        for number in (0, 1, 3):
            subscriber.ack(number)
    return files_of(vfs)


def kept(version: str) -> Files:
    """The files as they were written down."""
    return {path.name: path.read_bytes() for path in sorted((FORMAT / f"v{version}").iterdir())}


@pytest.mark.parametrize("version", WRITTEN)
def test_the_format_is_written_as_ever(version: str) -> None:
    assert golden(WRITTEN[version]) == kept(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_format_is_read_as_ever(version: str) -> None:
    log = open_log(disk_of(kept(version)))
    assert shown(log) == RECORDS
    assert log.subscribers == ("early-bird_1", "late")
    assert [number for number, _ in log.subscribe("early-bird_1").poll(9)] == [2, 4, 5, 6]
    assert log.subscribe("late").poll(9) == []


def test_the_versions_differ_where_they_should() -> None:
    one, two = kept("3"), kept("4")
    assert one.keys() == two.keys() == kept("1").keys()
    assert [name for name in one if one[name] != two[name]] == [
        "segment-00000000000000000000.seg",
        "wal-00000000000000000005.wal",
    ]


if __name__ == "__main__":
    for each, frame in WRITTEN.items():
        (FORMAT / f"v{each}").mkdir(parents=True, exist_ok=True)
        for name, data in golden(frame).items():
            if not (FORMAT / f"v{each}" / name).exists():
                (FORMAT / f"v{each}" / name).write_bytes(data)
