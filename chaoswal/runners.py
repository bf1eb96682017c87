"""How an engine is run: on the simulated disk, if it is made for one, or else as it is, on real directories.

Three things are asked of an engine: what it promises; a run of it, as a trace; and what it shows when it is opened on
an image. Whoever asks need not know how it is done: in memory (``run``), or under strace (``record.traced``) and in
processes that may hang and crash (``outside``).
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial

from chaoswal import outside
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.faults import FaultPlan
from chaoswal.disk.image import Image
from chaoswal.engines.registry import Factory
from chaoswal.errors import ChaoswalError, StepLimit, cannot_open
from chaoswal.ops import Operation
from chaoswal.oracle import Traits
from chaoswal.outside import Recovered
from chaoswal.pool import apart
from chaoswal.processes import is_exposed
from chaoswal.reach import Reach
from chaoswal.record import traced
from chaoswal.run import Run, Session
from chaoswal.run import record as record_in_memory


def promises(factory: Factory) -> Traits:
    """What an engine promises on an empty disk; UsageError where it cannot be opened there."""
    if not factory.simulated:
        return outside.promises(factory.name)
    key = factory.kind, *sorted(factory.options.items())
    if not is_exposed():
        return _asked(factory)
    if key not in _known:
        try:
            _known[key] = apart(partial(_asked, factory))
        except ChaoswalError as error:
            _known[key] = error
    known = _known[key]
    if isinstance(known, ChaoswalError):
        raise known
    return known


_known: dict[tuple[object, ...], Traits | ChaoswalError] = {}
"""What engines have answered that were asked in another process, each once."""


def _asked(factory: Factory) -> Traits:
    try:
        with Session(factory, Disk()) as session:
            return session.traits()
    except ChaoswalError:
        raise
    except (Exception, StepLimit) as error:
        raise cannot_open(factory.name, error) from error


def record(
    factory: Factory,
    steps: Sequence[Operation | DiskFault],
    disk: Disk | None = None,
    *,
    first_index: int = 0,
    generation: int = 0,
    names: Sequence[str] = (),
    tally: FaultPlan | None = None,
    reverts: bool = False,
) -> Run:
    """Run operations and faults on an engine opened on a disk (default: an empty one) and return the trace.

    As ``run.record``; what an engine on a real directory draws by chance is its own business, and it takes no faults.
    """
    if not factory.simulated:
        return traced.record(factory, steps, disk or Disk(), first_index=first_index, names=names)
    return record_in_memory(
        factory,
        steps,
        disk,
        first_index=first_index,
        generation=generation,
        names=names,
        tally=tally,
        reverts=reverts,
    )


def recover(
    factory: Factory,
    image: Image,
    names: Sequence[str],
    *,
    generation: int,
    probing: bool = False,
    reach: Reach | None = None,
) -> Recovered:
    """Open an engine on an image and look at all it shows; or also, instead of what it made of it, whether it goes on.

    ``reach`` is told of the lines that run, on the simulated disk.
    """
    if not factory.simulated:
        return outside.recover(factory, image, names, probing=probing)
    with reach.watching() if reach else nullcontext():
        session = Session(factory, Disk(image=image), generation=generation, names=names)
    with session:
        stuck = session.probe() if probing else None
    made = session.vfs.image() if session.vfs.changed() and not probing else None
    return Recovered(observed=session.observed, image=made, stuck=stuck)


def recover_ahead(
    factory: Factory, images: Sequence[Image], names: Sequence[str], *, probing: bool
) -> Iterator[Recovered]:
    """The same of several images, for an engine on real directories, where asking for many at once is quicker."""
    return outside.recover_all(factory, images, names, probing=probing)
