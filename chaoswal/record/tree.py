"""The files below one directory as those who work on it see them; whatever is done to them becomes an event.

Files and directories go by inode number, names by (directory inode, name), as in a trace. What is done here has been
done to the real files already and did not fail, so nothing is refused. A file keeps its number, and takes writes, when
its last name is gone; whoever has it open still works on it.
"""

from typing import TypeAlias

from chaoswal.disk.image import Image
from chaoswal.errors import Inconclusive
from chaoswal.trace import (
    NOWHERE,
    ROOT,
    Create,
    Event,
    Link,
    MakeDirectory,
    Rename,
    SyncBegin,
    SyncEnd,
    SyncRange,
    Truncate,
    Unlink,
    Write,
)

Place: TypeAlias = tuple[int, str]
"""A name: directory inode, name."""

Syncs: TypeAlias = list[tuple[int, int]]
"""Syncs that have begun: inode and ticket of each."""


class Tree:
    """Names and bytes, and the events that made them what they are."""

    def __init__(self, image: Image, *, tickets: int = 0) -> None:
        """``tickets``: none below was ever given to a sync."""
        self.events: list[Event] = []
        self.site = ""
        """Where in the engine the next event comes from."""
        self._names = dict(image.names)
        self._contents: dict[int, bytearray | None] = {
            inode: None if data is None else bytearray(data) for inode, data in image.contents.items()
        }
        self._next_inode = 1 + max(self._contents, default=ROOT)
        self._tickets = tickets

    # -- looking -----------------------------------------------------------------------------------------------

    def inode(self, at: Place) -> int | None:
        """What has this name."""
        return self._names.get(at)

    def place(self, inode: int) -> Place | None:
        """A name of this file or directory."""
        return next((at for at, child in self._names.items() if child == inode and at[0] != NOWHERE), None)

    def image(self) -> Image:
        """What is there now."""
        contents = {inode: None if data is None else bytes(data) for inode, data in self._contents.items()}
        return Image(dict(self._names), contents)

    def is_directory(self, inode: int) -> bool:
        """Whether it is a directory."""
        return inode == ROOT or (inode in self._contents and self._contents[inode] is None)

    def size(self, inode: int) -> int:
        """In bytes."""
        return len(self._bytes(inode))

    def read(self, inode: int, offset: int, length: int) -> bytes:
        """What is there."""
        return bytes(self._bytes(inode)[offset : offset + length])

    def _bytes(self, inode: int) -> bytearray:
        content = self._contents.get(inode)
        if content is None:
            raise Inconclusive(f"bytes of a directory were used, as far as could be seen (inode {inode})")
        return content

    # -- names -------------------------------------------------------------------------------------------------

    def create(self, at: Place) -> int:
        """A new file got its first name; its inode."""
        inode = self._new(at, bytearray())
        self._note(Create(directory=at[0], name=at[1], inode=inode, site=self.site))
        return inode

    def create_nameless(self) -> int:
        """A new file without a name; its inode."""
        return self.create((NOWHERE, f"#{self._next_inode}"))

    def make_directory(self, at: Place) -> None:
        """A new directory."""
        inode = self._new(at, None)
        self._note(MakeDirectory(directory=at[0], name=at[1], inode=inode, site=self.site))

    def link(self, inode: int, at: Place) -> None:
        """One more name for a file; whoever had it loses it."""
        self._names[at] = inode
        self._note(Link(directory=at[0], name=at[1], inode=inode, site=self.site))

    def rename(self, at: Place, to: Place) -> None:
        """A name was moved; nothing where both are names of one file already."""
        inode = self._standing(at)
        if self._names.get(to) == inode:
            return
        del self._names[at]
        self._names[to] = inode
        self._note(Rename(directory=at[0], name=at[1], to_directory=to[0], to_name=to[1], inode=inode, site=self.site))

    def exchange(self, at: Place, to: Place) -> None:
        """Two names changed places: each is given to the other's file."""
        one, other = self._standing(at), self._standing(to)
        self.link(one, to)
        self.link(other, at)

    def unlink(self, at: Place) -> None:
        """A name was taken away."""
        inode = self._standing(at)
        del self._names[at]
        self._note(Unlink(directory=at[0], name=at[1], inode=inode, site=self.site))

    def _standing(self, at: Place) -> int:
        inode = self._names.get(at)
        if inode is None:
            raise Inconclusive(f"{at[1]} was renamed or removed, and nothing that was seen made it")
        return inode

    def _new(self, at: Place, content: bytearray | None) -> int:
        inode = self._next_inode
        self._next_inode += 1
        self._names[at] = inode
        self._contents[inode] = content
        return inode

    # -- bytes -------------------------------------------------------------------------------------------------

    def write(self, inode: int, offset: int, data: bytes) -> None:
        """Bytes were written; a gap before them reads zeros."""
        if not data:
            return
        content = self._bytes(inode)
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
        self._note(Write(inode=inode, offset=offset, data=data, site=self.site))

    def truncate(self, inode: int, size: int) -> None:
        """The size was set; nothing where it was that already."""
        content = self._bytes(inode)
        if len(content) == size:
            return
        del content[size:]
        content.extend(bytes(size - len(content)))
        self._note(Truncate(inode=inode, size=size, site=self.site))

    def zero(self, inode: int, offset: int, length: int) -> None:
        """Zeros, as far as the file goes."""
        self.write(inode, offset, bytes(max(0, min(length, self.size(inode) - offset))))

    def collapse(self, inode: int, offset: int, length: int) -> None:
        """A piece was taken out, and what came behind it moved up."""
        rest = self.read(inode, offset + length, self.size(inode))
        self.write(inode, offset, rest)
        self.truncate(inode, offset + len(rest))

    def insert(self, inode: int, offset: int, length: int) -> None:
        """What came from an offset on moved down, and zeros are there."""
        rest = self.read(inode, offset, self.size(inode))
        self.write(inode, offset, bytes(length) + rest)

    def _note(self, event: Event) -> None:
        self.events.append(event)

    # -- syncs -------------------------------------------------------------------------------------------------

    def sync_begin(self, inode: int, *, data_only: bool) -> Syncs:
        """A sync of a file or directory began; give this to ``sync_end`` when it has ended."""
        self._tickets += 1
        self.events.append(SyncBegin(inode=inode, data_only=data_only, ticket=self._tickets, site=self.site))
        return [(inode, self._tickets)]

    def sync_begin_range(self, inode: int, offset: int, size: int, *, data_only: bool) -> Syncs:
        """The same of a part of a file."""
        self._tickets += 1
        ticket, site = self._tickets, self.site
        begin = SyncRange(inode=inode, offset=offset, size=size, data_only=data_only, ticket=ticket, site=site)
        self.events.append(begin)
        return [(inode, ticket)]

    def sync_begin_all(self) -> Syncs:
        """The same of all there is."""
        return [sync for inode in (ROOT, *self._contents) for sync in self.sync_begin(inode, data_only=False)]

    def sync_end(self, syncs: Syncs, *, ok: bool) -> None:
        """These syncs ended, well or not."""
        self.events += [SyncEnd(inode=inode, ticket=ticket, ok=ok) for inode, ticket in syncs]
