"""Receipts against every crash: what was called durable at a moment must be there after any power cut from then on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaoswal.disk.crashes import Bound, cuts
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault, FaultPlan
from chaoswal.disk.profiles import PROFILES
from chaoswal.disk.volume import Volume
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.vfs.scheduler import Scheduler
from chaoswal.wal import Log, Options, Receipt

BOUND = Bound(torn_writes=0, random_states=1, states_per_point=12)


@dataclass
class Life:
    """A log under a scheduler, what it gave receipts for, and when."""

    options: Options
    seed: int | None = None
    """Of the schedule; None is the one in which nobody is ever slow."""
    faults: tuple[str, ...] = ()
    log_class: type[Log] = Log
    promised: list[tuple[int, int]] = field(default_factory=list)
    """The length of the trace, and the number of records that were called durable then."""
    given: dict[int, bytes] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan = FaultPlan(tuple(map(Fault.parse, self.faults))) if self.faults else None
        self.scheduler = Scheduler(switches=()) if self.seed is None else Scheduler(self.seed)
        self.vfs = MemoryVfs(step=self.scheduler.step, faults=plan)

    def run(self, main: Callable[[Log], Any]) -> Any:
        """Open the log, do something with it, and close it."""

        def all_of_it() -> Any:
            self.log = self.log_class(self.vfs, self.scheduler, self.options)
            try:
                return main(self.log)
            finally:
                self.close()

        return self.scheduler.run(all_of_it)

    def close(self) -> None:
        """Close the log; what it promised or why it could not is noted."""
        end = self.log.next_sequence
        try:
            self.log.close()
            self.promise(end)
        except Exception as error:  # noqa: BLE001  what it is, is for the test to say
            self.errors.append(error)
        assert all(task.done for task in self.scheduler._tasks[1:]), "the log's thread outlives it"

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Let time pass until it holds: time may always pass while another thread is slow."""
        for _ in range(1000):
            if condition():
                return
            self.scheduler.sleep(0.01)
        raise AssertionError("waited in vain")

    def promise(self, count: int) -> None:
        """So many records are durable, it says."""
        self.promised.append((len(self.vfs), count))

    def append(self, payload: bytes) -> Receipt | None:
        """Append a record and note its receipt, or its error."""
        try:
            receipt = self.log.append(payload)
        except Exception as error:  # noqa: BLE001  what it is, is for the test to say
            self.errors.append(error)
            return None
        self.given[receipt.sequence] = payload
        if receipt.durable:
            self.promise(receipt.sequence + receipt.count)
        return receipt

    def broken_promise(self) -> str:
        """The first crash that takes away what was promised, under the weakest profile; empty where there is none."""
        volume = Volume(Disk(), PROFILES["posix"])
        seen: set[Any] = set()
        events = self.vfs.events()
        for point in range(len(events) + 1):
            if point:
                volume.apply(events[point - 1])
            floor = max((count for moment, count in self.promised if moment <= point), default=0)
            for cut, torn in cuts(volume, BOUND, self.seed or 0):
                key = volume.key(cut, torn)
                if (key, floor) not in seen:
                    seen.add((key, floor))
                    found = self.recovered(MemoryVfs(Disk(image=volume.image(cut, torn))))
                    if len(found) < floor:
                        return f"after event {point} of {len(events)}: {len(found)} records of {floor} promised"
        return ""

    def recovered(self, vfs: MemoryVfs) -> list[bytes]:
        """The records on a crashed disk, which must be those that were given these numbers."""
        log = Log(vfs, StillRuntime(), Options(wal_bytes=self.options.wal_bytes))
        records = list(log.records())
        assert [number for number, _ in records] == list(range(len(records)))
        for number, payload in records:
            assert self.given.get(number, payload) == payload
        return [payload for _, payload in records]
