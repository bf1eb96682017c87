"""A log as a program that speaks JSON lines: DIRECTORY [no-sync]. One file; length, checksum, payload.

With no-sync it answers for a record before that is durable: what a power cut then loses, `chaoswal explore` finds.
"""

import base64
import json
import os
import struct
import sys
import zlib

HEAD = struct.Struct("<II")


class Log:
    """The file, and what is in it."""

    def __init__(self, root, *, syncs):
        self.syncs = syncs
        self.fd = os.open(os.path.join(root, "log"), os.O_RDWR | os.O_CREAT, 0o644)
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)  # the name is durable before anything is promised in the file
        os.close(directory)
        self.payloads, self.end = self.read()
        os.ftruncate(self.fd, self.end)  # what a crash tore is cut before anything is appended
        os.fsync(self.fd)  # and what is served from now on is durable

    def read(self):
        data = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        payloads, at = [], 0
        while at + HEAD.size <= len(data):
            length, checksum = HEAD.unpack_from(data, at)
            payload = data[at + HEAD.size : at + HEAD.size + length]
            if len(payload) < length or checksum != zlib.crc32(payload, at + 1):
                break
            payloads.append(payload)
            at += HEAD.size + length
        return payloads, at

    def append(self, payload):
        frame = HEAD.pack(len(payload), zlib.crc32(payload, self.end + 1)) + payload
        if os.pwrite(self.fd, frame, self.end) != len(frame):
            raise OSError("the disk took only a part of the record")
        if self.syncs:
            os.fsync(self.fd)
        self.end += len(frame)
        self.payloads.append(payload)
        return len(self.payloads) - 1


def answer(log, question):
    """What one question is answered."""
    match question["op"]:
        case "open":
            return {"promise": "append sync"}
        case "append":
            return log.append(base64.b64decode(question["payload"]))
        case "records":
            return [base64.b64encode(payload).decode() for payload in log.payloads]
        case "sync" | "close":
            return None  # each append was durable before it was answered
        case op:
            raise ValueError(f"no such operation: {op}")


def main():
    """Answer questions until there are no more."""
    log = Log(sys.argv[1], syncs="no-sync" not in sys.argv[2:])
    for line in sys.stdin:
        try:
            said = {"ok": answer(log, json.loads(line))}
        except Exception as error:  # noqa: BLE001 - whatever went wrong is an answer too
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


main()
