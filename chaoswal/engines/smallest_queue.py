"""A queue in one file, which is written anew for each change and renamed into place.

What is yours begins here: put your engine behind these methods, and leave out of ``promise`` what it does not promise.
"""

import json
import os


class Engine:
    """The queue, opened on a directory."""

    contract = "queue"
    promise = "put ack"
    recorder = "patched"  # Python as it is; without this line every system call is recorded, also of C and of others

    def __init__(self, root: str) -> None:
        self.root, self.path = root, os.path.join(root, "queue")
        self.waiting: list[bytes] = []  # what the consumer is not done with
        self.taken = 0  # so many of them it has got
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self.waiting = [bytes.fromhex(item) for item in json.load(file)]
        self._sync_directory()  # what is served from now on is durable

    def put(self, payload: bytes) -> None:
        """Put one item at the end."""
        self._save([*self.waiting, payload])

    def get(self) -> bytes | None:
        """Hand out the next item, if there is one."""
        if self.taken == len(self.waiting):
            return None
        self.taken += 1
        return self.waiting[self.taken - 1]

    def ack(self) -> None:
        """The consumer is done with all it has got."""
        self._save(self.waiting[self.taken :])
        self.taken = 0

    def items(self) -> list[bytes]:
        """What a queue just opened would hand out; nothing is handed out by that."""
        return list(self.waiting)

    def close(self) -> None:
        """Close the queue: nothing is open."""

    def _save(self, items: list[bytes]) -> None:
        data = json.dumps([item.hex() for item in items]).encode()
        new = os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if os.write(new, data) != len(data):
                raise OSError("the disk took only a part of the bytes")
            os.fsync(new)  # the bytes are durable before the name leads to them
        finally:
            os.close(new)
        os.rename(self.path + ".new", self.path)
        self._sync_directory()  # the promise: nobody hears of the change before its name is durable
        self.waiting = items

    def _sync_directory(self) -> None:
        directory = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
