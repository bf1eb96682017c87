"""Opens an engine that knows only directories on a simulated disk."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Self

from chaoswal.errors import Inconclusive
from chaoswal.patched.install import install
from chaoswal.patched.mounts import PREFIX, mounted
from chaoswal.patched.unseen import HAND_OVER, asked_by_engine, watch
from chaoswal.vfs.memory import MemoryVfs


def open_patched(kind: Callable[..., Any], vfs: MemoryVfs, options: Mapping[str, str]) -> Any:
    """An engine opened on a simulated disk; Inconclusive where it goes past it."""
    _begin()
    watch(kind.__module__)
    mount = mounted(vfs)
    _names().begin()
    try:
        return kind(mount.root, **options)
    except Exception as error:
        if not isinstance(error, Inconclusive) and "Not a directory" in str(error) and PREFIX in str(error):
            raise Inconclusive(f"the engine opens its files past the simulated disk ({error}); {HAND_OVER}") from error
        raise


@cache
def _begin() -> None:
    """Take over from the machine; and let what engines are taken apart by be silent, for a kill runs no destructor."""
    install()
    before, told = frozenset(sys.modules), sys.unraisablehook

    def tell(unraisable: Any) -> None:
        if getattr(unraisable.object, "__module__", "") in before:
            told(unraisable)

    sys.unraisablehook = tell


@cache
def _names() -> "_Names":
    names = _Names(tempfile._get_candidate_names())  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    tempfile._name_sequence = names  # type: ignore[attr-defined]  # noqa: SLF001
    return names


class _Names:
    """Names of temporary files: for engines the same in every run. One that is taken is passed over by who asks."""

    def __init__(self, usual: Iterator[str]) -> None:
        self._usual = usual
        self._count = 0

    def begin(self) -> None:
        """An engine is opened."""
        self._count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if not asked_by_engine():
            return next(self._usual)
        self._count += 1
        return f"{self._count:08d}"
