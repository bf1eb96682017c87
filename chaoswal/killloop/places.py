"""Places: what an engine was at when a kill landed, in words that do not depend on the engine.

The place is the operation under way, refined by the file that was being changed. Before the opening has finished it
is ``recovery``; between two operations ``idle``, or ``timer`` where a thread of the engine's own was at work. Work that
an append or a sync sets off on the side goes by the file it is done to: the adapter's ``places`` say which file stands
for what, and a change of names without such a word is taken for a ``rotate``. Operations on subscribers and cleanup
keep their own word, whatever file they touch.
"""

import fnmatch
from collections.abc import Collection, Mapping

from chaoswal.contracts import CALLS, Contract
from chaoswal.ops import Append, Batch, Operation, Rotate, Sync
from chaoswal.oracle import promise_word
from chaoswal.vfs.noted import NAMES

RECOVERY, IDLE, TIMER, ROTATE = "recovery", "idle", "timer", "rotate"

_DATA = (Append, Batch, Sync, Rotate)


def place_of(operation: Operation | None, opened: bool, code: int, path: str | None, globs: Mapping[str, str]) -> str:  # noqa: FBT001
    """The place of a change (by its number in a note) to ``path``, None where nothing was changed yet."""
    if not opened:
        return RECOVERY
    if operation is None:
        return IDLE if path is None else TIMER
    word = word_of(operation)
    if path is None or not isinstance(operation, _DATA):
        return word
    for glob, place in globs.items():
        if fnmatch.fnmatchcase(path, glob):
            return place
    return ROTATE if code in NAMES else word


def sought_of(contract: Contract, capabilities: Collection[str]) -> tuple[str, ...]:
    """The places that kills are armed for in an engine of this contract with these capabilities."""
    return tuple(place for place, needed in contract.places.items() if not needed or needed in capabilities)


def word_of(operation: Operation) -> str:
    """The place an operation is, where no file says more."""
    if type(operation) in CALLS:
        return promise_word(operation)
    return "append" if isinstance(operation, Batch) else type(operation).__name__.lower()
