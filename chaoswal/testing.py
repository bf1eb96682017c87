"""Tests for engines of others: what any engine must pass, and an exploration as one function call.

A test class that inherits ``EngineConformance`` and names its engine has all of them, under pytest::

    class TestMine(EngineConformance):
        engine = MyEngine

An engine is a class, or named as on the command line. A class goes by the file it stands in, or by its module where it
belongs to a package, since it is opened in other processes too; so it has to stand at the top of its module.
"""

import datetime as dt
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest

from chaoswal import corpus
from chaoswal.campaign import Campaign, Explorer
from chaoswal.check import Judge, check
from chaoswal.commands.explore import engine_folder
from chaoswal.disk.image import EMPTY
from chaoswal.disk.profiles import KILL, PROFILES, profile_named
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.explain import explain
from chaoswal.findings import ERROR
from chaoswal.hunt import BOUND, DEPTH, Given, Hunter
from chaoswal.notices import ExploreFinished, Found, Notice
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Delete,
    Done,
    Enqueue,
    Flush,
    Operation,
    Poll,
    Put,
    Reopen,
    Subscribe,
    Sync,
    Take,
)
from chaoswal.replay import play_to_last_run, ready
from chaoswal.report.finding import render
from chaoswal.runners import recover

STATES = 200
"""So many states are judged where nobody says how many."""

Engine: TypeAlias = type | str | EngineRef


def reference(engine: Engine, options: Mapping[str, str] | None = None) -> EngineRef:
    """An engine by its class or its name; UsageError where a class cannot be found again in another process."""
    named = engine if isinstance(engine, EngineRef) else EngineRef.parse(_name(engine))
    return named.with_options(**(options or {}))


def _name(engine: type | str) -> str:
    if isinstance(engine, str):
        return engine
    if "." in engine.__qualname__:
        raise UsageError(f"the engine {engine.__qualname__} is not at the top of its module: move it there")
    path = Path(inspect.getfile(engine)).resolve()
    alone = "." not in engine.__module__ and path.is_relative_to(Path.cwd())
    place = str(path.relative_to(Path.cwd())) if alone else engine.__module__
    return str(EngineRef(name=f"{place}:{engine.__qualname__}"))


def explore(
    engine: Engine,
    *,
    options: Mapping[str, str] | None = None,
    states: int = STATES,
    seed: int = 0,
    profiles: Sequence[str] = tuple(PROFILES),
    strict: bool = False,
    save: Path | None = None,
) -> ExploreFinished:
    """Explore an engine in this process until so many states are judged; what came of it.

    ``strict``: a warning is a violation too. ``save``: a directory for findings. UsageError where the engine cannot be
    opened, or where there is no such profile.
    """
    named = reference(engine, options)
    simulated = named.factory().simulated
    hunter = Hunter(named, [profile_named(name) for name in profiles], seed=seed, depth=DEPTH if simulated else None)
    campaign = Campaign(
        hunter=hunter,
        states=states,
        budget_seconds=None,
        workers=0,
        strict=strict,
        corpus=save / engine_folder(named) if save else None,
        today=dt.datetime.now(tz=dt.UTC).date(),
        command="",
    )
    told: list[Notice] = []
    Explorer(campaign, told.append).run()
    finished = told[-1]
    assert isinstance(finished, ExploreFinished)
    return finished


def wrong(finished: ExploreFinished, *, strict: bool = False) -> str:
    """Why an exploration did not pass, with every finding told; the empty string where it did."""
    if finished.verdict == "PASS":
        return ""
    findings = [found for found in finished.findings if strict or found.severity == ERROR]
    return "\n".join([f"{finished.verdict}: {'; '.join(finished.reasons)}", *map(_told, findings)])


def _told(found: Found) -> str:
    if not found.file:
        return f"{found.kind}: {found.explanation}"
    finding = corpus.load(Path(found.file), command=corpus.ANY)  # it has just been run
    return render(finding, explain(finding), Path(found.file))


