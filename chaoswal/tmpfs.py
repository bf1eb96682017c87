"""Directories in memory, for a process and those it forks, which are gone when it ends.

The process that asks first makes one directory for itself and all that it forks later; each of them makes its own
below that. It is removed when that first process ends, and what a killed one has left is removed by the next.
"""

import atexit
import contextlib
import itertools
import os
import re
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Where Linux has its file system in memory; elsewhere the usual place for temporary files is taken."""

_PREFIX = "chaoswal-"
_OWNED = re.compile(rf"{_PREFIX}(\d+)-\w+")
_numbers = itertools.count()
_base: Path | None = None


def fresh_directory() -> Path:
    """A new, empty directory."""
    while True:
        path = _shared() / f"{os.getpid()}-{next(_numbers)}"
        with contextlib.suppress(FileExistsError):  # of an earlier process with this number, which was killed
            path.mkdir()
            return path


def _shared() -> Path:
    global _base  # noqa: PLW0603 - one for the process, and inherited by what it forks
    if _base is None:
        where = _where()
        remove_left()
        _base = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=where)).resolve()
        atexit.register(_remove, _base, os.getpid())
    return _base


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _where() -> Path:
    return MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())


def campaign_of(process: int) -> str:
    """What the names of directories begin with in which a process lets others be killed; they may hold evidence."""
    return f"{_PREFIX}kill-loop-{process}-"


def remove_campaigns(process: int) -> None:
    """Remove what a campaign has left that has come to no end."""
    for path in _where().glob(f"{campaign_of(process)}*"):
        shutil.rmtree(path, ignore_errors=True)


def remove_left() -> None:
    """Remove what processes have left that are no more."""
    for path in _where().iterdir():
        owned = _OWNED.fullmatch(path.name)
        if owned and not Path(f"/proc/{owned[1]}").exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)
