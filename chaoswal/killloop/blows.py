"""Fault plans on real processes: what can really be done to one, and what strace and the kernel are told to do it.

Theory of operation
-------------------
A plan counts the calls that match it. Which call that is, a run without the fault tells; then it is aimed at as strace
counts (``record.points``). There are three ways to make it fail:

    injected   strace lets the call return an error, and the kernel never sees it: nothing was written or renamed
    full       the directory is a small file system in memory, which is full at that write: what fits is written (root)
    limited    no file may grow beyond where the write is to be cut short (RLIMIT_FSIZE); what goes beyond fails, EFBIG

An injected return value cannot write half: so a short write is a limit, and a disk that is full from some write on is
a full one. All else that a simulated disk could do is refused, for here it would be something else.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from chaoswal.anchors import Told, tell
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import ANY, ROOT_PATH, Fault, FaultPlan
from chaoswal.errors import UsageError
from chaoswal.limits import PAGE_BYTES
from chaoswal.record.points import Point, Step
from chaoswal.trace import Create, Event, Link, MakeDirectory, Rename, SyncBegin, Truncate, Unlink, Write

_CALLS: Mapping[str, tuple[type[Event], tuple[str, ...]]] = MappingProxyType(
    {
        "create": (Create, ("openat", "open", "openat2", "creat")),
        "write": (Write, ("write", "pwrite64", "writev", "pwritev", "pwritev2")),
        "truncate": (Truncate, ("ftruncate", "truncate", "fallocate")),
        "fsync": (SyncBegin, ("fsync",)),
        "fdatasync": (SyncBegin, ("fdatasync",)),
        "rename": (Rename, ("rename", "renameat", "renameat2")),
        "unlink": (Unlink, ("unlink", "unlinkat")),
        "mkdir": (MakeDirectory, ("mkdir", "mkdirat")),
        "link": (Link, ("link", "linkat")),
        "rmdir": (Unlink, ("rmdir",)),
    }
)
"""What can be struck: the event that it comes to, and the system calls that it may be."""


_PLAIN_WRITES = ("write", "pwrite64")
"""Those whose third argument is how many bytes there are to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What is done to one run."""

    point: Point
    inject: tuple[str, ...] = ()
    """For strace."""
    file_bytes: int | None = None
    """No file may grow beyond this."""
    disk_bytes: int | None = None
    """The size of the file system that it works on."""


def must_be_real(fault: Fault) -> None:
    """UsageError where a fault cannot be brought about on a real process, or not by who asks."""
    known = ", ".join(_CALLS)
    if fault.lies:
        raise UsageError(f"{fault}: a sync that lies harms nobody before the power is cut: use explore --faults io")
    if fault.call not in (*_CALLS, ANY):
        raise UsageError(f"{fault}: of a real process these calls can be struck: {known}; use explore --faults io")
    if not fault.error and fault.once:
        raise UsageError(f"{fault}: a real write is cut short by a limit that stays: write `{fault} from then on`")
    if fault.error and not fault.once and fault.glob != "*":
        raise UsageError(f"{fault}: from then on strace strikes whatever the file is: write `of *`, or `once`")
    if _fills(fault) and os.geteuid() != 0:
        raise UsageError(f"{fault}: a full disk is a small tmpfs, which only root may mount; write `once`")


def _fills(fault: Fault) -> bool:
    return fault.error == "ENOSPC" and fault.call == "write" and not fault.once


def blow_of(fault: Fault, steps: Sequence[Step]) -> Blow | None:
    """How the call is struck that is the one of the plan in a run that was recorded; None where none can be."""
    told = tell(Disk(), [event for step in steps for event in step.events])
    plan, number = FaultPlan((fault,)), 0
    for place, step in enumerate(steps):
        items = told[number : number + len(step.events)]
        if _due(plan, step, items):
            return _blow(fault, steps[:place], steps[place:], items[0])
        number += len(items)
    return None


def _due(plan: FaultPlan, step: Step, items: Sequence[Told]) -> bool:
    """Whether the fault is due at this call, which is counted."""
    call = _called(step, items)
    if not call:
        return False
    item = items[0]
    offset, length = (item.event.offset, len(item.event.data)) if isinstance(item.event, Write) else (0, 0)
    path = (item.before if isinstance(item.event, Rename) else item.path) or ROOT_PATH
    with suppress(OSError):  # as it says that it is due
        plan.strike(call, path, offset, length)
        plan.cut(call, path, offset, length)
    return bool(plan.fired)


def _called(step: Step, items: Sequence[Told]) -> str:
    """The word of plans for a call that came to these events; empty where they have none."""
    if not items:
        return ""
    event, name = items[0].event, step.entered.name
    return next((word for word, (kind, names) in _CALLS.items() if isinstance(event, kind) and name in names), "")


def _blow(fault: Fault, before: Sequence[Step], behind: Sequence[Step], item: Told) -> Blow | None:
    """The same; the call is the first of ``behind``."""
    point = behind[0].point
    if not fault.error:
        assert isinstance(item.event, Write)
        limit = item.event.offset + fault.at
        return None if any(_end(step) > limit for step in before) else Blow(point=point, file_bytes=limit)
    if _fills(fault):
        return _full(before, behind)
    if fault.once:
        return Blow(point=point, inject=(f"{point.call}:error={fault.error}:when={point.nth}",))
    return Blow(point=point, inject=tuple(_from_then_on(fault, point, before)))


def _end(step: Step) -> int:
    """How far a call reached into a file, in bytes."""
    ends = [event.offset + len(event.data) for event in step.events if isinstance(event, Write)]
    return max([*ends, *(event.size for event in step.events if isinstance(event, Truncate))], default=0)


def _full(before: Sequence[Step], behind: Sequence[Step]) -> Blow | None:
    """A disk that has no room from some call on: what is struck is the first write behind that needs a page more."""
    disk = Disk().after([event for step in before for event in step.events])
    size = max(1, _pages(disk))  # one of no size has no limit
    for step in behind:
        disk = disk.after(list(step.events))
        if step.entered.name in _CALLS["write"][1] and _pages(disk) > size:
            return Blow(point=step.point, disk_bytes=size * PAGE_BYTES)
    return None


def _pages(disk: Disk) -> int:
    sizes = [len(data) for data in disk.view.files().values() if data]
    return sum(-(-size // PAGE_BYTES) for size in sizes)


def _from_then_on(fault: Fault, point: Point, before: Sequence[Step]) -> Iterator[str]:
    """For each system call of the kind, from the first one on that its thread makes no earlier than at the point."""
    words = list(_CALLS) if fault.call == ANY else [fault.call]
    earlier = [one for one in dict.fromkeys(step.point for step in before) if one.thread == point.thread]
    for name in dict.fromkeys(name for word in words for name in _CALLS[word][1]):
        nth = 1 + sum(one.call == name for one in earlier)
        yield f"{name}:error={fault.error}:when={nth}+"


def met_at(fault: Fault, steps: Sequence[Step]) -> Point | None:
    """The first call of a run that met the fault."""
    return next((step.point for step in steps if _met(fault, step)), None)


def _met(fault: Fault, step: Step) -> bool:
    """Whether a call shows the fault: an error, or fewer bytes than there were to write."""
    call, words = step.entered, list(_CALLS) if fault.call == ANY else [fault.call]
    if step.mark or not any(call.name in _CALLS[word][1] for word in words):
        return False
    if fault.error and not _fills(fault):
        return call.error == fault.error
    short = call.name in _PLAIN_WRITES and call.ok and call.result != int(call.arguments()[2])
    return short or call.error in ("ENOSPC", "EFBIG")
