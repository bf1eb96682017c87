"""The log's own thread: it does what has become due, and ends when the log is closed.

Theory of operation
-------------------
There are a few jobs: making the tail durable, finalizing a WAL that is old. Each is *armed* by an append that gives it
something to do, and done once, so long after. Arming what is armed changes nothing: the delay counts from the first
append that waits. An idle log arms nothing, and its thread sleeps without a time-out.

The thread holds the log's mutex except while it sleeps, and while what it does gives it back. A job that fails
has poisoned the log; that is how those who append hear of it. Times are those of the monotonic clock of the runtime:
a wall clock that is set back delays nothing.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from chaoswal.vfs.runtime import Runtime, Task


class Job:
    """Something to do, ``delay_s`` seconds after it was armed."""

    __slots__ = ("act", "delay_s", "due")

    def __init__(self, delay_s: float, act: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.act = act
        self.due: float | None = None


class Timer:
    """A thread and its jobs. The mutex must be held for every call but ``join``."""

    def __init__(self, runtime: Runtime, mutex: AbstractContextManager[object], name: str) -> None:
        """Raises where the runtime has no threads; ``start`` begins the thread."""
        self._runtime = runtime
        self._mutex = mutex
        self._name = name
        self._condition = runtime.condition(mutex)
        self._jobs: list[Job] = []
        self._task: Task | None = None
        self._stopping = False

    def add(self, delay_s: float, act: Callable[[], None]) -> Job:
        """A new job."""
        job = Job(delay_s, act)
        self._jobs.append(job)
        return job

    def start(self) -> None:
        """Begin the thread."""
        self._task = self._runtime.spawn(self._run, self._name)

    def arm(self, job: Job) -> None:
        """Have a job done after its delay, unless it is armed already."""
        if job.due is None:
            job.due = self._runtime.monotonic() + job.delay_s
            self._condition.notify_all()

    def stop(self) -> None:
        """Let the thread end; what is armed is not done any more."""
        self._stopping = True
        self._condition.notify_all()

    def join(self) -> None:
        """Wait for the thread's end, without the mutex."""
        if self._task is not None:
            self._task.join()

    def _run(self) -> None:
        with self._mutex:
            while not self._stopping:
                now = self._runtime.monotonic()
                due = min((job.due for job in self._jobs if job.due is not None), default=None)
                if due is None or due > now:
                    self._condition.wait(None if due is None else due - now)
                else:
                    self._do(now)

    def _do(self, now: float) -> None:
        for job in self._jobs:
            if job.due is not None and job.due <= now:
                job.due = None
                with suppress(Exception):  # what fails in a job has poisoned the log: who changes it next is told
                    job.act()
