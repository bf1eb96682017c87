"""Replaces the functions that reach the file system by ones that know simulated paths and descriptors.

They are replaced where they stand, in ``os``, ``io``, ``fcntl`` and ``builtins``, once and for good,
and pass on to the machine what is none of ours. So whatever module asks for ``os.rename`` finds the replacement, if it
was imported before as well. What was imported by name before (``from os import fsync``), or kept as a default argument
or in a class, is found and replaced there too. Every function of ``os`` that takes a path or a descriptor and is not
simulated refuses those that are (``_guarded``), the ones of coming versions of Python included.
"""

import _thread
import builtins
import errno
import fcntl
import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeAlias

from chaoswal.patched import attributes, calls, locks, looking, streams
from chaoswal.patched.mounts import (
    FIRST_DESCRIPTOR,
    descriptors_between,
    directory_of,
    is_descriptor,
    is_simulated,
    named,
    open_file,
    place_of,
)
from chaoswal.patched.unseen import asked_by_engine, refuse

Function: TypeAlias = Callable[..., Any]

BY_NUMBER: Mapping[str, Function] = {
    "close": calls.close,
    "dup": calls.duplicate,
}
"""Emulations that are given the descriptor itself."""

BY_FILE: Mapping[str, Function] = {
    "device_encoding": looking.nothing,
    "fchmod": looking.change_mode_open,
    "fchown": looking.change_owner_open,
    "fdatasync": calls.sync_data,
    "fpathconf": looking.configured_open,
    "fstat": looking.status_open,
    "fstatvfs": looking.space_open,
    "fsync": calls.sync,
    "ftruncate": calls.truncate_open,
    "get_blocking": looking.yes,
    "get_inheritable": looking.no,
    "get_terminal_size": looking.no_terminal,
    "isatty": looking.no,
    "lockf": locks.lock_part,
    "lseek": calls.seek,
    "posix_fadvise": calls.advise,
    "posix_fallocate": calls.allocate,
    "pread": calls.pread,
    "preadv": calls.preadv,
    "pwrite": calls.pwrite,
    "pwritev": calls.pwritev,
    "read": calls.read,
    "readv": calls.readv,
    "set_blocking": looking.nothing,
    "set_inheritable": looking.nothing,
    "tcgetpgrp": looking.no_terminal,
    "tcsetpgrp": looking.no_terminal,
    "ttyname": looking.no_terminal,
    "write": calls.write,
    "writev": calls.writev,
}
"""Emulations that are given the open file."""

BY_PLACE: Mapping[str, Function] = {
    "chmod": looking.change_mode,
    "lchown": attributes.by_pyfakefs("chown"),
    "lstat": looking.status,
    "mkdir": calls.make_directory,
    "open": calls.open_at,
    "pathconf": looking.configured,
    "readlink": looking.read_link,
    "remove": calls.unlink,
    "rmdir": calls.remove_directory,
    "stat": looking.status,
    "statvfs": looking.space,
    "truncate": calls.truncate,
    "unlink": calls.unlink,
    **{name: attributes.by_pyfakefs(name) for name in attributes.BY_PYFAKEFS},
}
"""Emulations that are given the place a path leads to."""

BY_DIRECTORY: Mapping[str, Function] = {"listdir": looking.listed, "scandir": looking.scan}
"""Emulations that are given the place and the path itself, in whose kind they answer."""

OF_A_DESCRIPTOR: Mapping[str, str] = {"stat": "fstat", "truncate": "ftruncate", "chmod": "fchmod", "chown": "fchown"}
"""Functions of a path that do what another does, where they are given a descriptor."""

BY_TWO_PLACES: Mapping[str, Function] = {"rename": calls.rename, "replace": calls.rename, "link": calls.link}
"""Emulations that are given two places."""

OF_TWO_FILES: Mapping[str, Function] = {
    "dup2": calls.duplicate_to,
    "sendfile": calls.send,
    "copy_file_range": calls.copy_range,
}
"""Emulations that are given two descriptors, one of which may be the machine's."""

