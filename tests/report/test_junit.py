"""JUnit reports: valid for the schema of Jenkins' xunit plugin, whatever findings say; counted right.

``junit-10.xsd`` is that schema, as pytest has it among its tests; its licence (MIT) stands in it.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given

from chaoswal.notices import Finished
from chaoswal.report.junit import render
from chaoswal.verdict import Verdict
from tests.report.campaigns import drawn_campaigns, finished, found

SCHEMA = xmlschema.XMLSchema10(str(Path(__file__).with_name("junit-10.xsd")))

ONE = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="chaoswal" time="12.346" tests="1" failures="1" errors="0">
  <testsuite name="chaoswal wal sync=explicit" tests="1" failures="1" errors="0" skipped="0" time="12.346">
    <properties>
      <property name="verdict" value="FAIL" />
      <property name="seed" value="7" />
      <property name="exhaustive" value="1 deviation over 40 programs" />
      <property name="command" value="python -m chaoswal explore wal -o sync=explicit --seed 7" />
    </properties>
    <testcase classname="chaoswal.wal sync=explicit" name="lost at wal/walfile.py:120 [f1]">
      <failure type="lost" message="records 0 were promised and are missing">\
lost: records 0 were promised and are missing
error under ext4-ordered, posix · a91f3c
guilty: wal/walfile.py:120
  append 61
  rotate
  power-cut in operation 2 after end lose write of wal-#.wal nth 1
reproduce: python -m chaoswal replay corpus/wal/a91f3c.chaos</failure>
    </testcase>
  </testsuite>
</testsuites>
"""


def parsed(campaign: Finished, known: dict[str, str] | None = None) -> ET.Element:
    """The document of a campaign, found valid."""
    text = render(campaign, known or {})
    SCHEMA.validate(text)
    return ET.fromstring(text)


def outcomes(top: ET.Element) -> list[tuple[str, str]]:
    """Each case's name, and what became of it."""
    return [(case.attrib["name"], case[0].tag if len(case) else "passed") for case in top.iter("testcase")]


def test_one_finding() -> None:
    assert render(finished(found())) == ONE
    SCHEMA.validate(ONE)


def test_the_schema_can_say_no() -> None:
    assert not SCHEMA.is_valid(ONE.replace('type="lost"', 'kind="lost"'))
    assert not SCHEMA.is_valid(ONE.replace("testcase", "case"))
    assert not SCHEMA.is_valid(re.sub(r' tests="\d+"', "", ONE))


@given(drawn_campaigns())
def test_any_campaign_is_valid_and_counted(campaign: Finished) -> None:
    top = parsed(campaign)
    (suite,) = top
    told = outcomes(top)
    assert int(suite.attrib["tests"]) == len(told) == int(top.attrib["tests"])
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == [outcome for _, outcome in told].count(tag)
    passed = all(outcome in ("passed", "skipped") for _, outcome in told)
    known_bad = any(item.severity == "error" for item in campaign.findings)
    if campaign.verdict is not Verdict.PASS or known_bad:
        assert not passed, "neither an error nor FAIL nor UNKNOWN is a pass"


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (finished(), [("verdict", "passed")]),
        (finished(verdict=Verdict.UNKNOWN), [("verdict", "error")]),
        (finished(verdict=Verdict.FAIL), [("verdict", "failure")]),
        (finished(found(severity="warning", site="")), [("lost [f1]", "skipped"), ("verdict", "passed")]),
        (
            finished(found(severity="warning", site=""), verdict=Verdict.FAIL),
            [("lost [f1]", "skipped"), ("verdict", "failure")],
        ),
        (finished(found(), verdict=Verdict.UNKNOWN), [("lost at wal/walfile.py:120 [f1]", "failure")]),
        (finished(found(), found(id="other")), [("lost at wal/walfile.py:120 [f1]", "failure")]),
    ],
)
def test_what_becomes_of_each_case(campaign: Finished, expected: list[tuple[str, str]]) -> None:
    assert outcomes(parsed(campaign)) == expected


def test_what_is_known_is_skipped_with_its_reason() -> None:
    top = parsed(finished(found(), verdict=Verdict.PASS), {"f1": "waits for the new format"})
    assert outcomes(top) == [("lost at wal/walfile.py:120 [f1]", "skipped"), ("verdict", "passed")]
    skipped = next(top.iter("skipped"))
    assert skipped.attrib["message"] == "known: waits for the new format"


def test_what_xml_cannot_hold_is_told_as_escapes() -> None:
    top = parsed(finished(found(explanation="a\x00b\x1b[31m\ufffe\udc80\nsecond <&\"'> ]]> 🦆")))
    failure = next(top.iter("failure"))
    expected = "a\\x00b\\x1b[31m\\ufffe\\udc80\nsecond <&\"'> ]]> 🦆"
    assert failure.attrib["message"] == expected
    assert (failure.text or "").startswith(f"lost: {expected}\n")
