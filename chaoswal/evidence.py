"""What speaks for a finding besides its replay, as lines of its file: where it was seen, and whose software it is in.

    theirs sqlitedict 2.1.0 reported https://github.com/piskvorky/sqlitedict/issues/149
    evidence allowed by prefix, posix · seen on real ext4, xfs as hole (Linux 6.18.44) · while creating

The first part of the evidence follows from the profiles that a finding happens under, and must agree with them. Then
come the real file systems on which the calls were made and the power cut, in vain or not, and at the end whether
nothing had been promised yet when the crash came.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chaoswal.disk.profiles import KILL, POSIX

SEPARATOR = " · "
CREATING = "while creating"

_PART = re.compile(r"(?P<where>(?:not )?seen on real \S.*) \(Linux (?P<kernel>\S+)\)")
_SEEN = re.compile(r"(?P<name>\S+)(?P<weak> with a disk cache lost in part)?(?: as (?P<kinds>\S+(?: or \S+)*))?")
_MISSED = re.compile(r"(?P<name>\S+) in (?P<tries>\d+) tries")
_THEIRS = re.compile(
    r"(?P<package>\S+) (?P<version>\S+)"
    r" (?:(?P<told>reported|documented) (?P<links>https://\S+(?: https://\S+)*)|not yet reported)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One real file system on which the calls of a finding were made, and the power cut."""

    file_system: str
    linux: str
    """The version of the kernel."""
    kinds: tuple[str, ...] = ()
    """The violations that were seen, where that of the finding was not among them."""
    weak: bool = False
    """Whether it took a disk cache that was lost in part."""
    missed: int | None = None
    """None: it was seen. Otherwise in how many tries it was not."""

    def __str__(self) -> str:
        if self.missed is not None:
            return f"{self.file_system} in {self.missed} tries"
        weak = " with a disk cache lost in part" if self.weak else ""
        return f"{self.file_system}{weak}" + (f" as {' or '.join(self.kinds)}" if self.kinds else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a finding carries besides its steps."""

    sightings: tuple[Sighting, ...] = ()
    """One a file system: first where it was seen, then where not."""
    creating: bool = False
    """Whether nothing had been promised yet when the crash came."""

    @property
    def seen_on(self) -> list[str]:
        """The real file systems on which it was seen."""
        return [one.file_system for one in self.sightings if one.missed is None]

    def and_also(self, more: Iterable[Sighting]) -> "Evidence":
        """With what came of further tries. What was seen once stays seen."""
        known = {one.file_system: one for one in self.sightings}
        for one in more:
            before = known.get(one.file_system)
            if before is None or before.missed is not None:
                known[one.file_system] = one
        return Evidence(sightings=in_order(known.values()), creating=self.creating)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """Whose software a finding is in, and where that is known: nobody here is to mend it."""

    package: str
    version: str
    """The one it was found in."""
    told: str = ""
    """``reported`` or ``documented``; empty: not yet reported."""
    links: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return " ".join([self.package, self.version, self.told or "not yet reported", *self.links])

    @classmethod
    def parse(cls, text: str) -> "Theirs":
        """Read it back; ValueError where it is none."""
        match = _THEIRS.fullmatch(text)
        if not match:
            raise ValueError(
                "expected PACKAGE VERSION, then 'reported' or 'documented' and links, or 'not yet reported'"
            )
        links = tuple((match["links"] or "").split())
        return cls(package=match["package"], version=match["version"], told=match["told"] or "", links=links)


def in_order(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    """As they are written: first where it was seen, then where not, those of one kernel together."""
    return tuple(sorted(sightings, key=lambda one: (one.missed is not None, one.linux)))


def level(profiles: Sequence[str]) -> str:
    """How much of a disaster it takes, in words."""
    if KILL.name in profiles:
        return "a kill is enough"
    if set(profiles) == {POSIX.name}:
        return "allowed by POSIX only"
    return f"allowed by {', '.join(profiles)}"


def told(sightings: Sequence[Sighting]) -> list[str]:
    """What came of real file systems, a part for each kernel and outcome."""
    parts: dict[tuple[bool, str], list[str]] = {}
    for one in in_order(sightings):
        parts.setdefault((one.missed is None, one.linux), []).append(str(one))
    return [
        f"{'' if seen else 'not '}seen on real {', '.join(names)} (Linux {linux})"
        for (seen, linux), names in parts.items()
    ]


def words(evidence: Evidence, profiles: Sequence[str]) -> str:
    """The evidence of a finding that happens under these profiles, in one line."""
    creating = [CREATING] if evidence.creating else []
    return SEPARATOR.join([level(profiles), *told(evidence.sightings), *creating])


def parse(text: str, profiles: Sequence[str]) -> Evidence:
    """Read it back; ValueError where it is none, or not that of a finding that happens under these profiles."""
    first, *parts = text.split(SEPARATOR)
    if first != level(profiles):
        raise ValueError(f"by its profiles it must begin with {level(profiles)!r}")
    creating = parts[-1:] == [CREATING]
    sightings = [one for part in parts[: len(parts) - creating] for one in _sightings(part)]
    return Evidence(sightings=in_order(sightings), creating=creating)


def _sightings(part: str) -> Iterable[Sighting]:
    match = _PART.fullmatch(part)
    if not match:
        raise ValueError(f"cannot read {part!r}: expected 'seen on real NAME (Linux VERSION)'")
    head, _, names = match["where"].partition(" real ")
    for name in names.split(", "):
        yield _sighting(name, match["kernel"], seen=head == "seen on")


def _sighting(text: str, linux: str, *, seen: bool) -> Sighting:
    match = (_SEEN if seen else _MISSED).fullmatch(text)
    if not match:
        raise ValueError(f"cannot read {text!r}: expected a file system" + ("" if seen else " and 'in N tries'"))
    if not seen:
        return Sighting(file_system=match["name"], linux=linux, missed=int(match["tries"]))
    kinds = tuple(match["kinds"].split(" or ")) if match["kinds"] else ()
    return Sighting(file_system=match["name"], linux=linux, kinds=kinds, weak=bool(match["weak"]))
