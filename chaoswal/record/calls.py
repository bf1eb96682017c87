"""From system calls to the events of one directory.

Theory of operation. The calls are followed in the order in which they took effect, with what each process has open
(``tables``) and the files as they are then (``tree``). That moment is the exit of a call, but for three kinds: a close
gives its number back at its entry, since another thread may be given that number before it returns; a child has what
its parent had at the entry of the clone that makes it, since its own calls may come before that returns; and a sync has
a begin and an end. Calls that failed changed nothing, but for a sync, whose failure is an event. A sync that never
returned, because its process was ended or a signal came, has no end: it is neither done nor failed, and what it covers
may have reached the disk or not.

What is not followed, and would make the tree another than the directory, shows when the two are compared in the end.
What would not show there, is told: a symbolic link, and io_uring, through which syncs may go unseen.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from chaoswal.record.marks import BEGIN, END, HOLDS, OPENED, Entry, Marks
from chaoswal.record.strace import Call, Met, Phase, data_of, flags_of, number_of, path_of, split
from chaoswal.record.tables import Descriptors, OpenFile, Paths, Process, Spot, Standing
from chaoswal.record.tree import Place, Syncs, Tree
from chaoswal.trace import Begin, End

OPENING = "opening"
"""The site of what happens before the first operation, and between operations."""

CLONES = frozenset({"clone", "clone3", "fork", "vfork"})
_NUMBERS: tuple[str, ...] = ("socket", "accept", "accept4", "eventfd", "eventfd2", "epoll_create", "epoll_create1")
_NUMBERS += ("timerfd_create", "signalfd", "signalfd4", "inotify_init", "inotify_init1", "memfd_create", "pidfd_open")
_NUMBERS += ("io_uring_setup",)
"""Calls that give out a descriptor for something that is no file of anybody's."""

_AFTER_CLOSE = {"", "EIO", "EINTR", "ENOSPC", "EDQUOT"}
"""Outcomes of close(2) that give the number back all the same."""


