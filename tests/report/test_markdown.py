"""Markdown: what others have written is shown as it is and never becomes markup."""

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.notices import Finished
from chaoswal.report.causes import causes, legible
from chaoswal.report.markdown import CAUSES_TOLD, fenced, plain, render
from chaoswal.verdict import Verdict
from tests.report.campaigns import TEXTS, drawn_campaigns, finished, found

ONE = """\
### ❌ chaoswal: FAIL · wal sync=explicit

Why: a reason

| | kind | where | profiles | times | |
|---|---|---|---|---:|---|
| error | lost | wal/walfile.py:120 | ext4-ordered, posix | 1 | f1 |

<details>
<summary>lost at wal/walfile.py:120 &#91;f1&#93;</summary>

```text
lost: records 0 were promised and are missing
error under ext4-ordered, posix · a91f3c
guilty: wal/walfile.py:120
  append 61
  rotate
  power-cut in operation 2 after end lose write of wal-#.wal nth 1
reproduce: python -m chaoswal replay corpus/wal/a91f3c.chaos
```

</details>

Covered: 1 deviation over 40 programs

```text
python -m chaoswal explore wal -o sync=explicit --seed 7
```
"""


def blocks(text: str) -> list[str]:
    """What stands in fences, as CommonMark has it: a fence ends with one that is as long."""
    found: list[str] = []
    body: list[str] = []
    fence = ""
    for line in text.split("\n"):
        bare = line.strip(" ")
        if not fence and (opening := re.fullmatch(r"(`{3,})text", line)):
            fence, body = opening[1], []
        elif fence and re.fullmatch(r" {0,3}`+ *", line) and len(bare) >= len(fence):
            found.append("\n".join(body))
            fence = ""
        elif fence:
            body.append(line)
    assert not fence, "every fence ends"
    return found


def test_one_finding() -> None:
    assert render(finished(found())) == ONE


def test_nothing_found() -> None:
    text = render(finished())
    assert text.startswith("### ✅ chaoswal: PASS · wal sync=explicit\n")
    assert "|" not in text
    assert render(finished(verdict=Verdict.UNKNOWN)).startswith("### ❔ chaoswal: UNKNOWN")


def test_markup_is_text() -> None:
    assert plain("a|b\n&lt; @you #1") == "a&#124;b &#38;lt; &#64;you &#35;1"
    assert fenced(["```", "x ````"]) == ["`````text", "```\nx ````", "`````"]


@given(TEXTS)
def test_a_text_is_shown_as_it_is_on_one_line(words: str) -> None:
    shown = plain(words)
    assert html.unescape(shown) == " ".join(words.split())
    assert not re.search(r"[\n\r|`<>*_\[\]@]", shown)


@given(st.lists(TEXTS.map(lambda text: text.replace("\r", "")), min_size=1, max_size=3))
def test_a_fence_holds_whatever_is_in_it(lines: list[str]) -> None:
    assert blocks("\n".join(fenced(lines))) == ["\n".join(lines)]


@given(drawn_campaigns())
def test_every_program_is_told_as_it_is(campaign: Finished) -> None:
    text = render(campaign)
    text.encode("utf-8")
    stories = [legible("\n".join(cause.story)) for cause in causes(campaign)]
    assert blocks(text) == [*stories, legible(campaign.command)]


def test_a_great_many_causes_are_a_table_and_the_first_at_length() -> None:
    text = render(finished(*(found(fingerprint=str(number)) for number in range(CAUSES_TOLD + 3))))
    assert len(re.findall(r"^\| error ", text, re.MULTILINE)) == CAUSES_TOLD + 3
    assert text.count("<details>") == CAUSES_TOLD
    assert "… and 3 more causes." in text


def test_what_is_known_is_told_with_its_reason() -> None:
    text = render(finished(found()), {"f1": "waits | for it"})
    assert "| note | lost |" in text
    assert "known: waits | for it" in text
