"""Workloads: ask an engine for operations, look at what it shows, and draw random programs.

Draws are keyed by the seed and the operation's place, so that a program and its payloads follow from the seed alone.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from chaoswal.contracts import CALLS, contract_of
from chaoswal.contracts.contract import Told, unheard
from chaoswal.contracts.log import retention_of
from chaoswal.engines.adapter import LogEngine, Record, Subscription
from chaoswal.errors import HarnessFault, Inconclusive, StepLimit, said
from chaoswal.ops import (
    CONCURRENT,
    Ack,
    Activate,
    Append,
    Batch,
    Cleanup,
    Close,
    Deactivate,
    Defer,
    Flush,
    Maintain,
    OpenAgain,
    Operation,
    Poll,
    Read,
    Reject,
    Reopen,
    Rotate,
    Subscribe,
    SubscribeLatest,
    Sync,
    Together,
    Unsubscribe,
    Wait,
    payloads,
)
from chaoswal.oracle import ERROR, Observed, Traits, held_at, promise_word
from chaoswal.patched.mounts import without_roots
from chaoswal.verdict import Fault, Violation
from chaoswal.vfs.scheduler import Stopped

POINTS = 40
"""So many points are drawn at which a thread may give way; behind them none does without need."""

PASSING = (HarnessFault, Inconclusive, StepLimit, Stopped, KeyboardInterrupt)
"""What passes through all that contains what engines raise: it is the checker's own, or whoever is at the keyboard."""

Step = TypeVar("Step")


def traits_of(engine: LogEngine) -> Traits:
    """What an engine promises and offers, as its adapter states it; UsageError where it is no adapter."""
    contract = contract_of(engine)
    contract.check(engine)
    return Traits(
        promise=frozenset(engine.promise.split()),
        contract=contract.name,
        promise_order=bool(getattr(engine, "promise_order", True)),
        promise_reads=bool(getattr(engine, "promise_reads", False)),
        capabilities=frozenset(name for name in contract.optional if getattr(engine, name, False)),
        retention=tuple(retention_of(engine).items()),
        refusals=frozenset(getattr(engine, "refusals", ())),
        locks=frozenset(getattr(engine, "lock_errors", ())),
        window_seconds=float(getattr(engine, "promise_window", 0)),
        reports=frozenset(getattr(engine, "reports", ())),
        torn_tails=tuple(getattr(engine, "torn_tails", ())),
    )