FCNTL: Mapping[str, Function] = {
    "fcntl": locks.control,
    "flock": locks.flock,
    "ioctl": locks.device_control,
    "lockf": locks.lock_range,
}
"""Those of ``fcntl``, by the descriptor itself."""

HARMLESS = ("fspath",)
"""Functions that take a path and do nothing with it."""

SUSPECTS = frozenset({"path", "file", "src", "dst", "fd", "fd2"})
"""The parameters of ``os``'s functions that are paths or descriptors."""

originals: dict[Function, Function] = {}
"""What was replaced, and by what."""


@functools.cache
def install() -> None:
    """Replace them all, unless it is done already."""
    for module, name, replacement in [*_of_os(), *_of_others()]:
        original = getattr(module, name)
        originals[original] = functools.wraps(original)(replacement)
        setattr(module, name, originals[original])
    for supported in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
        supported |= {originals[one] for one in supported if one in originals}
    for owner in list(_owners()):
        _replace_kept(owner)


def _of_os() -> Iterator[tuple[ModuleType, str, Function]]:
    kinds: list[tuple[Mapping[str, Function], Callable[[Function, Function], Function]]] = [
        (BY_NUMBER, _by_number),
        (BY_FILE, _by_file),
        (BY_PLACE, _by_place),
        (BY_DIRECTORY, _by_directory),
        (BY_TWO_PLACES, _by_two_places),
        (OF_TWO_FILES, _of_two_files),
    ]
    done = {"access", "closerange", "sync", *HARMLESS}
    for table, dispatch in kinds:
        for name, act in table.items():
            if hasattr(os, name):
                yield os, name, dispatch(getattr(os, name), act)
        done |= set(table)
    yield os, "access", _or_false(_by_place(os.access, attributes.by_pyfakefs("access")))
    yield os, "closerange", _close_range(os.closerange)
    yield os, "sync", _not_by_engines(os.sync, "os.sync, which does not say what it is meant for")
    for name, suspects in suspicious().items():
        if name not in done:
            yield os, name, _guarded(name, getattr(os, name), suspects)


def _of_others() -> Iterator[tuple[ModuleType, str, Function]]:
    for name, act in FCNTL.items():
        yield fcntl, name, _by_number(getattr(fcntl, name), act)
    opening = _open(io.open)
    yield io, "open", opening
    yield builtins, "open", opening
    for name in ("start_new_thread", "start_joinable_thread"):
        if hasattr(_thread, name):
            yield _thread, name, _not_by_engines(getattr(_thread, name), "a thread, whose turns nobody orders")


def suspicious() -> dict[str, list[tuple[int, str]]]:
    """The functions of ``os`` that are written in C and take a path or a descriptor: where, and under what name."""
    found = {}
    for name, function in vars(os).items():
        if inspect.isbuiltin(function):
            places = [(place, one) for place, one in enumerate(_parameters(function)) if _is_suspect(one)]
            if places:
                found[name] = places
    return found


def _parameters(function: Function) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # some say what they take in words only: what is meant comes first in all of them
        return ["path"]


def _is_suspect(parameter: str) -> bool:
    return parameter in SUSPECTS or parameter.endswith("_fd")


# -- replacements --------------------------------------------------------------------------------------------------


def _by_number(real: Function, act: Function) -> Function:
    def call(*arguments: Any, **options: Any) -> Any:
        number: Any = arguments[0] if arguments else options.get("fd")
        if not isinstance(number, int) and hasattr(number, "fileno"):
            number = number.fileno()  # some take an open file for its descriptor
        if is_descriptor(number):
            options.pop("fd", None)
            return act(number, *arguments[1:], **options)
        return real(*arguments, **options)

    return call


def _by_file(real: Function, act: Function) -> Function:
    return _by_number(real, lambda number, *arguments, **options: act(open_file(number), *arguments, **options))


def _of_two_files(real: Function, act: Function) -> Function:
    def call(*arguments: Any, **options: Any) -> Any:
        simulated = any(is_descriptor(one) for one in [*arguments[:2], *options.values()])
        return (act if simulated else real)(*arguments, **options)

    return call


