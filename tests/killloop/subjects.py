"""Engines for the kill loop's own tests: each does one thing that the loop must see, refuse, or survive."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chaoswal.engines.wal import WalEngine
from chaoswal.vfs.noted import NotedVfs
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs
from chaoswal.wal.log import Log
from chaoswal.wal.retention import Cleaner, Limits
from chaoswal.wal.segment import Segment
from chaoswal.wal.subscriber import Feed
from tests.toys import ToyLog


class Toy(ToyLog):
    """Sound, and opened on a directory or a vfs."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(vfs=RealVfs(root) if vfs is None else vfs)


class Buffers:
    """Keeps what it acknowledges in a buffer of Python's own; takes no vfs."""

    contract = "log"
    promise = "append"

    def __init__(self, root: str) -> None:
        path = os.path.join(root, "log")
        self.file = open(path, "ab+", buffering=1 << 16)  # noqa: SIM115
        self.file.seek(0)
        self.payloads = [bytes.fromhex(line.decode()) for line in self.file.read().split(b"\n")[:-1]]

    def append(self, payload: bytes) -> None:
        self.file.write(payload.hex().encode() + b"\n")
        self.payloads.append(payload)

    def sync(self) -> None:
        pass

    def records(self) -> Iterator[bytes]:
        return iter(self.payloads)

    def close(self) -> None:
        self.file.close()


class WritesLate(Toy):
    """Gives a record its number and its acknowledgement one call before it writes it."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(root, vfs=vfs)
        self.waiting: list[bytes] = []

    def append(self, payload: bytes) -> int:
        for waiting in self.waiting:
            super().append(waiting)
        self.waiting = [payload]
        return len(self.payloads)

    def next_sequence(self) -> int:
        return len(self.payloads) + len(self.waiting)


class Choosy(Toy):
    """Sound: what it promises is what its options let it keep."""

    draws = ({"syncs": ("each", "never"), "label": ("", "two words")},)

    def __init__(
        self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None, syncs: str = "each", label: str = ""
    ) -> None:
        assert label in self.draws[0]["label"]
        self.lazy = syncs == "never"
        self.promise = "none" if self.lazy else "append sync"
        super().__init__(root, vfs=vfs)

    def sync(self) -> None:
        if not self.lazy:
            super().sync()


class ChoosyAndWrong(Choosy):
    """Promises the same, whatever its options."""

    def __init__(self, root: str = "", **options: Any) -> None:
        super().__init__(root, **options)
        self.promise = "append sync"


class ExpiresEarly(WalEngine):
    """The builtin log, but what is to be kept for a while goes at once."""

    class _Log(Log):
        class _Cleaner(Cleaner):
            def expired(self, segments: Sequence[Segment], age_seconds: float, now: float) -> int:
                return len(segments) if age_seconds else 0

        parts = replace(Log.parts, cleaner=_Cleaner)

    log_class = _Log


class SkipsEarly(WalEngine):
    """The builtin log, but who is slow is taken to have been slow for a minute longer."""

    class _Log(Log):
        class _Limits(Limits):
            def idle_seconds(self, feed: Feed, end: int, now: float) -> float:
                return super().idle_seconds(feed, end, now) + 60

        parts = replace(Log.parts, limits=_Limits)

    log_class = _Log


class GoesAround(Toy):
    """Writes a file past its vfs."""

    def append(self, payload: bytes) -> int:
        if isinstance(self.vfs, NotedVfs):
            with open(os.path.join(self.vfs.real.root, "aside"), "ab") as file:
                file.write(payload or b"-")
        return super().append(payload)


class Exits(Toy):
    """Ends its process of its own accord, with a word."""

    def append(self, payload: bytes) -> int:
        if len(self.payloads) > 3:
            os.write(2, b"good bye\n")
            os._exit(7)
        return super().append(payload)


class Aborts(Toy):
    """Dies of a signal while it is opened on something."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(root, vfs=vfs)
        if self.payloads:
            os.kill(os.getpid(), signal.SIGUSR1)


class Hangs(Toy):
    """Never comes back."""

    def append(self, payload: bytes) -> int:
        if len(self.payloads) > 3:
            time.sleep(1_000)
        return super().append(payload)


class HangsInRecovery(Toy):
    """Never opens what it has written."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(root, vfs=vfs)
        while self.payloads:
            time.sleep(1)


class Prints(Toy):
    """Sound, but talks all the time."""

    def append(self, payload: bytes) -> int:
        sys.stdout.write("appending\n")
        sys.stdout.flush()
        return super().append(payload)


class Strays(Buffers):
    """Sound, but for what it does beside its directory, with Python's own functions."""

    def __init__(self, root: str, *, how: str, beside: str) -> None:
        super().__init__(root)
        self.how, self.beside = how, beside

    def append(self, payload: bytes) -> None:
        super().append(payload)
        self.file.flush()
        match self.how:
            case "writes":
                with open(self.beside, "ab") as file:
                    file.write(b"more")
            case "removes" if os.path.exists(self.beside):
                os.remove(self.beside)
            case "renames" if os.path.exists(self.beside):
                os.rename(self.beside, f"{self.beside}-2")
