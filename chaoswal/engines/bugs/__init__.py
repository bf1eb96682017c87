"""The zoo: planted bugs of the builtin engine, each a small switchable flaw with the place it was made for real."""

from collections.abc import Callable
from typing import Any

from chaoswal.errors import UsageError

BUGS: dict[str, Callable[..., Any]] = {}
"""Name to the adapter class with that bug."""


def planted(bug: str) -> Callable[..., Any]:
    """The builtin engine's adapter with this bug; UsageError lists those there are."""
    if bug not in BUGS:
        raise UsageError(f"unknown bug {bug!r}; there are: {', '.join(sorted(BUGS)) or 'none'}")
    return BUGS[bug]
