"""Whether an engine has changed the process that it shares with the checker.

Where a file system is simulated, engine and checker are one process, and an engine may put another function in the
place of any: the checker would fail, or see nothing wrong any more. So the functions and classes of the checker, the
builtins, and those of the modules that both speak to the machine through are noted before an engine runs, and compared
behind it. What the checker itself puts in their place (``patched``) is known by the module it comes from. This finds
whatever is done by mistake, or to be on the safe side (``gevent`` and its like); who means to deceive has other ways.
"""

import builtins
import io
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from types import ModuleType

from chaoswal.errors import ChaoswalError, HarnessFault, Inconclusive, place_and_text

_PACKAGE = "chaoswal."
_SHARED = (builtins, io, os, time)
_NOWHERE = dict[str, object]()
_LIBRARIES = {*sys.stdlib_module_names, "multiprocess", "pyfakefs"}
_LIMITS = ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_STACK")


class Seal:
    """What the process was like when this was made."""

    def __init__(self) -> None:
        ours = [module for name, module in list(sys.modules.items()) if name.startswith(_PACKAGE)]
        self._members = [member for module in [*_SHARED, *ours] for member in _callables(module)]
        self._methods = {owner: set(vars(owner)) for owner, _, _ in self._members if isinstance(owner, type)}
        self._setting = _setting()

    def broken(self) -> str:
        """A function that is another one now; empty where there is none. It calls none of them to find out."""
        for owner, name, value in self._members:
            now = owner.__dict__.get(name)
            if now is not value and not _is_ours(now):
                return f"{owner.__name__}.{name}"
        for kind, names in self._methods.items():
            for name, value in kind.__dict__.items():
                if name not in names and callable(value):
                    return f"{kind.__name__}.{name}"
        return ""

    def failure(self, error: BaseException, where: str) -> ChaoswalError:
        """What an exception means: the checker's own say that, all others are a mistake of ours.

        Or of whoever changed this process: then what the checker takes for a mistake of its own is none.
        """
        broken = self.broken()
        if broken:
            return self.changed(broken)
        if isinstance(error, ChaoswalError):
            return error
        if type(error) in (MemoryError, RecursionError):
            return Inconclusive(f"{type(error).__name__} {where}, where an engine ran: nothing is said of that engine")
        for (name, before), (_, now) in zip(self._setting, _setting(), strict=True):
            if before != now:
                return Inconclusive(
                    f"{where} something failed after an engine had changed {name}: nothing is said of it"
                )
        if not _is_raised_by_us(
            error
        ):  # by what an engine has left behind to be called: a tracer, a callback, a handler
            return Inconclusive(f"an engine's code failed {where}, where nobody had asked it: {place_and_text(error)}")
        return HarnessFault(f"internal error {where} at {place_and_text(error)}")

    @staticmethod
    def changed(what: str) -> Inconclusive:
        """What is to be said where a function is another one."""
        return Inconclusive(f"an engine changed {what} in the process that it shares with the checker: no verdict")


def _callables(module: ModuleType) -> Iterator[tuple[ModuleType | type, str, object]]:
    """The functions and classes of a module, and the methods of the classes that are its own, each with its owner."""
    for name, value in list(vars(module).items()):
        if callable(value):
            yield module, name, value
        if isinstance(value, type) and value.__module__ == module.__name__ and module not in _SHARED:
            yield from ((value, method, function) for method, function in vars(value).items() if callable(function))


def _is_ours(value: object) -> bool:
    """Whether it is a function that was written here, by whatever name it goes (``functools.wraps``)."""
    module = getattr(value, "__globals__", _NOWHERE).get("__name__")
    return type(module) is str and module.startswith(_PACKAGE)


def _is_raised_by_us(error: BaseException) -> bool:
    """Whether it was raised by the checker, or by a library that was called from there."""
    names = [frame.f_globals.get("__name__") or "" for frame, _ in traceback.walk_tb(error.__traceback__)]
    callers = [name for name in names if name.partition(".")[0] not in _LIBRARIES]
    return not callers or callers[-1].startswith(_PACKAGE)


def _setting() -> list[tuple[str, object]]:
    """What an engine may change of its process that is no function."""
    limits = [(name, resource.getrlimit(getattr(resource, name))) for name in _LIMITS]
    return [*limits, ("sys.setrecursionlimit", sys.getrecursionlimit()), ("sys.settrace", sys.gettrace())]
