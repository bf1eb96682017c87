"""The launcher: a process that does nothing but fork children, kill them in time, and bury them.

A fork makes every page of the process that forks a page to be copied, and the more it has and touches, the more a
cycle costs. So whoever judges does not fork: it keeps its models and disks to itself and lets this process, which
has next to nothing, do so. What a child did is read from the notes, which all three share.
"""

import contextlib
import gc
import os
import pickle
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import multiprocess
from multiprocess.connection import wait

from chaoswal.disk.directory import number
from chaoswal.engines.draws import draw_options, tables_of
from chaoswal.engines.registry import BUG, REGISTERED, EngineRef, Factory
from chaoswal.errors import Exit, Inconclusive
from chaoswal.killloop import child
from chaoswal.killloop.child import Order
from chaoswal.killloop.notes import Notes
from chaoswal.killloop.plans import OPERATIONS_MAX, Plan
from chaoswal.patience import SILENCE
from chaoswal.processes import (
    Pulse,
    adopt_orphans,
    alive,
    bury_orphans,
    close_pipes,
    die_with,
    gone,
    kill_group,
    lives_by,
)

_DEATH, _SILENCE = b"death", b"silence"
_LIVES = 4  # an instruction is specialised after some executions, a function after some calls
_WARM = Plan(seed=0, fault="", operations=OPERATIONS_MAX, armed=True, place="cleanup", nth=1 << 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a child ended."""

    status: int
    """Its exit status; below 0, the signal."""
    hung: bool
    early: bool
    """Whether it ended before anybody else had killed it."""
    started: float
    """When it was forked, on the monotonic clock."""
    ended: float
    """When it was certainly dead."""


class Launcher:
    """The side of the one who judges."""

    def __init__(self, notes: Notes, output: int, patience: float) -> None:
        """``output``: the descriptor of a file that takes what children print."""
        context = multiprocess.get_context("fork")
        self._pipe, there = context.Pipe()
        self._pulse = Pulse()
        serving = (there, self._pipe, notes, output, patience, os.getpid(), self._pulse)
        self._process = context.Process(target=_serve, args=serving)
        self._process.start()
        there.close()

    def launch(self, order: Order) -> Ending:
        """Fork a child, and come back when it is dead; Inconclusive where an engine ended or stopped who forks."""
        try:
            self._pipe.send_bytes(pickle.dumps(order))
            self._pulse.beat(SILENCE.seconds)
            while not self._pipe.poll(1.0):
                if self._pulse.late:
                    raise Inconclusive("the process that starts engines does not go on: nothing is said of this one")
            ending: Ending = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            self._process.join(1.0)
            raise Inconclusive(
                f"the process that starts engines {gone(self._process)}: nothing is said of this one"
            ) from error
        return ending

    def close(self) -> None:
        """End the process; there is no child while nothing is being launched."""
        self._pipe.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(pipe: Any, other: Any, notes: Notes, output: int, patience: float, parent: int, pulse: Pulse) -> None:
    """The life of a launcher."""
    die_with(parent)
    lives_by(pulse)
    adopt_orphans()
    other.close()
    close_pipes(kept=pipe.fileno())
    gc.disable()
    warm = False
    while True:
        try:
            order = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        if not warm:
            warm = True
            _warm_up(order, notes)
            gc.collect()
            gc.freeze()
        pipe.send_bytes(pickle.dumps(_launch(order, notes, output, patience)))


def _warm_up(order: Order, notes: Notes) -> None:
    """Live a few lives of a child here, for all children to inherit what the interpreter learns of its code.

    Otherwise each of them would compile the same patterns and specialise the same instructions again, and copy the
    pages that this changes. Only engines that ship are run here, where nothing contains them.
    """
    engine = EngineRef.parse(order.engine)
    if engine.name not in REGISTERED or BUG in dict(engine.options):
        return
    tables, fixed = tables_of(_factory(order.engine)), dict(engine.options)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(order.root)) as root, contextlib.suppress(OSError):
        for seed in range(_LIVES):
            notes.start(-1 - seed)
            options = draw_options(random.Random(f"warm:{seed}"), tables, fixed)
            plan = replace(_WARM, seed=seed, options=options, crowded=seed % 2 == 1)
            life = replace(order, root=root, plan=plan, first_index=seed * OPERATIONS_MAX, names=number(root))
            child.live(_task(life, notes, len, -1))


def _launch(order: Order, notes: Notes, output: int, patience: float) -> Ending:
    context = multiprocess.get_context("fork")
    notes.start(order.round)
    receiver, sender = context.Pipe(duplex=False)
    task = _task(order, notes, partial(_tell, sender), output)
    process = context.Process(target=child.run, args=(task, os.getpid()))
    started = time.monotonic()
    process.start()
    sender.close()
    try:
        word = _strike(process, order, partial(_hear, process, receiver, notes, patience))
    finally:
        kill_group(process.pid)
        process.join()
        receiver.close()
        bury_orphans()
    ending = Ending(
        status=process.exitcode,
        hung=word == _SILENCE,
        early=word == _DEATH,
        started=started,
        ended=time.monotonic(),
    )
    process.close()
    return ending


def _task(order: Order, notes: Notes, report: Callable[[bytes], object], output: int) -> child.Task:
    factory = _factory(order.engine).with_options(order.plan.options)
    return child.Task(order=order, factory=factory, notes=notes, report=report, output=output)


@cache
def _factory(engine: str) -> Factory:
    return EngineRef.parse(engine).factory()


def _strike(process: Any, order: Order, hear: Callable[[], bytes]) -> bytes:
    """Wait for the moment to kill the child, or until it is dead or hangs; the last that was heard of it."""
    plan = order.plan
    if plan.in_recovery and not plan.armed:
        return _DEATH if wait([process.sentinel], order.wait) else b""
    word = hear()
    if word == child.OPENED_BYTE and plan.armed:
        word = hear()
    elif word == child.OPENED_BYTE:
        return _DEATH if wait([process.sentinel], order.wait) else word
    return word


def _hear(process: Any, receiver: Any, notes: Notes, patience: float) -> bytes:
    """What the child says next: a byte of its, that it is dead, or that for too long it has not even noted a thing."""
    noted = -1
    alive(patience)
    while not (ready := wait([receiver, process.sentinel], patience)):
        before, noted = noted, sum(1 for _ in notes.read())
        if noted == before:
            return _SILENCE
        alive(patience)
    try:
        return receiver.recv_bytes(1) if receiver in ready else _DEATH
    except (EOFError, OSError):  # the latter: what came was written by an engine
        return _DEATH


def _tell(sender: Any, word: bytes) -> None:
    """In a child: say this, or end where the engine has closed the pipe."""
    try:
        sender.send_bytes(word)
    except OSError:
        os._exit(Exit.INCONCLUSIVE)