class Driver:
    """Performs operations on an engine and keeps the handles and deliveries that belong to it."""

    def __init__(self, opening: Callable[[], LogEngine], known: Iterable[str] = ()) -> None:
        """``opening`` opens the engine, which is done when it is first asked for anything, and after each closing.

        ``known``: the subscribers of earlier openings, taken up again when they are first asked for.
        """
        self.known = set(known)
        self._opening = opening
        self._engine: LogEngine | None = None
        self._handles: dict[str, Subscription] = {}
        self._held: dict[str, list[int]] = {}

    @property
    def engine(self) -> LogEngine:
        """The engine, opened if it is not."""
        if self._engine is None:
            self._engine = self._opening()
        return self._engine

    def make_ready(self) -> None:
        """Open the engine, if it is not, before several ask for it at once; an error is theirs to meet again."""
        with suppress(Exception, StepLimit):
            self._engine = self.engine

    def close(self) -> None:
        """Close the engine, if it is open; it counts as closed even where that fails."""
        engine, self._engine = self._engine, None
        self._handles, self._held = {}, {}
        if engine is not None:
            engine.close()

    def discard(self) -> None:
        """Be rid of the engine, at which nobody will look again: by ``stop``, where it has that, or closed."""
        stop = getattr(self._engine, "stop", None)
        if stop:
            stop()
        else:
            self.close()

    def perform(self, op_index: int, operation: Operation) -> str:
        """Ask for one operation; the text form of its result, or of the error it raised."""
        try:
            return repr(self._perform(op_index, operation))
        except PASSING:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an engine raises is an observation, judged by the oracle
            return f"{ERROR}{told(error)}"

    def _perform(self, op_index: int, operation: Operation) -> Any:
        call = CALLS.get(type(operation))
        if call:
            return call(self.engine, op_index, operation)
        match operation:
            case Append():
                return self._appended(self.engine.append(payloads(op_index, operation)[0]))
            case Batch():
                return self._appended(self.engine.append_batch(payloads(op_index, operation)))
            case Sync() | Rotate() | Cleanup() | Read():
                return getattr(self.engine, promise_word(operation))()
            case Maintain():
                return self._maintain()
            case Subscribe(name=name):
                self._handle(name)
            case Reopen() | Close() | OpenAgain() | Wait() | Together():
                return self._for_opener(operation)
            case SubscribeLatest() | Unsubscribe() | Activate() | Deactivate():
                return self._for_registry(operation, operation.name)
            case Poll() | Ack() | Reject() | Defer() | Flush() if operation.name in self.known:
                return self._for_subscriber(operation, self._handle(operation.name))
            case _:
                return [] if isinstance(operation, Poll) else None
        return None

    def _for_opener(self, operation: Reopen | Close | OpenAgain | Wait | Together) -> None:
        match operation:
            case Together():
                pass  # for whoever has a scheduler
            case Close():
                self.close()
            case Reopen():
                try:
                    self.close()
                finally:
                    self._engine = self._opening()  # what could not be closed well is opened all the same
            case OpenAgain():
                self._engine = self.engine
                self._opening().close()
            case _:
                raise TypeError("waiting is for whoever has the clock")

    def _appended(self, result: object) -> object:
        number = _number(result)
        return (number, self.engine.first_sequence()) if retention_of(self.engine).get("drops") else number

    def _maintain(self) -> dict[str, Any]:
        done: Mapping[str, Any] = self.engine.maintain()
        for name in done["unregistered"]:
            self._forget(name)
        return {key: done[key] for key in ("first", "skipped", "unregistered")}

    def _for_registry(self, operation: SubscribeLatest | Unsubscribe | Activate | Deactivate, name: str) -> int | None:
        match operation:
            case SubscribeLatest():
                self.known.add(name)
                if name not in self._handles:
                    self._handles[name], position = self.engine.subscribe_latest(name)
                    return position
            case Unsubscribe() if name in self.known:
                self.engine.unregister(name)
                self._forget(name)
            case Activate() | Deactivate() if name in self.known:
                self._held[name] = []
                handle = self._handles.pop(name, None)
                if handle:
                    handle.close()
                if isinstance(operation, Activate):
                    self._handles[name] = self.engine.activate(name)
            case _:
                pass
        return None

    def _forget(self, name: str) -> None:
        self.known.discard(name)
        self._handles.pop(name, None)
        self._held.pop(name, None)

    def _handle(self, name: str) -> Subscription:
        self.known.add(name)
        if name not in self._handles:
            self._handles[name] = self.engine.subscribe(name)
        return self._handles[name]

    def _for_subscriber(
        self, operation: Poll | Ack | Reject | Defer | Flush, handle: Subscription
    ) -> list[Record] | None:
        held = self._held.setdefault(operation.name, [])
        match operation:
            case Poll(count=count):
                given = [(sequence, payload) for sequence, payload in handle.poll(count)]
                self._held[operation.name] = sorted({*held, *(sequence for sequence, _ in given)})
                return given
            case Flush():
                handle.flush()
            case Ack(places=places) | Reject(places=places) | Defer(places=places):
                act = getattr(handle, type(operation).__name__.lower())
                chosen = held_at(held, places)
                self._held[operation.name] = [sequence for sequence in held if sequence not in chosen]
                for sequence in chosen:
                    act(sequence)
        return None

    def handles(self, names: Iterable[str]) -> dict[str, Subscription]:
        """The handles of these subscribers."""
        return {name: self._handle(name) for name in names}

    def resume(self, observed: Observed) -> None:
        """Hand back what was looked at after a recovery, so that the workload can take up the subscribers.

        What is not taken back, rightly (it has been skipped meanwhile) or wrongly, shows in what is given next.
        """
        for name, given in observed.deliveries.items():
            for sequence, _ in given:
                try:
                    self._handle(name).defer(sequence)
                except (HarnessFault, Inconclusive):
                    raise
                except Exception:  # noqa: BLE001 - told above
                    pass

    def observe(self, names: Sequence[str], observed: Observed | None = None) -> Observed:
        """All that a recovered engine shows: records and the next number, or items; what each subscriber is given.

        ``observed`` is filled as far as it goes, should the engine raise.
        """
        observed = Observed() if observed is None else observed
        contract_of(self.engine).observe(self.engine, observed)
        if observed.fault:
            return observed
        if hasattr(self.engine, "registered"):
            observed.registered = tuple(self.engine.registered())
            names = [name for name in names if name in observed.registered]
            self.known.intersection_update(observed.registered)
        if hasattr(self.engine, "losses"):
            observed.lost = sum(records for _, records, _ in self.engine.losses().values())
        for name in names:
            handle = self._handle(name)
            if hasattr(handle, "counts"):
                observed.counts[name] = handle.counts()
            observed.deliveries[name] = list(self._handle(name).poll(len(observed.records) + 1))
        return observed


