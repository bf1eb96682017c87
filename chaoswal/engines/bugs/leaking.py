"""Bugs that lose nothing and leave something behind: descriptors, memory, files."""

from typing import ClassVar

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.wal.recovery import Recovery
from chaoswal.wal.survey import Survey, Surveyor
from chaoswal.wal.walfile import WalFile


@bug("descriptor-leak", kinds="leak", profiles=ANY, by="reopening")
class KeepsOpen(WalFile):
    """A file that was written stays open when it is done with: CockroachDB #97040, at a restore."""

    def close(self) -> None:
        pass


@bug("memory-leak", kinds="leak", profiles=ANY, by="reopening")
class Remembers(Surveyor):
    """Closing does not free what opening has made: pmemkv #30."""

    kept: ClassVar[list[Survey]] = []

    def survey(self, names: list[str]) -> Survey:
        self.kept.append(super().survey(names))
        return self.kept[-1]


@bug("superseded-file-stays", kinds="leak", profiles=ANY, by="reopening")
class NeverRemoves(Recovery):
    """What a crash kept from being deleted is never deleted: the directories of compactions in Arc #164."""

    def remove(self, name: str, undeleted: list[str]) -> None:
        if name.endswith(".tmp"):
            super().remove(name, undeleted)
