"""How a bug is entered into the zoo: a class that breaks one part of the log, and what the checker must say of it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, TypeVar

from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.verdict import Violation
from chaoswal.wal.frames import Codec
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.reader import LogReader

Broken = TypeVar("Broken")

WHOLE = Parts()

Means: TypeAlias = Literal["crashes", "damage", "reopening"]


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
    by: Means
    """What shows it: crashes (and errors, with ``faults``), damage at rest, or reopening again and again."""
    options: tuple[tuple[str, str], ...]
    """Without these options of the engine it does not show."""

    @property
    def engine(self) -> EngineRef:
        """The engine with this bug, as it is named on the command line."""
        return EngineRef(name="wal").with_options(bug=self.name, **dict(self.options))


ENTRIES: dict[str, Entry] = {}
"""The zoo, by name."""


def bug(
    name: str,
    *,
    kinds: str,
    profiles: str,
    site: str = "",
    faults: bool = False,
    by: Means = "crashes",
    parts: Parts = WHOLE,
    options: str = "",
) -> Callable[[type[Broken]], type[Broken]]:
    """Enter the class below into the zoo: an adapter, a ``Log``, a ``LogReader``, or any part of a log.

    A part is put together with ``parts``. ``options`` are words as on the command line.
    """

    def enter(broken: type[Broken]) -> type[Broken]:
        ENTRIES[name] = Entry(
            name=name,
            group=broken.__module__.rpartition(".")[2],
            adapter=_adapter(broken, parts),
            story=" ".join((broken.__doc__ or "").split()),
            kinds=tuple(map(Violation, kinds.split())),
            profiles=tuple(profiles.split()),
            site=site,
            faults=faults,
            options=EngineRef.of("wal", options.split()).options,
            by=by,
        )
        return broken

    return enter


def _adapter(broken: type, parts: Parts) -> type[WalEngine]:
    """The adapter with that class in the place of the sound one."""
    if issubclass(broken, WalEngine):
        return broken
    body: dict[str, Any] = {"__doc__": broken.__doc__}
    if issubclass(broken, LogReader):
        body["reader_class"] = broken
    elif issubclass(broken, Log):
        body["log_class"] = broken
    else:
        whole = _with(broken, parts)
        body["log_class"] = type(f"{broken.__name__}Log", (Log,), {"parts": whole})
        if issubclass(broken, Codec):
            body["reader_class"] = type(f"{broken.__name__}Reader", (LogReader,), {"codec_type": whole.codec})
    return type(f"{broken.__name__}Engine", (WalEngine,), body)


def _with(broken: type, parts: Parts) -> Parts:
    """The parts, with the broken one in the place of the sound one it derives from."""
    (place,) = (field.name for field in fields(Parts) if issubclass(broken, getattr(WHOLE, field.name)))
    return replace(parts, **{place: broken})
