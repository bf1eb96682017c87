"""From an engine to judged lints: short runs, their suspicious places, and whether the proposed crashes do any harm.

The programs are fixed and few: a lint is a look at the order of calls, and one run of everything an engine offers shows
most of its orders. What a rule suspects is played as a program with that crash, under the profile that allows it, and
judged as ``replay`` would. A violation confirms it, unless nothing was promised yet (``check.at_creation``). A line is
named once, for what was confirmed, if anything was, and of several reasons for the first in the table of rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chaoswal.anchors import step_of
from chaoswal.check import Coverage, Judge, at_creation
from chaoswal.contracts import history_of
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.lint.courses import CALM, FAILING, FAULTS, offered
from chaoswal.lint.facts import Facts
from chaoswal.lint.rules import Lint, lints
from chaoswal.oracle import Traits
from chaoswal.program import Step, operations_of
from chaoswal.replay import pass_through, play, simulated
from chaoswal.run import Run, record
from chaoswal.trace import Begin
from chaoswal.verdict import Fault
from chaoswal.vfs.sites import place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The lints of one rule about one line, and what came of the crashes they propose."""

    rule: str
    site: str
    function: str
    """``Class.function`` of the site."""
    words: str
    profiles: tuple[str, ...]
    """Under which it is suspicious; where it is confirmed, under which it is. The strongest first."""
    steps: tuple[Step, ...]
    """A program with the crash, under the first profile: one that was confirmed, otherwise one that was proposed."""
    fault: Fault | None = None
    """What that crash shows, where it is a violation."""

    @property
    def confirmed(self) -> bool:
        """Whether a crash has shown a violation."""
        return self.fault is not None


@dataclass(slots=True, kw_only=True)
class Linted:
    """What came of an engine."""

    engine: EngineRef
    lints: list[Judged] = field(default_factory=list)
    events: int = 0
    """How many were looked at."""
    coverage: Coverage = field(default_factory=Coverage)
    """Of the crashes that were judged."""
    broken: Fault | None = None
    """What is wrong already without any crash, so that there is no passing run to look at."""

    @property
    def confirmed(self) -> bool:
        """Whether anything is known to be wrong."""
        return self.broken is not None or any(lint.confirmed for lint in self.lints)


def lint(engine: EngineRef, profiles: Sequence[Profile] = tuple(PROFILES.values())) -> Linted:
    """Run an engine, list what is suspicious, and judge it; UsageError where it has no place on a simulated disk."""
    factory, traits = simulated(engine)
    result = Linted(engine=engine)
    calm = _Course(factory, traits, offered(CALM[traits.contract], traits), profiles, result)
    result.broken = pass_through(calm.run, history_of(operations_of(calm.steps), traits), len(calm.run.events))
    if result.broken:
        return result
    found = calm.judged(failing=False)
    for fault in FAULTS:
        steps = offered(f"{fault}\n{FAILING[traits.contract]}", traits)
        found += _Course(factory, traits, steps, profiles, result).judged(failing=True)
    for item in sorted(found, key=lambda item: not item.confirmed):
        if item.site not in {kept.site for kept in result.lints}:
            result.lints.append(item)
    return result


class _Course:
    """One run, its lints, and the crashes they propose."""

    def __init__(
        self, factory: Factory, traits: Traits, steps: list[Step], profiles: Sequence[Profile], result: Linted
    ) -> None:
        self.steps = steps
        self.run: Run = record(factory, steps)  # type: ignore[arg-type]
        self._factory = factory
        self._traits = traits
        self._profiles = profiles
        self._judge = Judge(factory)
        self._judge.coverage = result.coverage
        result.events += len(self.run.events)

    def judged(self, *, failing: bool) -> list[Judged]:
        """Every line that is suspicious, with what its crashes show."""
        facts = Facts(
            self.run,
            operations_of(self.steps),
            promise=self._traits.promise,
            scratch=getattr(self._factory.kind, "scratch", ()),
            profiles=self._profiles,
        )
        groups: dict[tuple[str, str], list[Lint]] = {}
        for item in lints(facts, failing=failing):
            groups.setdefault((item.rule, item.site), []).append(item)
        return [self._judge_group(group) for group in groups.values()]

    def _judge_group(self, group: list[Lint]) -> Judged:
        shown: dict[str, tuple[Lint, Fault]] = {}
        group = [item for name in PROFILES for item in group if item.profile == name]
        for item in group:
            if item.profile not in shown:
                fault = self._play(item)
                if fault:
                    shown[item.profile] = item, fault
        first, fault_shown = next(iter(shown.values()), (group[0], None))
        place = place_of(first.site)
        return Judged(
            rule=first.rule,
            site=first.site,
            function=place.function if place else "",
            words=first.words,
            profiles=tuple(shown or dict.fromkeys(item.profile for item in group)),
            steps=self._program(first),
            fault=fault_shown,
        )

    def _program(self, item: Lint) -> tuple[Step, ...]:
        """The steps that had begun when the crash came, and the crash."""
        begun = sum(isinstance(event, Begin) for event in self.run.events[: item.crash.point])
        steps: list[Step] = []
        for step in self.steps:
            begun -= bool(operations_of([step]))
            if begun < 0:
                break
            steps.append(step)
        return (*steps, step_of(self.run, item.crash, PROFILES[item.profile]))

    def _play(self, item: Lint) -> Fault | None:
        """The violation that the proposed crash shows; not one that needs no crash, nor one that harms nobody yet."""
        played = play(self._factory, self._traits, self._program(item), PROFILES[item.profile], self._judge)
        found = played.found
        return found.fault if found and found.crashes and not at_creation(found.fault, played.history) else None
