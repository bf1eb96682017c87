"""Environments of their own for engines in exactly the version of which something is known.

Theory of operation. A virtual environment holds the pinned package and what that needs, and nothing else; pip installs
it from wherever pip is told to look. The checker and its own packages are those that are running now: a ``.pth`` file
leads to them, behind the environment's own packages, so that the pinned version is the one that is found. That file is
written last, and so an environment that has it is whole.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from chaoswal.errors import UsageError

PINNED = {
    "persist-queue": "persist-queue==1.1.0",
    "lmdb": "lmdb==3.0.0",
    "leveldb": "plyvel==1.5.1",
    "rocksdb": "rocksdict==0.3.29",
    "sqlitedict": "sqlitedict==2.1.0",
    "diskcache": "diskcache==5.6.3",
    "litequeue": "litequeue==0.9",
    "huey": "huey==3.5.4",
    "tantivy": "tantivy==0.27.0",
    "duckdb": "duckdb==1.1.3",
}
"""The version of each that what is known of it was seen in."""

_CHECKER = "chaoswal-checker.pth"
_LAST_LINES = 3


def default_cache() -> Path:
    """Where environments are kept if nobody says otherwise: below the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaoswal" / "engines"


def environment_of(name: str, cache: Path) -> Path | None:
    """The environment of an engine, if it was set up."""
    place = _place(name, cache) if name in PINNED else None
    return place if place and (_packages(place) / _CHECKER).exists() else None


def set_up(name: str, cache: Path) -> Path:
    """Its environment, made if it is not there; UsageError where it is not pinned, or cannot be installed."""
    if name not in PINNED:
        raise UsageError(f"{name!r} is not pinned to a version of a package; those that are: {', '.join(PINNED)}")
    standing = environment_of(name, cache)
    if standing:
        return standing
    place = _place(name, cache)
    try:
        venv.create(place, clear=True, symlinks=True)
    except OSError as error:
        raise UsageError(
            f"cannot make an environment in {place}: {error.strerror}; choose another by --cache"
        ) from error
    _install(PINNED[name], place)
    checker = Path(__file__).parents[2]
    lines = [str(checker), f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})"]
    (_packages(place) / _CHECKER).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return place


def python_of(environment: Path) -> Path:
    """The interpreter of an environment."""
    return environment / "bin" / "python"


def _place(name: str, cache: Path) -> Path:
    version = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cache.absolute() / f"{PINNED[name].replace('==', '-')}-{version}"


def _packages(place: Path) -> Path:
    paths = sysconfig.get_paths("venv", vars={"base": str(place), "platbase": str(place)})
    return Path(paths["purelib"])


def _install(requirement: str, place: Path) -> None:
    """By the pip that is here, into there."""
    command = [sys.executable, "-m", "pip", "--python", str(python_of(place)), "install", "--no-input", requirement]
    environment = {
        key: text for key, text in os.environ.items() if key != "PYTHONPATH"
    }  # what is there counts as installed
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = "; ".join((done.stderr or done.stdout).strip().splitlines()[-_LAST_LINES:])
        raise UsageError(f"pip cannot install {requirement} for {sys.version.split()[0]}: {last}")
