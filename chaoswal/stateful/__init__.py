"""The Hypothesis machine: random operations, faults, kills and power cuts against an engine on a simulated disk.

One example is one life of an engine. At every power cut *many* crash states of the run so far are recovered and judged
(bounded by count, never by time); then one drawn state is adopted and the run goes on from it, so that recovery
itself is cut again. Drawing costs Hypothesis 200 to 500 microseconds a step: one workload with all its crash states
is one example, never one example a crash state.

For an engine of yours that takes a ``vfs``::

    from chaoswal.stateful import crash_machine

    TestMyEngine = crash_machine("my/engine.py:Engine", profile="ext4-ordered").TestCase
"""

from typing import Any

from chaoswal.contracts import contract_of
from chaoswal.disk.profiles import PROFILES, profile_named
from chaoswal.engines.draws import Table, tables_of
from chaoswal.engines.registry import EngineRef
from chaoswal.stateful.life import CrashMachine, ViolationFound
from chaoswal.stateful.rules import MACHINES

__all__ = ["CrashMachine", "ViolationFound", "crash_machine"]


def crash_machine(
    engine: str,
    *,
    profile: str = "",
    options: Table | None = None,
    faults: bool = False,
) -> type[CrashMachine]:
    """A machine for an engine, as named on the command line; ``.TestCase`` of it is what pytest collects.

    ``profile``: one profile instead of all. ``options``: a table to draw all options of, instead of half of those that
    the adapter offers (``draws``); what ``engine`` says is not drawn. ``faults``: inject I/O errors. Raises UsageError
    where there is no such engine or profile, or the engine is on a real directory.
    """
    reference = EngineRef.parse(engine)
    machine = MACHINES[contract_of(reference.factory().kind).name]
    body: dict[str, Any] = {"engine": reference, "faults": faults}
    body |= {"tables": (options,)} if options else {"tables": tables_of(reference.factory()), "share": 0.5}
    body["profiles"] = (profile_named(profile).name,) if profile else tuple(PROFILES)
    return type("CrashMachine_" + "".join(c if c.isalnum() else "_" for c in reference.name), (machine,), body)
