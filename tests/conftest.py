"""What every test may rely on: Hypothesis' profiles, and tests for root that are skipped elsewhere."""

import os

import pytest
from hypothesis import settings

# Hypothesis loads its own `ci` profile where CI is set: the same examples at every run. At home examples are new at
# every run, and no deadline makes a test depend on how busy the machine is. `--hypothesis-profile=nightly` draws many
# new examples, also where CI is set.
settings.register_profile("home", deadline=None)
settings.register_profile("nightly", deadline=None, derandomize=False, max_examples=2_000, print_blob=True)
if not os.environ.get("CI"):
    settings.load_profile("home")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``root`` where we are not."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))
