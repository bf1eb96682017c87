r"""Lines of strace(1) as system calls: what was asked, what came of it, where each began and ended among the others.

Theory of operation. With ``-f`` and ``-o`` strace writes one line a call, the process (or thread) in front::

    71 pwrite64(3, "ab\0\377", 4, 512) = 4
    72 fsync(5 <unfinished ...>
    71 close(3)                          = 0
    72 <... fsync resumed>)              = -1 EIO (Input/output error)

A call that others come in between is written in two lines. Here it becomes one ``Call`` that is met twice, at its entry
and at its exit, so that whoever follows can tell what had begun before what. Whoever is killed in a call leaves it
without an exit, or with ``= ?``; one in which strace lets go of him ends in ``<detached ...>``. Strings are written as
C would, with octal escapes for all that is not printable ASCII, which is how Python's ``unicode_escape`` reads them.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, auto

from chaoswal.errors import HarnessFault, Inconclusive

STRING_BYTES_MAX = 16 << 20
"""Longer strings are cut short by strace."""


class Phase(Flag):
    """What of a call is met: nothing else was seen in the midst of one that is met whole."""

    ENTRY = auto()
    EXIT = auto()
    WHOLE = ENTRY | EXIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call, with all that is known of it in the end."""

    pid: int
    """The process, or thread."""
    name: str
    text: str
    """Its arguments as they stand in the line."""
    result: int | None
    """What it returned, -1 where it failed; None where it did not return."""
    error: str = ""
    """``EIO`` and the like, where it failed."""

    @property
    def ok(self) -> bool:
        """Whether it returned, and did not fail."""
        return self.result is not None and not self.error

    def arguments(self) -> list[str]:
        """Its arguments one by one."""
        before, quote, rest = self.text.partition('"')
        if self.name not in ONE_STRING or not quote:
            return split(self.text)
        string, _, behind = rest.rpartition('"')  # of a page, to look into which takes longer than all else
        cut, *numbers = behind.split(", ")
        return [before.rstrip(", "), f'"{string}"{cut}', *numbers]


ONE_STRING = frozenset({"write", "pwrite64"})
"""Calls that are met often, and have one string among their arguments."""

Met = tuple[Phase, Call]
"""A call, and what of it is met here."""

_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (.+)")
_UNFINISHED_END = " <unfinished ...>", " <unfinished ...>) = ?", " <detached ...>"
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>(?:\) += \?)?")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.+)")
_RESUMED_AND_LOST = re.compile(r"(\d+) +<\.\.\. \w+ resumed>.*")
_START = re.compile(r"\d+ +(?:\w+\(|<\.\.\. |\+\+\+ |--- )")
_OTHER = re.compile(r"(\d+) +(?:(?:\+\+\+|---) .*|<detached \.\.\.>)")
_RESULT = re.compile(r"(-?\d+|0x[0-9a-f]+|\?)(?: (E[A-Z0-9]+))?(?: .*)?")

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}(),]|[^"\[\]{}(),]+')
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"(\.\.\.)?')
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]+|\d+)")


def calls(lines: Iterable[str]) -> list[Met]:
    """The calls in the order of their lines, but for those that had begun before the first.

    HarnessFault where a line is none of strace's.
    """
    met: list[Met | None] = []
    open_calls: dict[int, tuple[int, str, str]] = {}  # process -> where it stands in the list, its name, its arguments
    for line in lines:
        unfinished = line.endswith(_UNFINISHED_END)  # which a string may say too, but not at the end of a line
        if not unfinished and (whole := _WHOLE.fullmatch(line)):
            met.append((Phase.WHOLE, _call(whole[1], whole[2], whole[3], whole[4])))
        elif resumed := _RESUMED.fullmatch(line):
            if int(resumed[1]) not in open_calls:
                continue
            place, name, text = open_calls.pop(int(resumed[1]))
            call = _call(resumed[1], name, text + resumed[3], resumed[4])
            met[place] = Phase.ENTRY, call
            met.append((Phase.EXIT, call))
        elif begun := _BEGUN.fullmatch(line):
            open_calls[int(begun[1])] = len(met), begun[2], begun[3]
            met.append(None)
        elif not _OTHER.fullmatch(line) and not _RESUMED_AND_LOST.fullmatch(line):
            raise HarnessFault(f"cannot read this line of strace: {line[:200]!r}")
    for pid, (place, name, text) in open_calls.items():
        met[place] = Phase.ENTRY, Call(pid=pid, name=name, text=text, result=None)
    return [each for each in met if each is not None]


def whole_lines(text: str) -> list[str]:
    """The lines of a piece of strace's output, without the rest of one at its start and the piece of one at its end."""
    lines = text.split("\n")[:-1]
    return lines[1:] if lines and not _START.match(lines[0]) else lines


def _call(pid: str, name: str, text: str, outcome: str) -> Call:
    if outcome.isdigit():
        return Call(pid=int(pid), name=name, text=text, result=int(outcome))
    match = _RESULT.fullmatch(outcome)
    if not match:
        raise HarnessFault(f"cannot read what {name} returned: {outcome[:200]!r}")
    result = None if match[1] == "?" else int(match[1], 0)
    return Call(pid=int(pid), name=name, text=text, result=result, error=match[2] or "")


def split(text: str) -> list[str]:
    """Arguments at their commas, not at those inside of strings and brackets."""
    parts, depth, start = [], 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{" | "(":
                depth += 1
            case "]" | "}" | ")":
                depth -= 1
            case "," if not depth:
                parts.append(text[start : token.start()].strip())
                start = token.end()
    rest = text[start:].strip()
    return [*parts, rest] if rest else parts


def data_of(argument: str) -> bytes:
    """The bytes of the strings in an argument, one behind the other. Inconclusive where strace cut one short."""
    strings = [argument[1:].rpartition('"')] if argument.startswith('"') else _STRING.findall(argument)
    if any(cut for *_, cut in strings):
        raise Inconclusive(f"a write of more than {STRING_BYTES_MAX} bytes was not recorded whole")
    # Its escapes are those of bytes literals, for which there is this; `unicode_escape` takes three times as long.
    return b"".join(codecs.escape_decode(string.encode("latin-1"))[0] for string, *_ in strings)


def path_of(argument: str) -> str:
    """A path, decoded as ``os.fsdecode`` does."""
    return data_of(argument).decode("utf-8", "surrogateescape")


def number_of(argument: str, default: int = 0) -> int:
    """The first number in an argument (of ``[512] => [516]``, 512); ``default`` where there is none: NULL."""
    match = _NUMBER.search(argument)
    return int(match[0], 0) if match else default


def flags_of(argument: str) -> frozenset[str]:
    """The words of an argument like ``O_RDWR|O_CREAT``; of a struct, those of its member ``flags``."""
    _, member, rest = argument.partition("flags=")
    return frozenset((rest.split(",")[0] if member else argument).strip(" {}").split("|"))
