"""SARIF reports against classes made from the schema, and what it and the specification say beyond types.

The schema itself is no part of any package. ``pysarif`` was generated from it: what an object may hold, what it must,
and of which types. It reads more than it should (unknown properties are dropped), so documents are compared with its
classes here, strictly. What the classes do not say is asserted by hand from the specification: least values, references
to rules, forms of URIs.
"""

import dataclasses
import json
import re
import typing
from typing import Any, Union

import pysarif
import pytest
from hypothesis import given

from chaoswal.notices import Finished
from chaoswal.report.sarif import FINGERPRINT, document, render
from chaoswal.verdict import Verdict
from tests.report.campaigns import drawn_campaigns, finished, found

NAMES = {"schema": "$schema"}


def complaints(value: Any, kind: Any, where: str = "") -> list[str]:
    """How a value differs from a type of pysarif's."""
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is pysarif.PropertyBag:
        return []
    if origin is Union:
        if value is None:
            return [f"{where}: null: leave it out"]
        return min((complaints(value, option, where) for option in options if option is not type(None)), key=len)
    if origin is typing.Literal:
        return [] if value in options else [f"{where}: {value!r} is none of {options}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [line for place, item in enumerate(value) for line in complaints(item, options[0], f"{where}[{place}]")]
    if dataclasses.is_dataclass(kind):
        return _of_object(value, kind, where)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return [] if right else [f"{where}: {value!r} is no {kind.__name__}"]


def _of_object(value: Any, kind: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    fields = {NAMES.get(field.name, _camel(field.name)): field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    needed = {name for name, field in fields.items() if _has_no_default(field)}
    lines = [f"{where}: no {name}" for name in sorted(needed - value.keys())]
    lines += [f"{where}: there is no property {name}" for name in sorted(value.keys() - fields.keys())]
    for name in value.keys() & fields.keys():
        lines += complaints(value[name], hints[fields[name].name], f"{where}.{name}")
    return lines


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _has_no_default(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def check(text: str) -> dict[str, Any]:
    """A document that is as it must be."""
    told: dict[str, Any] = json.loads(text)
    text.encode("utf-8")
    assert complaints(told, pysarif.SarifLog) == []
    (run,) = told["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["occurrenceCount"] >= 1
        assert all(isinstance(value, str) and value for value in result["partialFingerprints"].values())
        for location in result["locations"]:
            _check_location(location["physicalLocation"])
    return told


def _check_location(physical: dict[str, Any]) -> None:
    assert physical["region"]["startLine"] >= 1
    where = physical["artifactLocation"]
    assert re.fullmatch(r"[A-Za-z0-9._~/%:-]+", where["uri"]), "a URI has no other letters"
    if "uriBaseId" in where:
        assert not re.match(r"[a-z]+:|/", where["uri"]), "a reference to a base is relative"


@given(drawn_campaigns())
def test_any_campaign_is_valid(campaign: Finished) -> None:
    told = check(render(campaign))
    fingerprints = {item.fingerprint or item.id for item in campaign.findings}
    assert len(told["runs"][0]["results"]) == len(fingerprints)


def test_one_finding() -> None:
    told = check(render(finished(found())))
    (run,) = told["runs"]
    (result,) = run["results"]
    assert (told["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "chaoswal")
    assert (result["ruleId"], result["level"], result["kind"]) == ("lost", "error", "fail")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "chaoswal/wal/walfile.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 120},
    }
    assert result["partialFingerprints"] == {FINGERPRINT: "f1"}
    assert result["message"]["text"].splitlines()[0] == "lost: records 0 were promised and are missing"
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "commandLine": "python -m chaoswal explore wal -o sync=explicit --seed 7",
            "toolExecutionNotifications": [],
        }
    ]


def test_a_warning_and_what_is_known() -> None:
    told = check(render(finished(found(severity="warning"), found(fingerprint="f2", kind="hole")), {"f2": "why"}))
    warning, known = told["runs"][0]["results"]
    assert (warning["level"], "suppressions" in warning) == ("warning", False)
    assert (known["level"], known["suppressions"]) == ("error", [{"kind": "external", "justification": "why"}])


def test_what_is_not_known_is_no_success() -> None:
    (run,) = check(render(finished(verdict=Verdict.UNKNOWN, reasons=("nothing ran",))))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"] == [{"level": "error", "message": {"text": "nothing ran"}}]


@pytest.mark.parametrize(
    ("engine", "site", "where"),
    [
        ("'my own/é:#.py:E'", "é:#.py:3", {"uri": "my%20own/%C3%A9%3A%23.py", "uriBaseId": "%SRCROOT%"}),
        ("/srv/e.py:E", "e.py:3", {"uri": "file:///srv/e.py"}),
    ],
)
def test_a_file_is_a_uri(engine: str, site: str, where: dict[str, str]) -> None:
    (run,) = check(render(finished(found(site=site), engine=engine)))["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == where


def test_what_is_no_unicode_is_told_as_escapes() -> None:
    told = check(render(finished(found(explanation="\udc80 \x00"))))
    assert told["runs"][0]["results"][0]["message"]["text"].startswith("lost: \\udc80 \x00\n")


def test_a_finding_without_a_place_has_no_location() -> None:
    assert document(finished(found(site="")))["runs"][0]["results"][0]["locations"] == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda told: told.pop("version"),
        lambda told: told.update(version="2.0.0"),
        lambda told: told.update(extra=1),
        lambda told: told["runs"][0].pop("tool"),
        lambda told: told["runs"][0]["results"][0].update(level="bad"),
        lambda told: told["runs"][0]["results"][0].update(message="text"),
        lambda told: told["runs"][0]["results"][0].update(ruleIndex=True),
        lambda told: told["runs"][0]["results"][0]["locations"][0].update(line=3),
        lambda told: told["runs"][0]["invocations"][0].pop("executionSuccessful"),
        lambda told: told["runs"][0].update(results={}),
        lambda told: told["runs"][0].update(columnKind=None),
    ],
)
def test_the_comparison_can_say_no(damage: Any) -> None:
    told = document(finished(found()))
    damage(told)
    assert complaints(told, pysarif.SarifLog)
