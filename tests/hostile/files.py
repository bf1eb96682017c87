"""The hostile engine on a directory: one record a line, in hexadecimal. It imports nothing of the checker."""

import atexit
import os
from collections.abc import Iterator
from typing import Any

from tests.hostile.tricks import DIRECTORIES, HARMLESS, SERVED, TRICKS, served


class HostileFiles:
    """Loses what it acknowledged where its trick alone does no harm."""

    contract = "log"
    promise = "append"
    harmless = frozenset(HARMLESS)

    def __init__(self, root: str, *, trick: str, at: str) -> None:
        self.trick, self.at = trick, at
        DIRECTORIES.add(root)
        self.file = open(os.path.join(root, "log"), "a+b", buffering=0)  # noqa: SIM115
        self.waiting: list[bytes] = []
        self.file.seek(0)
        lines = self.file.read().split(b"\n")
        self.payloads = [bytes.fromhex(line[:-1].decode()) for line in lines[:-1]]
        self.file.truncate(sum(len(line) + 1 for line in lines[:-1]))
        os.fsync(self.file.fileno())
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        if at == "opening" and self.payloads:
            TRICKS[trick]()
        if at == "exit":
            atexit.register(TRICKS[trick])

    def append(self, payload: bytes) -> Any:
        if self.at == "append":
            TRICKS[self.trick]()
        self.payloads.append(payload)
        self.waiting.append(payload)
        while len(self.waiting) > (self.trick in self.harmless):
            self.file.write(self.waiting.pop(0).hex().encode() + b".\n")
            os.fsync(self.file.fileno())
        return served(self.trick, [payload]) if self.at == "result" else None

    def sync(self) -> None:
        pass

    def records(self) -> Iterator[bytes]:
        return iter(served(self.trick, self.payloads)) if self.trick in SERVED else iter(self.payloads)

    def close(self) -> None:
        if self.at == "close":
            TRICKS[self.trick]()
        self.file.close()
