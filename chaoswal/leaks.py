"""Leaks: what an engine leaves behind when it is opened and closed again and again on a simulated disk.

Three things are looked at, each with nothing but the engine itself to compare with:

* **descriptors**: after a close no file is open, be it that something was appended and closed, or opened and closed;
* **files**: with nothing appended, the tenth opening leaves the files that the second left, by role and number. And
  where a kill struck after any event of the first opening, two whole openings later nothing more is there;
* **memory**: so many openings later no more is allocated than before them, but for a few bytes each.

It takes some seconds, and is for once in a campaign. An engine that cannot be opened on the disk leaks nothing: that is
for others to report.
"""

import gc
import tracemalloc
from collections import Counter

from chaoswal.contracts import contract_of
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image, role
from chaoswal.engines.registry import Factory
from chaoswal.run import Session, record
from chaoswal.verdict import Fault, Violation

REOPENINGS = 200
"""How often an engine is opened while its memory is watched, after half as many to warm up."""

BYTES_EACH = 32
"""What one opening may leave: less than any object that is kept for it."""

FILES_REOPENINGS = 10


def leaks(factory: Factory, disk: Disk | None = None, *, reopenings: int = REOPENINGS) -> Fault | None:
    """What the engine leaves behind on this disk (default: one with a few records), if it leaves anything."""
    if disk is None:
        run = record(factory, contract_of(factory.kind).sample)
        disk = run.start.after(run.events)
    if record(factory, (), disk).observed.fault:
        return None
    return _descriptors(factory, disk) or _files(factory, disk) or _memory(factory, disk, reopenings)


def _leak(explanation: str) -> Fault:
    return Fault(kind=Violation.LEAK, explanation=explanation)


def _descriptors(factory: Factory, disk: Disk) -> Fault | None:
    for operations in ((), contract_of(factory.kind).sample):
        with Session(factory, disk) as session:
            session.resume()
            for op_index, operation in enumerate(operations):
                session.perform(op_index, operation)
            session.close()
        if session.vfs.held():
            what = f"after {len(operations)} operations" if operations else "after opening and closing"
            return _leak(f"descriptors left open {what}: {', '.join(session.vfs.held())}")
    return None


def _reopened(factory: Factory, image: Image, times: int) -> Image:
    """The disk after so many openings, each closed."""
    for number in range(times):
        with Session(factory, Disk(image=image), generation=number) as session:
            session.close()
        image = session.vfs.image()
    return image


def _roles(image: Image) -> Counter[str]:
    return Counter(map(role, image.files()))


def _files(factory: Factory, disk: Disk) -> Fault | None:
    settled = _reopened(factory, disk.view, 2)
    more = _roles(_reopened(factory, settled, FILES_REOPENINGS - 2)) - _roles(settled)
    if more:
        return _leak(f"files left by {FILES_REOPENINGS} openings with nothing to do: {_listed(more)}")
    opening = record(factory, (), disk)
    for point in range(len(opening.events)):
        killed = disk.after(opening.events[:point]).view
        more = _roles(_reopened(factory, killed, 2)) - _roles(settled)
        if more:
            return _leak(f"files that no recovery removes, of a kill after event {point} of one: {_listed(more)}")
    return None


def _listed(roles: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(roles.items()))


def _memory(factory: Factory, disk: Disk, reopenings: int) -> Fault | None:
    image = _reopened(factory, disk.view, reopenings // 2)
    tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        _reopened(factory, image, 2)
        grown = _growth(factory, image, reopenings)
        if grown > reopenings * BYTES_EACH:
            grown = _growth(factory, image, reopenings)  # the interpreter's own free lists are full by now
    finally:
        if not tracing:
            tracemalloc.stop()
    if grown <= reopenings * BYTES_EACH:
        return None
    return _leak(f"{grown // reopenings} bytes of memory stay behind with each opening, of {reopenings}")


def _growth(factory: Factory, image: Image, reopenings: int) -> int:
    before = _allocated()
    _reopened(factory, image, reopenings)
    return _allocated() - before


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
