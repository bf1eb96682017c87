"""How a bug is entered into the zoo: a class that breaks one part of the log, and what the checker must say of it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from chaoswal.engines.wal import WalEngine
from chaoswal.verdict import Violation
from chaoswal.wal.log import Log, Parts

Broken = TypeVar("Broken")

WHOLE = Parts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bug."""

    name: str
    group: str
    adapter: type[WalEngine]
    story: str
    """What is wrong, and where that mistake was made for real."""
    kinds: tuple[Violation, ...]
    """The violations it may be reported as, the most telling first."""
    profiles: tuple[str, ...]
    """Under which it must be found; the first is that of its corpus file."""
    site: str
    """The function to blame, as ``Class.function``: that whose change a crash loses; where none need be lost, that from
    whose change on the disk is wrong; where the disk is right, that which recovery ends with. Empty where it varies."""
    faults: bool
    """Whether it shows only where calls fail."""


ENTRIES: dict[str, Entry] = {}
"""The zoo, by name."""


def bug(
    name: str, *, kinds: str, profiles: str, site: str = "", faults: bool = False, parts: Parts = WHOLE
) -> Callable[[type[Broken]], type[Broken]]:
    """Enter the class below into the zoo: a ``Log``, or any of its parts, to be put together with ``parts``."""

    def enter(broken: type[Broken]) -> type[Broken]:
        log = (
            broken
            if issubclass(broken, Log)
            else type(f"{broken.__name__}Log", (Log,), {"parts": _with(broken, parts)})
        )
        adapter = type(f"{broken.__name__}Engine", (WalEngine,), {"log_class": log, "__doc__": broken.__doc__})
        ENTRIES[name] = Entry(
            name=name,
            group=broken.__module__.rpartition(".")[2],
            adapter=adapter,
            story=" ".join((broken.__doc__ or "").split()),
            kinds=tuple(map(Violation, kinds.split())),
            profiles=tuple(profiles.split()),
            site=site,
            faults=faults,
        )
        return broken

    return enter


def _with(broken: type, parts: Parts) -> Parts:
    """The parts, with the broken one in the place of the sound one it derives from."""
    (place,) = (field.name for field in fields(Parts) if issubclass(broken, getattr(WHOLE, field.name)))
    return replace(parts, **{place: broken})
