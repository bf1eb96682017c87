"""Engines that are programs, in any language: ``cmd:COMMAND``, in which ``{dir}`` stands for the directory.

Theory of operation
-------------------
The command is split into words as a shell would, and run without one. It is spoken to in one of two ways.

**JSON lines** (``SpokenTo``). One process is one opening. It is asked by one line and answers with one::

    {"op": "open"}                             {"ok": {"promise": "append", "offers": ["subscribe"]}}
    {"op": "append", "payload": "MS4wfA=="}    {"ok": 0}
    {"op": "records"}                          {"ok": ["MS4wfA=="]}
    {"op": "sync"}                             {"error": "no space left"}

What it promises it says itself, or ``-o promise=`` does; what it says nothing of, is what an append promises. Bytes are
in base64. The end of its input is the end of a process that was closed cleanly.

**Records and acks** (``Told``), where ``-o check=COMMAND`` is given: the first command is told one record a line, in
hexadecimal (``-`` for one of no bytes), and says ``ack N`` once the first N records it was told since it began are
durable; the other prints all records there are, oldest first, one a line. An opening is a run of that one; the first is
begun when there is something to append, and ended when the records are asked for. With ``-o promise=sync`` no ack is
awaited before the word ``sync`` was told, on a line of its own.

Whatever else ``-o`` says is put into the commands at its name in braces, so that one program can be tried in many ways.
"""

import base64
import binascii
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, cast

from chaoswal.engines.adapter import Record, Subscription
from chaoswal.engines.talk import ProgramError, Talk, shown
from chaoswal.errors import UsageError

DIRECTORY = "dir"
CHECK, SCRATCH = "check", "scratch"
DEADLINE_SECONDS = 8.0
"""A program has so long for each answer; an opening as a whole has longer (``patience.OPENING``)."""

_BRACES = re.compile(r"\{([A-Za-z_]\w*)\}")
_HEXADECIMAL = re.compile(rb"(?:[0-9a-f]{2})+")
_NOTHING = b"-"

Words: TypeAlias = tuple[str, ...]


def program(command: str, options: Mapping[str, str]) -> type["Program"]:
    """The class of the engines that this command runs; UsageError where it is none."""
    check = options.get(CHECK)
    scratch = tuple(options[SCRATCH].split(",")) if SCRATCH in options else ()
    body: dict[str, Any] = {"command": _words(command), "scratch": scratch}
    if check is None:
        return type("SpokenTo", (SpokenTo,), body)
    return type("Told", (Told,), body | {"checking": _words(check)})


def _words(command: str) -> Words:
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"cannot read the command {command!r}: {error}") from error
    if not words or not any(DIRECTORY in _BRACES.findall(word) for word in words):
        raise UsageError(f"the command {command!r} says nowhere what its directory is: write {{{DIRECTORY}}} there")
    return words


class Program:
    """What both kinds have in common."""

    contract = "log"
    command: ClassVar[Words]
    scratch: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: str, *, deadline: str, options: Mapping[str, str]) -> None:
        """ValueError where there is no such program, or where an option has no place in it."""
        options = {key: value for key, value in options.items() if key not in (CHECK, SCRATCH)}
        self._places = {**options, DIRECTORY: root}
        self._seconds = float(deadline)
        commands = self._commands()
        for words in commands:
            if shutil.which(words[0]) is None:
                raise ValueError(f"there is no program {words[0]!r}")
        unused = set(options) - {name for words in commands for word in words for name in _BRACES.findall(word)}
        if unused:
            name = min(unused)
            raise ValueError(f"the option {name} has no place in the command: write {{{name}}} there")

    def _commands(self) -> Sequence[Words]:
        return (self.command,)

    def _begin(self, words: Words) -> Talk:
        return Talk([_BRACES.sub(self._placed, word) for word in words], self._seconds)

    def _placed(self, found: re.Match[str]) -> str:
        return self._places.get(found[1], found[0])


