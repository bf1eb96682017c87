"""The loop on queues and key-value stores: their operations, what they show, and what a kill may leave of it."""

from pathlib import Path

import pytest

from chaoswal.contracts import CONTRACTS, KV, QUEUE, Contract
from chaoswal.corpus import load as load_finding
from chaoswal.disk.profiles import profile_named
from chaoswal.killloop.finding import save_finding, steps_of
from chaoswal.killloop.journal import Offers, observed_note, observed_of
from chaoswal.killloop.places import place_of, sought_of, word_of
from chaoswal.killloop.plans import Program, draw
from chaoswal.ops import Delete, Done, Enqueue, Put, PutBatch, Sync, Take
from chaoswal.oracle import Observed, Traits
from chaoswal.replay import Status, replay
from chaoswal.verdict import Violation
from tests.killloop.conftest import ROOT, Run

STORES, QUEUES = (str(ROOT / "tests" / "contracts" / name) for name in ("stores.py", "queues.py"))
EVERYTHING = "kill,torn,power"


@pytest.mark.parametrize("engine", [f"{STORES}:Store", f"{QUEUES}:Items"])
def test_a_sound_engine_of_another_contract_survives(run: Run, engine: str) -> None:
    finding, tally = run(engine, EVERYTHING, 8)
    assert finding is None
    assert tally.judged > 2
    assert tally.acks


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [f"{STORES}:Store", f"{STORES}:LazyStore", f"{QUEUES}:Items", f"{QUEUES}:Lazy", f"{QUEUES}:HandsOver"],
)
@pytest.mark.parametrize("profile", ["ext4-ordered", "posix"])
def test_sound_engines_of_other_contracts_survive_many_cycles(run: Run, engine: str, profile: str) -> None:
    finding, tally = run(engine, EVERYTHING, 250, profile=profile)
    assert finding is None
    assert {fault for _, fault in tally.kills} == {"kill", "torn", "power"}


@pytest.mark.slow
def test_a_queue_in_a_database_survives_kills(run: Run) -> None:
    pytest.importorskip("persistqueue")
    finding, tally = run("persist-queue kind=sqlite", "kill", 150)
    assert finding is None
    assert tally.judged > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        (f"{STORES}:NoSync", Violation.LOST),
        (f"{STORES}:ForgetsDeletes", Violation.RESURRECTED),
        (f"{STORES}:HalfBatch", Violation.HOLE),
        (f"{STORES}:NoChecksum", Violation.UNOPENABLE),
        (f"{STORES}:ServesOldValues", Violation.LOST),
        (f"{QUEUES}:NoSync", Violation.LOST),
        (f"{QUEUES}:GivesAgain", Violation.RESURRECTED),
        (f"{QUEUES}:ForgetsWhatItHandsOut", Violation.LOST),
        (f"{QUEUES}:Skips", Violation.HOLE),
        (f"{QUEUES}:Repeats", Violation.DUPLICATED),
    ],
)
def test_each_planted_mistake_is_found(run: Run, engine: str, kind: Violation) -> None:
    finding, _ = run(engine, EVERYTHING, 400)
    assert finding is not None
    assert finding.fault.kind is kind


@pytest.mark.slow
def test_what_a_kill_takes_from_dbm_dumb_is_found_and_kept(run: Run, tmp_path: Path) -> None:
    finding, _ = run("dbm.dumb", "kill", 2000)
    assert finding is not None
    assert finding.fault.kind is not Violation.HUNG  # mostly all is lost, or half of what was written over is served
    saved = load_finding(save_finding(finding, tmp_path / "corpus"))
    assert (str(saved.engine), saved.profile, saved.expect) == ("dbm.dumb", "kill", finding.fault.kind)
    assert list(saved.steps) == list(steps_of(finding))


@pytest.mark.slow
def test_what_power_takes_from_a_store_replays(run: Run, tmp_path: Path) -> None:
    finding, _ = run(f"{STORES}:NoSync", "power", 400)
    assert finding is not None
    saved = load_finding(save_finding(finding, tmp_path / "corpus"))
    assert replay(saved.engine, saved.steps, profile_named(saved.profile))[0] is Status.FAILED


def test_what_an_engine_of_any_contract_shows_is_read_back_from_its_note() -> None:
    for shown in (Observed(items=((b"a", b"1"), (b"b", b""))), Observed(records=[b"x", b""], next_position=2)):
        assert observed_of(observed_note(shown, 1.0)) == shown


@pytest.mark.parametrize("contract", [KV, QUEUE])
@pytest.mark.parametrize("place", ["", "put"])
def test_a_program_asks_only_for_what_the_engine_offers(contract: Contract, place: str) -> None:
    has = frozenset({"delete"} if contract is KV else ())
    offers = Offers(traits=Traits(promise=frozenset(), contract=contract.name, capabilities=has), scratch=(), places={})
    reached = dict.fromkeys(sought_of(contract, has), 0)
    plan = next(plan for number in range(999) if (plan := draw(f"{number}", ["kill"], reached)).place == place)
    one, other = (Program(plan, offers, []) for _ in range(2))
    drawn = [one.next() for _ in range(80)]
    assert drawn == [other.next() for _ in range(80)]
    words = {word_of(operation) for operation in drawn}
    asked = {"put", "delete" if contract is KV else "get"}
    assert asked <= words <= asked | {"reopen", "close"}


def test_places_go_by_the_names_of_the_methods() -> None:
    operations = (Put(key=1, size=1), PutBatch(pairs=()), Delete(key=1), Enqueue(size=1), Take(), Done(), Sync())
    places = [place_of(operation, True, 0, "any", {}) for operation in operations]
    assert places == ["put", "put_batch", "delete", "put", "get", "ack", "sync"]


def test_what_is_sought_of_an_engine_is_what_it_offers() -> None:
    assert sought_of(KV, set()) == ("put",)
    assert sought_of(QUEUE, {"ack", "sync"}) == ("put", "get", "ack", "sync")
    assert all(set(contract.places.values()) - {""} <= set(contract.optional) for contract in CONTRACTS.values())
