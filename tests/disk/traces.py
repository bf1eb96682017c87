"""Short traces for the disk model: a builder that keeps the books, named examples, and a strategy for random ones."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.trace import (
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

OLD = bytes(range(1, 251)) * 3
"""What the file ``old`` holds before a trace begins: 750 bytes, none of them zero."""


def standing() -> Image:
    """A disk on which a trace begins: a file of two sectors, an empty one, and a directory."""
    return Image.of_files({"old": OLD, "other": b"", "dir": None})


@dataclass
class Trace:
    """Says what happens to files by name and notes the events."""

    image: Image = field(default_factory=standing)
    events: list[Event] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    ticket: int = 0

    def __post_init__(self) -> None:
        if not self.names:
            self.names = {name: inode for (_, name), inode in self.image.names.items()}
        self.next_inode = 1 + max(self.image.contents, default=0)

    @property
    def disk(self) -> Disk:
        return Disk(image=self.image, events=tuple(self.events))

    def _at(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        return (self.names[directory] if directory else ROOT), name

    def create(self, path: str) -> "Trace":
        directory, name = self._at(path)
        self.names[path] = self.next_inode
        self.events.append(Create(directory=directory, name=name, inode=self.next_inode, site="e.py:1"))
        self.next_inode += 1
        return self

    def mkdir(self, path: str) -> "Trace":
        directory, name = self._at(path)
        self.names[path] = self.next_inode
        self.events.append(MakeDirectory(directory=directory, name=name, inode=self.next_inode, site="e.py:2"))
        self.next_inode += 1
        return self

    def link(self, path: str, to: str) -> "Trace":
        directory, name = self._at(to)
        self.names[to] = self.names[path]
        self.events.append(Link(directory=directory, name=name, inode=self.names[path], site="e.py:3"))
        return self

    def rename(self, path: str, to: str) -> "Trace":
        (directory, name), (to_directory, to_name) = self._at(path), self._at(to)
        inode = self.names[to] = self.names.pop(path)
        self.events.append(
            Rename(
                directory=directory,
                name=name,
                to_directory=to_directory,
                to_name=to_name,
                inode=inode,
                site="e.py:4",
            )
        )
        return self

    def unlink(self, path: str) -> "Trace":
        directory, name = self._at(path)
        self.events.append(Unlink(directory=directory, name=name, inode=self.names.pop(path), site="e.py:5"))
        return self

    def write(self, path: str, offset: int, data: bytes) -> "Trace":
        self.events.append(Write(inode=self.names[path], offset=offset, data=data, site="e.py:6"))
        return self

    def truncate(self, path: str, size: int) -> "Trace":
        self.events.append(Truncate(inode=self.names[path], size=size, site="e.py:7"))
        return self

    def begin(self, path: str, *, data_only: bool = False) -> int:
        """A sync begins; its ticket."""
        self.ticket += 1
        inode = self.names[path] if path else ROOT
        self.events.append(SyncBegin(inode=inode, data_only=data_only, ticket=self.ticket, site="e.py:8"))
        return self.ticket

    def end(self, ticket: int, *, ok: bool = True) -> "Trace":
        inode = next(e.inode for e in self.events if isinstance(e, SyncBegin) and e.ticket == ticket)
        self.events.append(SyncEnd(inode=inode, ticket=ticket, ok=ok))
        return self

    def fsync(self, path: str, *, ok: bool = True) -> "Trace":
        return self.end(self.begin(path), ok=ok)

    def fdatasync(self, path: str, *, ok: bool = True) -> "Trace":
        return self.end(self.begin(path, data_only=True), ok=ok)

    def sync_range(self, path: str, offset: int, size: int) -> "Trace":
        """What O_DSYNC does behind a write of these bytes."""
        self.ticket += 1
        inode, where = self.names[path], "e.py:9"
        self.events.append(
            SyncRange(inode=inode, offset=offset, size=size, data_only=True, ticket=self.ticket, site=where)
        )
        self.events.append(SyncEnd(inode=inode, ticket=self.ticket, ok=True))
        return self


def _written_without_a_name() -> Trace:
    """By whoever has it open still, while a sync makes it durable that the name is gone."""
    trace = Trace().write("old", 0, b"a")
    inode = trace.names["old"]
    ticket = trace.unlink("old").begin("")
    trace.events.append(Write(inode=inode, offset=0, data=b"late", site="e.py:6"))
    return trace.write("other", 0, b"b").end(ticket)


def _sync_in_flight() -> Trace:
    trace = Trace().write("old", 0, b"one")
    trace.begin("old")
    return trace.write("old", 0, b"two")


def _written_during_a_sync() -> Trace:
    trace = Trace().write("old", 0, b"one")
    ticket = trace.begin("old")
    return trace.write("old", 600, b"two").truncate("other", 5).end(ticket).write("old", 0, b"three")


def _grown_during_a_sync() -> Trace:
    trace = Trace().write("old", 750, b"g")
    ticket = trace.begin("old")
    return trace.write("old", 751, b"h").end(ticket).create("x").truncate("old", 751).fdatasync("old")


def _two_syncs_at_once() -> Trace:
    trace = Trace().create("new").write("new", 0, b"abc")
    first = trace.begin("new")
    trace.end(trace.begin("new"))
    return trace.write("old", 0, b"x").end(first)


def _synced_twice_at_once() -> Trace:
    """What is to replace another name, by two syncs, of which the one that began first ends last."""
    trace = Trace().create("t")
    first = trace.begin("t")
    trace.write("old", 0, b"x").create("n")
    trace.end(trace.begin("t"))
    return trace.end(first).rename("t", "n").create("x")


def _durable_behind() -> Trace:
    """A sector made durable, and written again during the sync, in a file with another that a failed sync left."""
    trace = Trace().write("old", 600, b"far").fsync("old", ok=False).write("old", 0, b"a")
    ticket = trace.begin("old")
    return trace.write("old", 0, b"b").end(ticket)


def _carried_over_a_kill() -> Trace:
    """A first process wrote, was killed, and a second one recovered and synced only part."""
    first = Trace().create("log").write("log", 0, b"a" * 20).write("old", 10, b"b")
    second = Trace(image=first.image, events=first.events, names=first.names, ticket=first.ticket)
    second.next_inode = first.next_inode
    return second.truncate("log", 12).fsync("log").write("log", 12, b"c" * 8).rename("log", "log2")


TRACES: dict[str, Trace] = {
    "nothing": Trace(),
    "create": Trace().create("new"),
    "write": Trace().write("old", 5, b"hello"),
    "overwrite of one sector twice": Trace().write("old", 5, b"hello").write("old", 7, b"LL").write("old", 5, b"J"),
    "append across a sector boundary": Trace().write("old", 750, b"x" * 600),
    "append across a page boundary": Trace().write("old", 4000, b"x" * 200),
    "write far beyond the end, across two page boundaries": Trace().write("old", 8100, b"x" * 200),
    "write across a page boundary and the end": (
        Trace(image=Image.of_files({"old": b"x" * 4800})).write("old", 4000, b"y" * 1000)
    ),
    "append to a page boundary": Trace().write("old", 3900, b"x" * 196),
    "append in two steps": Trace().write("old", 750, b"x" * 10).write("old", 760, b"y" * 300),
    "append in two steps, the second over the end of the first": (
        Trace().write("old", 750, b"x" * 10).write("old", 755, b"y" * 300).create("x")
    ),
    "write beyond the end": Trace().write("other", 700, b"far"),
    "truncate": Trace().truncate("old", 100),
    "truncate and extend": Trace().truncate("old", 100).truncate("old", 750),
    "truncate and extend, synced": Trace().truncate("old", 100).truncate("old", 750).fsync("old"),
    "truncate and append": Trace().truncate("old", 100).write("old", 100, b"new").write("old", 600, b"more"),
    "append and truncate and append": Trace()
    .write("old", 750, b"a" * 9)
    .truncate("old", 752)
    .write("old", 752, b"bcd"),
    "durable truncate over a pending write": Trace().write("old", 700, b"x" * 50).truncate("old", 10).fsync("other"),
    "replace by rename": Trace().create("tmp").write("tmp", 0, b"new").fsync("tmp").rename("tmp", "old"),
    "replace by rename, nothing synced": Trace().create("tmp").write("tmp", 0, b"new").rename("tmp", "old"),
    "replace by rename, directory synced": Trace().create("tmp").write("tmp", 0, b"n").rename("tmp", "old").fsync(""),
    "rename there and back": Trace().rename("old", "a").rename("a", "b").rename("b", "old"),
    "unlink": Trace().unlink("old"),
    "unlink and create again": Trace().unlink("old").create("old").write("old", 0, b"young"),
    "unlink, synced, and written on": Trace().create("x").unlink("x").fsync("").create("y").write("y", 0, b"y"),
    "link": Trace().link("old", "dir/also").write("old", 0, b"both").unlink("old"),
    "fsync": Trace().create("new").write("new", 0, b"abc").fsync("new").write("new", 1, b"X").write("old", 0, b"Y"),
    "fdatasync": Trace().create("new").write("new", 0, b"abc").fdatasync("new").write("new", 3, b"d"),
    "fsync after a pure overwrite": Trace().rename("other", "moved").write("old", 0, b"over").fsync("old"),
    "fsync after an overwrite up to the end": Trace().rename("other", "moved").write("old", 746, b"over").fsync("old"),
    "fsync after an append": Trace().rename("other", "moved").write("old", 750, b"app").fsync("old"),
    "fdatasync of what was only renamed": Trace().rename("other", "moved").create("new").fdatasync("moved"),
    "fsync of what was only renamed": Trace().rename("other", "moved").create("new").fsync("moved"),
    "fdatasync, then fsync, of what was only renamed": (
        Trace().rename("other", "moved").create("new").fdatasync("moved").fsync("moved")
    ),
    "fsync of what another sync has committed": Trace().create("a").fsync("").create("b").fsync("a"),
    "fsync of what grew before another sync": Trace()
    .write("old", 750, b"g")
    .create("a")
    .fsync("")
    .create("b")
    .fsync("old"),
    "directory sync": Trace().create("a").create("dir/b").fsync("dir").create("c"),
    "directory sync of the root": Trace().create("a").create("dir/b").fsync("").create("c"),
    "rename across directories, one synced": Trace().rename("old", "dir/old").create("x").fsync("dir"),
    "rename across directories, the new one synced": (
        Trace().create("x").rename("old", "dir/old").fsync("dir").unlink("other")
    ),
    "replaced, what was there synced last": Trace().create("t").create("n").fsync("n").rename("t", "n").fsync("other"),
    "replaced, what is new synced last": Trace().create("t").create("n").fsync("n").fsync("t").rename("t", "n"),
    "replaced, what is new synced twice at once": _synced_twice_at_once(),
    "replaced from another directory": Trace().create("n").fsync("n").create("dir/t").rename("dir/t", "n").create("x"),
    "linked into a directory, unlinked there, and the directory synced": (
        Trace().create("n").link("n", "dir/a").link("n", "b").unlink("dir/a").fsync("dir").create("x")
    ),
    "moved through a directory that is synced": Trace()
    .create("n")
    .rename("n", "dir/a")
    .rename("dir/a", "b")
    .fsync("dir"),
    "a name taken over": Trace().create("x").rename("old", "moved").create("old").fsync("old").unlink("other"),
    "a name taken over from what is new": Trace().create("x").rename("x", "y").create("x").fsync("x"),
    "a new directory in a new directory": Trace().mkdir("d").mkdir("d/e").create("d/e/f").create("g").fsync("d/e/f"),
    "a link synced": Trace().create("x").link("old", "dir/also").fsync("old").unlink("old"),
    "cut within a page and grown over": Trace().truncate("old", 100).truncate("old", 200).write("old", 300, b"far"),
    "fdatasync of what was only created": Trace().create("n").create("x").fdatasync("n"),
    "fdatasync of what was created, and cut to nothing": (
        Trace().create("n").create("x").truncate("n", 0).fdatasync("n")
    ),
    "replaced twice, nothing synced": Trace().create("a").rename("a", "n").create("b").rename("b", "n").create("x"),
    "cut to nothing and to nothing again": Trace().truncate("other", 0).create("x").fdatasync("other"),
    "cut to the same size": Trace().create("x").truncate("old", 750).fdatasync("old"),
    "grown, cut back, and synced": Trace().create("x").write("old", 750, b"g").truncate("old", 750).fdatasync("old"),
    "grown over two pages, cut to the first": (
        Trace().create("x").write("old", 4000, b"x" * 200).create("y").truncate("old", 4096).fdatasync("old")
    ),
    "synced, grown, cut to what it was before": (
        Trace().write("old", 750, b"g").fdatasync("old").create("x").truncate("old", 750).fdatasync("old")
    ),
    "synced, and cut to the size it has": Trace().fdatasync("old").create("x").truncate("old", 750).fdatasync("old"),
    "grown during a sync, and cut back": _grown_during_a_sync(),
    "grown after what a failed sync left": (
        Trace().write("old", 600, b"x" * 200).fsync("old", ok=False).write("old", 800, b"y").fsync("old").create("x")
    ),
    "page written, cut away, and written": (
        Trace().write("other", 0, b"lost").truncate("other", 0).write("other", 0, b"new").create("x")
    ),
    "new directory": Trace().mkdir("d").create("d/f").write("d/f", 0, b"in").fsync("d/f").fsync("d"),
    "directory renamed": Trace().mkdir("d").create("d/f").write("d/f", 0, b"in").rename("d", "e"),
    "sync in flight": _sync_in_flight(),
    "written during a sync": _written_during_a_sync(),
    "two syncs at once": _two_syncs_at_once(),
    "written without a name": _written_without_a_name(),
    "failed sync": Trace().write("old", 0, b"one").fsync("old", ok=False),
    "failed sync, then a good one": Trace().write("old", 0, b"one").fsync("old", ok=False).fsync("old"),
    "failed sync, the same sector written again": (
        Trace()
        .write("old", 0, b"one")
        .write("old", 600, b"far")
        .fsync("old", ok=False)
        .write("old", 9, b"2")
        .fsync("old")
    ),
    "durable behind what never will be": _durable_behind(),
    "failed sync of a new file": Trace()
    .create("n")
    .write("n", 0, b"a")
    .fsync("n", ok=False)
    .fsync("n")
    .unlink("other"),
    "failed sync of a cut file": Trace().truncate("old", 3).fsync("old", ok=False).create("x").fsync("x"),
    "two files grown": Trace().write("old", 750, b"g").write("other", 0, b"g"),
    "two files": Trace().write("old", 0, b"1").write("other", 0, b"2").write("old", 1, b"3").fdatasync("other"),
    "carried over a kill": _carried_over_a_kill(),
    "empty write": Trace().write("old", 900, b"").write("old", 3, b""),
    "from an empty disk": Trace(image=Image({}, {})).create("f").write("f", 0, b"abc").fsync("").write("f", 1, b"z"),
}
"""Named examples, each small enough to be enumerated by brute force."""

PARTS = {
    "a part synced of what was grown, and cut back": (
        Trace().write("old", 750, b"g").sync_range("old", 0, 9).create("x").truncate("old", 750).fdatasync("old")
    ),
    "a part synced of what replaces a name": (
        Trace().create("n").fsync("n").sync_range("old", 0, 9).rename("old", "n").create("x")
    ),
}
"""Others, with syncs of a part of a file, of which brute force knows nothing."""


@st.composite
def traces(draw: st.DrawFn, *, most: int = 7) -> Trace:
    """A random short trace on the standing image."""
    trace = Trace()
    spare = ["a", "b", "dir/c"]
    for step in range(draw(st.integers(1, most))):
        files = sorted(set(trace.names) - {"dir"})
        deed = draw(
            st.sampled_from(
                ["write", "write", "write", "truncate", "create", "rename", "link", "unlink", "sync", "sync"]
            )
        )
        path = draw(st.sampled_from(files)) if files else ""
        free = [name for name in spare if name not in trace.names]
        if deed == "create" and free:
            trace.create(draw(st.sampled_from(free)))
        elif deed == "sync" or not files:
            target = draw(st.sampled_from(["", "dir", *files]))
            ticket = trace.begin(target, data_only=draw(st.booleans()) if target in files else False)
            if draw(st.integers(0, 9)):
                trace.end(ticket, ok=bool(draw(st.integers(0, 4))))
        elif deed == "write":
            offset = draw(st.sampled_from([0, 3, 500, 511, 512, 740, 750, 4090]))
            trace.write(path, offset, bytes([65 + step]) * draw(st.sampled_from([1, 4, 30])))
        elif deed == "truncate":
            trace.truncate(path, draw(st.sampled_from([0, 3, 505, 520, 750, 800, 4096])))
        elif deed == "link" and free:
            trace.link(path, draw(st.sampled_from(free)))
        elif deed == "rename":
            trace.rename(path, draw(st.sampled_from([name for name in (*spare, *files) if name != path])))
        elif deed == "unlink":
            trace.unlink(path)
    return trace