class EngineConformance:
    """What any engine must pass; a test class inherits it and says which engine it is for."""

    engine: ClassVar[Engine]
    """The engine: a class, or its name as on the command line."""
    options: ClassVar[Mapping[str, str]] = {}
    """Options it is opened with."""
    profiles: ClassVar[Sequence[str]] = tuple(PROFILES)
    """The file systems it has to survive on; the others are skipped."""

    def test_opens_on_an_empty_directory_and_goes_on(self) -> None:
        """It holds nothing, opened again it holds nothing still, and takes a record, an item or a key."""
        factory, _ = ready(self._reference())
        first = recover(factory, EMPTY, (), generation=0)
        again = recover(factory, first.image or EMPTY, (), generation=1, probing=True)
        for seen in (first, again):
            assert seen.observed.fault is None
            assert (seen.observed.records, seen.observed.items) == ([], ())
        assert again.stuck is None

    def test_holds_what_it_was_given(self) -> None:
        """What it was given it shows, in order where it has one, and again after it was closed and opened."""
        self._must_hold([*self._givings(10, 0, 5000), *self._sync(), Reopen(), *self._givings(7), Reopen()])

    def test_holds_batches(self) -> None:
        """A batch is appended whole."""
        self._needs("append_batch", "batches")
        self._must_hold([Batch(sizes=(10, 0, 300)), Sync(), Reopen(), Batch(sizes=(5,)), Reopen()])

    def test_what_was_promised_survives_a_kill(self) -> None:
        """Killed after any of its system calls it shows what it had promised by then."""
        first, last = self._givings(10, 700), self._givings(1)
        self._must_survive([*first, *self._sync(), *self._givings(30), *self._takings(), Reopen(), *last])

    def test_subscribers_are_given_every_record(self) -> None:
        """What a subscriber has not finished it is given again, killed at any moment, and nothing twice it has."""
        self._needs("subscribe", "subscribers")
        taken: list[Operation] = [Poll(name="s", count=2), Ack(name="s", places=(0,)), Flush(name="s")]
        self._must_survive([Subscribe(name="s"), Append(size=10), Append(size=20), Sync(), *taken, Reopen(), *taken])

    @pytest.mark.parametrize("profile", PROFILES)
    def test_survives_crashes(self, profile: str, chaoswal_explore: Callable[..., ExploreFinished]) -> None:
        """No crash that this file system allows, in any of some drawn programs, makes it break a promise."""
        if profile not in self.profiles:
            pytest.skip(f"{type(self).__name__}.profiles says nothing of {profile}")
        chaoswal_explore(self.engine, options=self.options, profiles=[profile])

    def _reference(self) -> EngineRef:
        return reference(self.engine, self.options)

    def _needs(self, capability: str, what: str) -> None:
        _, traits = ready(self._reference())
        if capability not in traits.capabilities:
            pytest.skip(f"the engine has no {capability}: its {what} are NOT MEASURED")

    def _givings(self, *sizes: int) -> list[Operation]:
        """What puts so many bytes each into an engine of this contract, twice under the same key."""
        _, traits = ready(self._reference())
        kinds: dict[str, Callable[[int, int], Operation]] = {
            "log": lambda _, size: Append(size=size),
            "queue": lambda _, size: Enqueue(size=size),
            "kv": lambda number, size: Put(key=number % 2, size=size),
        }
        return [kinds[traits.contract](number, size) for number, size in enumerate(sizes)]

    def _takings(self) -> list[Operation]:
        """What takes something out of it again, as far as it has that."""
        _, traits = ready(self._reference())
        taken: dict[str, list[Operation]] = {
            "queue": [Take(), *([Done()] if "ack" in traits.capabilities else [])],
            "kv": [Delete(key=0)] if "delete" in traits.capabilities else [],
        }
        return taken.get(traits.contract, [])

    def _sync(self) -> list[Operation]:
        _, traits = ready(self._reference())
        return [Sync()] if traits.contract == "log" or "sync" in traits.capabilities else []

    def _must_hold(self, operations: Sequence[Operation]) -> None:
        """Killed at the end, when nothing is under way."""
        factory, traits = ready(self._reference())
        played = play_to_last_run(factory, traits, operations, KILL)
        end, judge = len(played.run.events), Judge(factory)
        found = played.found or check(played.run, played.history, judge, KILL, bound=BOUND, points=range(end, end + 1))
        assert found is None, found.fault
        assert judge.coverage.judged

    def _must_survive(self, operations: Sequence[Operation]) -> None:
        attempt = Given(self._reference(), operations, [KILL]).attempt(0)
        assert attempt.coverage.judged
        assert attempt.catch is None, attempt.catch.fault


def saved(finished: ExploreFinished) -> list[str]:
    """The files of the findings of an exploration."""
    return [found.file for found in finished.findings if found.file]
