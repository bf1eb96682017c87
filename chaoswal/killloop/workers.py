"""The workers: processes that each run a loop in a directory of their own, and the one that starts and ends them.

A worker says how far it is, several times a second, and at its end what it found. It is asked to stop by a byte in
shared memory, which it looks at before each cycle; one that does not stop in time is killed, and whoever dies takes
the children below along. Signals from the keyboard are for the coordinator alone: everybody else ignores them.
"""

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import multiprocess
from multiprocess.connection import wait

from chaoswal.engines.registry import Factory
from chaoswal.errors import ChaoswalError, Inconclusive, UsageError
from chaoswal.killloop.finding import Finding, describe, keep, save_finding
from chaoswal.killloop.loop import Loop, Settings, Tally
from chaoswal.notices import Found
from chaoswal.processes import deafen, die_with, gone
from chaoswal.tamper import Seal
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.workload import traits_of

STOP_SECONDS = 2.0
"""So long a worker may take to stop before it is killed."""

_SAY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker says: how far it is, and at its end how it ended."""

    worker: int
    tally: Tally
    over: bool = False
    found: Found | None = None
    failure: ChaoswalError | None = None


class Workers:
    """The processes of one campaign."""

    def __init__(self, settings: list[Settings], corpus: Path | None) -> None:
        """Call it with the coordinator's signals held back."""
        self._stop = mmap.mmap(-1, mmap.PAGESIZE)
        self._tallies: dict[int, Tally] = {}
        context = multiprocess.get_context("fork")
        self._running: dict[int, tuple[Any, Any]] = {}
        for one in settings:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(one, corpus, sender, self._stop, os.getpid()))
            process.start()
            sender.close()
            self._running[one.worker] = process, receiver

    @property
    def running(self) -> bool:
        """Whether any of them is at work."""
        return bool(self._running)

    @property
    def tally(self) -> Tally:
        """What all of them have counted."""
        total = Tally()
        for tally in self._tallies.values():
            total.add(tally)
        return total

    def listen(self, seconds: float) -> list[Said]:
        """What they say within a time; the error of one that failed, Inconclusive where one died or hangs."""
        ready = wait([receiver for _, receiver in self._running.values()], seconds)
        said = [self._hear(worker) for worker, (_, receiver) in list(self._running.items()) if receiver in ready]
        for word in said:
            self._tallies[word.worker] = word.tally
            if word.over:
                self._bury(word.worker)
            if word.failure:
                raise word.failure
        return said

    def _hear(self, worker: int) -> Said:
        process, receiver = self._running[worker]
        try:
            said: Said = receiver.recv()
        except (EOFError, OSError) as error:
            how = gone(process)
            self._bury(worker)
            raise Inconclusive(
                f"worker {worker} of the kill loop {how} while engines ran: nothing is said of them"
            ) from error
        return said

    def _bury(self, worker: int) -> None:
        process, receiver = self._running.pop(worker)
        process.join(STOP_SECONDS)
        process.kill()
        process.join()
        process.close()
        receiver.close()

    def end(self) -> None:
        """Ask those that are left to stop, and kill those that do not."""
        self._stop[0] = 1
        until = time.monotonic() + STOP_SECONDS
        while self._running and time.monotonic() < until:
            try:
                self.listen(max(0.0, until - time.monotonic()))
            except ChaoswalError:
                continue  # whatever ended the campaign comes first
        for worker in list(self._running):
            self._running[worker][0].kill()
            self._bury(worker)
        self._stop.close()


def _work(settings: Settings, corpus: Path | None, sender: Any, stop: mmap.mmap, parent: int) -> None:
    """The life of one worker."""
    deafen()
    die_with(parent)
    loop, seal = None, Seal()
    try:
        loop = Loop(settings)
        finding = loop.run(_teller(settings.worker, loop, sender, stop))
        found = _kept(finding, settings, corpus) if finding else None
        sender.send(Said(worker=settings.worker, tally=loop.tally, over=True, found=found))
    except Exception as error:  # noqa: BLE001 - told where the campaign is
        tally = loop.tally if loop else Tally()
        failure = seal.failure(error, f"in worker {settings.worker}")
        sender.send(Said(worker=settings.worker, tally=tally, over=True, failure=failure))
    finally:
        if loop:
            loop.close()


def _teller(worker: int, loop: Loop, sender: Any, stop: mmap.mmap) -> Callable[[], bool]:
    """Whether to go on; it tells the coordinator how far the loop is now and then."""
    last = time.monotonic()

    def go_on() -> bool:
        nonlocal last
        if time.monotonic() - last >= _SAY_SECONDS:
            last = time.monotonic()
            sender.send(Said(worker=worker, tally=loop.tally))
        return not stop[0]

    return go_on


def _kept(finding: Finding, settings: Settings, corpus: Path | None) -> Found:
    """Keep what was found; the directory with it."""
    kept = Path(settings.directory)
    keep(finding, kept)
    return describe(finding, file=str(save_finding(finding, corpus or kept)), kept=str(kept))


def try_out(factory: Factory, directory: str, patience: float) -> None:
    """Open the engine once on an empty directory; UsageError where it does not take the options it is given."""
    context = multiprocess.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_try, args=(factory, directory, sender, os.getpid()))
    process.start()
    sender.close()
    try:
        wrong = receiver.recv() if wait([receiver], patience) else ""
    except EOFError:
        wrong = ""  # it died: the loop will say how
    finally:
        process.kill()
        process.join()
        receiver.close()
    if wrong:
        raise UsageError(f"the engine {factory.name!r} cannot be opened: {wrong}")


def _try(factory: Factory, directory: str, sender: Any, parent: int) -> None:
    deafen()
    die_with(parent)
    try:
        if factory.takes_vfs:
            engine = factory.open_simulated(RealVfs(directory), RealRuntime())
        else:
            engine = factory.open_directory(directory)
        traits_of(engine)
        wrong = ""
    except UsageError as error:
        wrong = str(error)
    except (TypeError, ValueError) as error:
        wrong = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - that it cannot be opened at all is for the loop to find
        wrong = ""
    sender.send(wrong)
