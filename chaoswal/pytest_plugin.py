"""The plugin of pytest: options, a marker, a fixture that explores an engine, and a list of what it has saved.

It is loaded in every run of pytest where chaoswal is installed, so it imports nothing of the checker before a test asks
for it. What a test saves travels in its report, so that with pytest-xdist the process that shows the summary knows it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_SAVED = "chaoswal finding"
_NUMBERS = {
    "seed": "what is drawn follows from it (default: 0)",
    "states": "so many crash states are judged by each exploration (default: 200)",
}
_SAVE = "chaoswal-findings"
_MARKER = (
    "chaoswal(states=N, seed=N, profiles=[...], strict=True, options={...}): what explorations of this test are called "
    "with, where they do not say it themselves"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line, and those of the configuration."""
    group = parser.getgroup("chaoswal", "crash consistency of storage engines")
    for name, what in _NUMBERS.items():
        group.addoption(f"--chaoswal-{name}", type=int, metavar="N", help=what)
        parser.addini(f"chaoswal_{name}", what)
    parser.addini("chaoswal_save", f"the directory for findings (default: {_SAVE})", default=_SAVE)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and refuse a configuration that is none."""
    config.addinivalue_line("markers", _MARKER)
    for name in _NUMBERS:
        _number(config, name)


def _number(config: pytest.Config, name: str) -> int | None:
    """What was said on the command line, or else in the configuration, if anything was."""
    given: int | None = config.getoption(f"--chaoswal-{name}")
    text = str(config.getini(f"chaoswal_{name}") or "")
    if given is None and text and not text.isdecimal():
        raise pytest.UsageError(f"chaoswal_{name} = {text}: expected a number from 0 on")
    return int(text) if given is None and text else given


@pytest.fixture
def chaoswal_explore(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A function that explores an engine, and fails the test with what it has found.

    It takes what ``chaoswal.testing.explore`` takes, an engine first, and returns what that returns. Without arguments
    of its own it goes by the marker ``chaoswal``, then by the command line, then by the configuration.
    """
    from chaoswal.errors import ChaoswalError
    from chaoswal.testing import explore, saved, wrong

    config = request.config
    numbers = {name: number for name in _NUMBERS if (number := _number(config, name)) is not None}
    marker = request.node.get_closest_marker("chaoswal")
    usual = {
        "save": config.rootpath / str(config.getini("chaoswal_save")),
        **numbers,
        **(marker.kwargs if marker else {}),
    }

    def explored(engine: Any, **arguments: Any) -> Any:
        chosen = {**usual, **arguments}
        try:
            finished = explore(engine, **chosen)
        except ChaoswalError as error:
            pytest.fail(f"chaoswal: {error}", pytrace=False)
        request.node.user_properties += [(_SAVED, file) for file in saved(finished)]
        if complaint := wrong(finished, strict=bool(chosen.get("strict"))):
            pytest.fail(complaint, pytrace=False)
        return finished

    return explored


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what was saved."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    said = {pair for report in reports for pair in getattr(report, "user_properties", ())}
    files = sorted(Path(str(file)) for name, file in said if name == _SAVED)
    if files:
        terminalreporter.section("chaoswal: findings")
        for file in files:
            terminalreporter.line(f"python -m chaoswal replay {file}")
