"""Toy engines for the rules: each does one thing in an order that a rule must notice, or must not."""

import zlib
from collections.abc import Iterator
from typing import Any

from chaoswal.vfs.protocol import File, Vfs
from tests.toys import NoSync, ToyLog

HEAD_BYTES = 8


class StateLog:
    """All records in one file ``state``, written anew at each append; how, is for each toy. This one is sound."""

    contract = "log"
    promise = "append sync"
    promise_reads = True
    takes_vfs = True
    checked = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.vfs = vfs
        self.payloads: list[bytes] = []
        for name in vfs.list():
            if name.endswith(".new"):
                vfs.unlink(name)
        if "state" in vfs.list():
            self.payloads = self.load()
        vfs.sync_directory()

    def load(self) -> list[bytes]:
        """The records in the file; ValueError if it is damaged."""
        file = self.vfs.open("state")
        data = file.read(0, file.size())
        file.close()
        length, crc = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:HEAD_BYTES], "little")
        body = data[HEAD_BYTES : HEAD_BYTES + length]
        if self.checked and (len(body) < length or zlib.crc32(body, 1) != crc):
            raise ValueError("the state is damaged")
        return [bytes.fromhex(word.decode()) for word in body.split(b"\n")[:-1]]

    def pack(self) -> bytes:
        """The bytes of the file."""
        body = b"".join(payload.hex().encode() + b"\n" for payload in self.payloads)
        return len(body).to_bytes(4, "little") + zlib.crc32(body, 1).to_bytes(4, "little") + body

    def put(self, data: bytes) -> None:
        """Put these bytes in the place of those before, durably."""
        self.write("state.new", data)
        self.vfs.rename("state.new", "state")
        self.vfs.sync_directory()

    def write(self, name: str, data: bytes) -> None:
        """A new file of that name, its bytes durable."""
        file = self.vfs.create(name)
        file.write(0, data)
        file.sync()
        file.close()

    def append(self, payload: bytes) -> int:
        self.payloads.append(payload)
        self.put(self.pack())
        return len(self.payloads) - 1

    def sync(self) -> None: ...

    def records(self) -> Iterator[bytes]:
        return iter(self.payloads)

    def next_sequence(self) -> int:
        return len(self.payloads)

    def close(self) -> None: ...


class Overwrites(StateLog):
    """Writes the new state over the old one."""

    def put(self, data: bytes) -> None:
        file = self.vfs.open("state", write=True) if "state" in self.vfs.list() else self.vfs.create("state")
        self.over(file, data)
        file.sync()
        file.close()
        self.vfs.sync_directory()

    def over(self, file: File, data: bytes) -> None:
        """The writing itself."""
        file.write(0, data)


class CutsFirst(Overwrites):
    """Empties the old state before it writes the new one."""

    def over(self, file: File, data: bytes) -> None:
        file.truncate(0)
        file.write(0, data)


class MovesAway(StateLog):
    """Moves the old state away before the new one is there, as dbm.dumb does."""

    def put(self, data: bytes) -> None:
        if "state.old" in self.vfs.list():
            self.vfs.unlink("state.old")
        if "state" in self.vfs.list():
            self.vfs.rename("state", "state.old")
        super().put(data)


class RemovesFirst(StateLog):
    """Removes the old state before the new one is renamed into its place."""

    def put(self, data: bytes) -> None:
        self.write("state.new", data)
        if "state" in self.vfs.list():
            self.vfs.unlink("state")
        self.vfs.rename("state.new", "state")
        self.vfs.sync_directory()


class ForgetsTheName(StateLog):
    """Never syncs the directory."""

    def put(self, data: bytes) -> None:
        self.write("state.new", data)
        self.vfs.rename("state.new", "state")


class SyncsAfterwards(StateLog):
    """Renames first, and syncs then."""

    def put(self, data: bytes) -> None:
        file = self.vfs.create("state.new")
        file.write(0, data)
        self.vfs.rename("state.new", "state")
        file.sync()
        file.close()
        self.vfs.sync_directory()


class Hints(ToyLog):
    """A sound log beside which a file is kept that nobody needs, and nobody syncs."""

    def append(self, payload: bytes) -> int:
        file = self.vfs.open("hint", write=True) if "hint" in self.vfs.list() else self.vfs.create("hint")
        file.write(0, self.end.to_bytes(8, "little"))
        file.close()
        return super().append(payload)


class Scratches(Hints):
    """The same, and it says that the file holds nothing durable."""

    scratch = ("hint*",)


class Passes(ToyLog):
    """A sound log that makes and removes a file in passing, and syncs no directory for that."""

    def append(self, payload: bytes) -> int:
        self.vfs.create("passing").close()
        self.vfs.unlink("passing")
        return super().append(payload)


class Padded(ToyLog):
    """A sound log that removes a file of padding in the call in which it makes another one."""

    def append(self, payload: bytes) -> int:
        for name in self.vfs.list():
            if name.startswith("padding"):
                self.vfs.unlink(name)
        file = self.vfs.create(f"padding{self.end}")
        file.write(0, b"padding of a log" + bytes(100))
        file.sync()
        file.close()
        self.vfs.sync_directory()
        return super().append(payload)


class OneLine(NoSync):
    """Writes what it needs and what it does not by the same line, and syncs neither."""

    def append(self, payload: bytes) -> int:
        if "hint.new" in self.vfs.list():
            self.vfs.unlink("hint.new")
        draft = self.vfs.create("hint.new")
        real, self.file = self.file, draft
        end, self.end = self.end, 0
        super().append(payload)
        self.vfs.rename("hint.new", "hint")
        self.payloads.pop()
        self.file, self.end = real, end
        return super().append(payload)


class SyncsAnother(ToyLog):
    """Syncs a file, though not the one it has written to."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.other = vfs.open("other", write=True) if "other" in vfs.list() else vfs.create("other")
        super().__init__(root, vfs=vfs, runtime=runtime)

    def sync(self) -> None:
        self.other.sync()


class TriesAgain(ToyLog):
    """Takes a second sync for a proof of what the first one failed for."""

    def sync(self) -> None:
        try:
            super().sync()
        except OSError:
            super().sync()


class Unborn(ToyLog):
    """Gives its file a name before its beginning is durable, at creation only; a crash then is nobody's loss."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        if "log" not in vfs.list():
            file = vfs.create("log.new")
            file.write(0, bytes(8))
            vfs.rename("log.new", "log")
            file.close()
        super().__init__(root, vfs=vfs, runtime=runtime)
        if not self.file.size():
            raise ValueError("the log has no beginning")

    def read(self) -> tuple[list[bytes], int]:
        payloads, at = super().read()
        return payloads[1:], at

    def checksum(self, at: int, payload: bytes) -> int:
        return super().checksum(at, payload) if at else 0
