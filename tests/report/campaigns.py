"""Campaigns that have ended, small ones and drawn ones, for the reporters to tell of."""

import shlex
from typing import Any

from hypothesis import strategies as st

from chaoswal.notices import Explored, ExploreFinished, Finished, Found
from chaoswal.verdict import Verdict, Violation

TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=10),  # surrogates and controls among them
    st.sampled_from(
        ["a\nb", "\x00\x1b[31m", "]]>", "<&\"'>", "| `` ``` | <b>", "::error::%0A", "50 %", "\ufffe", "🦆"]
    ),
)
LINES = TEXTS.map(lambda text: " ".join(text.split()))


def found(**changes: Any) -> Found:
    """One finding, with whatever is to be different about it."""
    usual: dict[str, Any] = {
        "id": "a91f3c",
        "kind": "lost",
        "explanation": "records 0 were promised and are missing",
        "profile": "ext4-ordered",
        "profiles": ("ext4-ordered", "posix"),
        "site": "wal/walfile.py:120",
        "operations": ("append 61", "rotate"),
        "deviations": ("power-cut in operation 2 after end lose write of wal-#.wal nth 1",),
        "fingerprint": "f1",
        "file": "corpus/wal/a91f3c.chaos",
    }
    return Found(**{**usual, **changes})


def finished(*findings: Found, **changes: Any) -> ExploreFinished:
    """A campaign that has found these."""
    verdict = Verdict.FAIL if any(item.severity == "error" for item in findings) else Verdict.PASS
    usual: dict[str, Any] = {
        "verdict": verdict,
        "reasons": ("a reason",),
        "engine": "wal sync=explicit",
        "seed": 7,
        "exhaustive": "1 deviation over 40 programs",
        "command": "python -m chaoswal explore wal -o sync=explicit --seed 7",
        "findings": findings,
        "progress": Explored(seconds=12.3456, programs=40, judged=9000, nested=100, distinct=800),
    }
    return ExploreFinished(**{**usual, **changes})


def drawn_findings() -> st.SearchStrategy[Found]:
    """Findings with all manner of text in them."""
    return st.builds(
        Found,
        id=st.sampled_from(["a91f3c", "00ff00"]),
        kind=st.sampled_from([str(kind) for kind in Violation]),
        explanation=TEXTS,
        profile=st.sampled_from(["kill", "posix"]),
        profiles=st.sampled_from([(), ("posix",), ("prefix", "posix")]),
        site=st.one_of(st.just(""), LINES, st.builds("{}:{}".format, LINES, st.integers(0, 10**6))),
        operations=st.lists(LINES, max_size=60).map(tuple),
        deviations=st.lists(LINES, max_size=2).map(tuple),
        severity=st.sampled_from(["error", "warning"]),
        fingerprint=st.sampled_from(["", "f1", "f2"]),
        file=LINES,
    )


def drawn_campaigns() -> st.SearchStrategy[Finished]:
    """Campaigns with all manner of text in them."""
    engines = st.lists(TEXTS, max_size=2).map(lambda words: shlex.join(["wal", *words]))
    return st.builds(
        Finished,
        verdict=st.sampled_from(Verdict),
        reasons=st.lists(TEXTS, max_size=2).map(tuple),
        engine=st.one_of(engines, TEXTS.map(lambda text: shlex.join([f"{text}.py:E"]))),
        seed=st.integers(0, 10**9),
        exhaustive=TEXTS,
        command=TEXTS,
        findings=st.lists(drawn_findings(), max_size=4).map(tuple),
    )
