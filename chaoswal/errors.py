"""Every exception of the checker, and the exit code each ends the program with."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    CLEAN = 0
    VIOLATION = 1
    USAGE = 2
    INTERNAL = 3
    INCONCLUSIVE = 4
    NOTHING_RAN = 5
    INTERRUPTED = 130


class ChaoswalError(Exception):
    """Root of what the checker raises; the message says what, where, and what to do."""

    exit_code = Exit.INTERNAL


class UsageError(ChaoswalError):
    """The user asked for something that cannot be: a bad option, path, or file."""

    exit_code = Exit.USAGE


class Unavailable(UsageError):
    """This machine lacks something that what was asked for needs: a package, strace, ptrace(2)."""


class EngineFault(ChaoswalError):
    """The engine under test misbehaved: a finding, not a failure of the checker."""

    exit_code = Exit.VIOLATION


class HarnessFault(ChaoswalError):
    """The checker itself is wrong: an invariant of ours does not hold."""

    exit_code = Exit.INTERNAL


class Inconclusive(ChaoswalError):
    """Nothing can honestly be said: something needed was not measured or not seen."""

    exit_code = Exit.INCONCLUSIVE


class StepLimit(BaseException):
    """An engine made more calls than any recovery should: it is taken to hang.

    Derived from BaseException so that an engine's ``except Exception`` cannot swallow it.
    """
