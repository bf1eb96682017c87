"""Errors while running, as plans that are text: ``fail EIO on fsync of *.wal nth 3 once``.

A plan counts the calls that match its kind and its glob of paths, and strikes at the n-th: once, or ``from then
on``. Calls go by the names of the system calls they stand for (``CALLS``), ``*`` is any of them, and the root directory
has the path ``.``. There are three forms::

    fail EIO on fsync of *.wal nth 3 once
    fail ENOSPC on write of * at offset 4096 nth 1 from then on
    short read of wal-*.wal nth 2 at 10
    short write of *.wal nth 2 at 10 from then on
    lie on fdatasync of *.wal nth 1 from then on

``at offset`` matches only reads and writes of a range that holds this byte of the file. A short call lets only so many
bytes through. A sync that lies returns success and makes nothing durable.
"""

import errno
import fnmatch
import os
import re
from dataclasses import dataclass

from chaoswal.errors import UsageError

CALLS = [
    "open",
    "create",
    "readdir",
    "read",
    "mmap",
    "write",
    "truncate",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "mkdir",
    "link",
    "rmdir",
    "close",
    "lock",
]
ANY = "*"
"""Any call."""
RANGED = ("read", "write")
"""The calls that are about a range of bytes, and can be cut short."""
SYNCS = ("fsync", "fdatasync")
"""The calls that can lie."""
ROOT_PATH = "."
"""How the root directory is called in a plan."""

_OF = r"of (?P<glob>\S+)(?: at offset (?P<offset>\d+))? nth (?P<nth>\d+)"
_FAIL = re.compile(rf"fail (?P<error>[A-Z]\w+) on (?P<call>\w+|\*) {_OF} (?P<span>once|from then on)")
_SHORT = re.compile(rf"short (?P<call>read|write) {_OF} at (?P<at>\d+)(?: (?P<span>from then on))?")
_LIE = re.compile(r"lie on (?P<call>fsync|fdatasync) of (?P<glob>\S+) nth (?P<nth>\d+) (?P<span>once|from then on)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault to inject at the ``nth`` matching call: ``error`` (an errno name).

    Without an error a read or write ends after ``at`` bytes, and a sync lies.
    """

    call: str
    glob: str
    nth: int
    error: str = ""
    once: bool = True
    at: int = 0
    offset: int | None = None
    """Only reads and writes of this byte of the file match."""

    @property
    def lies(self) -> bool:
        """Whether this is a sync that only says it has synced."""
        return not self.error and self.call in SYNCS

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at offset {self.offset}"
        which = f"{self.call} of {self.glob}{place} nth {self.nth}"
        span = "once" if self.once else "from then on"
        if self.error:
            return f"fail {self.error} on {which} {span}"
        if self.lies:
            return f"lie on {which} {span}"
        return f"short {which} at {self.at}" + ("" if self.once else f" {span}")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read a fault back from its text; UsageError says what is wrong."""
        match = _FAIL.fullmatch(text) or _SHORT.fullmatch(text) or _LIE.fullmatch(text)
        if not match:
            raise UsageError(f"cannot read the fault {text!r}: expected 'fail EIO on fsync of GLOB nth N once'")
        words = match.groupdict()
        call, error, offset = words["call"], words.get("error", ""), words.get("offset")
        if call not in (*CALLS, ANY) or (error and not hasattr(errno, error)):
            raise UsageError(f"unknown call or error in {text!r}; calls are: {', '.join(CALLS)}")
        if offset is not None and call not in RANGED:
            raise UsageError(f"{call} has no offset in {text!r}: only {' and '.join(RANGED)} have")
        return cls(
            call=call,
            glob=words["glob"],
            nth=int(words["nth"]),
            error=error,
            once=words["span"] != "from then on",
            at=int(words.get("at") or 0),
            offset=None if offset is None else int(offset),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that a run made; ``offset`` and ``length`` (bytes) of a read or write."""

    call: str
    path: str
    offset: int = 0
    length: int = 0


class FaultPlan:
    """Faults armed against a run; it counts, so each run needs one of its own."""

    def __init__(self, faults: tuple[Fault, ...] = (), *, tally: bool = False) -> None:
        """``tally``: keep all calls in ``seen``."""
        self._armed = [_Armed(fault) for fault in faults]
        self._tally = tally
        self.fired: list[Fault] = []
        self.seen: list[Call] = []
        self.opening = 0
        """How many of them belong to the opening."""

    @property
    def armed(self) -> bool:
        """Whether there is any fault at all."""
        return bool(self._armed)

    def arm(self, fault: Fault) -> None:
        """Arm one more."""
        self._armed.append(_Armed(fault))

    def strike(self, call: str, path: str, offset: int = 0, length: int = 0) -> None:
        """Raise the error that is due at this call, if any."""
        met = Call(call=call, path=path, offset=offset, length=length)
        if self._tally:
            self.seen.append(met)
        for armed in self._armed:
            if armed.fault.error and self._fires(armed, met):
                code = getattr(errno, armed.fault.error)
                raise OSError(code, os.strerror(code), path)

    def cut(self, call: str, path: str, offset: int, length: int) -> int:
        """How many bytes of this read or write go through."""
        met = Call(call=call, path=path, offset=offset, length=length)
        for armed in self._armed:
            if not armed.fault.error and self._fires(armed, met):
                return min(length, armed.fault.at)
        return length

    def lies(self, call: str, path: str) -> bool:
        """Whether this sync only says that it has synced."""
        met = Call(call=call, path=path)
        return any(armed.fault.lies and self._fires(armed, met) for armed in self._armed)

    def _fires(self, armed: "_Armed", met: Call) -> bool:
        fires = armed.matches(met)
        if fires:
            self.fired.append(armed.fault)
        return fires


class _Armed:
    """A fault and the matching calls counted so far."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.count = 0

    def matches(self, met: Call) -> bool:
        """Count this call if it matches; whether the fault is due at it."""
        fault = self.fault
        if fault.call not in (met.call, ANY) or not fnmatch.fnmatchcase(met.path or ROOT_PATH, fault.glob):
            return False
        if fault.offset is not None and not met.offset <= fault.offset < met.offset + met.length:
            return False
        self.count += 1
        return self.count == fault.nth if fault.once else self.count >= fault.nth
