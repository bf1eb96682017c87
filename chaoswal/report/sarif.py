"""SARIF 2.1.0 of a campaign: what code scanning shows beside the source.

One run a campaign, one rule a kind of violation, one result a cause, at the line of the guilty call. A result is
matched with that of the last run by its fingerprint, and not by its line. What is known is a result with a suppression
that gives the reason. A verdict of UNKNOWN is an invocation that did not succeed: results that are not there prove
nothing then. (OASIS, *Static Analysis Results Interchange Format Version 2.1.0*, sections 3.13 to 3.58.)
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from chaoswal import __version__
from chaoswal.notices import Finished
from chaoswal.report.causes import NO_KNOWN, Cause, causes, legible
from chaoswal.report.kinds import MEANINGS
from chaoswal.verdict import Verdict, Violation

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "chaoswalCause/v1"
"""The name of our fingerprint among those of a result; another way to compute it is another version."""


def render(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> str:
    """The document; ``known``: fingerprints that are borne with, and why."""
    return json.dumps(_legible(document(finished, known)), indent=2) + "\n"


def document(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> dict[str, Any]:
    """The same as one object."""
    found = causes(finished, known)
    kinds = sorted({cause.found.kind for cause in found})
    run = {
        "tool": {
            "driver": {
                "name": "chaoswal",
                "semanticVersion": __version__,
                "rules": [_rule(kind) for kind in kinds],
            }
        },
        "invocations": [_invocation(finished)],
        "results": [_result(cause, kinds) for cause in found],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": str(finished.verdict),
            "engine": finished.engine,
            "seed": finished.seed,
            "exhaustive": finished.exhaustive,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _legible(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _legible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_legible(item) for item in value]
    return legible(value) if isinstance(value, str) else value


def _rule(kind: str) -> dict[str, Any]:
    meaning = MEANINGS[Violation(kind)]
    return {
        "id": kind,
        "shortDescription": {"text": meaning},
        "fullDescription": {"text": f"After a crash within what the file system allows: {meaning}."},
        "help": {"text": "Play the finding with `chaoswal replay`, and read it with `chaoswal show`."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["crash-consistency"]},
    }


def _invocation(finished: Finished) -> dict[str, Any]:
    inconclusive = finished.verdict is Verdict.UNKNOWN
    told = [{"level": "error", "message": {"text": reason}} for reason in finished.reasons if inconclusive]
    return {
        "executionSuccessful": not inconclusive,
        "commandLine": finished.command,
        "toolExecutionNotifications": told,
    }


def _result(cause: Cause, kinds: Sequence[str]) -> dict[str, Any]:
    found = cause.found
    result: dict[str, Any] = {
        "ruleId": found.kind,
        "ruleIndex": kinds.index(found.kind),
        "kind": "fail",
        "level": found.severity,
        "message": {"text": "\n".join(cause.story)},
        "locations": _locations(cause),
        "partialFingerprints": {FINGERPRINT: cause.fingerprint},
        "occurrenceCount": cause.times,
        "properties": {
            "id": found.id,
            "profiles": list(found.profiles or (found.profile,)),
            "operations": list(found.operations),
            "deviations": list(found.deviations),
            "file": found.file,
        },
    }
    if cause.reason:
        result["suppressions"] = [{"kind": "external", "justification": cause.reason}]
    return result


def _locations(cause: Cause) -> list[dict[str, Any]]:
    if not cause.file:
        return []
    uri = quote(cause.file, errors="backslashreplace")
    absolute = cause.file.startswith("/")
    where = {"uri": f"file://{uri}"} if absolute else {"uri": uri, "uriBaseId": "%SRCROOT%"}
    return [{"physicalLocation": {"artifactLocation": where, "region": {"startLine": cause.line}}}]