class Recording:
    """Follows calls, and fills a tree with what they did."""

    def __init__(self, tree: Tree, root: str) -> None:
        self.tree = tree
        self.root = root
        """Where the directory is."""
        self.opened: int | None = None
        """How many events belong to the opening, once it is over."""
        self.strange = False
        """Whether a descriptor was used that nothing has given out: a call is missing."""
        self.unseen: dict[str, None] = {}
        """Why events may be missing though the bytes agree."""
        self.outside: dict[str, None] = {}
        """Paths outside of the directory at which something was written."""
        self.doubts: dict[str, None] = {}
        """Why bytes may be missing."""
        self._paths = Paths(tree, root)
        self._processes: dict[int, Process] = {}
        self._syncs: dict[int, Syncs] = {}
        self._maps: list[tuple[int, int, int, int]] = []  # address, length, inode, offset
        self._marks = Marks()
        tree.site = OPENING

    def follow(self, met: Sequence[Met]) -> None:
        """Let these calls happen."""
        for phase, call in met:
            if phase is not Phase.EXIT and call.name in _ENTERED:
                self._enter(call)
            returned = phase is not Phase.ENTRY and call.name in _EXITS and call.result is not None
            if returned and (call.ok or call.name in _SYNCS) and self._process(call).ours:
                _EXITS[call.name](self, call, call.arguments())

    def _process(self, call: Call) -> Process:
        known = self._processes.get(call.pid)
        if known is None:
            known = self._processes[call.pid] = Process(descriptors=Descriptors(), standing=Standing("/"))
        return known

    # -- entries -----------------------------------------------------------------------------------------------

    def _enter(self, call: Call) -> None:
        process = self._process(call)
        if call.name in CLONES and call.ok and call.result:
            self._processes[call.result] = process.forked(flags_of(call.text))
        elif call.name == "close" and call.error in _AFTER_CLOSE:
            process.descriptors.drop(number_of(call.text, -1))
        elif call.name == "unlink":
            self._read_marks(process, path_of(call.text))
        elif call.name in _SYNCS and process.ours:
            self._sync_begin(call, split(call.text))

    def _read_marks(self, process: Process, path: str) -> None:
        for entry in self._marks.read(path) or ():
            self._marked(process, entry)

    def _marked(self, process: Process, entry: Entry) -> None:
        match entry:
            case (str(word), str(path), *numbers) if word == HOLDS:
                process.ours, process.standing.spot = True, path
                for number in numbers:
                    process.descriptors.put(number, OpenFile(""))
            case (str(word),) if word == OPENED:
                self.opened = len(self.tree.events)
            case (str(word), int(op_index), str(operation)) if word == BEGIN:
                self.tree.events.append(Begin(op_index=op_index))
                self.tree.site = operation
            case (str(word), int(op_index), str(result)) if word == END:
                self.tree.events.append(End(op_index=op_index, result=result))
                self.tree.site = OPENING

    # -- descriptors and paths ---------------------------------------------------------------------------------

    def _file(self, call: Call, argument: str) -> OpenFile | None:
        """What a descriptor stands for; the first three may be given to a process from outside."""
        number = number_of(argument, -1)
        file = self._process(call).descriptors.files.get(number)
        self.strange = self.strange or (file is None and number > 2)
        return file

    def _inode(self, call: Call, argument: str) -> int | None:
        file = self._file(call, argument)
        return file.inode if file else None

    def _base(self, call: Call, argument: str) -> Spot:
        """The directory that relative paths start from."""
        process = self._process(call)
        if argument == "AT_FDCWD":
            return process.standing.spot
        file = self._file(call, argument)
        return file.spot if file else "?"

    def _find(self, call: Call, path: str, base: str = "AT_FDCWD") -> Spot | None:
        return self._paths.find(self._process(call), self._base(call, base), path_of(path))

    def _place(self, call: Call, path: str, base: str = "AT_FDCWD") -> Place | None:
        return self._paths.place(self._process(call), self._base(call, base), path_of(path))

    def _give(self, call: Call, file: OpenFile, *, fleeting: bool = False) -> None:
        assert call.result is not None
        self._process(call).descriptors.put(call.result, file, fleeting=fleeting)

    def open(self, call: Call, arguments: list[str]) -> None:
        """open, openat, openat2, creat."""
        if call.name in ("open", "creat"):
            arguments = ["AT_FDCWD", *arguments]
        base, path, *rest = arguments
        flags = flags_of(rest[0]) if call.name != "creat" else frozenset({"O_CREAT", "O_WRONLY", "O_TRUNC"})
        spot = self._opened(call, base, path, flags)
        if flags & {"O_CREAT", "O_TRUNC"}:
            self._outside(spot)
        file = OpenFile(spot, append="O_APPEND" in flags, sync=_waits(flags))
        if "O_TRUNC" in flags and file.inode is not None and not self.tree.is_directory(file.inode):
            self.tree.truncate(file.inode, 0)
        self._give(call, file, fleeting="O_CLOEXEC" in flags)

    def _outside(self, spot: Spot) -> None:
        if isinstance(spot, str) and spot.startswith("/") and not _OF_THE_MACHINE.match(spot):
            self.outside[spot] = None

    def _opened(self, call: Call, base: str, path: str, flags: frozenset[str]) -> Spot:
        spot = self._find(call, path, base)
        if "O_TMPFILE" in flags and isinstance(spot, int):
            return self.tree.create_nameless()
        if spot is None:
            place = self._place(call, path, base)
            if place and "O_CREAT" in flags:
                return self.tree.create(place)
            self.doubts[f"{path_of(path)} was opened, and nothing that was seen made it"] = None
        return "?" if spot is None else spot

    def duplicate(self, call: Call, arguments: list[str]) -> None:
        """dup, dup2, dup3, and fcntl where it duplicates."""
        if call.name == "fcntl" and not arguments[1].startswith("F_DUPFD"):
            return
        file = self._process(call).descriptors.files.get(number_of(arguments[0], -1))
        fleeting = arguments[-1] == "O_CLOEXEC" or "F_DUPFD_CLOEXEC" in arguments
        self._give(call, file or OpenFile(""), fleeting=fleeting)

    def close_range(self, call: Call, arguments: list[str]) -> None:
        """close_range."""
        table = self._process(call).descriptors
        first, last = number_of(arguments[0]), number_of(arguments[1])
        for number in [number for number in table.files if first <= number <= last]:
            if "CLOSE_RANGE_CLOEXEC" in arguments[2]:
                table.fleeting.add(number)
            else:
                table.drop(number)

    def number(self, call: Call, _: list[str]) -> None:
        """Whatever gives out a descriptor of no file."""
        if call.name == "io_uring_setup":
            self.unseen["the engine uses io_uring, whose writes and syncs are not seen"] = None
        self._give(call, OpenFile(""))

    def numbers(self, call: Call, arguments: list[str]) -> None:
        """pipe, pipe2, socketpair: two of them."""
        pair = next(argument for argument in arguments if argument.startswith("["))
        pipe: deque[bytes] | None = deque() if call.name.startswith("pipe") else None
        for number in re.findall(r"\d+", pair):
            self._process(call).descriptors.put(int(number), OpenFile("", pipe=pipe))

    def stand(self, call: Call, arguments: list[str]) -> None:
        """chdir, fchdir."""
        where = self._find(call, arguments[0]) if call.name == "chdir" else self._base(call, arguments[0])
        self._process(call).standing.spot = "?" if where is None else where

    def execute(self, call: Call, _: list[str]) -> None:
        """One of execve and execveat."""
        self._process(call).execute()

    # -- bytes -------------------------------------------------------------------------------------------------

    def seek(self, call: Call, arguments: list[str]) -> None:
        """That is lseek."""
        file = self._process(call).descriptors.files.get(number_of(arguments[0], -1))
        if file and call.result is not None:
            file.offset = call.result

    def read(self, call: Call, arguments: list[str]) -> None:
        """read, readv, which move the offset."""
        file = self._process(call).descriptors.files.get(number_of(arguments[0], -1))
        if file:
            file.offset += call.result or 0

    def write(self, call: Call, arguments: list[str]) -> None:
        """write, writev, and the calls of both kinds that name an offset."""
        file = self._file(call, arguments[0])
        if file is None:
            return
        data = data_of(arguments[1])[: call.result] if file.inode is not None or file.pipe is not None else b""
        flags = flags_of(arguments[4]) if call.name == "pwritev2" else frozenset[str]()
        offset = number_of(arguments[3]) if call.name.startswith("p") else -1
        self._written(file, data, None if offset < 0 else offset, flags)

    def _written(self, file: OpenFile, data: bytes, offset: int | None, flags: frozenset[str] = frozenset()) -> None:
        """Bytes went into a file; without an offset where it stands, which that moves on. O_APPEND beats any offset."""
        self._outside(file.spot)
        if file.pipe is not None:
            file.pipe.append(data)
        if file.inode is None or not data:  # no byte moves no offset, not even to the end
            return
        append = file.append or "RWF_APPEND" in flags
        start = self.tree.size(file.inode) if append else file.offset if offset is None else offset
        if offset is None:
            file.offset = start + len(data)
        self.tree.write(file.inode, start, data)
        waits = file.sync or _waits(frozenset(flag.replace("RWF_", "O_") for flag in flags))
        if waits:
            begun = self.tree.sync_begin_range(file.inode, start, len(data), data_only=waits == "data")
            self.tree.sync_end(begun, ok=True)

    def send(self, call: Call, arguments: list[str]) -> None:
        """sendfile, copy_file_range, splice: from a descriptor to another."""
        if call.name == "sendfile":
            target, source, from_offset, to_offset = arguments[0], arguments[1], arguments[2], "NULL"
        else:
            source, from_offset, target, to_offset = arguments[:4]
        length = call.result or 0
        data = self._taken(self._file(call, source), from_offset, length)
        file = self._file(call, target)
        if file is None:
            return
        if len(data) < length and file.inode is not None:
            self.doubts[f"{call.name} took bytes from where they are not seen"] = None
            data = data.ljust(length, b"\0")
        self._written(file, data, None if to_offset == "NULL" else number_of(to_offset))

    def _taken(self, file: OpenFile | None, offset: str, length: int) -> bytes:
        """The bytes that are taken from a descriptor, as far as they are known."""
        if file is not None and file.pipe is not None:
            known = b"".join(file.pipe)
            file.pipe.clear()
            file.pipe.append(known[length:])
            return known[:length]
        if file is None or file.inode is None:
            return b""
        start = file.offset if offset == "NULL" else number_of(offset)
        if offset == "NULL":
            file.offset += length
        return self.tree.read(file.inode, start, length)

    def truncate(self, call: Call, arguments: list[str]) -> None:
        """truncate, ftruncate."""
        find = self._find if call.name == "truncate" else self._inode
        spot = find(call, arguments[0])
        if isinstance(spot, int):
            self.tree.truncate(spot, number_of(arguments[1]))

    def allocate(self, call: Call, arguments: list[str]) -> None:
        """fallocate, in all its modes."""
        inode = self._inode(call, arguments[0])
        if inode is None:
            return
        mode, offset, length = flags_of(arguments[1]), number_of(arguments[2]), number_of(arguments[3])
        if "FALLOC_FL_COLLAPSE_RANGE" in mode:
            self.tree.collapse(inode, offset, length)
        elif "FALLOC_FL_INSERT_RANGE" in mode:
            self.tree.insert(inode, offset, length)
        elif mode & {"FALLOC_FL_PUNCH_HOLE", "FALLOC_FL_ZERO_RANGE"}:
            self.tree.zero(inode, offset, length)
        if not mode & _KEEPS_SIZE:
            self.tree.truncate(inode, max(self.tree.size(inode), offset + length))

    def map(self, call: Call, arguments: list[str]) -> None:
        """mmap, of which it matters only where a file is shared and may be written."""
        if call.result is None or not {"MAP_SHARED", "MAP_SHARED_VALIDATE"} & flags_of(arguments[3]):
            return
        inode = self._inode(call, arguments[4])
        if inode is not None:
            self._maps.append((call.result, number_of(arguments[1]), inode, number_of(arguments[5])))
            if "PROT_WRITE" in arguments[2]:
                place = self.tree.place(inode)
                name = place[1] if place else "a file"
                self.doubts[f"{name} is mapped, and writes through mmap are not seen"] = None

    # -- names -------------------------------------------------------------------------------------------------

    def rename(self, call: Call, arguments: list[str]) -> None:
        """rename, renameat, renameat2."""
        if call.name == "rename":
            arguments = ["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]]
        at, to = self._place(call, arguments[1], arguments[0]), self._place(call, arguments[3], arguments[2])
        flags = flags_of(arguments[4]) if len(arguments) > 4 else frozenset[str]()
        if "RENAME_WHITEOUT" in flags:
            self.unseen["a rename left a whiteout behind, which is not simulated"] = None
        if at and to and "RENAME_EXCHANGE" in flags:
            self.tree.exchange(at, to)
        elif at and to:
            self.tree.rename(at, to)
        elif at:
            self.tree.unlink(at)
        elif to:
            self.doubts[f"{to[1]} came from outside of the directory"] = None
            self.tree.create(to)

    def link(self, call: Call, arguments: list[str]) -> None:
        """link, linkat."""
        if call.name == "link":
            arguments = ["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]]
        spot, to = self._find(call, arguments[1], arguments[0]), self._place(call, arguments[3], arguments[2])
        if to and isinstance(spot, int):
            self.tree.link(spot, to)
        elif to:
            self.doubts[f"{to[1]} came from outside of the directory"] = None
            self.tree.create(to)

    def unlink(self, call: Call, arguments: list[str]) -> None:
        """unlink, unlinkat, rmdir."""
        base, path = arguments[:2] if call.name == "unlinkat" else ("AT_FDCWD", arguments[0])
        place = self._place(call, path, base)
        if place:
            self.tree.unlink(place)

    def make(self, call: Call, arguments: list[str]) -> None:
        """mkdir, mkdirat, mknod, mknodat, symlink, symlinkat."""
        if call.name.startswith("symlink"):
            arguments = arguments[1:]
        base, path, *rest = arguments if call.name.endswith("at") else ["AT_FDCWD", *arguments]
        place = self._place(call, path, base)
        if place is None:
            return
        if call.name.startswith("mkdir"):
            self.tree.make_directory(place)
        elif call.name.startswith("mknod") and not (flags_of(rest[0]) & _SPECIAL):
            self.tree.create(place)
        else:
            self.unseen[f"{place[1]} is neither a file nor a directory, which is not simulated"] = None

    # -- syncs -------------------------------------------------------------------------------------------------

    def _sync_begin(self, call: Call, arguments: list[str]) -> None:
        if call.name in ("sync", "syncfs"):
            begun = self.tree.sync_begin_all()
        elif call.name == "msync":
            begun = self._sync_map(call, arguments)
        else:
            inode = self._inode(call, arguments[0])
            begun = [] if inode is None else self.tree.sync_begin(inode, data_only=call.name == "fdatasync")
        self._syncs[call.pid] = begun

    def _sync_map(self, call: Call, arguments: list[str]) -> Syncs:
        address, length = number_of(arguments[0]), number_of(arguments[1])
        for start, size, inode, offset in reversed(self._maps):
            if start <= address < start + size and "MS_SYNC" in flags_of(arguments[2]):
                return self.tree.sync_begin_range(inode, offset + address - start, length, data_only=False)
        return []

    def sync_end(self, call: Call, _: list[str]) -> None:
        """The end of each kind of sync."""
        self.tree.sync_end(self._syncs.pop(call.pid, []), ok=call.ok)


_OF_THE_MACHINE = re.compile(r"/(dev|proc|sys)/(?!shm/)|.*/__pycache__/")
"""Where writing leaves nothing behind; and what Python keeps of modules it has imported."""


def _waits(flags: frozenset[str]) -> str:
    """What writes through a descriptor opened with these flags wait for."""
    return "all" if "O_SYNC" in flags else "data" if "O_DSYNC" in flags else ""


_KEEPS_SIZE = {"FALLOC_FL_KEEP_SIZE", "FALLOC_FL_COLLAPSE_RANGE", "FALLOC_FL_INSERT_RANGE", "FALLOC_FL_PUNCH_HOLE"}
_SPECIAL = {"S_IFIFO", "S_IFSOCK", "S_IFCHR", "S_IFBLK"}
_SYNCS = frozenset({"fsync", "fdatasync", "sync", "syncfs", "msync"})
_ENTERED = frozenset({*CLONES, *_SYNCS, "close", "unlink"})
_HANDLERS: Mapping[Callable[[Recording, Call, list[str]], None], tuple[str, ...]] = {
    Recording.open: ("open", "openat", "openat2", "creat"),
    Recording.duplicate: ("dup", "dup2", "dup3", "fcntl"),
    Recording.close_range: ("close_range",),
    Recording.number: _NUMBERS,
    Recording.numbers: ("pipe", "pipe2", "socketpair"),
    Recording.stand: ("chdir", "fchdir"),
    Recording.execute: ("execve", "execveat"),
    Recording.seek: ("lseek",),
    Recording.read: ("read", "readv"),
    Recording.write: ("write", "pwrite64", "writev", "pwritev", "pwritev2"),
    Recording.send: ("sendfile", "copy_file_range", "splice"),
    Recording.truncate: ("truncate", "ftruncate"),
    Recording.allocate: ("fallocate",),
    Recording.map: ("mmap",),
    Recording.rename: ("rename", "renameat", "renameat2"),
    Recording.link: ("link", "linkat"),
    Recording.unlink: ("unlink", "unlinkat", "rmdir"),
    Recording.make: ("mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"),
    Recording.sync_end: tuple(_SYNCS),
}
_EXITS = MappingProxyType({name: handler for handler, names in _HANDLERS.items() for name in names})

FCNTL = "fcntl"
"""Engines that lock a lot call it a lot, and only one in a thousand of these duplicates a descriptor."""

TRACED = frozenset({*_EXITS, *CLONES, "close"}) - {FCNTL}
"""Every call that is followed, but for fcntl."""
