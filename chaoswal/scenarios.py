"""Scenarios: a few operations that lead an engine to one rare place, as far as it has that place."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Cleanup,
    Close,
    Deactivate,
    Defer,
    Flush,
    Maintain,
    OpenAgain,
    Operation,
    Poll,
    Read,
    Reopen,
    Rotate,
    Subscribe,
    Sync,
    Unsubscribe,
    Wait,
)

MANY = 40
"""More records than a scenario leaves unread."""

WAITS = "waits"
"""What an engine has whose clock may be moved on."""

Operations: TypeAlias = list[Operation]


class Scene:
    """What the operations of one scenario are drawn from."""

    def __init__(self, capabilities: frozenset[str], names: Sequence[str], chance: random.Random) -> None:
        """``names``: the subscribers there are; none where the engine has none."""
        self.chance = chance
        self.names = list(names)
        self._capabilities = capabilities
        self._size = chance.choice([10, 100, 300])

    def has(self, *capabilities: str) -> bool:
        """Whether the engine has all of these."""
        return self._capabilities.issuperset(capabilities)

    def appends(self) -> Operations:
        """One to three records of one size."""
        return [Append(size=self._size) for _ in range(self.chance.randint(1, 3))]

    def rotates(self) -> Operations:
        """The end of a WAL: by request, or now and then by an end of the engine."""
        return [Rotate()] if self.has("rotate") and self.chance.random() < 0.7 else [Reopen()]

    def some(self) -> list[str]:
        """One of the subscribers, or more."""
        return self.chance.sample(self.names, self.chance.randint(1, len(self.names)))


def finished(names: Sequence[str]) -> Iterator[Operation]:
    """These subscribers have done with everything there is."""
    for name in names:
        yield Subscribe(name=name)
        yield Poll(name=name, count=MANY)
        yield Ack(name=name, places=tuple(range(MANY)))


def _cleanup(scene: Scene) -> Operations:
    if not scene.has("cleanup", "subscribe"):
        return _rotation(scene)
    leaving: Operations = []
    if scene.has("deactivate") and scene.chance.random() < 0.3:
        leaving = [Deactivate(name=scene.chance.choice(scene.names))]
    there = [Subscribe(name=name) for name in scene.names]
    done = scene.names[:1] if scene.chance.random() < 0.7 else scene.some()
    return [*there, *scene.appends(), *scene.rotates(), *leaving, *finished(done), Cleanup()]


def _inactive(scene: Scene) -> Operations:
    """Only one of the subscribers is there after a reopening, and finishes."""
    if not scene.has("cleanup", "subscribe"):
        return _rotation(scene)
    there = [Subscribe(name=name) for name in scene.names]
    return [*there, *scene.appends(), *scene.rotates(), Reopen(), *finished(scene.names[:1]), Cleanup()]


def _leave(scene: Scene) -> Operations:
    if not scene.has("unregister", "subscribe"):
        return _rotation(scene)
    there = [Subscribe(name=name) for name in scene.names]
    return [*there, *scene.appends(), Unsubscribe(name=scene.chance.choice(scene.names))]


def _numbers(scene: Scene) -> Operations:
    """Sequence numbers of one digit and of two, at the beginning of files."""
    if not scene.has("append_batch"):
        return _rotation(scene)
    first = scene.chance.randint(1, 4)
    return [
        Batch(sizes=(1,) * first),
        *scene.rotates(),
        Batch(sizes=(1,) * (10 - first)),
        *scene.rotates(),
        Append(size=1),
        *scene.rotates(),
    ]


def _batch(scene: Scene) -> Operations:
    """A batch of about as much as a small WAL holds, behind something."""
    if not scene.has("append_batch"):
        return _rotation(scene)
    return [*scene.appends(), Batch(sizes=(100,) * scene.chance.randint(2, 4)), *scene.appends()]


def _reading(scene: Scene) -> Operations:
    """Somebody reads beside the writer, before and after there is more to read."""
    if not scene.has("read_outside"):
        return _rotation(scene)
    return [*scene.appends(), Read(), *scene.appends(), Read(), *scene.rotates(), Read()]


def _maintain(scene: Scene) -> Operations:
    if not scene.has("maintain", "subscribe"):
        return _cleanup(scene)
    return [*scene.appends(), *scene.rotates(), *finished(scene.some()), *scene.appends(), Maintain()]


def _progress(scene: Scene) -> Operations:
    if not scene.has("subscribe"):
        return _rotation(scene)
    names = scene.some()
    return [*scene.appends(), *finished(names), *(Flush(name=name) for name in names)]


def _syncing(scene: Scene) -> Operations:
    return [*scene.appends(), Sync(), *scene.appends()]


def _waiting(scene: Scene) -> Operations:
    """Longer than any interval at which something is synced."""
    return [*scene.appends(), Wait(milliseconds=2000)] if scene.has(WAITS) else _syncing(scene)


def _claims(scene: Scene) -> Operations:
    """Somebody was given records, and has not said to be done with them, or with the first alone, or hands it back."""
    if not scene.has("subscribe"):
        return _rotation(scene)
    names = scene.some()
    there = [Subscribe(name=name) for name in names]
    given: Operations = [Poll(name=name, count=MANY) for name in names]
    first, again = names[0], Poll(name=names[0], count=MANY)
    ways: list[Operations] = [[], [Ack(name=first, places=(0,))], [Defer(name=first, places=(0,)), again]]
    done = scene.chance.choice(ways)
    return [*there, *scene.appends(), Sync(), *given, *done, *(Flush(name=name) for name in names)]


def _rotation(scene: Scene) -> Operations:
    return [*scene.appends(), *scene.rotates(), *scene.appends(), *scene.rotates()]


def _close(scene: Scene) -> Operations:
    """What no sync has covered yet: records, and now and then what a subscriber has finished."""
    done = finished(scene.some()) if scene.names and scene.chance.random() < 0.5 else ()
    return [*scene.appends(), *done, Close()]


SCENARIOS: Mapping[str, Callable[[Scene], Operations]] = {
    "cleanup": _cleanup,
    "rotation": _rotation,
    "progress": _progress,
    "waiting": _waiting,
    "claims": _claims,
    "numbers": _numbers,
    "maintain": _maintain,
    "syncing": _syncing,
    "inactive": _inactive,
    "leave": _leave,
    "close": _close,
    "batch": _batch,
    "reading": _reading,
}
"""Each with what leads to it; for an engine that does not have it, to one that it has.

They take turns with an engine's tables of options: a number of them that those divide would keep some apart for ever.
"""


def drawn(capabilities: frozenset[str], chance: random.Random, length: int, first: int | None = None) -> Operations:
    """So many scenarios, one after the other and none twice, with the same subscribers; the first one by its number."""
    names = ["s", "t"][: chance.choice([1, 2, 2, 2])] if "subscribe" in capabilities else []
    words = list(SCENARIOS)
    told = chance.sample(words, min(length, len(words)))
    if first is not None:
        told[0] = words[first % len(words)]
    made = [SCENARIOS[word](Scene(capabilities, names, chance)) for word in told]
    return [*(operation for operations in made for operation in operations), *_last(Scene(capabilities, names, chance))]


def _last(scene: Scene) -> Operations:
    """Now and then the engine is closed, or somebody else tries to open it."""
    if scene.chance.random() < 0.3:
        return [Close()]
    return [OpenAgain()] if scene.has("lock_errors") and scene.chance.random() < 0.4 else []
