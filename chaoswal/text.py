"""The text form of vocabulary types: one line, the word of the type, then its fields in order.

A type is a frozen dataclass whose fields are ``int``, ``bool``, ``str``, ``bytes`` or, in the last place, a tuple of
numbers, or of pairs of numbers (``7:1``); its word is its name with dashes (``SyncBegin`` is ``sync-begin``). Strings
are quoted as a shell would, numbers are decimal digits, bytes are hexadecimal, and an empty value is ``''``. What
``line`` writes, ``parse`` reads back.
"""

import dataclasses
import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from chaoswal.errors import UsageError

T = TypeVar("T")

_WRITE: dict[str, Callable[[Any], list[str]]] = {
    "int": lambda value: [str(value)],
    "bool": lambda value: ["yes" if value else "no"],
    "str": lambda value: [shlex.quote(value)],
    "bytes": lambda value: [value.hex() or "''"],
    "tuple[int, ...]": lambda value: [str(item) for item in value],
    "tuple[tuple[int, int], ...]": lambda value: [f"{one}:{other}" for one, other in value],
}


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise ValueError(f"{word!r} is not a number")
    return int(word)


def _pair(word: str) -> tuple[int, int]:
    one, _, other = word.partition(":")
    return _number(one), _number(other)


_ITEM: dict[str, Callable[[str], Any]] = {"tuple[int, ...]": _number, "tuple[tuple[int, int], ...]": _pair}
"""How what a tuple holds is read."""

_READ: dict[str, Callable[[str], Any]] = {
    "int": _number,
    "bool": lambda word: {"yes": True, "no": False}[word],
    "str": str,
    "bytes": bytes.fromhex,
}


def word_of(kind: type) -> str:
    """The word a type goes by: its name in lower case, with dashes."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def _columns(kind: type) -> tuple[tuple[str, str], ...]:
    fields = dataclasses.fields(kind)
    return tuple((field.name, _type_name(field.type)) for field in fields)


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if type(annotation) is type else str(annotation)


def line(item: object) -> str:
    """The text form of one item, on one line."""
    kind = type(item)
    words = [word_of(kind)]
    for name, type_name in _columns(kind):
        words += _WRITE[type_name](getattr(item, name))
    return " ".join(words)


def parse(text: str, kinds: Sequence[type[T]]) -> T:
    """The item that a line describes; raises UsageError that says what is wrong with it."""
    try:
        word, *values = shlex.split(text) or [""]
    except ValueError as error:
        raise UsageError(f"cannot read {text!r}: {error}") from error
    for kind in kinds:
        if word_of(kind) == word:
            return _build(kind, values, text)
    known = ", ".join(sorted(map(word_of, kinds)))
    raise UsageError(f"unknown word {word!r} in {text!r}; known are: {known}")


def _build(kind: type[T], values: list[str], text: str) -> T:
    columns = _columns(kind)
    arguments: dict[str, Any] = {}
    rest = list(values)
    try:
        for name, type_name in columns:
            if type_name in _ITEM:
                arguments[name], rest = tuple(map(_ITEM[type_name], rest)), []
            else:
                arguments[name] = _READ[type_name](rest.pop(0))
    except (IndexError, KeyError, ValueError) as error:
        expected = " ".join(f"<{name}: {type_name}>" for name, type_name in columns)
        raise UsageError(f"cannot read {text!r}: expected {word_of(kind)} {expected}") from error
    if rest:
        raise UsageError(f"cannot read {text!r}: {' '.join(rest)!r} is too much")
    return kind(**arguments)


def spans(numbers: Iterable[int]) -> str:
    """Numbers in their order, runs of them short: ``0-3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{start}" if start == stop else f"{start}-{stop}" for start, stop in runs)


def digest(words: str) -> str:
    """Six hexadecimal digits that go with a text."""
    return hashlib.blake2b(words.encode(), digest_size=3).hexdigest()


def no_text(name: str) -> str:
    """Why nothing can be said of a file of this name, if so: it may hold bytes that are no UTF-8."""
    try:
        name.isascii() or name.encode()
    except UnicodeEncodeError:
        return f"{name!r} is the name of a file, and no text in UTF-8: nothing is said of it"
    return ""
