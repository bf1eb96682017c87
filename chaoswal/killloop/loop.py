"""The loop of one worker: have a child forked and killed, settle, judge, and go on with what is left.

One child is one cycle: the process that recovers what the last kill left is the writer that the next one kills. Its
opening and its first look are compared with the model before anything else it did; its operations come after. A
directory is used for a number of cycles, or until it shows many records, and then a new one is begun.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path

from chaoswal.contracts import contract_of, history_of
from chaoswal.disk.crashes import Crash
from chaoswal.disk.directory import load
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import EMPTY, Image
from chaoswal.disk.profiles import Profile
from chaoswal.engines.draws import draw_options, tables_of
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive
from chaoswal.killloop.child import Order
from chaoswal.killloop.finding import Finding, Stage, markers
from chaoswal.killloop.ground import Ground
from chaoswal.killloop.journal import Journal, Offers, read
from chaoswal.killloop.launcher import Ending, Launcher
from chaoswal.killloop.notes import Notes
from chaoswal.killloop.places import place_of, sought_of
from chaoswal.killloop.plans import Plan, Program, draw
from chaoswal.ops import Operation, Together
from chaoswal.oracle import ERROR, Ledger, promise_word
from chaoswal.program import Opening
from chaoswal.run import Run
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation

DIRECTORY_CYCLES = 50
"""A new directory is begun after so many cycles."""

DEFAULT = "default"
"""Is counted for an option that was not drawn."""

RECORDS_MAX = 80
"""Or when the engine shows more records, items or keys than this: looking at them would take most of the time."""

_SHARE = 0.95
"""Of the options that may be drawn; the others are what they are where nobody chooses."""

_NOTHING_MORE = Crash(point=0, power=False)
_TICKETS = 1 << 20
_STDERR_BYTES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one worker does."""

    engine: EngineRef
    profile: Profile
    faults: tuple[str, ...]
    seed: int
    worker: int
    directory: str
    """Its own, and empty."""
    cycles: int | None
    until: float | None
    """On the monotonic clock."""
    patience: float = 10.0
    """Seconds that an opening or an operation may take before it is taken to hang."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted."""

    cycles: int = 0
    acks: int = 0
    judged: int = 0
    distinct: int = 0
    directories: int = 0
    partial: int = 0
    together: int = 0
    """How often several operations were done at once and all came to their end."""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    options: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each text was drawn for each option, for an engine that opened with it."""

    def add(self, other: "Tally") -> None:
        """Count another's too."""
        for name in ("cycles", "acks", "judged", "distinct", "directories", "partial", "together"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.kills.update(other.kills)
        self.options.update(other.options)


class Life:
    """One directory from its first opening on."""

    def __init__(self, root: str, engine: EngineRef) -> None:
        self.root = root
        self.engine = engine
        self.factory = engine.factory()
        self.ground = Ground(root) if self.factory.takes_vfs else None
        self.operations: list[Operation] = []
        self.history: Ledger | None = None
        self.offers: Offers | None = None
        self.before: Image = EMPTY
        self.stages: list[Stage] = []
        self.cycles = 0
        self.unopened = 0
        self.interrupted = False
        self.shown = 0

    @property
    def subscribers(self) -> tuple[str, ...]:
        """Those that recovery is asked about."""
        return tuple(self.history.subscribers) if self.history else ()

    @property
    def capabilities(self) -> frozenset[str]:
        """What the engine offers, as far as it is known."""
        return self.offers.traits.capabilities if self.offers else frozenset()

    @property
    def is_over(self) -> bool:
        """Whether it is time for another directory."""
        return self.cycles >= DIRECTORY_CYCLES or self.shown > RECORDS_MAX

    def disk(self) -> Disk:
        """What was pending when the last process ended, where it is known."""
        return self.ground.disk if self.ground else Disk()


class Loop:
    """The cycles of one worker."""

    def __init__(self, settings: Settings, notes: Notes | None = None) -> None:
        self.settings = settings
        self.tally = Tally()
        self._notes = notes or Notes()
        self._output = os.open(
            os.path.join(settings.directory, "output"), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
        )
        self._launcher = Launcher(self._notes, self._output, settings.patience)
        factory = settings.engine.factory()
        self._contract, self._tables = contract_of(factory.kind), tables_of(factory)
        self._life: Life | None = None
        self._reached: Counter[str] = Counter()
        self._place = ""  # where the last kill landed
        self._seen: set[Hashable] = set()
        self._opening = 0.005  # seconds, a running average
        self._operation = 0.0001

    def close(self) -> None:
        """End the launcher and give back what is open."""
        self._launcher.close()
        self._notes.close()
        os.close(self._output)

    def run(self, go_on: Callable[[], bool]) -> Finding | None:
        """Cycle until the end, or until ``go_on`` says no; the first violation, if there is one."""
        settings = self.settings
        while go_on():
            if settings.cycles is not None and self.tally.cycles >= settings.cycles:
                break
            if settings.until is not None and time.monotonic() >= settings.until:
                break
            finding = self.cycle()
            if finding:
                return finding
        return None

    def cycle(self) -> Finding | None:
        """One fork and one kill; the violation that came to light, if one did."""
        life = self._current_life()
        plan = self._plan(life)
        self.tally.cycles += 1
        life.cycles += 1
        journal, ending = self._let_work(life, plan)
        if journal.strayed:
            raise Inconclusive(
                f"it writes outside of its directory, at {journal.strayed}: what kills do to that is not seen"
            )
        fault = self._judge(life, plan, journal, ending.ended) or self._death(life, journal, ending)
        if fault:
            return self._finding(life, fault)
        if not self._crash(life, plan, journal):  # there was nothing to tear
            self.tally.kills[self._place, plan.fault] -= 1
            self.tally.kills[self._place, "kill"] += 1
        life.interrupted = plan.fault == "kill" and journal.under_way
        return None

    def _plan(self, life: Life) -> Plan:
        settings = self.settings
        which = f"{settings.seed}:{settings.worker}:{self.tally.cycles}"
        reached = {place: self._reached[place] for place in sought_of(self._contract, life.capabilities)}
        plan = draw(f"kill:{which}", settings.faults, reached, life.unopened, interrupted=life.interrupted)
        chance, fixed = random.Random(f"options:{which}"), dict(settings.engine.options)
        options = draw_options(chance, self._tables, fixed, share=_SHARE)
        return replace(plan, options=options)

    # -- directories -----------------------------------------------------------------------------------------

    def _current_life(self) -> Life:
        if self._life is None or self._life.is_over:
            if self._life:
                shutil.rmtree(self._life.root)
            self.tally.directories += 1
            number = self.tally.directories
            root = os.path.join(self.settings.directory, f"data-{number}")
            os.mkdir(root)
            self._life = Life(root, self.settings.engine)
        return self._life

    # -- the child -------------------------------------------------------------------------------------------

    def _let_work(self, life: Life, plan: Plan) -> tuple[Journal, Ending]:
        """Let a child work until it is dead; what it noted."""
        if os.fstat(self._output).st_size:
            os.ftruncate(self._output, 0)
        self._notes.start(self.tally.cycles)
        ending = self._launcher.launch(self._order(life, plan))
        journal = read(self._notes.read())
        self._learn(journal, ending.started)
        return journal, ending

    def _order(self, life: Life, plan: Plan) -> Order:
        ground = life.ground
        life.before = ground.view if ground else load(life.root)
        span = self._opening if plan.in_recovery else plan.operations * self._operation
        return Order(
            engine=str(life.engine),
            root=life.root,
            plan=plan,
            wait=plan.wait * span,
            round=self.tally.cycles,
            first_index=len(life.operations),
            subscribers=life.subscribers,
            names=dict(life.before.names),
            next_inode=ground.next_inode if ground else 0,
            tickets=life.cycles * _TICKETS,
            places=life.offers.places if life.offers else {},
        )

    def _learn(self, journal: Journal, started: float) -> None:
        """Keep the running averages by which kills from outside are timed."""
        if not journal.opened_at:
            return
        self._opening += 0.1 * (journal.opened_at - started - self._opening)
        if journal.begun > 1:
            each = (journal.last_at - journal.opened_at) / (journal.begun - 1)
            self._operation += 0.1 * (each - self._operation)

    # -- the verdict -----------------------------------------------------------------------------------------

    def _judge(self, life: Life, plan: Plan, journal: Journal, dead: float) -> Fault | None:
        """Compare what the child showed and was promised with the model; ``dead``: when it certainly was."""
        if journal.harness:
            raise Inconclusive(f"the checker failed in the process that it shares with an engine, at {journal.harness}")
        if journal.offers:
            life.offers, traits = journal.offers, journal.offers.traits
            life.history = life.history or history_of(life.operations, traits)
            life.history.take(traits)
        self._take_operations(life, plan, journal)
        life.unopened = 0 if journal.observed else life.unopened + 1
        self._count(life, plan, journal)
        return self._compare(life, journal, dead)

    def _take_operations(self, life: Life, plan: Plan, journal: Journal) -> None:
        first = len(life.operations)
        if life.offers and journal.begun:
            program = Program(plan, life.offers, life.subscribers)
            life.operations += [program.next() for _ in range(journal.begun)]
        events = journal.events if life.ground else markers(journal.events)
        run = Run(start=life.disk(), events=events, opened=journal.opened if life.ground else 0)
        opening = Opening(options=plan.options)
        life.stages.append(Stage(operations=life.operations[first:], run=run, opening=opening))

    def _count(self, life: Life, plan: Plan, journal: Journal) -> None:
        under_way = life.operations[-1] if journal.under_way else None
        code, path = journal.touched or (0, None)
        globs = life.offers.places if life.offers else {}
        place = place_of(under_way, journal.observed is not None, code, path, globs)
        self._place = place
        self._reached[place] += 1
        self.tally.kills[place, plan.fault] += 1
        if journal.observed:
            fixed = {key for key, _ in self.settings.engine.options}
            left = dict.fromkeys({key for table in self._tables for key in table} - fixed, DEFAULT)
            self.tally.options.update({**left, **dict(plan.options)}.items())

    def _compare(self, life: Life, journal: Journal, dead: float) -> Fault | None:
        history, observed = life.history, journal.observed
        if observed and observed.fault:
            return observed.fault
        if history is None or observed is None:
            return None
        self.tally.judged += 1
        shown = tuple((name, tuple(given)) for name, given in observed.deliveries.items())
        self._seen.add(hash((tuple(observed.records), observed.items, observed.next_position, shown, history.key())))
        self.tally.distinct = len(self._seen)
        fault = history.judge(observed)
        if fault:
            life.stages[-1].operations.clear()  # what it did then has no part in it
            return fault
        history.adopt(observed)
        life.shown = len(observed.records) + len(observed.items)
        return self._follow(life, history, journal, dead)

    def _follow(self, life: Life, history: Ledger, journal: Journal, dead: float) -> Fault | None:
        """Move the model on by what was asked and promised; a fault where a result is already wrong."""
        times = journal.times(dead)
        for event in journal.events:
            if isinstance(event, Begin | End):
                history.read_clock(*times[event.op_index])
                fault = history.apply(event)
                if fault:
                    beyond = len(history.operations) - 1 - event.op_index
                    del life.stages[-1].operations[len(life.stages[-1].operations) - beyond :]
                    return fault
                self._count_end(history, event)
        return None

    def _count_end(self, history: Ledger, event: Begin | End) -> None:
        operation = history.operations[event.op_index]
        if isinstance(event, End) and not event.result.startswith(ERROR):
            self.tally.acks += promise_word(operation) in history.traits.promise
            self.tally.together += isinstance(operation, Together)

    def _death(self, life: Life, journal: Journal, ending: Ending) -> Fault | None:
        """A fault where the child hung, or died of something else than a SIGKILL."""
        at = f"operation {len(life.operations)}" if journal.under_way else "its work"
        at = at if journal.observed else "opening"
        if ending.hung:
            why = f"{at} did not come to an end within {self.settings.patience:g} s"
            return Fault(kind=Violation.HUNG, explanation=why)
        if ending.status == -signal.SIGKILL and (journal.struck or not ending.early):
            return None
        how = f"with exit status {ending.status}"
        if ending.status < 0:
            how = f"by signal {-ending.status} ({signal.Signals(-ending.status).name})"
        kind = Violation.STUCK if journal.observed else Violation.UNOPENABLE
        return Fault(kind=kind, explanation=f"the engine's process ended by itself in {at}, {how}")

    def _finding(self, life: Life, fault: Fault) -> Finding:
        size = os.fstat(self._output).st_size
        printed = os.pread(self._output, _STDERR_BYTES, max(0, size - _STDERR_BYTES))
        return Finding(
            fault=fault,
            engine=life.engine,
            profile=self.settings.profile,
            seed=self.settings.seed,
            worker=self.settings.worker,
            cycle=self.tally.cycles,
            stages=life.stages,
            root=life.root,
            before=life.before,
            stderr=printed.decode(errors="replace"),
        )

    # -- what follows the kill -------------------------------------------------------------------------------

    def _crash(self, life: Life, plan: Plan, journal: Journal) -> bool:
        """Settle what the kill left, and do to it what else the plan asks for; whether that could be done."""
        stage, ground = life.stages[-1], life.ground
        if ground is None:
            stage.crash = Crash(point=len(stage.run.events), power=False)
            return True
        stage.run, stage.crash = ground.settle(journal)
        self.tally.partial += bool(stage.crash.taken)
        if plan.fault == "kill":
            return True
        if stage.crash.taken and plan.fault != "torn":
            stage = replace(stage, operations=[], run=Run(start=ground.disk, events=[]), crash=_NOTHING_MORE)
            life.stages.append(stage)
        assert stage.crash is not None
        chance = random.Random(f"after:{plan.seed}")
        if plan.fault == "power":
            stage.crash = ground.cut_power(self.settings.profile, chance, stage.crash.point)
            return True
        torn = ground.tear(self.settings.profile, chance, stage.crash.point)
        stage.crash = torn or stage.crash
        return torn is not None


def directory_of(worker: int, base: Path) -> Path:
    """A worker's own directory."""
    return base / f"worker-{worker}"
