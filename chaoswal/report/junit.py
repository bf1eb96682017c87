"""JUnit XML of a campaign, in the dialect of Jenkins' xunit plugin that most CI systems read.

One suite an engine, one case a cause: an error is a failure, a warning and what is known are skipped cases with a
reason. A campaign without errors has one more case for its verdict, so that nothing found is a test that passed,
warnings that count (``--strict``) are a failure, and nothing known is a test in error: UNKNOWN is never a pass.

XML has no way to write most control characters. They come out as Python escapes.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from chaoswal.notices import Finished
from chaoswal.report.causes import ERROR, NO_KNOWN, NOTE, Cause, causes, seconds_of
from chaoswal.verdict import Verdict

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(finished: Finished, known: Mapping[str, str] = NO_KNOWN) -> str:
    """The document; ``known``: fingerprints that are borne with, and why."""
    found = causes(finished, known)
    suite = ET.Element("testsuite", name=_text(f"chaoswal {finished.engine}"))
    _properties(suite, finished)
    for cause in found:
        _case(suite, finished, cause)
    if not any(cause.level == ERROR for cause in found):
        _verdict(suite, finished)
    seconds = f"{seconds_of(finished):.3f}"
    counts = {
        "tests": str(len(suite.findall("testcase"))),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
    }
    suite.attrib.update(counts, skipped=str(len(suite.findall("testcase/skipped"))), time=seconds)
    top = ET.Element("testsuites", {"name": "chaoswal", "time": seconds, **counts})
    top.append(suite)
    ET.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _properties(suite: ET.Element, finished: Finished) -> None:
    told = {
        "verdict": str(finished.verdict),
        "seed": str(finished.seed),
        "exhaustive": finished.exhaustive,
        "command": finished.command,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in told.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))


def _case(suite: ET.Element, finished: Finished, cause: Cause) -> None:
    case = _new_case(suite, finished, f"{cause.title} [{cause.fingerprint}]")
    if cause.level == ERROR:
        outcome = ET.SubElement(case, "failure", type=_text(cause.found.kind), message=_text(cause.found.explanation))
    else:
        why = f"known: {cause.reason}" if cause.level == NOTE else f"{cause.level}: {cause.found.explanation}"
        outcome = ET.SubElement(case, "skipped", type=cause.level, message=_text(why))
    outcome.text = _text("\n".join(cause.story))


def _verdict(suite: ET.Element, finished: Finished) -> None:
    case = _new_case(suite, finished, "verdict")
    why = _text("; ".join(finished.reasons))
    if finished.verdict is Verdict.UNKNOWN:
        ET.SubElement(case, "error", type=str(finished.verdict), message=why)
    elif finished.verdict is Verdict.FAIL:  # by warnings, which count where it is strict, or by something not found
        ET.SubElement(case, "failure", type=str(finished.verdict), message=why)


def _new_case(suite: ET.Element, finished: Finished, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_text(f"chaoswal.{finished.engine}"), name=_text(name))


def _text(words: str) -> str:
    """What XML can hold of a text, the rest as escapes."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), words)
