"""Engines by name: ``wal``, ``sqlite``, ``path/to/file.py:Class`` or ``package.module:Class``, with options.

An ``EngineRef`` is plain text (``wal sync=explicit bug=no-checksum``), so that it travels to worker processes and
into corpus files; loading it is a step of its own.
"""

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from chaoswal.engines.adapter import LogEngine
from chaoswal.errors import UsageError
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.runtime import Runtime

REGISTERED = {
    "wal": "chaoswal.engines.wal:WalEngine",
    "sqlite": "chaoswal.engines.sqlite:SqliteEngine",
}
"""The engines that ship."""

BUG = "bug"
"""The option that plants a bug of the zoo in the builtin engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRef:
    """An engine by name, and its options in order."""

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return shlex.join([self.name, *(f"{key}={value}" for key, value in self.options)])

    @classmethod
    def parse(cls, text: str) -> "EngineRef":
        """Read a reference back from its text."""
        try:
            name, *words = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"cannot read the engine {text!r}: expected NAME key=value …") from error
        return cls.of(name, words)

    @classmethod
    def of(cls, name: str, options: list[str]) -> "EngineRef":
        """A reference from a name and ``key=value`` words."""
        pairs = []
        for word in options:
            key, equals, value = word.partition("=")
            if not equals or not key:
                raise UsageError(f"cannot read the option {word!r} of {name}: expected key=value")
            pairs.append((key, value))
        return cls(name=name, options=tuple(pairs))

    def with_options(self, **options: str) -> "EngineRef":
        """The same engine with these options set."""
        return EngineRef(name=self.name, options=tuple({**dict(self.options), **options}.items()))

    def factory(self) -> "Factory":
        """The class behind the name, ready to be opened; UsageError where there is none."""
        options = dict(self.options)
        kind = _load(self.name)
        if BUG in options:
            kind = _with_bug(self.name, options.pop(BUG))
        return Factory(kind=kind, options=options, name=str(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """An engine class with its options."""

    kind: Callable[..., Any]
    options: Mapping[str, str]
    name: str

    @property
    def simulated(self) -> bool:
        """Whether it runs on a simulated disk: it takes a ``vfs``."""
        return bool(getattr(self.kind, "takes_vfs", False))

    @property
    def threaded(self) -> bool:
        """Whether it has threads of its own with these options, and so needs a runtime that has some."""
        needs_threads = getattr(self.kind, "needs_threads", None)
        return needs_threads is not None and bool(needs_threads(self.options))

    def with_options(self, options: Iterable[tuple[str, str]]) -> "Factory":
        """The same class, opened with these options besides."""
        chosen = dict(options)
        if not chosen:
            return self
        words = (f"{key}={value}" for key, value in chosen.items())
        return replace(self, options={**self.options, **chosen}, name=f"{self.name} {shlex.join(words)}")

    def open_simulated(self, vfs: Vfs, runtime: Runtime) -> LogEngine:
        """Open it on a simulated (or noted) disk."""
        return cast("LogEngine", self.kind(vfs=vfs, runtime=runtime, **self.options))

    def open_directory(self, directory: str) -> LogEngine:
        """Open it on a real directory."""
        return cast("LogEngine", self.kind(directory, **self.options))


def _with_bug(name: str, bug: str) -> Callable[..., Any]:
    if name != "wal":
        raise UsageError(f"bugs are planted in the builtin engine only, not in {name!r}: use 'wal -o bug={bug}'")
    from chaoswal.engines.bugs import planted  # the zoo is loaded only when a bug of it is asked for

    return planted(bug)


def _load(name: str) -> Callable[..., Any]:
    target = REGISTERED.get(name, name)
    place, colon, attribute = target.rpartition(":")
    if not colon:
        known = ", ".join(REGISTERED)
        raise UsageError(
            f"unknown engine {name!r}; there are {known}, or path/to/file.py:Class, or package.module:Class"
        )
    module = _load_file(Path(place)) if place.endswith(".py") else _import(place)
    kind = getattr(module, attribute, None)
    if not callable(kind):
        raise UsageError(f"{place} has no class {attribute!r}")
    return cast("Callable[..., Any]", kind)


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise UsageError(f"cannot import the engine's module {module!r}: {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    name = f"chaoswal_engine_{path.stem}"  # a file called queue.py must not become everybody's module queue
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"cannot load the engine's file {path}: {type(error).__name__}: {error}") from error
    return module
