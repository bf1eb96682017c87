"""Programs for engines on real directories, of any contract, drawn from a seed and a number: one life each."""

import random

from chaoswal import scenarios
from chaoswal.contracts import CONTRACTS
from chaoswal.ops import Operation
from chaoswal.oracle import Traits
from chaoswal.workload import Generator

_LENGTHS = (3, 5, 8)


def drawn(traits: Traits, seed: int, number: int) -> list[Operation]:
    """Operations at random and, in every second program, those that lead to a rare place."""
    chance, rhythm = random.Random(f"aimed:{seed}:{number}"), random.Random(f"rhythm:{seed}:{number}").getrandbits(32)
    length = chance.choice(_LENGTHS)
    programs = CONTRACTS[traits.contract].programs
    if programs:
        some = programs(rhythm, traits.capabilities, chance)
        return some.program(length) if number % 2 else [*some.scenario(), *some.scenario()]
    if number % 2:
        return Generator(rhythm, traits.capabilities, chance=chance).program(length)
    return scenarios.drawn(traits.capabilities, chance, 1, number // 2)
