"""A key-value store in one file, which is written anew for each change and renamed into place.

What is yours begins here: put your engine behind these methods, and leave out of ``promise`` what it does not promise.
"""

import json
import os


class Engine:
    """The store, opened on a directory."""

    contract = "kv"
    promise = "put delete"
    recorder = "patched"  # Python as it is; without this line every system call is recorded, also of C and of others

    def __init__(self, root: str) -> None:
        self.root, self.path = root, os.path.join(root, "store")
        self.values: dict[bytes, bytes] = {}
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self.values = {bytes.fromhex(key): bytes.fromhex(value) for key, value in json.load(file).items()}
        self._sync_directory()  # what is served from now on is durable

    def put(self, key: bytes, value: bytes) -> None:
        """Give a key a value."""
        self._save({**self.values, key: value})

    def delete(self, key: bytes) -> None:
        """Delete a key, if there is one."""
        self._save({other: value for other, value in self.values.items() if other != key})

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every key with its value; a dict would do."""
        return list(self.values.items())

    def close(self) -> None:
        """Close the store: nothing is open."""

    def _save(self, values: dict[bytes, bytes]) -> None:
        data = json.dumps({key.hex(): value.hex() for key, value in values.items()}).encode()
        new = os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if os.write(new, data) != len(data):
                raise OSError("the disk took only a part of the bytes")
            os.fsync(new)  # the bytes are durable before the name leads to them
        finally:
            os.close(new)
        os.rename(self.path + ".new", self.path)
        self._sync_directory()  # the promise: nobody hears of the change before its name is durable
        self.values = values

    def _sync_directory(self) -> None:
        directory = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
