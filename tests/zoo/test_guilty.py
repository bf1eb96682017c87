"""Of what is found of the zoo, the function that is blamed is the one that the zoo names."""

from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.bugs import ENTRIES
from chaoswal.guilt import Guilt, guilty
from tests.zoo.test_shrinking import QUICK, small

CORPUS = Path(__file__).parents[2] / "corpus/zoo"
JUDGED = ("sync_order", "frames", "recovery", "errors")
"""The groups in which a call is to blame; those of numbers and subscribers are wrong in what they compute."""

BLAMED = [name for name, entry in ENTRIES.items() if entry.site]
VARIES = {
    "deadlocks-under-budget": "it never comes to an end, wherever it is",
    "preallocated-tail-read-as-records": "nothing on the disk is wrong",
    "second-writer-let-in": "no crash is needed, and nothing on the disk is wrong",
    "close-error-ignored": "whichever sync of a close fails",
    "zero-length-means-end": "nothing on the disk is wrong",
    "swallows-finalize-error": "whichever sync of a rotation fails",
    "leaves-temporary-files": "whichever file was being made",
    "skips-last-segment": "nothing on the disk is wrong",
    "skips-empty-active-segment": "nothing on the disk is wrong",
    "reads-segments-in-name-order-that-is-not-number-order": "nothing on the disk is wrong",
}
"""Those of these groups without a function to blame, and why."""


def of_file(name: str) -> Guilt:
    finding = corpus.load(CORPUS / f"{name}.chaos")
    guilt = guilty(finding.engine, finding.steps, PROFILES[finding.profile])
    assert guilt
    return guilt


@pytest.mark.parametrize("name", BLAMED)
def test_the_guilty_function_is_the_one_the_zoo_names(name: str) -> None:
    guilt = of_file(name)
    assert guilt.function == ENTRIES[name].site, guilt.words
    assert guilt.words.startswith("no ") == guilt.sync
    assert guilt.site in guilt.words


def test_every_bug_of_these_groups_says_whom_to_blame() -> None:
    silent = {name for name, entry in ENTRIES.items() if entry.group in JUDGED and not entry.site}
    assert silent == set(VARIES)


def assert_mostly_right(names: list[str]) -> None:
    """At least 95 in 100 of what is caught and shrunk anew."""
    wrong = []
    for name in names:
        shrunk = small(name)
        guilt = guilty(shrunk.engine, shrunk.steps, shrunk.profile)
        assert guilt
        if guilt.function != ENTRIES[name].site:
            wrong.append(f"{name}: {guilt.words}")
    assert len(wrong) <= len(names) * 0.05, wrong


def test_what_is_caught_anew_is_blamed_on_the_same() -> None:
    assert_mostly_right([name for name in BLAMED if name in QUICK])


@pytest.mark.slow
def test_whatever_is_caught_anew_is_blamed_on_the_same() -> None:
    assert_mostly_right(BLAMED)
