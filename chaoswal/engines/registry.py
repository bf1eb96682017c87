"""Engines by name: ``wal``, ``path/to/file.py:Class``, ``package.module:Class`` or ``cmd:COMMAND``, with options.

An ``EngineRef`` is plain text (``wal sync=explicit bug=no-checksum``), so that it travels to worker processes and
into corpus files; loading it is a step of its own.
"""

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, cast

from chaoswal.engines.adapter import LogEngine
from chaoswal.engines.command import program
from chaoswal.engines.server import version as version_of
from chaoswal.errors import HarnessFault, Inconclusive, UsageError, cannot_open, said
from chaoswal.patched.opening import open_patched
from chaoswal.patched.unseen import watch_simulated
from chaoswal.patience import OPENING
from chaoswal.processes import within
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.runtime import Runtime

REGISTERED = {
    "wal": "chaoswal.engines.wal:WalEngine",
    "sqlite": "chaoswal.engines.sqlite:SqliteEngine",
    "dbm.dumb": "chaoswal.engines.dumb:DumbEngine",
    "persist-queue": "chaoswal.engines.persist_queue:PersistQueueEngine",
    "lmdb": "chaoswal.engines.lmdb:LmdbEngine",
    "leveldb": "chaoswal.engines.leveldb:LeveldbEngine",
    "rocksdb": "chaoswal.engines.rocksdb:RocksdbEngine",
    "sqlitedict": "chaoswal.engines.sqlitedict:SqlitedictEngine",
    "diskcache": "chaoswal.engines.diskcache:DiskcacheEngine",
    "litequeue": "chaoswal.engines.litequeue:LitequeueEngine",
    "huey": "chaoswal.engines.huey:HueyEngine",
    "tantivy": "chaoswal.engines.tantivy:TantivyEngine",
    "duckdb": "chaoswal.engines.duckdb:DuckdbEngine",
    "redis": "chaoswal.engines.redis:RedisEngine",
    "nats": "chaoswal.engines.nats:NatsEngine",
}
"""The engines that ship."""

GROUP = "chaoswal.engines"
"""The entry points by which an installed package makes engines of its own known by name."""

BUG = "bug"
"""The option that plants a bug of the zoo in the builtin engine."""

PROGRAM = "cmd:"
"""How the name of an engine begins that is a program; the rest is its command."""

RECORDER = "recorder"
"""The option that says how an engine that takes no ``vfs`` is run; without, its adapter does (``recorder``)."""

