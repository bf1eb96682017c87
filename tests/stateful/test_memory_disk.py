"""The builtin log lives whole lives on the simulated disk, under every profile, and keeps every promise."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chaoswal.check import Coverage
from chaoswal.engines.wal import WalEngine
from chaoswal.stateful import CrashMachine, ViolationFound, crash_machine

LETS_GO = {
    "sync": ("each", "explicit"),
    "wal_bytes": ("200", "1000"),
    "budget_bytes": ("0", "3000"),
    "budget_policy": ("backpressure", "drop-oldest"),
    "age_seconds": ("0", "1"),
    "lag_records": ("0", "3"),
    "lag_seconds": ("0", "1"),
    "slow": ("skip", "unregister"),
}
"""What lets records go, keeps them out, or moves subscribers on."""

LIFE = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # a violation is shrunk by chaoswal, which knows what may go
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def live(machine: type[CrashMachine], total: Coverage, how: settings = LIFE) -> None:
    """Run a machine and count what it judged."""
    try:
        run_state_machine_as_test(machine, settings=how)
    finally:
        total.add(machine.coverage)


@pytest.mark.parametrize("profile", ["kill", "prefix", "ext4-ordered", "posix"])
@pytest.mark.parametrize("faults", [False, True])
def test_the_log_keeps_its_promises_with_whatever_options(profile: str, faults: bool, total: Coverage) -> None:
    machine = crash_machine("wal", profile=profile, faults=faults)
    live(machine, total)
    assert machine.coverage.judged > 500


@pytest.mark.parametrize("profile", ["ext4-ordered", "posix"])
@pytest.mark.parametrize("faults", [False, True])
def test_what_is_let_go_is_counted(profile: str, faults: bool, total: Coverage) -> None:
    machine = crash_machine("wal", profile=profile, options=LETS_GO, faults=faults)
    live(machine, total, settings(LIFE, max_examples=32))
    assert machine.coverage.judged > 500


@pytest.mark.parametrize("faults", [False, True])
def test_without_a_wal_the_open_segment_is_all_a_crash_may_lose(faults: bool, total: Coverage) -> None:
    machine = crash_machine("wal durability=segment-only", faults=faults)
    live(machine, total, settings(LIFE, max_examples=32))
    assert machine.coverage.judged > 500


def test_the_machine_draws_what_the_adapter_offers_and_the_engine_does_not_fix() -> None:
    drawn: set[tuple[str, str]] = set()

    class Machine(crash_machine("wal read_mode=mmap")):  # type: ignore[misc]  # a class that a function makes
        def teardown(self) -> None:
            drawn.update(self.reference.options)
            self.session.end()

    run_state_machine_as_test(Machine, settings=settings(LIFE, stateful_step_count=1))
    offered = {(option, text) for table in WalEngine.draws for option, texts in table.items() for text in texts}
    assert drawn - offered == set()
    assert {option for option, _ in drawn} == {option for option, _ in offered}
    assert {text for option, text in drawn if option == "read_mode"} == {"mmap"}


@pytest.mark.parametrize("mistake", ["NoSync", "NoChecksum", "NoCut", "ServesBeforeSync"])
def test_a_mistake_is_found(mistake: str) -> None:
    machine = crash_machine(f"tests/toys.py:{mistake}", profile="posix")
    with pytest.raises(ViolationFound):
        run_state_machine_as_test(machine, settings=LIFE)


def test_a_sound_toy_is_left_alone(total: Coverage) -> None:
    live(crash_machine("tests/toys.py:ToyLog"), total)
