"""Bugs of recycled files: a log that writes its next WAL over an old one, and what of the old one is believed.

The variant is sound as it stands (``RecyclingEngine``): a finished WAL is kept until the next one is begun, and then
renamed and written over from its header on. Frames carry no number that is looked at. What stands behind the last frame
is an old one, at any offset, and only the seed of the checksums, which is the header's own, tells it from a new one.
"""

from collections.abc import Iterable

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.engines.wal import WalEngine
from chaoswal.vfs.protocol import File
from chaoswal.wal.files import HEADER_BYTES, header_seed
from chaoswal.wal.finalize import Finalizer
from chaoswal.wal.frames import MAGIC, Codec, Header
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.survey import FRAMES, TORN, Surveyor, Tail
from chaoswal.wal.walfile import WalBirth


class Numberless(Codec):
    """Looks at no frame's number."""

    def plausible(self, header: Header, sequence: int, room: int) -> bool:
        return header[0] == MAGIC and header[2] <= room


class KeepsSpare(Finalizer):
    """Leaves the WAL that is finished, which recovery unlinks, for the next one to be written over."""

    def unlink(self, name: str) -> None:
        pass


class Recycles(WalBirth):
    """Writes a new WAL over one that is finished, if there is any."""

    def create(self, temporary: str) -> File:
        spare = self.spare(temporary)
        if not spare:
            return super().create(temporary)
        self._vfs.rename(spare, temporary)
        self.sync_directory()  # else it might end up under both names, and be recycled once more while it is in use
        return self._vfs.open(temporary, write=True)

    def spare(self, temporary: str) -> str:
        """The oldest WAL that has been finished before the one that is now; empty where there is none.

        That one has its segment, but goes on being the active one until the new one is there.
        """
        wals = sorted(name for name in self._vfs.list() if name.endswith(".wal") and name < temporary)
        return wals[0] if len(wals) > 1 else ""


RECYCLING = Parts(codec=Numberless, finalizer=KeepsSpare, wal_birth=Recycles)


class RecyclingLog(Log):
    """A log that recycles its WALs."""

    parts = RECYCLING


class RecyclingEngine(WalEngine):
    """The sound variant."""

    log_class = RecyclingLog


KINDS = "duplicated reordered unstable hole unopenable"
"""What comes of old records that are taken for new ones."""

VERSION = "frame=1"
"""Frames of version 2 have a hash besides, and none of this."""


@bug("checksum-not-seeded", kinds=KINDS, profiles=ANY, parts=RECYCLING, options=VERSION)
class NotSeeded(Numberless):
    """A record that a recycled file still holds has a checksum as good as a new one's: Pebble #567, over RocksDB."""

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        return super().checksum(body, 0, 0)


class InPlace(Recycles):
    """Gives a recycled WAL its name first, and writes the header then."""

    def prepare(self, name: str, pieces: Iterable[tuple[int, bytes]]) -> File:
        spare = self.spare(f"{name}.tmp")
        if not spare:
            return super().prepare(name, pieces)
        self._vfs.rename(spare, name)
        self.sync_directory()
        file = self._vfs.open(name, write=True)
        for offset, piece in pieces:
            self.write_whole(file, offset, piece)
        return file

    def commit(self, file: File, name: str) -> None:
        if f"{name}.tmp" in self._vfs.list():
            super().commit(file, name)
        else:
            self.sync(file)


class ReplacesHeaderless(Surveyor):
    """A WAL whose header never came to be its own holds nothing that was promised: it is made anew."""

    def look_at_tail(self, first: int) -> Tail:
        tail = super().look_at_tail(first)
        if tail.error is not None and tail.error.offset < HEADER_BYTES:
            tail.error, tail.content = None, TORN
        return tail


IN_PLACE = Parts(codec=Numberless, finalizer=KeepsSpare, wal_birth=InPlace, surveyor=ReplacesHeaderless)


class InPlaceLog(Log):
    """A log that recycles its WALs where they lie."""

    parts = IN_PLACE


class InPlaceEngine(WalEngine):
    """The other sound variant."""

    log_class = InPlaceLog


@bug("torn-header-accepted", kinds=KINDS, profiles=ANY, parts=IN_PLACE, options=VERSION)
class BelievesHeader(ReplacesHeaderless):
    """A file that has its name is believed whatever its header says: SpacetimeDB #4863, segments without one."""

    def look_at_tail(self, first: int) -> Tail:
        tail = super().look_at_tail(first)
        if tail.content == TORN and tail.window.size >= HEADER_BYTES:
            tail.gather(self._codec, header_seed(tail.window.data))
            tail.content = FRAMES if tail.count else TORN
        return tail
