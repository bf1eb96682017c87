"""The scheduler: the same seed is the same run, every interleaving can come, nothing is left behind."""

import threading
from collections.abc import Callable

import pytest

from chaoswal.errors import HarnessFault
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import Runtime
from chaoswal.vfs.scheduler import Deadlock, Scheduler

SEEDS = range(50)


class ToyLog:
    """Appends at the end it reads, in two calls: sound only under a mutex."""

    def __init__(self, vfs: MemoryVfs, runtime: Runtime, *, guarded: bool) -> None:
        self.file = vfs.create("log")
        self._mutex = runtime.mutex() if guarded else None

    def append(self, payload: bytes) -> None:
        if self._mutex is None:
            self._append(payload)
        else:
            with self._mutex:
                self._append(payload)

    def _append(self, payload: bytes) -> None:
        end = len(self.file.read(0, 1000))
        self.file.write(end, payload)

    def records(self) -> list[bytes]:
        data = self.file.read(0, 1000)
        return [data[place : place + 2] for place in range(0, len(data), 2)]


ALL = sorted(b"%c%d" % (letter, number) for letter in b"ab" for number in range(4))


def two_writers(scheduler: Scheduler, *, guarded: bool = True) -> list[bytes]:
    vfs = MemoryVfs(step=scheduler.step)

    def main() -> list[bytes]:
        log = ToyLog(vfs, scheduler, guarded=guarded)

        def writer(letter: int) -> Callable[[], None]:
            def write() -> None:
                for number in range(4):
                    log.append(b"%c%d" % (letter, number))

            return write

        tasks = [scheduler.spawn(writer(letter), chr(letter)) for letter in b"ab"]
        for task in tasks:
            task.join()
        return log.records()

    return scheduler.run(main)


def test_it_is_a_runtime() -> None:
    runtime: Runtime = Scheduler(0)
    with runtime.mutex():
        runtime.sleep(2.5)
    assert runtime.now() == 1_000_000_002.5


def test_the_same_seed_is_the_same_run() -> None:
    for seed in SEEDS:
        first, second = Scheduler(seed), Scheduler(seed)
        assert two_writers(first) == two_writers(second)
        assert first.switches == second.switches
        assert first.entropy(16) == second.entropy(16)


def test_seeds_differ() -> None:
    assert len({tuple(two_writers(Scheduler(seed))) for seed in SEEDS}) > 10
    assert Scheduler(1).entropy(16) != Scheduler(2).entropy(16)


def test_a_mutex_excludes() -> None:
    for seed in SEEDS:
        assert sorted(two_writers(Scheduler(seed))) == ALL


def test_a_race_is_found_by_some_seeds() -> None:
    broken = [seed for seed in SEEDS if sorted(two_writers(Scheduler(seed), guarded=False)) != ALL]
    assert 5 < len(broken) <= len(SEEDS)


def test_recorded_switches_replay_without_the_seed() -> None:
    for seed in SEEDS:
        recorded = Scheduler(seed)
        result = two_writers(recorded, guarded=False)
        replayed = Scheduler(switches=recorded.switches)
        assert two_writers(replayed, guarded=False) == result
        assert (replayed.switches, replayed.points) == (recorded.switches, recorded.points)


def test_without_switches_each_goes_on_as_long_as_it_can() -> None:
    assert two_writers(Scheduler(switches=()), guarded=False) == ALL