PATCHED, SYSCALLS = RECORDERS = "patched", "syscalls"
"""As unmodified Python on the simulated disk; or on real directories, watched by strace, as everything can be."""


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

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(key for key, _ in self.options)

    @property
    def is_program(self) -> bool:
        """Whether it is a command, which whoever opens it runs."""
        return self.name.startswith(PROGRAM)

    @property
    def foreign(self) -> str:
        """What it is, where it is neither a registered name nor a file below the working directory; else nothing."""
        if self.is_program:
            return "the command"
        place, colon, _ = self.name.rpartition(":")
        if not colon:
            return ""
        if not place.endswith(".py"):
            return "the module"
        below = Path(place).resolve().is_relative_to(Path.cwd().resolve())
        return "" if below else "a file outside of the working directory,"

    def factory(self) -> "Factory":
        """The class behind the name, ready to be opened; UsageError where there is none."""
        options = dict(self.options)
        kind = program(self.name.removeprefix(PROGRAM), options) if self.is_program else _load(self.name)
        if BUG in options:
            kind = _with_bug(self.name, options.pop(BUG))
        return Factory(kind=kind, options=options, name=str(self), recorder=_recorder(kind, options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """An engine class with its options."""

    kind: Callable[..., Any]
    options: Mapping[str, str]
    name: str
    recorder: str = SYSCALLS

    @property
    def takes_vfs(self) -> bool:
        """Whether it does its file work through a ``vfs``, whatever that may be."""
        return getattr(self.kind, "takes_vfs", False) is True

    @property
    def package(self) -> str:
        """The server that it is, or else the distribution that it comes with; empty where there is none."""
        return self.server or str(getattr(self.kind, "package", ""))

    @property
    def version(self) -> str:
        """The version that is installed; empty where it has none, or is not installed."""
        if self.server:
            return version_of(self.server)
        if not self.package:
            return str(getattr(self.kind, "version", ""))
        return _version_of_package(self.package)

    @property
    def missing(self) -> str:
        """The server that it is, or the distribution that it comes with or is a client of, if that is not installed."""
        if self.server and not version_of(self.server):
            return self.server
        package = str(getattr(self.kind, "package", ""))
        return package if package and not _version_of_package(package) else ""

    @property
    def server(self) -> str:
        """The server that it is; empty where it is none."""
        return str(getattr(self.kind, "server", ""))

    @property
    def simulated(self) -> bool:
        """Whether it runs on a simulated disk: it takes a ``vfs``, or what it asks of the machine is caught."""
        return self.takes_vfs or self.recorder == PATCHED

    @property
    def threaded(self) -> bool:
        """Whether it has threads of its own with these options, and so needs a runtime that has some.

        UsageError where it does not take them.
        """
        needs_threads = getattr(self.kind, "needs_threads", None)
        try:
            return needs_threads is not None and bool(needs_threads(self.options))
        except Exception as error:
            raise cannot_open(self.name, error) from error

    def with_options(self, options: Iterable[tuple[str, str]]) -> "Factory":
        """The same class, opened with these options besides."""
        chosen = dict(options)
        if not chosen:
            return self
        words = (f"{key}={value}" for key, value in chosen.items())
        return replace(self, options={**self.options, **chosen}, name=f"{self.name} {shlex.join(words)}")

    def open_simulated(self, vfs: Vfs, runtime: Runtime) -> LogEngine:
        """Open it on a simulated (or, if it takes a ``vfs``, noted) disk.

        Inconclusive where it is seen to go past it.
        """
        if self.takes_vfs:
            if isinstance(vfs, MemoryVfs) and not self.kind.__module__.startswith("chaoswal."):
                watch_simulated(self.kind.__module__)
            return cast("LogEngine", self.kind(vfs=vfs, runtime=runtime, **self.options))
        if not isinstance(vfs, MemoryVfs):
            raise HarnessFault(f"{self.name} takes no vfs, and was given one that is not in memory")
        return cast("LogEngine", open_patched(self.kind, vfs, self.options))

    def handed_over(self) -> "Factory":
        """The same engine on real directories."""
        words = EngineRef.parse(self.name).with_options(**{RECORDER: SYSCALLS})
        return replace(self, recorder=SYSCALLS, name=str(words))

    def open_directory(self, directory: str) -> LogEngine:
        """Open it on a real directory."""
        return cast("LogEngine", self.kind(directory, **self.options))


def _version_of_package(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _recorder(kind: Callable[..., Any], options: dict[str, str]) -> str:
    """Which recorder an engine is run by; the option that says so is taken out."""
    stated = getattr(kind, RECORDER, SYSCALLS)
    chosen = options.pop(RECORDER, stated if isinstance(stated, str) else SYSCALLS)
    if chosen not in RECORDERS:
        raise UsageError(f"there is no recorder {chosen!r}: there are {', '.join(RECORDERS)}")
    return chosen


def _with_bug(name: str, bug: str) -> Callable[..., Any]:
    if name != "wal":
        raise UsageError(f"bugs are planted in the builtin engine only, not in {name!r}: use 'wal -o bug={bug}'")
    from chaoswal.engines.bugs import planted  # the zoo is loaded only when a bug of it is asked for

    return planted(bug)


def _load(name: str) -> Callable[..., Any]:
    target = REGISTERED.get(name) or _installed(name) or name
    place, colon, attribute = target.rpartition(":")
    if not colon:
        known = ", ".join([*REGISTERED, *sorted(entry_points(group=GROUP).names - REGISTERED.keys())])
        raise UsageError(
            f"unknown engine {name!r}; there are {known}, or path/to/file.py:Class, or package.module:Class, or "
            f"'{PROGRAM}COMMAND {{dir}}' for a program in any language"
        )
    with within(OPENING.seconds):
        module = _load_file(Path(place)) if place.endswith(".py") else _import(place)
    kind = getattr(module, attribute, None)
    if not callable(kind):
        raise UsageError(f"{place} has no class {attribute!r}")
    return cast("Callable[..., Any]", kind)


def _installed(name: str) -> str:
    """What a package that is installed says is behind a name; the empty string where none does."""
    targets = {point.value for point in entry_points(group=GROUP, name=name)}
    if len(targets) > 1:
        raise UsageError(f"the engine {name!r} is ambiguous: installed packages name {', '.join(sorted(targets))}")
    return next(iter(targets), "")


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise UsageError(
            f"cannot import the engine's module {module!r}: {type(error).__name__}: {said(error)}"
        ) from error


_places: dict[Path, Path] = {}
"""Where files are by whose names engines go: one that changes the working directory is found all the same."""


def _load_file(path: Path) -> Any:
    if path.is_file():
        _places[path] = path.absolute()
    elif path not in _places:
        raise UsageError(f"no such file: {path}")
    path = _places[path]
    name = f"chaoswal_engine_{path.stem}"  # a file called queue.py must not become everybody's module queue
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except MemoryError as error:  # an engine that was here before may have eaten it, or forbidden to ask for more
        raise Inconclusive(f"there is no memory left to load the engine's file {path}") from error
    except Exception as error:
        raise UsageError(f"cannot load the engine's file {path}: {type(error).__name__}: {said(error)}") from error
    return module
