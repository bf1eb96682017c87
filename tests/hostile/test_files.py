"""Finding files that somebody has tampered with: a clear status and exit code, and nothing run or written by them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaoswal import corpus
from chaoswal.cli import main
from chaoswal.errors import Exit, UsageError

ROOT = Path(__file__).parents[2]
FILES = [
    (ROOT / "corpus" / name).read_text()
    for name in ("zoo/no-sync-before-ack.chaos", "zoo/no-dir-sync-after-rename.chaos", "zoo/progress-not-synced.chaos")
]
COMMANDS = (("replay",), ("show",), ("explore", "--workers", "1", "--seed", "1", "--depth", "0", "--program"))

NASTY = (
    "../../../etc/passwd",
    "/tmp/evil.py:Engine",
    "../evil.py:Engine",
    "os:system",
    "'subprocess:Popen' executable=/bin/true",
    "'cmd:touch sprung {dir}'",
    "'cmd:sh -c \"touch sprung\" {dir}'",
    "builtins:exec",
    "!!python/object/apply:os.system ['touch sprung']",
    "cos\nsystem\n(S'touch sprung'\ntR.",
    "$(touch sprung)",
    "`touch sprung`",
    "9" * 30,
    "9" * 5000,
    "99999999",
    "67108865",
    "-1",
    "1e9",
    "\N{ARABIC-INDIC DIGIT NINE}",
    "[" * 20_000,
    "'",
    "\0",
    "\r",
    "wal bug=../../x",
    "wal segment_bytes=99999999999999999999",
    "append 67108864",
    "wait 67108864",
    "power-cut in operation 99999 after end lose all",
    "kill in operation 1 inside write of ../../log nth 1 at 67108864",
    "fail EIO on write of ../* nth 1 once",
    "open bug=../../x",
)
VALID = {Exit.CLEAN, Exit.VIOLATION, Exit.USAGE, Exit.INCONCLUSIVE, Exit.NOTHING_RAN}


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A finding with some of its words or lines changed, exchanged, repeated, or left out."""
    lines = draw(st.sampled_from(FILES)).split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        nasty = draw(st.sampled_from(NASTY))
        match draw(st.sampled_from(["word", "line", "drop", "twice", "bit", "engine"])):
            case "word":
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = nasty
                lines[at] = " ".join(words)
            case "line":
                lines.insert(at, nasty)
            case "drop" if len(lines) > 1:
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "bit" if lines[at]:
                place = draw(st.integers(0, len(lines[at]) - 1))
                lines[at] = lines[at][:place] + chr(ord(lines[at][place]) ^ 1) + lines[at][place + 1 :]
            case _:
                words = lines[min(1, len(lines) - 1)].split("    ")
                lines[min(1, len(lines) - 1)] = "    ".join([f"engine {nasty}", *words[1:]])
    return "\n".join(lines)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory to stand in, below one that holds what must not be run."""
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nclass Engine: pass\n"
    (tmp_path / "evil.py").write_text(trap)
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    yield inside
    assert sorted(os.listdir(tmp_path)) == ["evil.py", "inside"]


def seen(ground: Path) -> list[str]:
    """What is there, but for the findings of those that explored."""
    return [name for name in sorted(os.listdir(ground)) if name != "corpus"]


def judged(
    content: str, ground: Path, capsys: pytest.CaptureFixture[str], commands: tuple[tuple[str, ...], ...]
) -> None:
    path = ground / "a.chaos"
    path.write_text(content, encoding="utf-8", errors="surrogatepass", newline="")
    before = seen(ground)
    for command in commands:
        code = main([*command, str(path), *(("--corpus", str(ground / "corpus")) if command[0] == "explore" else ())])
        out, err = capsys.readouterr()
        assert code in VALID, (command, content[:2000], err)
        assert "Traceback" not in out + err
        assert (out + err).strip()
        assert seen(ground) == before


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mutated(), command=st.sampled_from(COMMANDS[:2]))
def test_a_mutated_file_has_a_clear_end(
    content: str, command: tuple[str, ...], ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged(content, ground, capsys, (command,))


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mutated())
def test_many_mutated_files_have(content: str, ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged(content, ground, capsys, COMMANDS)


@pytest.mark.parametrize("engine", ["os:system", "../evil.py:Engine", "subprocess:Popen executable=/bin/true"])
@pytest.mark.parametrize("command", COMMANDS, ids=["replay", "show", "explore"])
def test_a_file_chooses_no_code(
    engine: str, command: tuple[str, ...], ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = FILES[0].splitlines()
    lines[1] = "    ".join([f"engine {engine}", *lines[1].split("    ")[1:]])
    path = ground / "a.chaos"
    path.write_text("\n".join(lines))
    words = [*command, str(path), *(["--json"] if command[0] == "replay" else [])]
    assert main(words) in (Exit.USAGE, Exit.VIOLATION)  # replay lists it as an ERROR of its own
    out, err = capsys.readouterr()
    assert "which a file alone is not to run" in out + err


def test_whoever_trusts_it_says_so(ground: Path) -> None:
    lines = FILES[0].splitlines()
    path = ground / "a.chaos"
    for engine in ("os:system", f"{ground.parent}/evil.py:Engine", "'cmd:x {dir}'"):
        path.write_text(
            "\n".join([lines[0], "    ".join([f"engine {engine}", *lines[1].split("    ")[1:]]), *lines[2:]])
        )
        with pytest.raises(UsageError, match="--allow-commands"):
            corpus.load(path)
        assert corpus.load(path, command=corpus.ANY).engine.foreign


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _bytes(path: Path) -> None:
    path.write_bytes(FILES[0].encode().replace(b"append 1", b"append \xff\xfe"))


def _twice(path: Path) -> None:
    path.write_text(FILES[0].replace("append 1", "profiles kill\nprofiles posix\nappend 1"))


def _unknown(path: Path) -> None:
    path.write_text(FILES[0].replace("append 1", "frobnicate yes\nappend 1"))


def _not_a_number(path: Path) -> None:
    path.write_text(FILES[0].replace("append 1", "append nan"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_pipe, "it is no regular file"),
        (Path.mkdir, "no finding"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
        (lambda path: path.symlink_to(path.name), "no such file"),
        (_giant, "it is longer than"),
        (_bytes, "can't decode byte 0xff"),
        (_twice, "unknown word 'profiles'"),
        (_unknown, "unknown word 'frobnicate'"),
        (_not_a_number, "nan"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS[:2], ids=["replay", "show"])
def test_what_is_no_finding_is_told(
    make: Callable[[Path], None], why: str, command: tuple[str, ...], ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ground / "a.chaos"
    make(path)
    assert main([*command, str(path), *(["--json"] if command[0] == "replay" else [])]) in VALID
    out, err = capsys.readouterr()
    assert why in out + err or "no finding" in err or (command[0] == "replay" and '"files": []' in out)


def test_a_corpus_leads_nowhere_else(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_directory, elsewhere = ground / "corpus", ground / "elsewhere"
    corpus_directory.mkdir()
    elsewhere.mkdir()
    (elsewhere / "a.chaos").write_text(FILES[0])
    (corpus_directory / "loop").symlink_to(".")
    (corpus_directory / "out").symlink_to("../elsewhere")
    (corpus_directory / "b.chaos").write_text(FILES[0])
    (corpus_directory / "c.chaos").symlink_to("b.chaos")
    assert corpus.files([corpus_directory]) == [corpus_directory / "b.chaos", corpus_directory / "c.chaos"]
    (corpus_directory / "d.chaos").symlink_to("../elsewhere/a.chaos")
    assert main(["replay", str(corpus_directory)]) == Exit.USAGE
    assert "a link that leads out of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("append 67108865", "no number of a step is larger than"),
        (f"append {'9' * 5000}", "no number of a step is larger than"),
        ("\n".join(["append 67108864"] * 5), "come to more than"),
        (f"subscribe {'x' * 20_000}", "is longer than"),
        ("x" * (1 << 20), "is longer than"),
    ],
)
def test_what_is_too_large_is_refused(line: str, why: str, ground: Path) -> None:
    path = ground / "a.chaos"
    path.write_text(f"{FILES[0]}{line}\n")
    with pytest.raises(UsageError, match=why):
        corpus.load(path)
