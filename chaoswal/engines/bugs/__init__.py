"""The zoo: planted bugs of the builtin engine, each a small switchable flaw with the place it was made for real."""

from collections.abc import Callable
from typing import Any

from chaoswal.engines.bugs import (
    damage,
    errors,
    frames,
    leaking,
    load,
    padding,
    recovery,
    recycling,
    sequence,
    subscribers,
    sync_order,
    threads,
)
from chaoswal.engines.bugs.entry import ENTRIES, Entry
from chaoswal.errors import UsageError

GROUPS = (
    sync_order,
    frames,
    recycling,
    recovery,
    sequence,
    subscribers,
    threads,
    errors,
    damage,
    padding,
    load,
    leaking,
)
"""The modules of the zoo; loading them fills it."""

BUGS: dict[str, Callable[..., Any]] = {name: entry.adapter for name, entry in ENTRIES.items()}
"""Name to the adapter class with that bug."""

__all__ = ["BUGS", "ENTRIES", "GROUPS", "Entry", "planted"]


def planted(bug: str) -> Callable[..., Any]:
    """The builtin engine's adapter with this bug; UsageError lists those there are."""
    if bug not in BUGS:
        raise UsageError(f"unknown bug {bug!r}; there are: {', '.join(sorted(BUGS)) or 'none'}")
    return BUGS[bug]
