"""The machine is for key-value stores and queues as it is for logs: sound ones are left alone, mistakes found."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from chaoswal.check import Coverage
from chaoswal.stateful import ViolationFound, crash_machine
from tests.stateful.test_memory_disk import LIFE, live

STORES, QUEUES = "tests.contracts.stores", "tests.contracts.queues"
LONG = settings(LIFE, max_examples=100)
SHORT = settings(LIFE, max_examples=20, stateful_step_count=20)


@pytest.mark.parametrize("engine", [f"{STORES}:Store", f"{STORES}:LazyStore", f"{QUEUES}:Items", f"{QUEUES}:HandsOver"])
def test_a_sound_one_is_left_alone(engine: str, total: Coverage) -> None:
    machine = crash_machine(engine)
    live(machine, total, SHORT)
    assert machine.coverage.judged > 300


@pytest.mark.parametrize(
    ("engine", "kinds"),
    [
        (f"{STORES}:NoSync", "lost unopenable"),
        (f"{STORES}:ForgetsDeletes", "resurrected"),
        (f"{STORES}:HalfBatch", "hole"),
        (f"{STORES}:ServesOldValues", "invented lost"),
        (f"{QUEUES}:NoSync", "lost unopenable"),
        (f"{QUEUES}:GivesAgain", "resurrected duplicated"),
        (f"{QUEUES}:Repeats", "duplicated stuck"),
    ],
)
def test_a_mistake_is_found(engine: str, kinds: str) -> None:
    with pytest.raises(ViolationFound) as caught:
        run_state_machine_as_test(crash_machine(engine), settings=LONG)
    assert caught.value.fault.kind in kinds.split()
