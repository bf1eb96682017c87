"""What differs from contract to contract: what is asked of an engine, how it is looked at, and who judges it."""

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MethodType
from typing import Any, Protocol, TypeAlias

from chaoswal.errors import UsageError
from chaoswal.ops import Close, OpenAgain, Operation, Reopen, Sync, Wait
from chaoswal.oracle import Ledger, Observed, Traits
from chaoswal.text import word_of
from chaoswal.verdict import Fault

PROBE = b"probe|"
"""The record, item or value put after a recovery to see whether the engine goes on."""

Told: TypeAlias = Callable[[str], None]
"""Is told, while an engine is probed, of each call that may promise something, by the name that promises go by."""


def unheard(_: str) -> None:
    """Nobody wants to know."""


OF_ALL: tuple[type[Operation], ...] = (Sync, Reopen, Close, OpenAgain, Wait)
"""What is asked of engines of every contract."""


class Programs(Protocol):
    """Draws programs of one shape: what is drawn at its making is its rhythm."""

    def __init__(self, seed: int, capabilities: frozenset[str], chance: random.Random) -> None: ...

    def program(self, length: int) -> list[Operation]:
        """So many operations."""

    def scenario(self) -> list[Operation]:
        """A few operations that lead to a rare place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract: a row of the table ``CONTRACTS``. Engines go by names here, as adapters are found."""

    name: str
    ledger: Callable[[Sequence[Operation], Traits], Ledger]
    observe: Callable[[Any, Observed], None]
    """Fills in what an open engine shows, as far as it goes, should the engine raise."""
    probe: Callable[[Any, Observed, Mapping[str, Any], Told], Fault | None]
    """After a recovery that showed this an engine must go on: take more, and show it, to subscribers' handles too."""
    grown: Callable[[Observed], Observed]
    """What an engine shows that showed this and has taken the probe."""
    required: Mapping[str, int]
    """The methods that every adapter has, each with how many arguments it is given."""
    optional: tuple[str, ...]
    """The members that an adapter may have or not, and of which programs ask only where it has them."""
    places: Mapping[str, str]
    """What an engine may be at when a kill lands that is sought, each with what it must offer to have it."""
    calls: Mapping[type[Operation], Callable[[Any, int, Any], object]] = field(default_factory=dict)
    """How an engine is asked for the operations that are this contract's own, by their numbers in the program."""
    programs: Callable[[int, frozenset[str], random.Random], Programs] | None = None
    """What draws them; None: logs have ways of their own."""
    sample: tuple[Operation, ...] = ()
    """A few operations that leave something on the disk."""

    def check(self, engine: object) -> None:
        """UsageError where an open engine lacks a method, takes other arguments, or promises by none of its own."""
        name, of_all = type(engine).__name__, ", ".join(self.required)
        for member, count in self.required.items():
            method = getattr(engine, member, None)
            if not callable(method):
                raise UsageError(f"{name} has no {member}(); an adapter with the contract {self.name} has {of_all}")
            if not _takes(method, count):
                raise UsageError(f"{name}.{member} must take {count} argument{'s' * (count != 1)}")
        promise = getattr(engine, "promise", None)
        if not isinstance(promise, str):
            raise UsageError(f"{name}.promise must be text: methods with spaces between, or 'none'; it is {promise!r}")
        for word in promise.split():
            if word != "none" and not callable(getattr(engine, word, None)):
                raise UsageError(f"{name}.promise names {word!r}, and there is no such method")

    def members(self, traits: Traits) -> frozenset[str]:
        """What an engine with these traits has: what all of this contract have, and what it has besides."""
        return traits.capabilities | self.required.keys()

    def history(self, operations: Sequence[Operation], traits: Traits) -> Ledger:
        """What is allowed before anything was done; UsageError where an operation is not one of this contract."""
        for kind in {type(operation) for operation in operations} if self.calls else ():
            if kind not in self.calls and kind not in OF_ALL:
                known = ", ".join(sorted(map(word_of, (*self.calls, *OF_ALL))))
                raise UsageError(f"an engine with the contract {self.name} knows no {word_of(kind)}: it knows {known}")
        return self.ledger(operations, traits)


def _takes(method: Callable[..., object], count: int) -> bool:
    if isinstance(method, MethodType):  # of a class that is seen by the thousand, and asked once
        return _binds(method.__func__, count + 1)
    return _binds(method, count)


@lru_cache(256)
def _binds(function: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # one in C may not say
        return True
    return True


def plain(value: Any) -> bytes:
    """A value or an item as bytes; what is none shows as what it is, and so as never put."""
    return value if type(value) is bytes else repr(value).encode()
