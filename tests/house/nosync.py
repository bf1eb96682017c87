"""The engine of docs/reading-a-finding.md: a log that acknowledges a record before its bytes are durable.

Its line numbers stand in the document; a test compares them.
"""

import zlib
from typing import Any

from chaoswal.vfs.protocol import Vfs

HEAD_BYTES = 8


class Engine:
    """One file of records, each behind its length and checksum."""

    contract = "log"
    promise = "append"
    takes_vfs = True

    def __init__(self, *, vfs: Vfs, runtime: Any) -> None:
        self.file = vfs.open("log", write=True) if "log" in vfs.list() else vfs.create("log")
        vfs.sync_directory()
        self.payloads: list[bytes] = []
        self.end = 0
        while self.take(self.file.read(self.end, HEAD_BYTES)):
            pass
        self.file.truncate(self.end)
        self.file.sync()

    def take(self, head: bytes) -> bool:
        """Read one more record, if a whole one is there."""
        payload = self.file.read(self.end + HEAD_BYTES, int.from_bytes(head[:4], "little"))
        if len(head) < HEAD_BYTES or head != self.head(payload):
            return False
        self.payloads.append(payload)
        self.end += HEAD_BYTES + len(payload)
        return True

    def head(self, payload: bytes) -> bytes:
        """Length and checksum; the checksum starts from the place, so that zeros are no record."""
        return len(payload).to_bytes(4, "little") + zlib.crc32(payload, self.end + 1).to_bytes(4, "little")

    def append(self, payload: bytes) -> None:
        """Append one record, and promise it: too early."""
        self.file.write(self.end, self.head(payload) + payload)
        self.end += HEAD_BYTES + len(payload)
        self.payloads.append(payload)

    def sync(self) -> None:
        """Make everything durable."""
        self.file.sync()

    def records(self) -> list[bytes]:
        """Every record."""
        return list(self.payloads)

    def close(self) -> None:
        """Close."""
        self.file.close()
