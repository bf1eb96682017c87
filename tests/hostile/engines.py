"""The hostile engine that takes a vfs: it plays a trick while it appends, or is opened on what holds a record."""

from typing import Any

from chaoswal.vfs.protocol import Vfs
from tests.hostile.tricks import HARMLESS, TRICKS
from tests.toys import AcksBeforeWriting, ToyLog


class Hostile(AcksBeforeWriting):
    """On the simulated disk; loses what it acknowledged where its trick alone does no harm."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None, trick: str, at: str) -> None:
        self.trick, self.at = trick, at
        super().__init__(root, vfs=vfs)
        if at == "opening" and self.payloads:
            TRICKS[trick]()

    def append(self, payload: bytes) -> int:
        if self.at == "append":
            TRICKS[self.trick]()
        return super().append(payload) if self.trick in HARMLESS else ToyLog.append(self, payload)
