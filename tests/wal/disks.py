"""Simulated disks for the tests of the log: open it on one, look at all it shows, change its files."""

from collections.abc import Mapping
from typing import Any

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault, FaultPlan
from chaoswal.disk.image import Image
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import Log, Options

Files = dict[str, bytes]


def files_of(vfs: MemoryVfs) -> Files:
    """Every file and its bytes, as a process sees them."""
    return {name: data or b"" for name, data in vfs.image().files().items()}


def disk_of(files: Mapping[str, bytes], *faults: str) -> MemoryVfs:
    """A disk that durably holds these files, with errors to come."""
    plan = FaultPlan(tuple(map(Fault.parse, faults))) if faults else None
    return MemoryVfs(Disk(image=Image.of_files(files)), faults=plan)


def open_log(vfs: MemoryVfs, *, seed: int = 0, wal_bytes: int = 300, log_class: type[Log] = Log, **options: Any) -> Log:
    """Open the log on a disk; another seed draws other identities."""
    return log_class(vfs, StillRuntime(seed), Options(wal_bytes=wal_bytes, **options))


def payload(number: int, size: int = 20) -> bytes:
    """A record that says which it is."""
    return (b"%d|" % number).ljust(size, b".")


def filled(count: int) -> MemoryVfs:
    """A disk with a closed log of so many records, and a subscriber who has finished the first three and the sixth."""
    vfs = MemoryVfs()
    log = open_log(vfs)
    for number in range(count):
        log.append(payload(number))
    subscriber = log.subscribe("s")
    subscriber.poll(6)
    for number in (0, 1, 2, 5):
        if number < count:
            subscriber.ack(number)
    log.close()
    return vfs


def shown(log: Log) -> list[bytes]:
    """All records, whose numbers must follow each other from the start."""
    records = list(log.records())
    assert [number for number, _ in records] == list(range(log.start_sequence, log.durable_sequence))
    return [data for _, data in records]
