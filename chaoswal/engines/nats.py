"""The adapter of NATS JetStream: a stream kept in files, as a log.

The documentation of JetStream says of the acknowledgement of a publish that the message was successfully persisted.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from chaoswal.engines.server import DEADLINE_SECONDS, Served

STREAM = "log"
"""Also its only subject."""

Answer = TypeVar("Answer")


class NatsEngine(Served):
    """One server, which keeps one stream in the directory."""

    server = "nats-server"
    package = "nats-py"
    preload = ("nats",)
    documented = "https://docs.nats.io/nats-concepts/jetstream"
    promise = "append"
    ready = re.compile(r"client connections on 127\.0\.0\.1:(?P<port>\d+)\n(?s:.*)Server is ready")
    preface = re.compile(r"^\[\d+\] [\d/]+ [\d:.]+ ")

    def __init__(self, root: str, *, deadline: str = str(DEADLINE_SECONDS)) -> None:
        """``deadline``: it has so many seconds to be ready, and for each answer."""
        self._server = self.begun(self._words, root, float(deadline))
        self._loop = asyncio.new_event_loop()
        with self._server.kept():
            self._stream = self._asked(self._connected())

    @staticmethod
    def _words(directory: str) -> Sequence[str]:
        return ["--jetstream", "--store_dir", directory, "--addr", "127.0.0.1", "--port", "-1"]

    async def _connected(self) -> Any:
        import nats  # an extra: chaoswal[engines]

        address = f"nats://127.0.0.1:{self._server.said['port']}"
        self._client = await nats.connect(address, allow_reconnect=False, connect_timeout=self._server.seconds)
        stream = self._client.jetstream(timeout=self._server.seconds)
        await stream.add_stream(name=STREAM, subjects=[STREAM])  # what is there already is not made again
        return stream

    def _asked(self, question: Awaitable[Answer]) -> Answer:
        from nats.errors import ConnectionClosedError, NoServersError

        try:
            return self._loop.run_until_complete(question)
        except TimeoutError as error:  # also nats' own
            raise self._server.timed_out("did not answer") from error
        except (ConnectionClosedError, NoServersError) as error:
            raise self._server.gone(error) from error

    def append(self, payload: bytes) -> int:
        number: int = self._asked(self._stream.publish(STREAM, payload)).seq - 1  # its own numbers begin with 1
        return number

    def sync(self) -> None:
        """There is nothing to ask for."""

    def records(self) -> Iterator[tuple[int, bytes]]:
        from nats.js.errors import NotFoundError

        state = self._asked(self._stream.stream_info(STREAM)).state
        for sequence in range(state.first_seq, state.last_seq + 1) if state.messages else ():
            with suppress(NotFoundError):  # a hole, which is for others to judge
                yield sequence - 1, self._asked(self._stream.get_msg(STREAM, sequence)).data or b""

    def close(self) -> None:
        self._asked(self._client.close())
        self._loop.close()
        self._server.close()
