"""Opens an engine that knows only directories on a simulated disk."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from chaoswal.errors import Inconclusive
from chaoswal.patched.install import install
from chaoswal.patched.mounts import PREFIX, mounted
from chaoswal.patched.unseen import HAND_OVER, watch
from chaoswal.vfs.memory import MemoryVfs


def open_patched(kind: Callable[..., Any], vfs: MemoryVfs, options: Mapping[str, str]) -> Any:
    """An engine opened on a simulated disk; Inconclusive where it goes past it."""
    _begin()
    watch(kind.__module__)
    mount = mounted(vfs)
    tempfile._name_sequence = _names()  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to name them
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


def _names() -> Iterator[str]:
    """Names of temporary files, the same in every run; a name that is taken is passed over by who asks."""
    return (f"{number:08d}" for number in range(1 << 30))
