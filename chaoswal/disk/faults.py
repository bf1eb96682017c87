"""Errors while running, as plans that are text: ``fail EIO on fsync of *.wal nth 3 once``.

A plan counts the calls that match its kind and its glob of paths, and strikes at the n-th: once, or ``from then
on``. ``short write of *.wal nth 2 at 10`` lets only 10 bytes of a write through. Calls go by the names of the
system calls they stand for (``CALLS``).
"""

import errno
import fnmatch
import os
import re
from dataclasses import dataclass

from chaoswal.errors import UsageError

CALLS = [
    "open",
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
    "close",
    "lock",
]
_FAIL = re.compile(
    r"fail (?P<error>[A-Z]\w+) on (?P<call>\w+) of (?P<glob>\S+) nth (?P<nth>\d+) (?P<span>once|from then on)"
)
_SHORT = re.compile(r"short (?P<call>write) of (?P<glob>\S+) nth (?P<nth>\d+) at (?P<at>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One error to inject: ``error`` (an errno name) at the ``nth`` matching call, or a write cut at ``at`` bytes."""

    call: str
    glob: str
    nth: int
    error: str = ""
    once: bool = True
    at: int = 0

    def __str__(self) -> str:
        if not self.error:
            return f"short {self.call} of {self.glob} nth {self.nth} at {self.at}"
        return (
            f"fail {self.error} on {self.call} of {self.glob} nth {self.nth} {'once' if self.once else 'from then on'}"
        )

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read a fault back from its text; UsageError says what is wrong."""
        match = _FAIL.fullmatch(text) or _SHORT.fullmatch(text)
        if not match:
            raise UsageError(f"cannot read the fault {text!r}: expected 'fail EIO on fsync of GLOB nth N once'")
        words = match.groupdict()
        if words["call"] not in CALLS or not hasattr(errno, words.get("error", "EIO")):
            raise UsageError(f"unknown call or error in {text!r}; calls are: {', '.join(CALLS)}")
        return cls(
            call=words["call"],
            glob=words["glob"],
            nth=int(words["nth"]),
            error=words.get("error", ""),
            once=words.get("span", "once") == "once",
            at=int(words.get("at", 0)),
        )


class FaultPlan:
    """Faults armed against a run; it counts, so each run needs one of its own."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._armed = [_Armed(fault) for fault in faults]
        self.fired: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Arm one more."""
        self._armed.append(_Armed(fault))

    def strike(self, call: str, path: str) -> None:
        """Raise the error that is due at this call, if any."""
        for armed in self._armed:
            if armed.fault.error and armed.matches(call, path):
                self.fired.append(armed.fault)
                code = getattr(errno, armed.fault.error)
                raise OSError(code, os.strerror(code), path)

    def short(self, call: str, path: str) -> int | None:
        """How many bytes of this write go through, where a fault cuts it."""
        for armed in self._armed:
            if not armed.fault.error and armed.matches(call, path):
                self.fired.append(armed.fault)
                return armed.fault.at
        return None


class _Armed:
    """A fault and the matching calls counted so far."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.count = 0

    def matches(self, call: str, path: str) -> bool:
        """Count this call if it matches; whether the fault is due at it."""
        fault = self.fault
        if fault.call != call or not fnmatch.fnmatchcase(path, fault.glob):
            return False
        self.count += 1
        return self.count == fault.nth if fault.once else self.count >= fault.nth
