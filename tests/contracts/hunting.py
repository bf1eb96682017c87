"""Hunting for what the small engines do wrong: until it is caught, and then made small."""

from collections.abc import Collection

from chaoswal.hunt import Catch, Hunter
from chaoswal.program import operations_of
from chaoswal.replay import Status, replay
from chaoswal.shrink import Shrunk, Target, shrink

PROGRAMS = 60


def caught(asked: Hunter, kinds: Collection[str], operations: int) -> tuple[Catch, Shrunk]:
    """The first of these kinds of violation, shrunk to no more than so many operations."""
    catches = (asked.attempt(number).catch for number in range(PROGRAMS))
    catch = next(catch for catch in catches if catch and catch.fault.kind in kinds)
    shrunk = shrink(Target(engine=catch.engine, profile=catch.profile, kind=catch.fault.kind), catch.steps)
    assert shrunk
    assert len(operations_of(shrunk.steps)) <= operations
    return catch, shrunk


def caught_and_played(asked: Hunter, kind: str, operations: int, *, sound: Hunter) -> None:
    """The same; it is there again when it is played, and not in an engine that is sound."""
    catch, shrunk = caught(asked, {kind}, operations)
    assert replay(catch.engine, shrunk.steps, shrunk.profile)[0] is Status.FAILED
    assert replay(sound.engine, shrunk.steps, shrunk.profile)[0] is Status.FIXED