def test_time_is_virtual_and_a_wait_times_out() -> None:
    scheduler = Scheduler(3)

    def main() -> tuple[bool, float]:
        start = scheduler.now()
        mutex = scheduler.mutex()
        condition = scheduler.condition(mutex)
        with mutex:
            notified = condition.wait(3600.0)
        return notified, scheduler.now() - start

    assert scheduler.run(main) == (False, 3600.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_notified_wait_is_not_timed_out(seed: int) -> None:
    scheduler = Scheduler(seed)
    mutex = scheduler.mutex()
    condition = scheduler.condition(mutex)
    ready: list[bool] = []

    def notify() -> None:
        scheduler.sleep(1.0)
        with mutex:
            ready.append(True)
            condition.notify_all()

    def main() -> bool:
        task = scheduler.spawn(notify, "notifier")
        notified = True
        with mutex:
            while not ready:
                notified = condition.wait()
        task.join()
        return notified

    assert scheduler.run(main)


@pytest.mark.parametrize("seed", range(20))
def test_a_gate_lets_through_who_waits_and_who_comes_later(seed: int) -> None:
    scheduler = Scheduler(seed)
    passed: list[str] = []

    def main() -> None:
        gates = [scheduler.gate() for _ in range(3)]

        def wait(place: int) -> Callable[[], None]:
            def through() -> None:
                assert gates[place].wait()
                passed.append(f"through {place}")

            return through

        tasks = [scheduler.spawn(wait(place), f"waits {place}") for place in range(2)]
        scheduler.sleep(1.0)
        assert passed == []
        for gate in gates:
            gate.open()
        wait(2)()
        for task in tasks:
            task.join()

    scheduler.run(main)
    assert sorted(passed) == ["through 0", "through 1", "through 2"]


def test_a_wait_for_a_gate_times_out_and_one_that_nobody_opens_is_a_deadlock() -> None:
    scheduler = Scheduler(3)

    def main() -> tuple[bool, float]:
        start = scheduler.now()
        return scheduler.gate().wait(3600.0), scheduler.now() - start

    assert scheduler.run(main) == (False, 3600.0)
    with pytest.raises(Deadlock, match="main waits for gate 2"):
        scheduler.run(lambda: scheduler.gate().wait())


@pytest.mark.parametrize("seed", range(20))
def test_timers_end_in_their_order(seed: int) -> None:
    scheduler = Scheduler(seed)
    order: list[float] = []

    def sleeper(seconds: float) -> Callable[[], None]:
        def sleep() -> None:
            scheduler.sleep(seconds)
            order.append(seconds)

        return sleep

    def main() -> None:
        for task in [scheduler.spawn(sleeper(float(seconds)), f"sleeper {seconds}") for seconds in (3, 1, 2)]:
            task.join()

    start = scheduler.now()
    scheduler.run(main)
    assert sorted(order) == [1.0, 2.0, 3.0]
    assert scheduler.now() >= start + 3.0


def crossed(scheduler: Scheduler) -> None:
    one, two = scheduler.mutex(), scheduler.mutex()

    def other() -> None:
        with two, one:
            pass

    def main() -> None:
        task = scheduler.spawn(other, "other")
        with one, two:
            pass
        task.join()

    scheduler.run(main)


def test_a_deadlock_is_found_and_told() -> None:
    told = set()
    for seed in SEEDS:
        try:
            crossed(Scheduler(seed))
        except Deadlock as deadlock:
            told.add(str(deadlock))
    assert told == {
        "no thread can go on: main waits for mutex 2, which other holds; other waits for mutex 1, which main holds"
    }
    assert threading.active_count() == 1


def test_a_mutex_is_not_reentrant_and_a_lost_wake_up_is_a_deadlock() -> None:
    scheduler = Scheduler()
    mutex = scheduler.mutex()

    def twice() -> None:
        with mutex, mutex:
            pass

    def for_ever() -> None:
        with mutex:
            scheduler.condition(mutex).wait()

    with pytest.raises(Deadlock, match="main waits for mutex 1, which main holds"):
        scheduler.run(twice)
    with pytest.raises(Deadlock, match="main waits for condition 2"):
        scheduler.run(for_ever)


def test_a_swallowed_deadlock_is_raised_all_the_same() -> None:
    scheduler = Scheduler()
    mutex = scheduler.mutex()

    def main() -> None:
        try:
            with mutex, mutex:
                pass
        except Exception:  # noqa: BLE001 (what careless engines do)
            return

    with pytest.raises(Deadlock):
        scheduler.run(main)


def _fail() -> None:
    raise ValueError("the thread's own")


def test_an_exception_is_raised_where_the_thread_is_joined() -> None:
    scheduler = Scheduler()

    def main() -> str:
        task = scheduler.spawn(_fail, "failing")
        with pytest.raises(ValueError, match="the thread's own"):
            task.join()
        return "went on"

    assert scheduler.run(main) == "went on"


def test_an_exception_nobody_joined_is_raised_at_the_end() -> None:
    scheduler = Scheduler()

    def main() -> None:
        scheduler.spawn(_fail, "failing")
        scheduler.sleep(1.0)

    with pytest.raises(ValueError, match="the thread's own"):
        scheduler.run(main)


@pytest.mark.parametrize("seed", range(20))
def test_the_end_of_the_run_is_the_end_of_all_threads(seed: int) -> None:
    scheduler = Scheduler(seed)
    vfs = MemoryVfs(step=scheduler.step)
    mutex = scheduler.mutex()
    ended: list[str] = []

    def for_ever() -> None:
        file = vfs.create("ticks")
        try:
            while True:
                try:
                    with mutex:
                        file.write(0, b"tick")
                        scheduler.condition(mutex).wait(1.0)
                except Exception:  # noqa: BLE001 (a careless loop must end too)
                    ended.append("caught")
        finally:
            try:
                file.write(0, b"last words")
            finally:
                ended.append("unwound")

    def main() -> int:
        scheduler.spawn(for_ever, "ticker")
        scheduler.sleep(10.0)
        return len(vfs)

    written = scheduler.run(main)
    assert ended == ["unwound"] or not vfs.list()
    assert len(vfs) == written
    assert threading.active_count() == 1


def test_a_failing_main_leaves_no_thread() -> None:
    scheduler = Scheduler(1)

    def main() -> None:
        scheduler.spawn(lambda: scheduler.sleep(1e9), "sleeper")
        _fail()

    with pytest.raises(ValueError, match="the thread's own"):
        scheduler.run(main)
    assert threading.active_count() == 1


def test_strangers_are_refused() -> None:
    scheduler = Scheduler()
    caught: list[BaseException] = []

    def stranger() -> None:
        try:
            scheduler.step()
        except HarnessFault as fault:
            caught.append(fault)

    def main() -> None:
        thread = threading.Thread(target=stranger, name="stranger")
        thread.start()
        thread.join()

    scheduler.run(main)
    assert "'stranger' was not started by the scheduler" in str(caught[0])
    with pytest.raises(HarnessFault):
        scheduler.spawn(_fail, "outside of a run")
    with pytest.raises(HarnessFault):
        scheduler.condition(Scheduler.mutex)  # type: ignore[arg-type]


def test_a_life_may_do_several_things_at_once_one_after_the_other() -> None:
    scheduler = Scheduler(switches=())
    vfs = MemoryVfs(step=scheduler.step)
    scheduler.begin()
    log = ToyLog(vfs, scheduler, guarded=False)
    for switches, broken in (((), False), (((3, 1),), True), ((), False)):
        before = len(log.records())
        scheduler.at_once(dict.fromkeys("ab", lambda: log.append(b"xx")), switches)
        assert (len(log.records()) - before < 2) == broken
        assert scheduler.switches == list(switches)
    assert scheduler.end() == []
    with pytest.raises(HarnessFault):
        scheduler.spawn(lambda: None, "late")


def test_what_is_done_at_once_ends_with_the_last_and_raises_what_the_first_one_raised() -> None:
    scheduler = Scheduler(switches=())
    ended: list[float] = []

    def slow() -> None:
        scheduler.sleep(2.0)
        ended.append(scheduler.now())

    def main() -> None:
        start = scheduler.now()
        scheduler.at_once({})
        with pytest.raises(ValueError, match="the thread's own"):
            scheduler.at_once({"slow": slow, "failing": _fail})
        assert ended == [start + 2.0]

    scheduler.run(main)
    assert threading.active_count() == 1


def test_functions_at_once_that_wait_for_each_other_are_a_deadlock() -> None:
    scheduler = Scheduler(switches=())
    waiting = {name: scheduler.gate().wait for name in "ab"}
    with pytest.raises(Deadlock, match="main waits for the end of a and the end of b; a waits for gate 1"):
        scheduler.run(lambda: scheduler.at_once(waiting))
    assert threading.active_count() == 1
