"""A disk: what the machine holds; a durable image, and the events on top of it.

Running an engine appends events. A kill returns the same disk: nothing has become durable and the cache
survives. A power cut makes of it an image, by a profile and a plan (``disk.volume``); recovery appends again.
So a crash in recovery, a kill followed by a power cut, and a crash after the next append are one mechanism.
Which of the events are durable is for a profile to say; a disk only remembers them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from chaoswal.disk.image import EMPTY, Image
from chaoswal.trace import Create, Event, Link, MakeDirectory, Rename, Truncate, Unlink, Write


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A durable image and everything that has happened since."""

    image: Image = EMPTY
    events: tuple[Event, ...] = ()

    def after(self, events: Iterable[Event]) -> "Disk":
        """This disk once these events have happened too."""
        return Disk(image=self.image, events=(*self.events, *events))

    @cached_property
    def view(self) -> Image:
        """What a process sees: every event applied, durable or not."""
        return apply_all(self.image, self.events) if self.events else self.image


def apply_all(image: Image, events: Iterable[Event]) -> Image:
    """The image with every change applied, in order."""
    names, contents = dict(image.names), dict(image.contents)
    for event in events:
        match event:
            case Write():
                contents[event.inode] = overwrite(contents[event.inode] or b"", event.offset, event.data)
            case Truncate():
                contents[event.inode] = resize(contents[event.inode] or b"", event.size)
            case Create():
                contents[event.inode] = b""
                names[event.directory, event.name] = event.inode
            case MakeDirectory():
                contents[event.inode] = None
                names[event.directory, event.name] = event.inode
            case Link() | Rename() | Unlink():
                apply_name(names, event)
            case _:
                pass  # syncs and markers change nothing that a process can see
    return Image(names, contents)


def apply_name(names: dict[tuple[int, str], int], event: Create | MakeDirectory | Link | Rename | Unlink) -> None:
    """Do to the names what one event did; what is already gone stays gone."""
    match event:
        case Rename():
            names.pop((event.directory, event.name), None)
            names[event.to_directory, event.to_name] = event.inode
        case Unlink():
            names.pop((event.directory, event.name), None)
        case _:
            names[event.directory, event.name] = event.inode


def overwrite(content: bytes, offset: int, data: bytes) -> bytes:
    """The content with ``data`` at ``offset``; a gap reads zeros, and no byte is no write."""
    if not data:
        return content
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


def resize(content: bytes, size: int) -> bytes:
    """The content cut or filled with zeros to ``size`` bytes."""
    return content[:size].ljust(size, b"\0")
