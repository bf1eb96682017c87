"""The rules: a table of patterns that a crash is known to turn into a violation, each a function from facts to lints.

Theory of operation. A rule looks for a moment at which the engine relies on something that a crash could still undo: a
promise is given, a name is moved, a file is removed. It names the event that could be lost, and proposes the
crash that would show it. It cannot know what the engine's recovery makes of that; so what a rule finds is a suspicion
until the proposed crash has been judged (``judging.py``). A crash is proposed only where it takes nothing else with
it: in a profile that keeps an order, losing one event loses later ones, and the harm may be theirs. (But for unlinks: a
file that is still there does no harm where whatever told of its end is there too.)

Several rules may suspect one line: a file that is renamed before it is synced is not durable at the next promise
either. The first of the table says best what is wrong.

Why each pattern is a mistake, and where that is known from, stands in ``docs/lint.md``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chaoswal import text
from chaoswal.anchors import wording
from chaoswal.disk.crashes import Crash
from chaoswal.disk.disk import overwrite, resize
from chaoswal.disk.profiles import Profile
from chaoswal.limits import SECTOR_BYTES
from chaoswal.lint.facts import GIVES, STRICTEST, Call, Facts, Pending, target
from chaoswal.trace import Begin, Create, End, Link, Rename, SyncEnd, Truncate, Unlink, Write

TAKEN_OVER_BYTES = 32
"""So many equal bytes in a row are no chance: what was in one file has been copied to another. The first ones of a file
do not count, which name its format; nor do those with less than a quarter as many different ones among them: counters,
zeros, padding."""

FIRST, LAST = 6, 2
"""Of what one line does under one profile, how many of the first and of the last times are proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One place in a trace that looks like a mistake, and a crash that would show it."""

    rule: str
    site: str
    """The line of the engine that made what a crash could undo."""
    words: str
    """What was done, and what it relies on."""
    events: tuple[int, ...]
    """The numbers of the events it is about, that of the site last; of others the crash loses
    unlinks at most."""
    profile: str
    """The profile that allows the crash."""
    crash: Crash


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a rule has found, before a crash is made of it."""

    events: tuple[int, ...]
    words: str
    profile: Profile
    moment: int
    lost: tuple[Pending, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One pattern."""

    name: str
    says: str
    """The pattern in one sentence."""
    find: Callable[[Facts], Iterator[Suspicion]]
    after_failure: bool = False
    """Whether it looks at runs in which a sync was made to fail; other rules look at those in which nothing was."""


def lints(facts: Facts, *, failing: bool = False) -> list[Lint]:
    """Everything suspicious in a trace; ``failing``: it is one in which a sync was made to fail."""
    found: list[Lint] = []
    for rule in RULES:
        groups: dict[tuple[str, str], list[Suspicion]] = {}
        for suspicion in rule.find(facts) if rule.after_failure == failing else ():
            groups.setdefault((_site(facts, suspicion), suspicion.profile.name), []).append(suspicion)
        for group in groups.values():
            found += _proposed(facts, rule, group)
    return found


def _proposed(facts: Facts, rule: Rule, group: list[Suspicion]) -> Iterator[Lint]:
    for suspicion in group if len(group) <= FIRST + LAST else [*group[:FIRST], *group[-LAST:]]:
        crash = facts.crash(suspicion.profile, suspicion.moment, suspicion.lost)
        with_it = {loss.event for loss in crash.losses}.difference(suspicion.events)
        if all(isinstance(facts.events[number], Unlink) for number in with_it):
            yield Lint(
                rule=rule.name,
                site=_site(facts, suspicion),
                words=suspicion.words,
                events=suspicion.events,
                profile=suspicion.profile.name,
                crash=crash,
            )


def _site(facts: Facts, suspicion: Suspicion) -> str:
    return _site_of(facts, suspicion.events[-1])


def _site_of(facts: Facts, number: int) -> str:
    event = facts.events[number]
    assert not isinstance(event, SyncEnd | Begin | End), "a lint is about a change or the begin of a sync"
    return event.site


def _told(facts: Facts, number: int) -> str:
    return wording(facts.told[number])


def _asked(call: Call) -> str:
    return text.line(call.operation)


def _numbers(items: Iterable[Pending]) -> tuple[int, ...]:
    return tuple(sorted({item.event for item in items}))


# -- promises --------------------------------------------------------------------------------------------------


def promise_after_failed_sync(facts: Facts) -> Iterator[Suspicion]:
    """Bytes whose sync has failed, where a later call promises them."""
    for call, profile, lost in _promised_bytes(facts):
        failed = tuple(item for item in lost if item.failed)
        if failed:
            words = f"{_asked(call)} promised {_told(facts, failed[-1].event)}, a sync of which had failed"
            yield Suspicion(_numbers(failed), words, profile, call.end + 1, failed)


def sync_of_the_wrong_file(facts: Facts) -> Iterator[Suspicion]:
    """Bytes that are promised and not durable, where something else was synced that had nothing pending."""
    for call, profile, lost in _promised_bytes(facts):
        vain = _vain(facts, lost, call)
        if vain is not None:
            words = (
                f"{_asked(call)} promised {_told(facts, lost[-1].event)}, which was not durable: {_told(facts, vain)}"
                f" had nothing to make durable ({_site_of(facts, vain)})"
            )
            yield Suspicion(_numbers(lost), words, profile, call.end + 1, lost)


def ack_before_sync(facts: Facts) -> Iterator[Suspicion]:
    """Bytes that are promised and that no sync has covered."""
    for call, profile, lost in _promised_bytes(facts):
        words = f"{_asked(call)} promised {_told(facts, lost[-1].event)}, which no sync had covered"
        yield Suspicion(_numbers(lost), words, profile, call.end + 1, lost)


def _promised_bytes(facts: Facts) -> Iterator[tuple[Call, Profile, tuple[Pending, ...]]]:
    """Where a call has promised them: by profile and file, the bytes that a power cut then could lose."""
    for call in facts.calls:
        for profile in facts.power if call.promises else ():
            for items in facts.bytes_pending(profile, call.end + 1).values():
                relied = (item for item in items if call.relies_on(item.event))
                lost = tuple(item for item in relied if item.event not in facts.disowned)
                if lost:
                    yield call, profile, lost


def _vain(facts: Facts, lost: tuple[Pending, ...], call: Call) -> int | None:
    """The last sync of another file between the last write and the promise, where it had nothing to do."""
    syncs = [number for number in facts.vain_syncs if lost[-1].event < number < call.end]
    return syncs[-1] if syncs else None


# -- names -----------------------------------------------------------------------------------------------------


def rename_before_sync(facts: Facts) -> Iterator[Suspicion]:
    """A file that is given another name while its bytes are not durable."""
    for number, event in enumerate(facts.events):
        for profile in facts.reordering if isinstance(event, Rename | Link) else ():
            assert isinstance(event, Rename | Link)
            lost = tuple(facts.bytes_pending(profile, number + 1).get(event.inode, ()))
            if lost:
                words = (
                    f"{_told(facts, number)} ({event.site}) came before its bytes were durable: "
                    f"{_told(facts, lost[-1].event)}"
                )
                yield Suspicion(_numbers(lost), words, profile, number + 1, lost)
                read_zeros = tuple(item for item in lost if item.is_data)
                yield Suspicion(_numbers(lost), words, profile, number + 1, read_zeros)


def name_not_synced(facts: Facts) -> Iterator[Suspicion]:
    """A name that is relied upon, by a promise or by the next name, while its directory is not synced."""
    yield from _promised_names(facts)
    yield from _names_behind(facts)


def _promised_names(facts: Facts) -> Iterator[Suspicion]:
    for call in facts.calls:
        for profile in facts.power if call.promises else ():
            for item in facts.names_pending(profile, call.end + 1):
                if call.relies_on(item.event):
                    words = f"{_asked(call)} promised {_told(facts, item.event)}, and the directory was not synced"
                    yield Suspicion((item.event,), words, profile, call.end + 1, (item,))


def _names_behind(facts: Facts) -> Iterator[Suspicion]:
    for number, event in enumerate(facts.events):
        for profile in facts.reordering if isinstance(event, Rename | Link) else ():
            assert isinstance(event, Rename | Link)
            for item in facts.names_pending(profile, number + 1):
                if item.inode != event.inode:
                    words = (
                        f"{_told(facts, number)} ({event.site}) came before {_told(facts, item.event)} was durable: "
                        f"the directory was not synced between them"
                    )
                    yield Suspicion((item.event,), words, profile, number + 1, (item,))


# -- what is taken away ----------------------------------------------------------------------------------------


def unlink_before_replacement(facts: Facts) -> Iterator[Suspicion]:
    """A file whose bytes or name another takes over, and which goes before that one is there and durable."""
    for call in facts.calls:
        for number in range(call.begin, call.end):
            event = facts.events[number]
            if isinstance(event, Unlink | Rename) and facts.name_stands((event.directory, event.name), call.begin):
                heir = _heir(facts, event, number, call)
                if heir is not None:
                    yield from _gone_too_early(facts, event, number, heir)


def _heir(facts: Facts, event: Unlink | Rename, number: int, call: Call) -> int | None:
    """The event by which a file made in the same call takes over the name, or the bytes; None where no file does."""
    newborn = {new.inode for new in facts.events[call.begin : call.end] if isinstance(new, Create)}
    for later in range(number + 1, call.end):
        new = facts.events[later]
        if isinstance(new, GIVES) and new.inode in newborn and target(new) == (event.directory, event.name):
            return later
    if isinstance(event, Unlink):
        runs = _telling(facts.content(event.inode, number))
        for born in range(call.begin, call.end):
            new = facts.events[born]
            if isinstance(new, Create) and new.inode in newborn:
                taken = facts.content(new.inode, call.end)
                if any(run in taken for run in runs):
                    return born
    return None


def _telling(content: bytes) -> list[bytes]:
    """Pieces of a file by which its bytes are known again elsewhere."""
    places = range(TAKEN_OVER_BYTES, len(content) - TAKEN_OVER_BYTES + 1, TAKEN_OVER_BYTES)
    runs = [content[at : at + TAKEN_OVER_BYTES] for at in places]
    return [run for run in runs if 4 * len(set(run)) >= TAKEN_OVER_BYTES]


def _gone_too_early(facts: Facts, event: Unlink | Rename, number: int, heir: int) -> Iterator[Suspicion]:
    new = facts.events[heir]
    assert isinstance(new, GIVES)
    words = f"{_told(facts, number)} came before {facts.told[heir].path}, which takes over from it, was "
    for profile in facts.profiles if heir > number else ():
        yield Suspicion((heir, number), f"{words}there", profile, number + 1)
    for profile in facts.reordering if heir < number else ():
        lost = [*facts.bytes_pending(profile, number + 1).get(new.inode, [])]
        lost += [item for item in facts.names_pending(profile, number + 1) if item.inode == new.inode]
        if lost:
            where = f"{words}durable ({event.site})"
            yield Suspicion(_numbers(lost), where, profile, number + 1, tuple(lost))


# -- what is written over --------------------------------------------------------------------------------------


def overwrite_in_place(facts: Facts) -> Iterator[Suspicion]:
    """Durable bytes that are cut and written anew, or changed by a write of more than one sector."""
    contents: dict[int, bytes] = {}
    emptied: dict[int, int] = {}  # file -> the event of the operation under way that cut durable bytes of it
    for number, event in enumerate(facts.events):
        match event:
            case End():
                emptied = {}
            case Truncate(inode=inode, size=size):
                if _loses_durable(facts, inode, contents.get(inode, b""), size, number):
                    emptied.setdefault(inode, number)
                contents[inode] = resize(contents.get(inode, b""), size)
            case Write(inode=inode, offset=offset, data=data):
                if inode in emptied:
                    yield from _rewritten(facts, emptied[inode], number)
                else:
                    yield from _torn(facts, event, contents.get(inode, b""), number)
                contents[inode] = overwrite(contents.get(inode, b""), offset, data)
            case _:
                pass


def _loses_durable(facts: Facts, inode: int, content: bytes, size: int, moment: int) -> bool:
    """Whether a cut takes bytes that mean something, all of them durable: a torn or failed tail is neither."""
    cut = range(size, len(content))
    return any(content[size:]) and not _pending_in(facts, inode, cut, moment)


def _pending_in(facts: Facts, inode: int, place: range, moment: int) -> bool:
    items = facts.bytes_pending(STRICTEST, moment).get(inode, ())
    return any(item.offset < place.stop and place.start < item.offset + item.length for item in items)


def _rewritten(facts: Facts, cut: int, number: int) -> Iterator[Suspicion]:
    words = f"{_told(facts, cut)} took away what was durable, and {_told(facts, number)} wrote it anew in place"
    for profile in facts.profiles:
        yield Suspicion((number, cut), words, profile, cut + 1)


def _torn(facts: Facts, event: Write, content: bytes, number: int) -> Iterator[Suspicion]:
    """A write that changes bytes in several sectors, durable ones among them."""
    changed, durable = [], False
    end = event.offset + len(event.data)
    for start in range(event.offset - event.offset % SECTOR_BYTES, end, SECTOR_BYTES):
        place = range(max(start, event.offset), min(start + SECTOR_BYTES, end))
        old, new = content[place.start : place.stop], event.data[place.start - event.offset : place.stop - event.offset]
        if old != new:
            changed.append(place.start)
            durable = durable or (any(old) and not _pending_in(facts, event.inode, place, number))
    if not durable or len(changed) < 2:
        return
    words = f"{_told(facts, number)} changed durable bytes among {len(changed)} sectors, which a crash may part"
    for profile in facts.reordering:
        items = facts.bytes_pending(profile, number + 1).get(event.inode, [])
        for kept in (changed[0], changed[-1]):
            lost = tuple(item for item in items if item.event == number and item.is_data and item.offset != kept)
            yield Suspicion((number,), words, profile, number + 1, lost)


# -- the table -------------------------------------------------------------------------------------------------

RULES = (
    Rule(
        name="promise-after-failed-sync",
        says="what a sync has failed for is promised all the same",
        find=promise_after_failed_sync,
        after_failure=True,
    ),
    Rule(
        name="overwrite-in-place",
        says="durable bytes are cut and written anew, or changed by a write of more than one sector",
        find=overwrite_in_place,
    ),
    Rule(
        name="rename-before-sync",
        says="a file gets its name before its bytes are durable",
        find=rename_before_sync,
    ),
    Rule(
        name="name-not-synced",
        says="a name is relied upon, and its directory was not synced",
        find=name_not_synced,
    ),
    Rule(
        name="unlink-before-replacement",
        says="a file goes before the one that takes over from it is there, or durable",
        find=unlink_before_replacement,
    ),
    Rule(
        name="sync-of-the-wrong-file",
        says="what was promised is not durable, and a sync of something else had nothing to do",
        find=sync_of_the_wrong_file,
    ),
    Rule(
        name="ack-before-sync",
        says="what was promised is not durable: no sync has covered it",
        find=ack_before_sync,
    ),
)
"""The rules, the most telling first."""
