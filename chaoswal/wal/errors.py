"""Everything the log refuses to do, as exceptions that say what, where and what to do, and that pickle."""


class LogError(Exception):
    """The root of all errors of the log; an OSError of the file system passes through as it is."""


class LogLocked(LogError):
    """Another writer has the log open."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner

    def __str__(self) -> str:
        return f"the log is in use by another writer ({self.owner}); close that one first"


class LogClosed(LogError):
    """The log, or the subscriber's handle, was closed."""

    def __str__(self) -> str:
        return "this log or subscriber has been closed; open it again"


class LogPoisoned(LogError):
    """A sync or a finalize failed: what is durable is unknown until the log is opened again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the log takes nothing more after a failure ({self.reason}); close it and open it again"


class CorruptLog(LogError):
    """Bytes that were durable are damaged or missing.

    ``first`` and ``last`` are the sequence numbers affected, both included; ``last < first`` where it is not known
    that any record is.
    """

    def __init__(self, file: str, offset: int, first: int, last: int, reason: str) -> None:
        super().__init__(file, offset, first, last, reason)
        self.file = file
        self.offset = offset
        self.first = first
        self.last = last
        self.reason = reason

    def __str__(self) -> str:
        affected = f"records {self.first} to {self.last}" if self.last >= self.first else "no record for certain"
        return (
            f"{self.file}, byte {self.offset}: {self.reason}; affected: {affected}. "
            "Nothing was changed; restore the file from a copy"
        )


class ForeignFile(LogError):
    """The directory holds a file that no log of ours makes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"not a chaoswal log: the directory holds {self.name!r}; nothing was touched, use another directory"


class SequenceConflict(LogError):
    """An append expected another sequence number than the next one: somebody else was faster. Nothing was appended."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(expected, actual)
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"the next sequence number is {self.actual}, not {self.expected}: read what came between and try again"


class AtCapacity(LogError):
    """The budget of the disk is spent: the append was refused, and nothing was changed."""

    def __init__(self, needed_bytes: int, used_bytes: int, budget_bytes: int) -> None:
        super().__init__(needed_bytes, used_bytes, budget_bytes)
        self.needed_bytes = needed_bytes
        self.used_bytes = used_bytes
        self.budget_bytes = budget_bytes

    def __str__(self) -> str:
        return (
            f"{self.needed_bytes} bytes more do not fit: {self.used_bytes} of {self.budget_bytes} are used; "
            "let the subscribers finish and clean up, then append again"
        )


class RecordTooLarge(LogError):
    """A record or batch above the limit of the format."""

    def __init__(self, length_bytes: int, limit_bytes: int) -> None:
        super().__init__(length_bytes, limit_bytes)
        self.length_bytes = length_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"{self.length_bytes} bytes in one append; the limit is {self.limit_bytes}"


class RecordGone(LogError):
    """A reader asks for a record that was cleaned up."""

    def __init__(self, sequence: int, start: int) -> None:
        super().__init__(sequence, start)
        self.sequence = sequence
        self.start = start

    def __str__(self) -> str:
        return f"record {self.sequence} was cleaned up; the first one left is {self.start}"


class RecordsMissed(LogError):
    """A subscriber that asked to miss nothing is to be given what lies behind records that are gone."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name, count)
        self.name = name
        self.count = count

    def __str__(self) -> str:
        return (
            f"{self.count} records that subscriber {self.name!r} had not finished are gone; "
            'take it up with start="skip", or unregister it'
        )


class NotHeld(LogError):
    """An acknowledgement, rejection, claim or deferral of a record the subscriber cannot have."""

    def __init__(self, name: str, sequence: int) -> None:
        super().__init__(name, sequence)
        self.name = name
        self.sequence = sequence

    def __str__(self) -> str:
        return (
            f"subscriber {self.name!r} cannot do that with record {self.sequence}: not held, or not there to be claimed"
        )


class SubscriberBusy(LogError):
    """The subscriber has a handle already."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"subscriber {self.name!r} is active already; close its handle first"


class UnknownSubscriber(LogError):
    """No subscriber of that name is registered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no subscriber {self.name!r} is registered"


class BadName(LogError, ValueError):
    """A subscriber's name outside of the rules."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name!r} is no subscriber's name: 1 to 64 of A-Z, a-z, 0-9, '_' and '-'"


class MissingPackage(LogError):
    """An optional package is needed that is not installed."""

    def __init__(self, package: str, need: str) -> None:
        super().__init__(package, need)
        self.package = package
        self.need = need

    def __str__(self) -> str:
        return f"{self.need}: install the package {self.package} (pip install 'chaoswal[{self.package}]')"


class NeedsThreads(LogError, RuntimeError):
    """An option asks for something that is done after a time, and the runtime has no threads."""

    def __init__(self, option: str) -> None:
        super().__init__(option)
        self.option = option

    def __str__(self) -> str:
        return (
            f"{self.option} is done by a thread of the log's own, and this runtime has none: "
            "give it one with threads (real ones, or a scheduler's), or leave the option out"
        )
