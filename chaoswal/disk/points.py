"""The crash points of a run, one after the other, and the images that a crash at each of them may leave.

Whoever has gone on to a later point may still ask for the images and crashes of an earlier one: what is wanted of it is
then listed anew from the beginning of the run, which is seldom done.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from chaoswal.disk.crashes import Bound, Crash, crashed, cuts, in_flight, plan
from chaoswal.disk.disk import Disk
from chaoswal.disk.effects import Cut, Torn
from chaoswal.disk.image import Image, ImageKey
from chaoswal.disk.profiles import Profile
from chaoswal.disk.volume import Volume
from chaoswal.trace import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a crash after so many events may leave."""

    number: int
    kills: Sequence[tuple[Crash, Image]] = ()
    """What a kill leaves that interrupts the next event."""
    cuts: Mapping[ImageKey, tuple[Cut, Torn | None]] = field(default_factory=dict)
    """The images a power cut may leave, each with its first cut, in the order of ``cuts``."""
    listed_at: int = 0
    """The point at which they were listed, behind which came no event that counts: what is drawn depends on it."""
    pending: bool = False
    """Whether a power cut could take anything."""


class Listed:
    """The crash points of a run under one profile."""

    def __init__(
        self,
        start: Disk,
        events: Sequence[Event],
        profile: Profile,
        bound: Bound,
        *,
        seed: int = 0,
        points: range | None = None,
    ) -> None:
        """``points``: the others have no states (default: all have)."""
        self._start, self._events = start, list(events)
        self._profile = profile
        self._bound, self._seed = bound, seed
        self._points = points
        self._volume = Volume(start, profile)
        self._version = -1
        self._listed_at = 0
        self._cuts: dict[ImageKey, tuple[Cut, Torn | None]] = {}

    def points(self) -> Iterator[Point]:
        """Each, from the run's beginning to its end, when it is asked for; once."""
        for number in range(len(self._events) + 1):
            if number:
                self._volume.apply(self._events[number - 1])
            asked = self._points is None or number in self._points
            yield self._point(number) if asked else Point(number=number)

    def _point(self, number: int) -> Point:
        taken = in_flight(self._events[number]) if number < len(self._events) else ()
        kills = [Crash(point=number, power=False, taken=one) for one in taken]
        if self._version != self._volume.version:
            self._list(number)
        return Point(
            number=number,
            kills=[(kill, self._left(kill)) for kill in kills],
            cuts=self._cuts,
            listed_at=self._listed_at,
            pending=bool(self._volume.chains),
        )

    def _list(self, number: int) -> None:
        self._version, self._listed_at = self._volume.version, number
        self._cuts = {}
        for cut, torn in cuts(self._volume, self._bound, self._seed):
            self._cuts.setdefault(self._volume.key(cut, torn), (cut, torn))

    def _left(self, crash: Crash) -> Image:
        return crashed(self._start, self._events, crash, self._profile).view

    def image(self, point: Point, key: ImageKey) -> Image:
        """What a power cut there leaves, by its key."""
        if point.cuts is self._cuts:  # no event that counts came behind it
            return self._volume.image(*self._cuts[key])
        return self._left(self.crash(point, key))

    def crash(self, point: Point, key: ImageKey) -> Crash:
        """The crash that leaves it."""
        if point.cuts is self._cuts:
            return plan(point.number, *self._cuts[key])
        only = range(point.listed_at, point.listed_at + 1)
        again = Listed(self._start, self._events, self._profile, self._bound, seed=self._seed, points=only)
        same = next(one for one in again.points() if one.number == point.listed_at)
        return plan(point.number, *same.cuts[key])

    def images(self, point: Point) -> Iterator[tuple[ImageKey, Callable[[], Image]]]:
        """Each that any crash there leaves, by its key."""
        for _, image in point.kills:
            yield image.key, lambda image=image: image  # type: ignore[misc]
        for key in point.cuts:
            yield key, partial(self.image, point, key)
