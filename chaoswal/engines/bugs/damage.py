"""Bugs that show only where what was durable is damaged: it is cut, passed over, or made anew, and nobody is told."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.wal.cursor import Cursor
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.frames import Record
from chaoswal.wal.log import Log
from chaoswal.wal.survey import Survey, Surveyor, Tail


@bug("truncates-at-first-bad-even-if-good-follow", kinds="dishonest", profiles=ANY, by="damage")
class CutsAtFirstBad(Surveyor):
    """Good records behind a bad one are cut with it, unsaid: RocksDB's kPointInTimeRecovery, its default."""

    def check_rest(self, tail: Tail) -> None:
        pass


@bug("passes-over-what-is-damaged", kinds="dishonest unopenable", profiles=ANY, by="damage")
class PassesOver(Log):
    """What cannot be read of a segment is not there: RocksDB's kSkipAnyCorruptedRecords."""

    def _read(self, sequence: int, max_bytes: int) -> list[Record]:
        try:
            return super()._read(sequence, max_bytes)
        except CorruptLog as damage:
            return self._read(max(damage.last, sequence) + 1, max_bytes)


@bug("damaged-progress-begins-anew", kinds="dishonest", profiles=ANY, by="damage")
class BeginsAnew(Surveyor):
    """Damaged progress is taken for none, and all is given again: Kafka's auto.offset.reset where an offset is gone."""

    def look_at_cursors(self, found: Survey, subscribers: list[str]) -> None:
        super().look_at_cursors(found, subscribers)
        for name in found.cursor_errors:
            found.cursors[name] = Cursor(found.start)
        found.cursor_errors.clear()
