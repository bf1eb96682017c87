"""Files in memory for the tests of what goes through them by pieces, and how much of them was read."""

from chaoswal.wal.window import PIECE_BYTES, Window


class Bytes:
    """A file that is only read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        self.reads.append((offset, length))
        return self.data[offset : offset + length]

    def close(self) -> None:
        """Nothing to do."""


def window_of(data: bytes, piece_bytes: int = PIECE_BYTES) -> Window:
    """A window on these bytes."""
    return Window(Bytes(data), len(data), piece_bytes=piece_bytes)