def _by_place(real: Function, act: Function) -> Function:
    other = OF_A_DESCRIPTOR.get(real.__name__)

    def call(path: Any, *arguments: Any, dir_fd: int | None = None, **options: Any) -> Any:
        if other and is_descriptor(path):
            return getattr(os, other)(path, *arguments, **options)
        try:
            place = place_of(path, dir_fd)
            if place is not None:
                return act(place, *arguments, **options)
        except OSError as error:
            raise named(error, path) from None
        if dir_fd is not None:
            options["dir_fd"] = dir_fd
        return real(path, *arguments, **options)

    return call


def _or_false(call: Function) -> Function:
    def answer(*arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except OSError:
            return False

    return answer


def _by_directory(real: Function, act: Function) -> Function:
    def call(path: Any = None) -> Any:
        try:
            place = None if path is None else directory_of(path)
            if place is not None:
                return act(place, path)
        except OSError as error:
            raise named(error, path) from None
        return real(path)

    return call


def _by_two_places(real: Function, act: Function) -> Function:
    def call(src: Any, dst: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None, **options: Any) -> Any:
        try:
            place, to = place_of(src, src_dir_fd), place_of(dst, dst_dir_fd)
            if place is not None and to is not None:
                return act(place, to, **options)
            if place is not to:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        except OSError as error:
            raise named(error, src, dst) from None
        return real(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **options)

    return call


def _close_range(real: Function) -> Function:
    def call(fd_low: int, fd_high: int) -> None:
        for number in descriptors_between(fd_low, fd_high):
            calls.close(number)
        real(fd_low, min(fd_high, FIRST_DESCRIPTOR))

    return call


def _not_by_engines(real: Function, what: str) -> Function:
    def call(*arguments: Any, **options: Any) -> Any:
        if asked_by_engine():
            refuse(what)
        return real(*arguments, **options)

    return call


def _guarded(name: str, real: Function, suspects: list[tuple[int, str]]) -> Function:
    places = [place for place, _ in suspects]
    words = [word for _, word in suspects]

    def call(*arguments: Any, **options: Any) -> Any:
        given = [arguments[place] for place in places if place < len(arguments)]
        given += [options[word] for word in words if word in options]
        if any(is_simulated(one) for one in given):
            refuse(f"os.{name} is not simulated")
        return real(*arguments, **options)

    return call


def _open(real: Function) -> Function:
    def call(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,  # noqa: FBT001, FBT002 - as in io
        opener: Any = None,
    ) -> Any:
        if is_simulated(file):
            try:
                return streams.open_stream(
                    file, mode, buffering, encoding, errors, newline, closes=closefd, opener=opener
                )
            except OSError as error:
                raise named(error, file) from None
        return real(file, mode, buffering, encoding, errors, newline, closefd, opener)

    return call


# -- what was kept from before -------------------------------------------------------------------------------------


def _owners() -> Iterator[ModuleType | type | FunctionType]:
    """Every module, but for those that define what is replaced, with its classes and functions."""
    modules: list[Any] = list(sys.modules.values())
    for module in modules:
        if not isinstance(module, ModuleType) or module.__name__ in _DEFINING:
            continue  # some packages put other things there
        yield module
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield value
                yield from (one for one in vars(value).values() if isinstance(one, FunctionType))
            elif isinstance(value, FunctionType) and value.__module__ == module.__name__:
                yield value


_DEFINING = {"posix", "os", "io", "_io", "fcntl", "builtins", __name__}


def _replace_kept(owner: ModuleType | type | FunctionType) -> None:
    if isinstance(owner, FunctionType):
        if owner.__defaults__:
            owner.__defaults__ = tuple(_again(value) for value in owner.__defaults__)
        if owner.__kwdefaults__:
            owner.__kwdefaults__ = {name: _again(value) for name, value in owner.__kwdefaults__.items()}
        return
    for name, value in list(vars(owner).items()):
        if _again(value) is not value:
            setattr(owner, name, _again(value))


def _again(value: Any) -> Any:
    """What a function is replaced by; everything else stays what it is."""
    if isinstance(value, staticmethod):
        inner = _again(value.__func__)
        return value if inner is value.__func__ else staticmethod(inner)
    return originals.get(value, value) if isinstance(value, BuiltinFunctionType) else value
