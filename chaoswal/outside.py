"""Engines on real directories: what they promise, and what they show when they are opened on an image.

Theory of operation
-------------------
An image is laid into a directory in memory, and the engine opened there, in a process that is ended if it hangs and may
crash as it likes. Which process, an adapter may say (``runner``):

    forked       a child of a warm process, which opens ``BATCH`` images before another takes its place: the default
    fresh        a new process for each image
    in-process   this one: nothing is contained

What is there is a day old by its times, as it is after most crashes: a lock that goes by them is stale.

Nothing is closed before all has been looked at, as in a kill: what an opening has made of its directory is what is
there while the engine is open.

Whoever is asked to go on is also looked at as a kill leaves him that comes as soon as he has promised what he took: the
directory is read in that moment, and opened elsewhere, by the same job: neither image nor job travel once more. A
recovery that leaves a torn tail where it is, and writes behind it, looks well until then. On the simulated disk crashes
of recoveries show the same (``check.Depth.then``).

Images that are known beforehand are opened ``TOGETHER``, one after the other, by one job: asking for each takes as long
as opening it. That is for speed alone. What ends the process, or is waited for too long, is opened once more by itself,
and only that counts: it may have been the closing of the one before. So nothing is gained with an engine that was seen
to hang.

Nothing is said of one that changes files outside of its directory, as far as Python announces that: no crash is tried
there.

An engine has ``patience.OPENING``, or less where it is known to hang (``warm.Patience``).
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path

from chaoswal.contracts import contract_of
from chaoswal.disk.directory import age, lay, load, without
from chaoswal.disk.image import Image
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import Inconclusive, StepLimit, UsageError, cannot_open
from chaoswal.oracle import Observed, Traits
from chaoswal.patched.announced import changed_of, changes_outside
from chaoswal.patience import OPENING
from chaoswal.record.traced import strayed
from chaoswal.record.working import factory_of
from chaoswal.tmpfs import fresh_directory
from chaoswal.verdict import Fault, Violation
from chaoswal.warm import Outcome, Patience, Warm, patience_with
from chaoswal.workload import Driver, look, probe_behind, told_below, traits_of

FORKED, FRESH, IN_PROCESS = "forked", "fresh", "in-process"

BATCH = 128
"""So many images are opened by one forked process: a new one has to copy what it writes to, and one that has opened
many may have run out of descriptors."""

TOGETHER = 16
"""So many images are opened by one job, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came of opening an engine on an image."""

    observed: Observed
    image: Image | None = None
    """What it had made of the image by then; None: what it was."""
    stuck: Fault | None = None
    """What was wrong when it was asked to go on, or killed when it had, if it was."""
    grown: Observed | None = None
    """What it must show if it was killed as soon as it had promised that it had gone on: ``image`` is of then. Only
    from one job to the next."""


@lru_cache(1024)
def promises(engine: str) -> Traits:
    """What an engine promises, by its name and options; UsageError where it cannot be opened.

    Inconclusive where it does not come to its end.
    """
    with _directory() as root:
        outcome = _server(os.getpid()).do(tell, engine, str(root), seconds=OPENING.seconds)
    if outcome.hung:
        raise Inconclusive(f"{engine} takes longer to open than {OPENING.seconds:g} s (--patience)")
    if not outcome.whole:
        raise UsageError(f"cannot open {engine}: {_ended(outcome)}")
    traits: Traits = outcome.items[0]
    return traits


def tell(engine: str, root: str) -> Iterator[Traits]:
    """The same as a job, in an empty directory."""
    try:
        yield traits_of(factory_of(engine).open_directory(root))
    except Inconclusive:
        raise
    except (Exception, StepLimit) as error:
        raise cannot_open(engine, error) from error


def recover(factory: Factory, image: Image, names: Sequence[str], *, probing: bool) -> Recovered:
    """Open an engine on an image and look at all it shows; or also, instead of what it made of it, whether it goes on.

    What hangs, crashes or ends the process is told as an engine that cannot be opened.
    """
    with _directory() as root:
        job = (factory.name, image, str(root), tuple(names), probing)
        match _runner(factory):
            case "in-process":
                items = list(show(*job))
            case "fresh":
                with closing(Warm(batch=1)) as server:
                    outcome = server.do(show, *job, seconds=OPENING.seconds, items=1 + probing)
                items = _items(outcome)
            case _:
                server, seconds = _warmed(factory), OPENING.seconds
                items = _items(_patience(factory).do(server, show, *job, seconds=seconds, items=1 + probing))
    return _whole(factory, *[_inside(found, _place(root, 0)) for found in items])


def _whole(factory: Factory, found: Recovered, last: Recovered | None = None) -> Recovered:
    """The same, with what is wrong where it is opened as a kill leaves it that has gone on.

    ``last``: what it showed then; None where it was not opened like that yet.
    """
    if found.grown is None or found.image is None:
        return found
    last = last or recover(factory, found.image, (), probing=False)
    return replace(found, image=None, grown=None, stuck=gone(found.grown, last.observed))


def _items(outcome: Outcome) -> list[Recovered]:
    return outcome.items or [Recovered(observed=Observed(fault=_fault(outcome)))]


def recover_all(
    factory: Factory, images: Sequence[Image], names: Sequence[str], *, probing: bool
) -> Iterator[Recovered]:
    """The same of each of these images, in their order; no more of them are opened than are asked for, and a few."""
    first = 0
    while first < len(images):
        at_once = _runner(factory) == FORKED and not _patience(factory).hung
        some = images[first : first + TOGETHER] if at_once else ()
        found = _together(factory, some, names, probing=probing) if len(some) > 1 else []
        yield from found
        first += len(found)
        if len(found) < max(1, len(some)):
            yield recover(factory, images[first], names, probing=probing)
            first += 1


def _together(factory: Factory, images: Sequence[Image], names: Sequence[str], *, probing: bool) -> list[Recovered]:
    """What these show, up to the one at which the process ended or was waited for in vain."""
    patience = _patience(factory)
    with _directory() as root:
        begun = time.monotonic()
        outcome = _warmed(factory).do(
            show_all,
            factory.name,
            images,
            str(root),
            tuple(names),
            probing,
            seconds=patience.short_seconds(OPENING.seconds),
            items=len(images),
        )
        if outcome.whole:
            patience.learn((time.monotonic() - begun) / len(images))
        return [_inside(found, _place(root, number)) for number, found in enumerate(outcome.items)]


@contextmanager
def _directory() -> Iterator[Path]:
    root = fresh_directory()
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _runner(factory: Factory) -> str:
    return str(getattr(factory.kind, "runner", FORKED))


def _patience(factory: Factory) -> Patience:
    """That with an engine, whatever its options."""
    return patience_with("openings", EngineRef.parse(factory.name).name)


def _warmed(factory: Factory) -> Warm:
    server = _server(os.getpid())
    server.prepare(import_module, __name__)  # where its jobs are: each child would load it
    server.prepare(factory_of, factory.name)
    return server


def _inside(found: Recovered, root: str) -> Recovered:
    """The same, in whose words paths begin at the root of the disk."""
    found.observed.fault = told_below(root, found.observed.fault)
    return replace(found, stuck=told_below(root, found.stuck))


@cache
def _server(_process: int) -> Warm:
    """One for each process: what is forked from one that has a server must not talk to that."""
    return Warm(batch=BATCH)


def recover_in_place(
    server: Warm, factory: Factory, root: str, names: Sequence[str], *, probing: bool = False
) -> Recovered:
    """The same of an engine opened on a directory as it stands, which keeps what the opening makes of it.

    By a process of its own, as every job of this server must be done; it ends as a kill would end it.
    """
    job = (look_at, factory.name, root, tuple(names), probing)
    return _whole(factory, _inside(_items(_patience(factory).do(server, *job, seconds=OPENING.seconds))[0], root))


def look_at(engine: str, root: str, names: Sequence[str], probing: bool) -> Iterator[Recovered]:  # noqa: FBT001
    """What an engine shows that is opened on a directory as it stands, as a job; nothing is closed."""
    factory = factory_of(engine)
    age(root)
    driver = Driver(lambda: factory.open_directory(root))
    _alive.append(driver)
    scratch = getattr(factory.kind, "scratch", ())
    with _staying(factory, root):
        observed = look(driver, names)
        found = _gone_on(driver, observed, root, scratch) if probing else Recovered(observed=observed)
    yield found


_alive: list[Driver] = []
"""What the end of a process must find alive: a destructor would close it."""


def show(engine: str, image: Image, root: str, names: Sequence[str], probing: bool) -> Iterator[Recovered]:  # noqa: FBT001
    """What an engine shows that is opened on an image, as a job: ``root`` is an empty directory for it.

    If it has gone on, also what it shows as a kill leaves it then: that is told as a second item, for whoever is ended
    by the closing of the first has told nothing of it.
    """
    yield from _shown(factory_of(engine), image, _place(root, 0), names, probing=probing)


def show_all(
    engine: str,
    images: Sequence[Image],
    root: str,
    names: Sequence[str],
    probing: bool,  # noqa: FBT001 - the arguments of a job have no names
) -> Iterator[Recovered]:
    """The same of several images, one after the other and an item each, as a job."""
    factory = factory_of(engine)
    for number, image in enumerate(images):
        yield _whole(factory, *_shown(factory, image, _place(root, number), names, probing=probing))


def _shown(factory: Factory, image: Image, root: str, names: Sequence[str], *, probing: bool) -> Iterator[Recovered]:
    """The same, in a directory that is not there yet, nor behind it."""
    scratch = getattr(factory.kind, "scratch", ())
    os.mkdir(root)
    lay(image, root)
    with _staying(factory, root):
        driver, observed = _opened(factory, root, names)
        found = _gone_on(driver, observed, root, scratch) if probing else Recovered(observed=observed)
    if not probing:
        made = without(load(root), scratch)
        found = Recovered(observed=observed, image=made if made.key != image.key else None)
    yield found
    _discard(driver, root)
    if found.grown and found.image:
        elsewhere = f"{root}-killed"  # of a path an engine may know that it had it open
        os.mkdir(elsewhere)
        lay(found.image, elsewhere)
        with _staying(factory, elsewhere):
            driver, observed = _opened(factory, elsewhere, ())
        yield _inside(Recovered(observed=observed), elsewhere)
        _discard(driver, elsewhere)


@contextmanager
def _staying(factory: Factory, root: str) -> Iterator[None]:
    """Inconclusive where an engine has left something outside of its directory in the block."""
    with changes_outside(root) as stood:
        yield
    path = changed_of(stood)
    if path:
        raise strayed(factory.name, path)


def _opened(factory: Factory, root: str, names: Sequence[str]) -> tuple[Driver, Observed]:
    driver = Driver(lambda: factory.open_directory(root))
    return driver, look(driver, names)


def _discard(driver: Driver, root: str) -> None:
    with suppress(Exception, StepLimit):  # it has been judged, and what it leaves is thrown away
        driver.discard()
    shutil.rmtree(root, ignore_errors=True)


def _gone_on(driver: Driver, observed: Observed, root: str, scratch: Sequence[str]) -> Recovered:
    """What comes of asking it to go on; also what a kill leaves then, where it has promised to keep what it took."""
    left: list[Image] = []

    def done(word: str) -> None:
        if not left and _keeps(traits_of(driver.engine), word):
            left.extend(_at_rest(root))

    stuck = probe_behind(driver, observed, done)
    if stuck or not left:
        return Recovered(observed=observed, stuck=stuck)
    return Recovered(
        observed=observed, image=without(left[0], scratch), grown=contract_of(driver.engine).grown(observed)
    )


def _keeps(traits: Traits, word: str) -> bool:
    """Whether what it took is promised when the call of this name has returned."""
    return word in traits.promise and not traits.window_seconds and not dict(traits.retention).get("drops")


_READINGS = 5


def _at_rest(root: str) -> list[Image]:
    """What a kill leaves of a directory: what two readings agree upon, or nothing, for the engine may be at work."""
    last = None
    for _ in range(_READINGS):
        with suppress(FileNotFoundError, NotADirectoryError):  # it was there when its directory was read
            image = load(root)
            if last and image.key == last.key:
                return [image]
            last = image
    return []


def gone(grown: Observed, last: Observed) -> Fault | None:
    """What is wrong with what an engine shows after a kill, before which it had promised to show the other.

    Who goes on behind a tail that no reader gets over, shows it only now.
    """
    if last.fault:
        why = f"killed when it had gone on behind a recovery: {last.fault.explanation}"
        return replace(last.fault, explanation=why)
    if (grown.records, grown.items) == (last.records, last.items):
        return None
    kept = [*last.records, *last.items]
    if any(one not in kept for one in (*grown.records, *grown.items)):
        return Fault(kind=Violation.LOST, explanation="what it took behind a recovery, and promised, a kill takes away")
    return Fault(kind=Violation.UNSTABLE, explanation="a kill, when it had gone on behind a recovery, brings back more")


def _place(root: str | Path, number: int) -> str:
    return os.path.join(root, str(number))


def _fault(outcome: Outcome) -> Fault:
    kind = Violation.HUNG if outcome.hung else Violation.UNOPENABLE
    return Fault(kind=kind, explanation=f"recovery {_ended(outcome)}")


def _ended(outcome: Outcome) -> str:
    how = "did not end in time" if outcome.hung else outcome.died
    last = outcome.output.strip().splitlines()[-1:]
    return f"{how}; last it printed: {last[0][:200]}" if last else how
