"""The baseline: findings that are known and borne with until a date, as a ratchet that only ever lets less through.

``chaoswal-baseline.toml`` lists them, each with a reason and the last day it is borne with:

.. code-block:: toml

    [[known]]
    fingerprint = "a91f3c"
    engine = "wal sync=explicit"
    reason = "the directory is not synced on close; waits for the new format"
    expires = 2026-12-31

Without ``engine`` an entry is for every engine; with it, for the engine of that name whatever its options, or for that
engine with just those options. A finding that is not listed is *new*; one whose day has passed is *expired*: either
fails. An entry that nothing is found for is *fixed*, and is to be taken out, or the mistake could come back unseen. The
file is read strictly: a wrong key might be an entry that was meant to expire.
"""

import datetime as dt
import re
import shlex
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoswal.errors import UsageError
from chaoswal.notices import Found

NAME = "chaoswal-baseline.toml"

_HEADER = re.compile(r"\s*\[\[\s*(?:known|\"known\"|'known')\s*\]\]")
_REQUIRED = ("fingerprint", "reason", "expires")
_KEYS = ("fingerprint", "engine", "reason", "expires")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One cause that is borne with."""

    fingerprint: str
    reason: str
    expires: dt.date
    """The last day."""
    engine: str = ""
    """The engine it is for, with or without its options; empty for any."""

    def is_for(self, engine: str) -> bool:
        """Whether it speaks of this engine, which is named as in corpus files."""
        return self.engine in ("", engine, shlex.split(engine)[0] if engine else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Findings beside a baseline."""

    new: tuple[Found, ...] = ()
    """Not listed."""
    known: tuple[Found, ...] = ()
    """Listed, and still borne with."""
    expired: tuple[Found, ...] = ()
    """Listed, and not any more."""
    fixed: tuple[Known, ...] = ()
    """Listed, and not found: to be taken out."""

    @property
    def passes(self) -> bool:
        """Whether nothing was found that is not borne with."""
        return not self.new and not self.expired


def compare(findings: Iterable[Found], baseline: Sequence[Known], today: dt.date, engine: str = "") -> Comparison:
    """The findings of an engine beside a baseline, on a day. Of several entries for one the last day counts."""
    listed = [entry for entry in baseline if entry.is_for(engine)]
    last_day: dict[str, dt.date] = {}
    for entry in listed:
        last_day[entry.fingerprint] = max(entry.expires, last_day.get(entry.fingerprint, entry.expires))
    sorts: dict[str, list[Found]] = {"new": [], "known": [], "expired": []}
    seen = set()
    for found in findings:
        fingerprint = found.fingerprint or found.id
        seen.add(fingerprint)
        day = last_day.get(fingerprint)
        sorts["new" if day is None else "known" if today <= day else "expired"].append(found)
    return Comparison(
        new=tuple(sorts["new"]),
        known=tuple(sorts["known"]),
        expired=tuple(sorts["expired"]),
        fixed=tuple(entry for entry in listed if entry.fingerprint not in seen),
    )


# -- the file --------------------------------------------------------------------------------------------------


def load(path: Path) -> tuple[Known, ...]:
    """The entries of a file; UsageError says where and what is wrong."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def parse(text: str, name: str) -> tuple[Known, ...]:
    """The entries in the text of a file called ``name``; UsageError says in which line of it what is wrong."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: {error}") from error
    tables = content.pop("known", [])
    if content:
        raise UsageError(f"{name}{_line_of(text, 0, next(iter(content)))}: unknown key {next(iter(content))!r}")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{name}: known is a list of tables: begin each with [[known]]")
    entries: dict[tuple[str, str], Known] = {}
    for number, table in enumerate(tables, start=1):
        entry = _entry(table, text, number, name)
        if (entry.fingerprint, entry.engine) in entries:
            where = _line_of(text, number, "fingerprint")
            raise UsageError(f"{name}{where}: {entry.fingerprint!r} is there twice; keep one")
        entries[entry.fingerprint, entry.engine] = entry
    return tuple(entries.values())


def _entry(table: dict[str, Any], text: str, number: int, name: str) -> Known:
    for key in table:
        if key not in _KEYS:
            raise UsageError(f"{name}{_line_of(text, number, key)}: unknown key {key!r}; there are {', '.join(_KEYS)}")
    for key in _REQUIRED:
        if key not in table:
            raise UsageError(f"{name}{_line_of(text, number)}: this entry has no {key}")
    for key, value in table.items():
        problem = _problem(key, value)
        if problem:
            raise UsageError(f"{name}{_line_of(text, number, key)}: {key} = {value!r}: {problem}")
    return Known(**table)


def _problem(key: str, value: object) -> str:
    if key == "expires":
        wrong = not isinstance(value, dt.date) or isinstance(value, dt.datetime)
        return "expected a date without quotes, as 2026-12-31" if wrong else ""
    if not isinstance(value, str):
        return "expected a text in quotes"
    return "" if value.strip() else "it is empty"


def _line_of(text: str, number: int, key: str = "") -> str:
    """``, line N`` of an entry (0 is what stands before the first), or of a key in it, where that can be told."""
    found, at = 0, ""
    for line_number, line in enumerate(text.splitlines(), start=1):
        if _HEADER.match(line):
            found += 1
            at = f", line {line_number}" if found == number else at
        elif found == number and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=|\s*\[", line):
            return f", line {line_number}"
    return at


def dump(baseline: Iterable[Known]) -> str:
    """The text of a file with these entries, in an order that does not depend on theirs."""
    blocks = []
    for entry in sorted(baseline, key=lambda entry: (entry.engine, entry.fingerprint)):
        lines = ["[[known]]", f"fingerprint = {_quoted(entry.fingerprint)}"]
        lines += [f"engine = {_quoted(entry.engine)}"] if entry.engine else []
        lines += [f"reason = {_quoted(entry.reason)}", f"expires = {entry.expires.isoformat()}"]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _quoted(words: str) -> str:
    """A basic string of TOML."""
    return '"' + "".join(_escaped(letter) for letter in words) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x20 or ord(letter) == 0x7F else letter
