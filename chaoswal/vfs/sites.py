"""Call sites: ``file:line`` in events and files; the function and the line itself for whoever explains.

A site is short, so that it reads the same on every machine. What it stands for in full is remembered by this process
from the moment it was recorded; of a site that was read from a file nothing more is known than it says.
"""

import linecache
import os
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a site is."""

    path: str
    line: int
    function: str
    """``Class.function``."""

    @property
    def source(self) -> str:
        """The line of code, without its indentation; empty where it cannot be read."""
        return linecache.getline(self.path, self.line).strip()


_sites: dict[tuple[CodeType, int], str] = {}
_places: dict[str, Place] = {}


def site_of(code: CodeType, lasti: int) -> str:
    """``file:line`` of an instruction, the file from its package on (or its bare name)."""
    site = _sites.get((code, lasti))
    if site is None:
        line = list(code.co_positions())[lasti // 2][0] or code.co_firstlineno
        site = _sites[code, lasti] = f"{_short(code.co_filename)}:{line}"
        _places[site] = Place(path=code.co_filename, line=line, function=code.co_qualname)
    return site


def _short(filename: str) -> str:
    parts = filename.split(os.sep)
    return "/".join(parts[len(parts) - parts[::-1].index("chaoswal") :]) if "chaoswal" in parts else parts[-1]


def place_of(site: str) -> Place | None:
    """Where a site is, if this process has recorded it."""
    return _places.get(site)