def look(driver: Driver, names: Sequence[str]) -> Observed:
    """Open an engine and look at all it shows; whatever it raises is an observation, beside what was seen before."""
    observed = Observed()
    fault = contained(lambda: driver.observe(names, observed).fault, observed)
    observed.fault = fault or observed.fault
    return observed


def contained(act: Callable[[], Fault | None], observed: Observed) -> Fault | None:
    """The fault in what an engine shows, or raises, as ``observed`` says too. The checker's own errors pass through."""
    try:
        return act()
    except StepLimit as error:
        return Fault(kind=Violation.HUNG, explanation=said(error))
    except PASSING:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever an engine raises in recovery is an observation
        observed.raised = type(error).__name__
        return Fault(kind=Violation.UNOPENABLE, explanation=f"recovery raised {told(error)}")


def told(error: BaseException) -> str:
    """An error as its class and its text in one line, in which nothing belongs to one run only."""
    return f"{type(error).__name__}: {without_roots(' '.join(said(error).split()))}"


def below(root: str, words: str) -> str:
    """Words in which paths begin at the root of the disk: where that was laid says nothing."""
    return words.replace(f"{root}/", "").replace(root, ".")


def told_below(root: str, fault: Fault | None) -> Fault | None:
    """The same of a fault."""
    return fault and replace(fault, explanation=below(root, fault.explanation))


def probe_behind(driver: Driver, seen: Observed, done: Told = unheard) -> Fault | None:
    """The same of an engine that was looked at; it is never unopenable, for it was opened.

    ``done`` is told of each call that may promise something.
    """
    if seen.fault:
        return None
    handles = driver.handles(seen.deliveries)
    fault = contained(lambda: contract_of(driver.engine).probe(driver.engine, seen, handles, done), seen)
    if fault and fault.kind is Violation.UNOPENABLE:
        return Fault(kind=Violation.STUCK, explanation=fault.explanation.replace("recovery", "going on"))
    return fault


def _number(result: object) -> int | None:
    return result if isinstance(result, int) else None


_PLAIN: dict[str, Operation] = {"sync": Sync(), "rotate": Rotate(), "cleanup": Cleanup(), "reopen": Reopen()}
_PLAIN |= {"maintain": Maintain(), "close": Close(), "open-again": OpenAgain(), "read": Read()}
_NAMED: dict[str, Callable[..., Operation]] = {
    "subscribe": Subscribe,
    "latest": SubscribeLatest,
    "unsubscribe": Unsubscribe,
    "activate": Activate,
    "deactivate": Deactivate,
    "flush": Flush,
}
_PLACED: dict[str, Callable[..., Operation]] = {"ack": Ack, "reject": Reject, "defer": Defer}