class SpokenTo(Program):
    """A program that is asked in JSON."""

    subscribe: Callable[[str], Subscription]
    """There if the program offers it."""

    def __init__(self, root: str, *, promise: str = "", deadline: str = str(DEADLINE_SECONDS), **options: str) -> None:
        super().__init__(root, deadline=deadline, options=options)
        self._talk = self._begin(self.command)
        try:
            stated = self.ask("open")
        except ProgramError:
            self.stop()
            raise
        stated = stated if isinstance(stated, dict) else {}
        self.promise = promise or str(stated.get("promise", "append"))
        if "subscribe" in stated.get("offers", ()):
            self.subscribe = self._subscribe

    def ask(self, op: str, **arguments: object) -> Any:
        """What it answers; ProgramError where that is an error, or no answer."""
        self._talk.say(json.dumps({"op": op, **arguments}).encode())
        line = self._talk.hear()
        try:
            answer = json.loads(line)
        except ValueError:  # of JSON, or of UTF-8
            answer = None
        match answer:
            case {"error": error}:
                raise ProgramError(f"{op}: {error}")
            case {"ok": value}:
                return value
            case _:
                raise self._talk.strange(line, 'a JSON object with "ok" or "error" in it')

    def append(self, payload: bytes) -> object:
        return self.ask("append", payload=_told(payload))

    def sync(self) -> None:
        self.ask("sync")

    def records(self) -> list[bytes] | list[Record]:
        """Payloads, or pairs of a number and a payload, as the program gives them."""
        given = self.ask("records")
        shown: list[bytes] | list[Record] = self.read("records", lambda: [_given(item) for item in given])
        return shown

    def read(self, op: str, reading: Callable[[], Any]) -> Any:
        """What an answer holds; ProgramError where it is not of the form that belongs to the question."""
        try:
            return reading()
        except (TypeError, ValueError, AttributeError) as error:  # binascii's own is a ValueError
            raise ProgramError(f"{op}: its answer cannot be read: {error}") from error

    def close(self) -> None:
        self.ask("close")
        self._talk.finish()

    def stop(self) -> None:
        """End the program, whatever it is at."""
        self._talk.stop()

    def _subscribe(self, name: str) -> Subscription:
        self.ask("subscribe", name=name)
        return cast("Subscription", _Subscriber(self, name))  # what else a handle may have, no workload asks of it


class _Subscriber:
    """A subscriber of a program, who keeps for himself what he hands back for later."""

    def __init__(self, engine: SpokenTo, name: str) -> None:
        self._engine, self._name = engine, name
        self._held: dict[int, bytes] = {}
        self._back: list[Record] = []

    def poll(self, count: int) -> Sequence[Record]:
        given, self._back = self._back[:count], self._back[count:]
        if len(given) < count:
            more = self._engine.ask("poll", name=self._name, count=count - len(given))
            given += self._engine.read("poll", lambda: [_numbered(item) for item in more])
        self._held |= dict(given)
        return given

    def ack(self, sequence: int) -> None:
        self._held.pop(sequence, None)
        self._engine.ask("ack", name=self._name, sequence=sequence)

    def defer(self, sequence: int) -> None:
        self._back = sorted([*self._back, (sequence, self._held.pop(sequence))])

    def flush(self) -> None:
        self._engine.ask("flush", name=self._name)


class Told(Program):
    """A program that is told records and says acks, and another that prints what is there."""

    checking: ClassVar[Words]

    def __init__(
        self, root: str, *, promise: str = "append", deadline: str = str(DEADLINE_SECONDS), **options: str
    ) -> None:
        super().__init__(root, deadline=deadline, options=options)
        if promise not in ("append", "sync"):
            raise ValueError(f"promise={promise}: a program that says acks promises by append or by sync")
        self.promise = promise
        self._talk: Talk | None = None
        self._count = self._acked = 0
        self._printed: list[bytes] | None = self._check()

    def _commands(self) -> Sequence[Words]:
        return self.command, self.checking

    def append(self, payload: bytes) -> None:
        talk = self._working()
        talk.say(payload.hex().encode() or _NOTHING)
        self._count += 1
        if self.promise == "append":
            self._await_ack(talk)

    def sync(self) -> None:
        if self._talk and self._acked < self._count:
            self._talk.say(b"sync")
            self._await_ack(self._talk)

    def records(self) -> Iterable[bytes]:
        """What is printed now; the program that appends is ended before, since it may lock."""
        if self._printed is None:
            self.close()
            self._printed = self._check()
        return list(self._printed)

    def close(self) -> None:
        talk, self._talk = self._talk, None
        if talk:
            talk.finish()

    def stop(self) -> None:
        """End the program that appends, whatever it is at."""
        if self._talk:
            self._talk.stop()

    def _working(self) -> Talk:
        self._printed = None
        if self._talk is None:
            self._count = self._acked = 0
            self._talk = self._begin(self.command)
        return self._talk

    def _await_ack(self, talk: Talk) -> None:
        """Read acks up to that of the last record that was told."""
        while self._acked < self._count:
            line = talk.hear()
            word, _, number = line.strip().partition(b" ")
            if word != b"ack" or not number.isdigit() or int(number) > self._count:
                raise talk.strange(line, f"'ack N', N at most {self._count}")
            self._acked = int(number)

    def _check(self) -> list[bytes]:
        lines = self._begin(self.checking).finish().split(b"\n")
        return [_printed(line) for line in (lines if lines[-1] else lines[:-1])]


def _printed(line: bytes) -> bytes:
    """The payload of a printed record; of what is none, the line itself, which nobody has ever appended."""
    if line == _NOTHING:
        return b""
    return bytes.fromhex(line.decode()) if _HEXADECIMAL.fullmatch(line) else b"the line " + shown(line).encode()


def _told(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def _given(item: Any) -> Any:
    return _payload(item) if isinstance(item, str) else _numbered(item)


def _numbered(item: Any) -> Record:
    sequence, text = item
    return int(sequence), _payload(text)


def _payload(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text[:40]!r} is no base64: {error}") from error
