"""What is simpler: for a step, two neighbours, or the options of an engine, what to try in their place, and a measure.

Everything here is text in, text out: nothing is played. A step of a kind that is not known here goes by its fields:
numbers may become smaller, tuples shorter, and what has a default may take it.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import UsageError
from chaoswal.ops import Ack, Append, Batch, Defer, Put, PutBatch, Reject, Together
from chaoswal.program import END, Anchor, CrashStep, Step, operations_of, parse_step, step_line
from chaoswal.vfs.turns import Switches

NUMBERS = (1, 10, 100, 1000)
"""What a number is tried as, besides half of it and the next one below it that is rounder, or, of a few, one less."""

Changes: TypeAlias = Mapping[int, Step | None]
"""By place in a program: what stands there instead; None takes the step away."""


def edited(steps: Sequence[Step], changes: Changes) -> list[Step]:
    """The steps with some replaced or taken away, and each crash still in the operation it was in.

    A crash in an operation that is gone strikes at the end of the one before it, or of the opening.
    """
    kept: list[Step] = []
    numbers = {0: 0}  # of each operation that was: its number now, or that of the one before it in its life
    gone = set()
    before = after = first = 0
    for place, step in enumerate(steps):
        new = changes.get(place, step)
        if operations_of([step]):
            before += 1
            after += bool(new and operations_of([new]))
            numbers[before] = after if after > first else 0
            if new is None:
                gone.add(before)
        if isinstance(new, CrashStep):
            kept.append(_moved(new, numbers[new.operation], new.operation in gone))
            first = after
        elif new is not None:
            kept.append(new)
    return kept


def _moved(crash: CrashStep, operation: int, lost_its_own: bool) -> CrashStep:  # noqa: FBT001
    crash = dataclasses.replace(crash, operation=operation)
    return dataclasses.replace(crash, after=Anchor(call=END), taken=0) if lost_its_own else crash


def simpler(step: Step) -> Iterator[Step]:
    """What may stand in the place of a step, the simplest first; each weighs less and reads back from its text."""
    for candidate in _simpler(step):
        if weight(candidate) < weight(step) and _reads_back(candidate):
            yield candidate


def _simpler(step: Step) -> Iterator[Step]:
    match step:
        case CrashStep():
            yield from _simpler_crash(step)
        case Batch(sizes=sizes):
            yield from (Append(size=size) for size in sizes[:1])
            yield Batch(sizes=(1,) * len(sizes))
            yield from (Batch(sizes=fewer) for fewer in _shorter(sizes))
        case PutBatch(pairs=pairs):
            yield from (Put(key=key, size=size) for key, size in pairs[:1])
            yield PutBatch(pairs=tuple((key, 1) for key, _ in pairs))
            yield from (PutBatch(pairs=fewer) for fewer in _shorter(pairs))
        case Ack(places=places) | Defer(places=places) | Reject(places=places):
            yield dataclasses.replace(step, places=(0,))
            yield from (dataclasses.replace(step, places=fewer) for fewer in _shorter(places))
        case Together(count=count, switches=switches):
            yield from (dataclasses.replace(step, count=fewer) for fewer in range(2, count))
            yield from (dataclasses.replace(step, switches=fewer) for fewer in _fewer_turns(switches))
        case _:
            yield from _simpler_fields(step)


def _fewer_turns(switches: Switches) -> Iterator[Switches]:
    """Schedules in which fewer threads give way: none, one half of the switches, all but one; or to the next one."""
    half = len(switches) // 2
    yield from (fewer for fewer in ((), switches[:half], switches[half:]) if len(fewer) < len(switches))
    yield from (switches[:place] + switches[place + 1 :] for place in range(len(switches)))
    for place, (point, _) in enumerate(switches):
        yield (*switches[:place], (point, 1), *switches[place + 1 :])


def _simpler_crash(step: CrashStep) -> Iterator[CrashStep]:
    """A kill instead of a power cut, at the end of the operation, with less lost, or with nothing torn."""
    kill = CrashStep(power=False, operation=step.operation, after=step.after)
    at_end = Anchor(call=END)
    yield dataclasses.replace(kill, after=at_end)
    yield kill
    if not step.taken:
        yield dataclasses.replace(step, after=at_end)
    yield dataclasses.replace(step, losses=(), all_but=False)
    yield dataclasses.replace(step, torn=None, keep=0, garbage=False)
    yield dataclasses.replace(step, garbage=False)
    for place in range(0 if step.all_but else len(step.losses)):
        yield dataclasses.replace(step, losses=step.losses[:place] + step.losses[place + 1 :])
    for place, loss in enumerate(step.losses):
        whole = dataclasses.replace(loss, part="")
        yield dataclasses.replace(step, losses=(*step.losses[:place], whole, *step.losses[place + 1 :]))


def _simpler_fields(step: Step) -> Iterator[Step]:
    for field in dataclasses.fields(step):
        value: Any = getattr(step, field.name)
        for smaller in _smaller(value, field.default):
            changed: Any = {field.name: smaller}
            yield dataclasses.replace(step, **changed)


def _smaller(value: object, default: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield from [default] * (isinstance(default, bool) and value != default)
    elif isinstance(value, int):
        yield from smaller_numbers(value)
    elif isinstance(value, tuple):
        yield from _shorter(value)


def smaller_numbers(value: int) -> Iterator[int]:
    """Numbers from 1 on that are smaller, the round ones first."""
    rounder = [(value - 1) // unit * unit for unit in reversed(NUMBERS[0 if value <= 10 else 1 :])]
    yield from (smaller for smaller in (*NUMBERS, value // 2, *rounder) if 0 < smaller < value)


def _shorter(values: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if len(values) > 1:
        yield from (values[:place] + values[place + 1 :] for place in range(len(values)))


def _reads_back(step: Step) -> bool:
    try:
        return parse_step(step_line(step)) == step
    except UsageError:
        return False


def merged(step: Step, following: Step, *, batches: bool) -> Iterator[Step]:
    """Two neighbouring appends as one: a longer record, or (``batches``) a batch."""
    if isinstance(step, Append) and isinstance(following, Append):
        yield Append(size=step.size + following.size)
    if batches and isinstance(step, Append | Batch) and isinstance(following, Append | Batch):
        yield Batch(sizes=_sizes(step) + _sizes(following))


def _sizes(step: Append | Batch) -> tuple[int, ...]:
    return (step.size,) if isinstance(step, Append) else step.sizes


def simpler_options(engine: EngineRef, given: Collection[str] = ()) -> Iterator[EngineRef]:
    """The engine without its options but a planted bug; without one of them; with a smaller number for one.

    Those that were ``given`` stay as they are: whoever asked for them asked about no other engine. Those of a program
    say what it promises and how it is run: without them it is another engine, too.
    """
    options = {} if engine.is_program else dict(engine.options)
    chosen = [key for key in options if key not in (BUG, *given)]
    if len(chosen) > 1:
        yield _without(engine, chosen)
    yield from (_without(engine, [key]) for key in chosen)
    for key in chosen:
        if options[key].isascii() and options[key].isdigit():
            yield from (engine.with_options(**{key: str(value)}) for value in smaller_numbers(int(options[key])))


def _without(engine: EngineRef, keys: Sequence[str]) -> EngineRef:
    return EngineRef(name=engine.name, options=tuple(pair for pair in engine.options if pair[0] not in keys))


# -- the measure -----------------------------------------------------------------------------------------------------


def weight(step: Step) -> int:
    """How much there is to a step, beyond its being there: its numbers; of a crash, above all what it loses."""
    if isinstance(step, CrashStep):
        return _weight_of_crash(step)
    if isinstance(step, Batch):
        return sum(step.sizes) + len(step.sizes)
    return sum(_weight_of_value(getattr(step, field.name), field.default) for field in dataclasses.fields(step))


def _weight_of_value(value: object, default: object) -> int:
    match value:
        case bool():
            return int(value != default)
        case int():
            return value
        case tuple():
            return len(value) + sum(_weight_of_value(item, None) for item in value)
        case _:
            return 0


def _weight_of_crash(step: CrashStep) -> int:
    parts = sum(bool(loss.part) for loss in step.losses)
    return 10 * deviations(step) + 3 * (step.after.call != END) + 2 * step.garbage + parts + step.power


def deviations(step: CrashStep) -> int:
    """How many events a crash lost, kept or cut, beyond "nothing was lost"."""
    return len(step.losses) + step.all_but + bool(step.torn) + bool(step.taken)


def weight_of_options(engine: EngineRef) -> tuple[int, int, int]:
    """How much there is to an engine's options: their number, their text, and the numbers in it."""
    values = [value for _, value in engine.options]
    numbers = sum(int(value) for value in values if value.isascii() and value.isdigit())
    return len(values), sum(map(len, values)), numbers
