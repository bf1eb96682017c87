"""``fcntl`` on a simulated disk: locks among the descriptors of one process, and what is asked of a descriptor.

The locks of flock(2) belong to an open file, so two of one process exclude each other. Those of fcntl(2) and lockf(3)
belong to the process, which never excludes itself. Both end with it, and a crash leaves none.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from typing import Any

from chaoswal.patched import calls
from chaoswal.patched.mounts import OpenFile, give_descriptor, open_file
from chaoswal.patched.unseen import refuse

_KINDS = fcntl.LOCK_SH | fcntl.LOCK_EX
_STATUS = os.O_APPEND | getattr(os, "O_NONBLOCK", 0)


def flock(number: int, operation: int) -> None:
    """flock(2). One that would have to wait is refused: there is nobody who could give it up."""
    file = open_file(number)
    wanted = operation & _KINDS
    if operation & fcntl.LOCK_UN:
        file.lock = 0
    elif not wanted:
        raise calls.error(errno.EINVAL)
    elif any(_excludes(other, wanted) for other in file.mount.open_files if _rivals(file, other)):
        if not operation & fcntl.LOCK_NB:
            refuse("it waits for a lock that it holds itself, for ever")
        raise calls.error(errno.EWOULDBLOCK)
    else:
        file.lock = wanted


def _rivals(file: OpenFile, other: OpenFile) -> bool:
    return other is not file and other.inode == file.inode


def _excludes(other: OpenFile, wanted: int) -> bool:
    return bool(other.lock) and fcntl.LOCK_EX in (other.lock, wanted)


def lock_range(number: int, cmd: int, len: int = 0, start: int = 0, whence: int = 0) -> None:  # noqa: A002 - as in fcntl
    """``fcntl.lockf``."""
    open_file(number)


def lock_part(file: OpenFile, command: int, length: int) -> None:
    """``os.lockf``, which also tells whether somebody else holds a lock: nobody does."""


def control(number: int, cmd: int, arg: Any = 0) -> Any:
    """``fcntl.fcntl``: what is known of a descriptor, locks, and syncs of macOS."""
    handler = _COMMANDS.get(cmd)
    if handler is None:
        refuse(f"fcntl with command {cmd}")
    return handler(number, open_file(number), arg)


def _duplicate(number: int, file: OpenFile, _: Any) -> int:
    return give_descriptor(file)


def _flags(number: int, file: OpenFile, _: Any) -> int:
    return file.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_CLOEXEC)


def _set_flags(number: int, file: OpenFile, flags: int) -> int:
    file.flags = (file.flags & ~_STATUS) | (flags & _STATUS)
    return 0


def _nothing(number: int, file: OpenFile, argument: Any) -> Any:
    return argument if isinstance(argument, bytes) else 0


def _full_sync(number: int, file: OpenFile, _: Any) -> int:
    calls.sync(file)
    return 0


_NAMED: Mapping[str, Callable[[int, OpenFile, Any], Any]] = {
    "F_DUPFD": _duplicate,
    "F_DUPFD_CLOEXEC": _duplicate,
    "F_GETFD": lambda number, file, _: fcntl.FD_CLOEXEC,
    "F_SETFD": _nothing,
    "F_GETFL": _flags,
    "F_SETFL": _set_flags,
    "F_SETLK": _nothing,
    "F_SETLKW": _nothing,
    "F_FULLFSYNC": _full_sync,
    "F_BARRIERFSYNC": _full_sync,
}
_COMMANDS = {getattr(fcntl, name): handler for name, handler in _NAMED.items() if hasattr(fcntl, name)}


def device_control(number: int, *_: Any) -> Any:
    """``fcntl.ioctl``: nothing is known of what it asks for."""
    refuse("ioctl of a file")