class Generator:
    """Random programs of one shape: a drawn rhythm of syncs, rotations, subscribers and sizes.

    Diversity beats the number of states: a missing sync can hide for ever from one rhythm of syncing and show at
    once in another. So each program draws its own rhythm first.
    """

    def __init__(
        self,
        seed: int,
        capabilities: frozenset[str],
        *,
        reopen: bool = True,
        waits: bool = False,
        chance: random.Random | None = None,
    ) -> None:
        """``waits``: whether the clock may be moved on, which a simulated one can be. ``chance``: what draws the
        operations once the seed has drawn the rhythm.
        """
        self._chance = random.Random(f"program:{seed}")
        self._names = ["s", "t"][: self._chance.choice([0, 1, 1, 2])] if "subscribe" in capabilities else []
        self._sizes = self._chance.choice([(0, 10, 40), (30, 100, 120), (100,), (5, 300, 700), (1, 1500)])
        weights: dict[str, float] = {"append": 10, "sync": self._chance.choice([0.5, 2, 5, 12])}
        weights["batch"] = self._chance.choice([0, 2]) if "append_batch" in capabilities else 0
        weights["rotate"] = self._chance.choice([0, 1, 3]) if "rotate" in capabilities else 0
        weights["reopen"] = self._chance.choice([0, 0.5]) if reopen else 0
        if self._names:
            weights |= {"poll": 5, "ack": 5, "defer": 1, "flush": self._chance.choice([0.5, 2])}
            weights |= {"subscribe": 1, "cleanup": self._chance.choice([0, 1, 3])}
            weights |= self._rarer(capabilities)
        if waits:
            weights["wait"] = self._chance.choice([0, 2])
        weights |= self._rarest(capabilities, seed, reopen=reopen)
        self._crowd = random.Random(f"crowd:{seed}")
        self._crowds = self._crowd.random() < 0.3 and "concurrent" in capabilities
        self._rotates = "rotate" in capabilities
        self._words, self._weights = list(weights), list(weights.values())
        self._chance = chance or self._chance

    def _rarer(self, capabilities: frozenset[str]) -> dict[str, float]:
        """What not every engine offers, in some programs."""
        found: dict[str, float] = {}
        if "activate" in capabilities:
            found |= {"reject": 1.5, "activate": 0.3, "deactivate": 0.3} if self._chance.random() < 0.4 else {}
        if "unregister" in capabilities:
            found |= {"unsubscribe": 0.5, "latest": 0.5} if self._chance.random() < 0.3 else {}
        if "maintain" in capabilities:
            found |= {"maintain": self._chance.choice([0, 0, 1])}
        return found

    @staticmethod
    def _rarest(capabilities: frozenset[str], seed: int, *, reopen: bool) -> dict[str, float]:
        """What is in few programs, drawn apart, so that the others are what they would be without it."""
        chance = random.Random(f"rarest:{seed}")
        found = {"close": 0.5} if chance.random() < 0.3 and reopen else {}
        found |= {"open-again": 0.5} if chance.random() < 0.3 and reopen and "lock_errors" in capabilities else {}
        found |= {"read": 2.0} if chance.random() < 0.3 and "read_outside" in capabilities else {}
        return found

    def program(self, length: int) -> list[Operation]:
        """The next ``length`` operations."""
        start: list[Operation] = [Subscribe(name=name) for name in self._names]
        return [*start, *(self.operation() for _ in range(length - len(start)))][:length]

    def crowded(self, steps: Sequence[Step]) -> list[Step | Operation]:
        """These steps, in three programs of ten with some performed at once; drawn apart, as the rarest are.

        Subscribers come later in such a program, while something is appended or finalized.
        """
        chance = self._crowd
        if not self._crowds:
            return list(steps)
        found: list[Step | Operation] = [step for step in steps if not isinstance(step, Subscribe)]
        for step in steps:
            if isinstance(step, Subscribe):
                place, also = chance.randrange(6), [Rotate()] if self._rotates and chance.random() < 0.5 else []
                found[place:place] = [self.together(), step, *also]
        for place in range(len(found) - 1, -1, -1):
            if isinstance(found[place], CONCURRENT) and chance.random() < 0.15:
                more = [Append(size=chance.choice(self._sizes)) for _ in range(chance.choice((0, 1, 2)))]
                found[place:place] = [self.together(), *more]
        return found

    def together(self) -> Together:
        """Some operations at once, in a drawn order of turns."""
        chance = self._crowd
        restless = chance.choice((0.1, 0.3, 0.6, 0.9))
        switches = ((point, chance.randint(1, 3)) for point in range(1, POINTS + 1) if chance.random() < restless)
        return Together(switches=tuple(switches), count=chance.choice((2, 2, 3, 4)))

    def operation(self) -> Operation:
        """The next operation."""
        chance = self._chance
        name = chance.choice(self._names) if self._names else ""
        places = tuple(sorted(chance.sample(range(4), chance.randint(1, 3))))
        match chance.choices(self._words, self._weights)[0]:
            case "append":
                return Append(size=chance.choice(self._sizes))
            case "batch":
                return Batch(sizes=tuple(chance.choice(self._sizes) for _ in range(chance.randint(1, 4))))
            case "poll":
                return Poll(name=name, count=chance.randint(1, 5))
            case "wait":
                return Wait(milliseconds=chance.choice([1, 500, 2000, 60_000]))
            case word if word in _PLACED:
                return _PLACED[word](name=name, places=places)
            case word if word in _NAMED:
                return _NAMED[word](name=name)
            case word:
                return _PLAIN[word]
