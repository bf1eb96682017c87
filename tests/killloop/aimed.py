"""Engines that are struck at their system calls: where a kill harms them is known, call by call."""

import os
from contextlib import suppress


class Rewrites:
    """A log whose file is written anew from its start at each append: between the opening and the write it is empty."""

    contract = "log"
    promise = "append"

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, "log")
        self.payloads = self.read()

    def read(self) -> list[bytes]:
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            return [bytes.fromhex(line.decode()) for line in file.read().split()]

    def append(self, payload: bytes) -> None:
        self.payloads.append(payload)
        self.put(self.path)

    def put(self, path: str) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.write(descriptor, b"".join(payload.hex().encode() + b"\n" for payload in self.payloads))
        os.fsync(descriptor)
        os.close(descriptor)

    def sync(self) -> None:
        pass

    def records(self) -> list[bytes]:
        return self.payloads

    def close(self) -> None:
        pass


class Replaces(Rewrites):
    """The same beside the old file, which it replaces when it is whole; sound where nothing but a kill happens."""

    def append(self, payload: bytes) -> None:
        self.payloads.append(payload)
        self.put(f"{self.path}.new")
        os.rename(f"{self.path}.new", self.path)


class GoesOnBehind(Rewrites):
    """Writes a record and its end in two calls, and goes on behind one that has none, which it has not read."""

    def read(self) -> list[bytes]:
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            return [bytes.fromhex(line.decode()) for line in file.read().split(b"\n")[:-1]]

    def append(self, payload: bytes) -> None:
        self.payloads.append(payload)
        descriptor = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(descriptor, payload.hex().encode())
        os.write(descriptor, b"\n")
        os.fsync(descriptor)
        os.close(descriptor)


class Wavers(Replaces):
    """The same, which makes a file more when it is opened for the second time; ``counted``: where that is counted."""

    def __init__(self, root: str, *, counted: str) -> None:
        super().__init__(root)
        before = next(number for number in range(100) if not os.path.exists(f"{counted}-{number}"))
        os.mkdir(f"{counted}-{before}")
        if before == 1:
            os.close(os.open(os.path.join(root, "more"), os.O_CREAT | os.O_WRONLY))


class Swallows(Replaces):
    """The same, to which a write that fails is as good as one that does not."""

    def append(self, payload: bytes) -> None:
        with suppress(OSError):
            super().append(payload)
