"""The same promises from real processes: a child writes to a real directory, is killed, and another takes over.

Operations go to the child through a pipe and its answers, among them every acknowledgement, come back through it.
Several operations are sent ahead; the child is killed with SIGKILL once a drawn number of answers has arrived, so that
it dies at any moment of the next ones. What the pipe still holds was answered before the kill and counts.
"""

import shutil
import tempfile
from typing import Any, ClassVar

import hypothesis.strategies as st
import multiprocess
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from chaoswal import text
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import OPERATIONS, Operation, Reopen
from chaoswal.oracle import History, Observed
from chaoswal.trace import Begin, End
from chaoswal.workload import Driver, Generator, traits_of

FORK = multiprocess.get_context("fork")
ANSWER_SECONDS = 30


def serve(engine: EngineRef, directory: str, names: list[str], asked: Any, answers: Any) -> None:
    """The child: open (which is recovery), say what is there, then answer operations until killed."""
    driver = Driver(lambda: engine.factory().open_directory(directory), names)
    observed = driver.observe(names)
    answers.send(observed)
    driver.resume(observed)
    while True:
        op_index, line = asked.recv()
        answers.send((op_index, driver.perform(op_index, text.parse(line, OPERATIONS))))


class ProcessMachine(RuleBasedStateMachine):
    """One directory and the processes that follow upon each other on it."""

    engine: ClassVar[EngineRef]
    kills: ClassVar[int] = 0

    @initialize(seed=st.integers(0, 10_000))
    def start(self, seed: int) -> None:
        self.directory = tempfile.mkdtemp(prefix="chaoswal-test-")
        probe = tempfile.mkdtemp(prefix="chaoswal-test-")
        engine = self.engine.factory().open_directory(probe)
        self.traits = traits_of(engine)
        engine.close()
        shutil.rmtree(probe)
        self.generator = Generator(seed, self.traits.capabilities, reopen=False)
        self.operations: list[Operation] = []
        self.history = History(self.operations, self.traits)
        self.child: Any = None
        self.open()

    def open(self) -> None:
        """Let a new process take the directory over, and judge what it shows."""
        self.fork()
        assert self.answers.poll(ANSWER_SECONDS), "the child does not open the engine"
        observed: Observed = self.answers.recv()
        fault = self.history.open(observed)
        assert fault is None, fault

    def fork(self) -> None:
        """A new process. Two one-way pipes: a socket would forget answers when its other end dies unread."""
        asked, self.questions = FORK.Pipe(duplex=False)
        self.answers, answering = FORK.Pipe(duplex=False)
        names = list(self.history.subscribers)
        self.child = FORK.Process(
            target=serve, args=(self.engine, self.directory, names, asked, answering), daemon=True
        )
        self.child.start()
        asked.close()
        answering.close()

    def end(self) -> None:
        """Kill the process; what it had answered can still be read."""
        self.child.kill()
        self.child.join()
        self.questions.close()

    def send(self, count: int) -> list[int]:
        """Send operations ahead; their numbers."""
        first = len(self.operations)
        for op_index in range(first, first + count):
            operation = self.generator.operation()
            assert not isinstance(operation, Reopen)
            self.operations.append(operation)
            self.questions.send((op_index, text.line(operation)))
        return list(range(first, first + count))

    def receive(self, op_index: int) -> None:
        """One answer: the operation has begun and ended."""
        assert self.answers.poll(ANSWER_SECONDS), f"no answer to {self.operations[op_index]}"
        self.took(op_index, self.answers.recv())

    def took(self, op_index: int, answer: tuple[int, str]) -> None:
        answered, result = answer
        assert answered == op_index
        self.history.apply(Begin(op_index=op_index))
        fault = self.history.apply(End(op_index=op_index, result=result))
        assert fault is None, fault

    @rule(count=st.integers(1, 6))
    def work(self, count: int) -> None:
        for op_index in self.send(count):
            self.receive(op_index)

    @rule(count=st.integers(1, 8), answers=st.integers(0, 8))
    def kill(self, count: int, answers: int) -> None:
        sent = self.send(count)
        waited = sent[: min(answers, count)]
        for op_index in waited:
            self.receive(op_index)
        self.end()
        self.drain(sent[len(waited) :])
        type(self).kills += 1
        self.open()

    def drain(self, unanswered: list[int]) -> None:
        """What was answered before the kill counts; the next one may have happened; the rest never began."""
        for op_index in unanswered:
            try:
                self.took(op_index, self.answers.recv())
            except EOFError:
                self.history.apply(Begin(op_index=op_index))
                break
        self.answers.close()

    @rule()
    def kill_twice(self) -> None:
        """A recovery that is killed at once, then another."""
        for _ in range(2):
            self.end()
            self.answers.close()
            self.fork()
        self.end()
        self.answers.close()
        self.open()

    def teardown(self) -> None:
        if getattr(self, "child", None) is not None:
            self.end()
            self.answers.close()
            shutil.rmtree(self.directory)


LIFE = settings(
    max_examples=7,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    "engine",
    [
        "wal",
        "wal wal_bytes=300",
        "wal sync=explicit wal_bytes=1000 preallocate_bytes=700",
        "wal sync=either",
        "wal durability=segment-only wal_bytes=1000",
        "sqlite",
    ],
)
def test_no_kill_breaks_a_promise(engine: str) -> None:
    machine: type[ProcessMachine] = type("Machine", (ProcessMachine,), {"engine": EngineRef.parse(engine)})
    run_state_machine_as_test(machine, settings=LIFE)
    assert machine.kills > 20


@pytest.mark.parametrize("mistake", ["AcksBeforeWriting", "Forgets"])
def test_a_mistake_that_a_kill_shows_is_found(mistake: str) -> None:
    machine = type("Machine", (ProcessMachine,), {"engine": EngineRef(name=f"tests/toys.py:{mistake}")})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=LIFE)
