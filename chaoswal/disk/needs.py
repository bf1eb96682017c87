"""What rests on what among pending effects: a loss takes along what needs it, what is kept brings what it needs.

Theory of operation. A cut names a moment for each chain. Where a profile has needs, not every such choice is a disk
that a crash can leave: a size may wait for the names before it, or for the bytes it covers. Two functions make a legal
cut of any choice. ``losing`` starts from "none lost" and lowers the moments of what waits for something that is lost.
``keeping`` starts from "all lost" and raises the moments of what the survivors need. Both do so in one pass: metadata
is what everything else may need and needs only earlier metadata; bytes that a size needs wait for nothing where sizes
need bytes.

A need for metadata is a need for all of it up to the moment of the effect, so that one number decides: the moment of
the first effect on metadata that is lost.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from chaoswal.disk.effects import KEEP, NEVER, Chain, Cut, Effect
from chaoswal.disk.profiles import Kind, Need, Profile


class Needs:
    """The needs among the pending effects of one disk, as they are now."""

    def __init__(self, profile: Profile, chains: Iterable[Chain]) -> None:
        self._chains = list(chains)
        self._trivial = not profile.needs
        self._metadata = [chain for chain in self._chains if chain.effects[0].kind in profile.metadata]
        self._waiting: list[tuple[Chain, list[int]]] = []
        self._growths: dict[tuple[int, int], Chain] = {}
        self._bytes: dict[tuple[int, int], list[Chain]] = {}
        for chain in () if self._trivial else self._chains:
            waiting = [e.moment for e in chain.effects if Need.METADATA in profile.needs.get(e.kind, ()) and not e.free]
            if waiting:
                self._waiting.append((chain, waiting))
            first = chain.effects[0]
            if Need.BYTES in profile.needs.get(first.kind, ()):
                self._growths[first.inode, first.page] = chain
            elif first.kind is Kind.DATA:
                self._bytes.setdefault((first.inode, first.page), []).append(chain)

    def losing(self, cut: Cut) -> Cut:
        """This cut, with all lost that rests on what it loses."""
        if self._trivial:
            return cut
        closed = dict(cut)
        first = min((_first_lost(chain, cut[chain]) for chain in self._metadata if chain in cut), default=KEEP)
        if first < KEEP:
            for chain, waiting in self._waiting:
                place = bisect_right(waiting, first)
                if place < len(waiting) and waiting[place] < closed.get(chain, KEEP):
                    closed[chain] = waiting[place]
        for chain in cut if self._growths else ():
            self._lose_size(chain, closed)
        return closed

    def _lose_size(self, chain: Chain, closed: dict[Chain, int]) -> None:
        first = chain.effects[0]
        growth = self._growths.get((first.inode, first.page)) if first.kind is Kind.DATA else None
        if growth is None:
            return
        for size in growth.effects:
            if _last_needed(size, chain) >= closed[chain]:
                closed[growth] = min(size.moment, closed.get(growth, KEEP))
                return

    def keeping(self, survivors: Mapping[Chain, int]) -> Cut:
        """The cut that keeps these beginnings of chains and what they need, and nothing else."""
        kept = dict.fromkeys(self._chains, 0)
        kept.update(survivors)
        if self._trivial:
            return kept
        last = max((_last_kept(waiting, survivors.get(chain, 0)) for chain, waiting in self._waiting), default=0)
        for chain in self._metadata:
            kept[chain] = max(kept[chain], last)
        for chain, moment in survivors.items() if self._growths else ():
            for size in chain.effects if self._is_growth(chain) else ():
                if size.moment < moment:
                    self._keep_bytes(size, kept)
        return kept

    def _is_growth(self, chain: Chain) -> bool:
        return chain.effects[0].kind is Kind.GROWTH

    def _keep_bytes(self, size: Effect, kept: dict[Chain, int]) -> None:
        for chain in self._bytes.get((size.inode, size.page), ()):
            kept[chain] = max(kept[chain], _last_needed(size, chain) + 1)


def _first_lost(chain: Chain, moment: int) -> int:
    return next((effect.moment for effect in chain.effects if effect.moment >= moment), KEEP)


def _last_kept(waiting: list[int], moment: int) -> int:
    place = bisect_left(waiting, moment)
    return waiting[place - 1] if place else 0


def _last_needed(size: Effect, chain: Chain) -> int:
    """When the last write of this chain was that a size needs: an earlier one to its page, since that was last cut.

    NEVER if it needs none of them.
    """
    for piece in reversed(chain.effects):
        if piece.moment <= size.moment:
            return piece.moment if piece.moment >= size.since else NEVER
    return NEVER
