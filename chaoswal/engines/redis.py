"""The adapter of Redis: a list as a log, in a server with an append-only file.

With ``fsync=always``, the default here, its documentation promises that what was written is synced before it is
answered. With ``fsync=everysec``, its own default, it may lose a second's writes; the file's sync is put off once while
another is under way, so that two are taken to be promised.

It refuses to start where the end of the file is damaged, unless that is merely cut short, and its documentation says to
repair the file with ``redis-check-aof --fix`` then; ``repair=yes`` does that before each start.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chaoswal.engines.keyed import yes
from chaoswal.engines.server import DEADLINE_SECONDS, Served, short_directory
from chaoswal.errors import Inconclusive

KEY = "log"
WINDOW_SECONDS = 2.0


class RedisEngine(Served):
    """One server, whose directory is the engine's."""

    server = "redis-server"
    package = "redis"
    preload = ("redis",)
    documented = "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/"
    promise = "append append_batch"
    ready = re.compile("eady to accept connections")
    preface = re.compile(r"^\d+:\w .*?\d\d:\d\d:\d\d\.\d+ . ")

    def __init__(
        self, root: str, *, fsync: str = "always", repair: str = "no", deadline: str = str(DEADLINE_SECONDS)
    ) -> None:
        """``fsync``: always or everysec. ``deadline``: it has so many seconds to be ready, and for each answer."""
        if fsync not in ("always", "everysec"):
            raise ValueError(f"fsync={fsync}: it is always or everysec")
        if fsync == "everysec":
            self.promise, self.promise_window = "none", WINDOW_SECONDS
        if yes("repair", repair):
            _repair(root, float(deadline))
        with short_directory() as sockets:  # once there is a connection, nobody needs its name

            def words(directory: str) -> Sequence[str]:
                place = os.path.join(sockets, os.path.basename(directory))
                plain = ["--port", "0", "--daemonize", "no", "--save", "", "--unixsocket", place, "--dir", directory]
                return [*plain, "--appendonly", "yes", "--appendfsync", fsync]

            self._server = self.begun(words, root, float(deadline))
            with self._server.kept():
                self._client = self._connected(os.path.join(sockets, os.path.basename(root)))

    def _connected(self, path: str) -> Any:
        import redis  # an extra: chaoswal[engines]
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._errors = redis.TimeoutError, redis.ConnectionError
        once = Retry(NoBackoff(), 0)  # a write that is made again may be there twice
        client = redis.Redis(
            unix_socket_path=path,
            single_connection_client=True,
            socket_timeout=self._server.seconds,
            retry=once,
        )
        client.ping()
        return client

    def _asked(self, *words: object) -> Any:
        late, lost = self._errors
        try:
            return self._client.execute_command(*words)
        except late as error:
            raise self._server.timed_out("did not answer") from error
        except lost as error:
            raise self._server.gone(error) from error

    def append(self, payload: bytes) -> int:
        return self.append_batch([payload])

    def append_batch(self, payloads: Sequence[bytes]) -> int:
        length: int = self._asked("RPUSH", KEY, *payloads)
        return length - len(payloads)

    def sync(self) -> None:
        """There is nothing to ask for."""

    def records(self) -> Iterator[tuple[int, bytes]]:
        return enumerate(self._asked("LRANGE", KEY, 0, -1))

    def close(self) -> None:
        self._client.close()
        self._server.close()


def _repair(root: str, seconds: float) -> None:
    """What a person would do: cut the append-only file behind its last whole command."""
    for manifest in Path(root).glob("appendonlydir/*.manifest"):
        try:
            subprocess.run(
                ["redis-check-aof", "--fix", manifest], input=b"y\n", capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Inconclusive(f"timed out: redis-check-aof did not end within {seconds:g} s") from error
