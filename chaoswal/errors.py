"""Every exception of the checker, the exit code each ends the program with, and what an exception of anybody says."""

import os
import traceback
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


SAID_CHARACTERS_MAX = 2000
"""So much of what an exception says is told."""


def said(error: BaseException) -> str:
    """What an exception says, short enough to be read and fit to be printed: those of engines may be made to harm."""
    try:
        text = str(error)
    except BaseException as failure:  # noqa: BLE001 - it was raised by an engine's own code
        return f"(its text cannot be had: {type(failure).__name__})"
    clipped = text if len(text) <= SAID_CHARACTERS_MAX else f"{text[:SAID_CHARACTERS_MAX]}… ({len(text)} characters)"
    return clipped.encode(errors="backslashreplace").decode()


_OPTIONS = (TypeError, ValueError, RuntimeError, UsageError)
"""What is raised where an engine does not take its options (no such word, a wrong value, threads that are not there),
or lacks what its contract asks for: what it says is enough, and no line of the checker's helps.
"""


def cannot_open(engine: str, error: BaseException) -> UsageError:
    """An engine cannot be opened where there is nothing yet: that is its author's to mend, or its user's."""
    why = said(error) if isinstance(error, _OPTIONS) else place_and_text(error)
    return UsageError(f"cannot open {engine}: {why}")


def place_and_text(error: BaseException) -> str:
    """Where an exception was raised, of which type it is, and what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "nowhere"
    return f"{place}: {type(error).__name__}: {said(error)}"
