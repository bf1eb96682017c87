"""The quick comparison: whether what a recovered engine shows is allowed."""

from collections.abc import Collection

from chaoswal.engines.adapter import Record
from chaoswal.models.subscribers import Subscriber, lost
from chaoswal.oracle.allowed import Allowed
from chaoswal.oracle.explaining import explain_log, wrong_deliveries
from chaoswal.oracle.sight import Observed
from chaoswal.verdict import Fault, Violation


def judge_report(allowed: Allowed, observed: Observed) -> Fault | None:
    """Damage was reported: what was shown before that must be right."""
    if allowed.astray or allowed.log.allows_part(observed.records):
        return None
    unknown = next((payload for payload in observed.records if payload not in allowed.log.all_records()), None)
    kind = Violation.DISHONEST if unknown is None else Violation.INVENTED
    why = f"{observed.raised} was raised, but what was shown before it is wrong: {len(observed.records)} records"
    return Fault(kind=kind, explanation=why + ("" if unknown is None else f", one never appended: {unknown[:24]!r}"))


def compare(allowed: Allowed, observed: Observed) -> Fault | None:
    """In what a sight differs from what is allowed when nothing is damaged, if it does."""
    located = allowed.log.located(observed.records, observed.next_position)
    if located is None:
        return explain_log(allowed.log.likeliest(observed.records), observed)
    log, span = located
    fault = _judge_names(allowed, observed)
    if fault:
        return fault
    there = present(allowed, observed, range(*span))
    for name, given in observed.deliveries.items():
        if name in there:
            fault = _judge_deliveries(name, there[name], log.records, range(*span), given)
            fault = fault or _judge_counts(allowed, name, there[name], observed, span)
            if fault:
                return fault
    return _judge_losses(allowed, there.values(), observed, span[0])


def judge_reader(allowed: Allowed, given: list[Record], before: list[int]) -> Fault | None:
    """The violation in what somebody is shown who only reads, while the engine runs; it promises nothing more.

    ``before``: the marks of the log when it began; others may have moved them since.
    """
    log = allowed.log.copy()
    log.promised, log.shown, log.removed, _ = before
    after = given[-1][0] + 1 if given else None
    seen = Observed(records=[payload for _, payload in given], next_position=after)
    numbers = [number for number, _ in given]
    if numbers == list(range(after - len(given), after) if after else []) and log.settled(seen.records, after):
        return None
    end = after or allowed.first
    if end < log.floor:
        why = f"a reader is shown nothing from record {end} on, though all below {log.floor} are promised"
        return Fault(kind=Violation.STUCK, explanation=why)
    return explain_log(log.likeliest(seen.records), seen)


def _judge_names(allowed: Allowed, observed: Observed) -> Fault | None:
    if observed.registered is None:
        return None
    missing = [name for name, s in allowed.subscribers.items() if not s.uncertain and name not in observed.registered]
    if missing:
        return Fault(kind=Violation.CURSOR_LOST, explanation=f"subscribers {missing} are not registered any more")
    back = [name for name in observed.registered if name not in allowed.subscribers]
    if back:
        return Fault(kind=Violation.RESURRECTED, explanation=f"subscribers {back} were unregistered and are back")
    return None


def _judge_counts(
    allowed: Allowed, name: str, subscriber: Subscriber, observed: Observed, span: tuple[int, int]
) -> Fault | None:
    told = observed.counts.get(name)
    if told is None or not allowed.exact:
        return None
    delivered = {position for position, _ in observed.deliveries[name]}
    passed = subscriber.passed(delivered, range(*span))
    delivered |= {position for position in subscriber.rejected if position >= span[1]}  # what is lost was not rejected
    right = subscriber.counts(delivered, max([span[0], *(p + 1 for p in passed)]))
    if told == right:
        return None
    why = "subscriber {} says it rejected {} records and skipped {}; it was {} and {}"
    return Fault(kind=Violation.DISHONEST, explanation=why.format(name, *told, *right))


def _judge_losses(
    allowed: Allowed, subscribers: Collection[Subscriber], observed: Observed, first: int
) -> Fault | None:
    if observed.lost is None or not allowed.exact:
        return None
    gone = range(allowed.first, first)
    sometime = [subscribers, allowed.subscribers.values()]  # who is not registered any more may have been, by then
    right = sorted({allowed.lost + lost(some, gone) for some in sometime})
    if right[0] <= observed.lost <= right[-1]:
        return None
    why = f"{observed.lost} records are said to have been dropped unfinished; it was {right[0]}"
    return Fault(kind=Violation.DISHONEST, explanation=why)


def present(allowed: Allowed, observed: Observed, visible: range) -> dict[str, Subscriber]:
    """The subscribers there are; those of which only what they are given tells where they begin know it then."""
    found = {}
    for name, subscriber in allowed.subscribers.items():
        if observed.registered is None or name in observed.registered:
            found[name] = subscriber
            if subscriber.start_max > subscriber.start:
                found[name] = subscriber.copy()
                found[name].begin([position for position, _ in observed.deliveries.get(name, ())], visible)
    return found


def _judge_deliveries(
    name: str, subscriber: Subscriber, records: list[bytes], visible: range, given: list[Record]
) -> Fault | None:
    """The violation in what a subscriber is given after a recovery, if there is one."""
    seen = range(max(visible.start, subscriber.start), visible.stop)
    if given == [(p, records[p]) for p in seen if p not in subscriber.acked]:
        return None
    positions = [position for position, _ in given]
    if positions != sorted(set(positions)):
        return wrong_deliveries(name, positions, list(seen), visible.stop)
    for position, payload in given:
        if position not in visible or payload != records[position]:
            why = f"subscriber {name} is given record {position}, which is not what was appended there"
            return Fault(kind=Violation.INVENTED, explanation=why)
    if subscriber.vague:
        return None
    if positions and positions[0] < seen.start:
        return wrong_deliveries(name, positions, list(seen), visible.stop)
    forgotten = sorted(subscriber.promised.intersection(positions))
    if forgotten:
        why = f"subscriber {name} is given {forgotten} again, whose acknowledgements were promised"
        return Fault(kind=Violation.CURSOR_LOST, explanation=why)
    skipped = sorted(subscriber.passed(positions, seen))
    if not subscriber.may_pass(skipped, positions):
        why = f"subscriber {name} is not given {skipped}, which it never acknowledged"
        return Fault(kind=Violation.CURSOR_AHEAD, explanation=why)
    return None
