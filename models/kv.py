"""The reference model of a key-value store: the states after each of its commits, and how many commits were promised.

A store may show the state after ``n`` commits for any n from the last promised one to the last that began::

    states   {}      {a: 1}    {a: 1, b: 2}    {a: 3, b: 2}
    commits  0       1         2               3
                     promised                  begun, and perhaps not finished

A commit that failed may have happened or not, never in part: behind it there is a state with it and one without, and
so on for all that follows.
"""

from collections.abc import Mapping

State = dict[bytes, bytes]


class Kv:
    """What a key-value store may show."""

    def __init__(self) -> None:
        self.states: list[tuple[State, ...]] = [({},)]
        """After each commit: one state, or several where it is not known which commits happened."""
        self.calls: list[int] = []  # of each commit: the number of the call that made it
        self.known: list[int] = []  # of each commit: the floor when that call began
        self.perhaps: set[int] = set()  # calls of which a recovery showed the same with them and without
        self.promised = 0
        self.shown = 0  # to a reader, where that promises too
        self.changes = 0  # how often any of this has changed
        self.buried: list[State] = []
        """States that a completed recovery did not show: gone for good."""
        self._certain = 0  # the last commit that is known to have happened

    def copy(self) -> "Kv":
        """An independent copy."""
        other = Kv()
        other.__dict__.update(
            self.__dict__,
            states=self.states[:],
            calls=self.calls[:],
            known=self.known[:],
            perhaps=set(self.perhaps),
            buried=self.buried[:],
        )
        return other

    @property
    def floor(self) -> int:
        """The state after so many commits, or a later one, must be there."""
        return max(self.promised, self.shown)

    def begin(self, changes: Mapping[bytes, bytes | None], call: int = 0) -> None:
        """A commit has begun: from now on it may have happened. None deletes a key. ``call`` is its number."""
        self.calls.append(call)
        self.known.append(self.floor)
        after = [_changed(state, changes) for states in self.states[self._certain :] for state in states]
        self.states.append(tuple(state for place, state in enumerate(after) if state not in after[:place]))
        self.changes += 1

    def end(self) -> None:
        """The last commit has happened; whether it is promised is another question."""
        self._certain = len(self.states) - 1
        self.changes += 1

    def length(self) -> int:
        """The number of the last commit that is known to have happened."""
        return self._certain

    def promise(self, commits: int) -> None:
        """So many commits are promised to be durable."""
        self.promised = max(self.promised, commits)

    def allows(self, shown: State) -> int | None:
        """After how many commits this is a legal sight, the latest there is; None where it is none."""
        for commits in range(len(self.states) - 1, self.floor - 1, -1):
            if shown in self.states[commits]:
                return commits
        return None

    def allows_each(self, shown: State) -> int | None:
        """As ``allows`` where keys keep no order: of each key, what it shows is what some legal sight shows of it."""
        legal = [state for states in self.states[self.floor :] for state in states]
        keys = set(shown).union(*legal)
        each = all(any(state.get(key) == shown.get(key) for state in legal) for key in keys)
        return len(self.states) - 1 if each else None

    def now(self) -> list[State]:
        """What it may show to a reader while it is open."""
        return [state for states in self.states[self._certain :] for state in states]

    def doubt(self) -> None:
        """What is neither promised nor shown may be there or not: closing failed, or opening after a crash."""
        self.changes += 1
        self._certain = self.floor

    def concede(self, commits: int) -> None:
        """What came behind so many commits may be gone, promised or not."""
        self.changes += 1
        self.promised, self.shown = min(self.promised, commits), min(self.shown, commits)

    def adopt(self, commits: int, shown: State, *, promise: bool) -> None:
        """A completed recovery showed this state: what was committed later is gone for good."""
        found = [fewer for fewer in range(self.floor, commits) if shown in self.states[fewer]]
        each = self.floor if shown not in self.states[commits] else commits  # where keys keep no order: of any of them
        least = min([*found, each])
        self.perhaps.update(self.calls[least:commits])
        del self.calls[commits:], self.known[commits:]
        self.buried += [state for states in self.states[commits:] for state in states if state != shown]
        self.states[commits:] = [(shown,)]
        self._certain = commits
        self.changes += 1
        if promise:
            self.shown = max(self.shown, commits)


def _changed(state: State, changes: Mapping[bytes, bytes | None]) -> State:
    merged = {**state, **{key: value for key, value in changes.items() if value is not None}}
    return {key: value for key, value in merged.items() if changes.get(key, b"") is not None}
