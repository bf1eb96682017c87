"""The hostile engine that takes a vfs: it plays a trick at one moment of its life."""

import atexit
from collections.abc import Iterator
from typing import Any

from chaoswal.vfs.protocol import Vfs
from tests.hostile.tricks import HARMLESS, SERVED, TRICKS, served
from tests.toys import AcksBeforeWriting, ToyLog


class Hostile(AcksBeforeWriting):
    """On the simulated disk; loses what it acknowledged where its trick alone does no harm."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None, trick: str, at: str) -> None:
        self.trick, self.at = trick, at
        super().__init__(root, vfs=vfs)
        if at == "opening" and self.payloads:
            TRICKS[trick]()
        if at == "exit":
            atexit.register(TRICKS[trick])

    def append(self, payload: bytes) -> Any:
        if self.at == "append":
            TRICKS[self.trick]()
        result = super().append(payload) if self.trick in HARMLESS else ToyLog.append(self, payload)
        return served(self.trick, [payload]) if self.at == "result" else result

    def records(self) -> Iterator[bytes]:
        return iter(served(self.trick, self.payloads)) if self.trick in SERVED else iter(self.payloads)

    def close(self) -> None:
        if self.at == "close":
            TRICKS[self.trick]()
        super().close()
