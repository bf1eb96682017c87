"""Notices: what a running campaign tells whoever reports it; plain values, complete in themselves.

A reporter is given one after the other and needs nothing else: no engine, no disk, no seed to draw from.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from chaoswal.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A campaign has begun."""

    engine: str
    seed: int
    profile: str
    faults: tuple[str, ...]
    workers: int
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it has come."""

    seconds: float
    cycles: int
    acks: int
    """Operations that returned with a promise."""
    judged: int
    """Recoveries compared with the model."""
    distinct: int
    """Of these, how many differed in what was shown or in what was allowed."""
    directories: int
    partial: int
    """Kills inside a write that left a part of it."""
    kills: dict[tuple[str, str], int] = field(default_factory=dict)
    """(place, what followed the kill) to how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One violation."""

    id: str
    kind: str
    explanation: str
    profile: str
    site: str
    operations: tuple[str, ...]
    """The program of the directory it was found in, one line each, crashes among them."""
    deviations: tuple[str, ...]
    """What the last crash lost, one line each."""
    worker: int
    cycle: int
    stderr: str = ""
    file: str = ""
    """The corpus file; empty where there is none."""
    kept: str = ""
    """The directory as it is, and, in ``before``, as the last recovery found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A campaign has ended."""

    verdict: Verdict
    reasons: tuple[str, ...]
    engine: str
    seed: int
    progress: Progress
    exhaustive: str
    """What was covered, in words and numbers."""
    command: str
    """What runs it again."""
    findings: tuple[Found, ...] = ()


Notice: TypeAlias = Started | Progress | Found | Finished
Listener: TypeAlias = Callable[[Notice], None]
