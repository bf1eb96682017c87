"""What an engine's recovery has run, and what it never has: lines of source, and rows of its decision tables.

A few openings of many are watched line by line (``sys.settrace``, which makes them some twenty times slower). Counted
are the lines of functions that ran at all, in source that is the engine's own: neither Python's library nor the
harness. A function of the engine that returns something with a ``label`` has made a decision; which decisions there
are, an adapter may say (``decisions``).
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import _lru_cache_wrapper, lru_cache
from types import CodeType, FrameType
from typing import Any

_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_HARNESS = os.path.dirname(__file__)
_PARTS = ("wal", "engines")
_ENGINES = tuple(os.path.join(_HARNESS, part) for part in _PARTS)

Line = tuple[str, int]
"""A file, as ``folder/name.py``, and a line."""


class Reach:
    """Lines and decisions, seen and possible."""

    def __init__(self) -> None:
        self.ran: set[Line] = set()
        self.possible: set[Line] = set()
        self.decided: set[str] = set()
        self._codes: set[CodeType] = set()

    def add(self, other: "Reach") -> bool:
        """Take in what another has seen; whether any of it was new."""
        before = len(self.ran) + len(self.decided)
        self.ran |= other.ran
        self.possible |= other.possible
        self.decided |= other.decided
        return len(self.ran) + len(self.decided) > before

    @property
    def unreached(self) -> dict[str, list[int]]:
        """Lines that never ran, by file, of functions that did."""
        found: dict[str, list[int]] = {}
        for file, line in sorted(self.possible - self.ran):
            found.setdefault(file, []).append(line)
        return found

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs in the block."""
        _forget()
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        code = frame.f_code
        if not _is_engine(code.co_filename):
            return None
        if code not in self._codes:
            self._codes.add(code)
            self.possible.update(_lines(code))
        return self._line

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            line = _short(frame.f_code.co_filename), frame.f_lineno
            self.ran.add(line)
            self.possible.add(line)  # the first line of a lambda is all there is of it
        elif event == "return" and isinstance(label := getattr(argument, "label", None), str):
            self.decided.add(label)
        return self._line


def _forget() -> None:
    """Empty the caches of the engines here: what runs must not depend on what this process has opened before."""
    for name, module in list(sys.modules.items()):
        if name.startswith(tuple(f"{__package__}.{part}" for part in _PARTS)):
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


@lru_cache(4096)
def _is_engine(file: str) -> bool:
    if file.startswith(_HARNESS):
        return file.startswith(_ENGINES) and not file.endswith("registry.py")
    return not file.startswith((*_LIBRARY, "<")) and f"{os.sep}pyfakefs{os.sep}" not in file


@lru_cache(4096)
def _short(file: str) -> str:
    return "/".join(file.split(os.sep)[-2:])


def _lines(code: CodeType) -> Iterable[Line]:
    """The lines of a function but for its first, which is its definition."""
    first = code.co_firstlineno
    return {(_short(code.co_filename), line) for _, _, line in code.co_lines() if line and line != first}
