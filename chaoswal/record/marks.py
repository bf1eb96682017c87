"""Marks in the stream of system calls: what a traced process says of itself, in calls that change nothing.

Theory of operation. A mark is an unlink(2) of a path below ``/dev/null``, which is no directory: it fails, and strace
writes it down in its place among the other calls. Unlike a write it needs no descriptor, which an engine might close.
The text is JSON, a list of entries, each a word and its values; one that is too long for a path is cut into several
marks, all but the last with a ``+`` in front.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

Entry: TypeAlias = Sequence[Any]

HOLDS, OPENED, BEGIN, END = "holds", "opened", "begin", "end"
"""The words: where the process stands, and which descriptors it has that are not the engine's; the engine was opened
and looked at; an operation (its number and its word) began; one (its number and the text of its result) ended."""

_PREFIX = "/dev/null/chaoswal "
_PATH_CHARACTERS = 3000
_MORE, _LAST = "+", "."


def mark(*entries: Entry) -> None:
    """Say these, in one mark where they fit into one."""
    text = json.dumps(entries)
    for start in range(0, len(text), _PATH_CHARACTERS):
        sign = _MORE if start + _PATH_CHARACTERS < len(text) else _LAST
        with suppress(OSError):  # it fails, as it must
            os.unlink(f"{_PREFIX}{sign}{text[start : start + _PATH_CHARACTERS]}")


def is_mark(path: str) -> bool:
    """Whether a path is that of a mark, or of a piece of one."""
    return path.startswith(_PREFIX)


class Marks:
    """Reads marks back."""

    def __init__(self) -> None:
        self._waiting = ""

    def read(self, path: str) -> list[Entry] | None:
        """The entries that end with this path; None where it is not that of a mark."""
        if not is_mark(path):
            return None
        sign, text = path[len(_PREFIX)], self._waiting + path[len(_PREFIX) + 1 :]
        self._waiting = text if sign == _MORE else ""
        entries: list[Entry] = json.loads(text) if sign == _LAST else []
        return entries
