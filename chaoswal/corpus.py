"""The corpus: one text file a finding, which replays for ever.

    chaoswal-finding 1
    engine wal bug=no-dir-sync-after-rename    profile ext4-ordered    expect lost    found 2026-11-20 seed 8271
    append 61
    rotate
    power-cut in operation 2 after rename of segment-#.seg nth 1 lose rename of segment-#.seg nth 1

The first line names the format, the second the finding, each other line is a step of the program. Between them may
stand where it comes from and what else speaks for it, in some of these lines, in this order::

    profiles prefix ext4-ordered posix
    shrunk from 48 operations in 913 states
    theirs tantivy 0.27.0 not yet reported
    evidence allowed by prefix, ext4-ordered, posix · seen on real ext4, xfs (Linux 6.18.44)

``theirs`` is written by a person: the finding is in software of others, and stands until they mend it.

A line that begins with ``#`` is a comment. The parser is strict, and a file runs no code that it chooses: its engine
goes by a registered name, or by the path of a file below the working directory. Any other, like a command (``cmd:…``),
a module or a file elsewhere, would run what nobody has looked at: whoever loads the file has to say that it may.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from chaoswal import evidence
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.evidence import Evidence, Theirs
from chaoswal.limits import FINDING_BYTES_MAX, LINE_CHARACTERS_MAX, NUMBER_MAX, NUMBERS_MAX
from chaoswal.program import Step, parse_step, step_line, without_last_crashes
from chaoswal.text import digest
from chaoswal.verdict import Violation

MAGIC = "chaoswal-finding 1"
ANY = "cmd:…"
"""Any command may be run, and any code loaded, that a file names as its engine."""
SUFFIX = ".chaos"
_HEADER = re.compile(
    r"engine (?P<engine>.+?) {4}profile (?P<profile>\S+) {4}expect (?P<expect>\S+)"
    r" {4}found (?P<found>\d{4}-\d\d-\d\d) seed (?P<seed>[0-9]{1,20})"
)

_PROFILES = re.compile(r"profiles (?P<names>\S+(?: \S+)*)")
_ORIGIN = re.compile(
    r"shrunk from (?P<operations>[0-9]{1,20}) operations in (?P<states>[0-9]{1,20}) states"
    r"(?P<cut>, not to the end)?"
)
_THEIRS = re.compile(r"theirs (?P<text>.+)")
_EVIDENCE = re.compile(r"evidence (?P<text>.+)")
_NUMBER = re.compile(r"(?<![^\s:])\d+(?![^\s:])")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a finding was shrunk from, and what that took."""

    operations: int
    states: int
    cut: bool = False
    """Whether it took too long, and something may be left that could go."""

    def __str__(self) -> str:
        end = ", not to the end" if self.cut else ""
        return f"shrunk from {self.operations} operations in {self.states} states{end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One violation, with all that is needed to see it again."""

    engine: EngineRef
    profile: str
    expect: Violation
    found: str
    """The date, as 2026-11-20."""
    seed: int
    steps: tuple[Step, ...]
    profiles: tuple[str, ...] = ()
    """All it happens under, strongest first; empty where only its own was tried."""
    origin: Origin | None = None
    theirs: Theirs | None = None
    """Whose software it is in, where it is others'."""
    evidence: Evidence | None = None
    """None: nothing was noted."""

    @property
    def seen_under(self) -> tuple[str, ...]:
        """The profiles it is known to happen under, strongest first."""
        return self.profiles or (self.profile,)

    @property
    def evidence_words(self) -> str:
        """Its evidence in one line; empty where there is none."""
        return evidence.words(self.evidence, self.seen_under) if self.evidence else ""

    @property
    def id(self) -> str:
        """Six hexadecimal digits that follow from the engine, the profile, the kind and the steps."""
        lines = [str(self.engine), self.profile, self.expect, *map(step_line, self.steps)]
        return digest("\n".join(lines))


def dumps(finding: Finding) -> str:
    """The text of a finding's file."""
    fields = (
        f"engine {finding.engine}",
        f"profile {finding.profile}",
        f"expect {finding.expect}",
        f"found {finding.found} seed {finding.seed}",
    )
    notes = {
        "profiles": " ".join(finding.profiles),
        "shrunk": str(finding.origin or "").removeprefix("shrunk "),
        "theirs": str(finding.theirs or ""),
        "evidence": finding.evidence_words,
    }
    told = [f"{word} {text}" for word, text in notes.items() if text]
    return "\n".join([MAGIC, "    ".join(fields), *told, *map(step_line, finding.steps), ""])


def loads(content: str, name: str) -> Finding:
    """The finding in a file's text; UsageError says in which line of ``name`` what is wrong."""
    lines = [(number, line.rstrip()) for number, line in enumerate(content.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines or lines[0][1] != MAGIC:
        raise UsageError(f"{name}: not a finding: the first line must be {MAGIC!r}")
    header = _HEADER.fullmatch(lines[1][1]) if len(lines) > 1 else None
    if not header:
        raise UsageError(f"{name}: line 2 must read 'engine …    profile …    expect …    found DATE seed N'")
    _known_profiles([header["profile"]], name)
    if header["expect"] not in list(Violation):
        raise UsageError(f"{name}: unknown kind of violation {header['expect']!r}; there are: {', '.join(Violation)}")
    rest = lines[2:]
    profiles, origin = _profiles(rest, name), _origin(rest)
    under = profiles or (header["profile"],)
    return Finding(
        engine=_engine(header["engine"], f"{name}, line {lines[1][0]}"),
        profile=header["profile"],
        expect=Violation(header["expect"]),
        found=header["found"],
        seed=int(header["seed"]),
        profiles=profiles,
        origin=origin,
        theirs=_noted(rest, _THEIRS, Theirs.parse, name),
        evidence=_noted(rest, _EVIDENCE, lambda text: evidence.parse(text, under), name),
        steps=tuple(_steps(rest, name)),
    )


def _known_profiles(names: Sequence[str], name: str) -> tuple[str, ...]:
    for profile in names:
        if profile not in PROFILES:
            raise UsageError(f"{name}: unknown profile {profile!r}; there are: {', '.join(PROFILES)}")
    return tuple(names)


def _taken(rest: list[tuple[int, str]], form: re.Pattern[str]) -> re.Match[str] | None:
    """The first of these lines, taken away, if it has this form."""
    match = form.fullmatch(rest[0][1]) if rest else None
    if match:
        del rest[0]
    return match


def _profiles(rest: list[tuple[int, str]], name: str) -> tuple[str, ...]:
    match = _taken(rest, _PROFILES)
    return _known_profiles(match["names"].split(" "), name) if match else ()


def _origin(rest: list[tuple[int, str]]) -> Origin | None:
    match = _taken(rest, _ORIGIN)
    return match and Origin(operations=int(match["operations"]), states=int(match["states"]), cut=bool(match["cut"]))


def _noted(rest: list[tuple[int, str]], form: re.Pattern[str], read: Callable[[str], T], name: str) -> T | None:
    number = rest[0][0] if rest else 0
    match = _taken(rest, form)
    try:
        return read(match["text"]) if match else None
    except ValueError as error:
        raise UsageError(f"{name}, line {number}: {error}") from error


def _engine(words: str, where: str) -> EngineRef:
    try:
        return EngineRef.parse(words)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _steps(lines: Sequence[tuple[int, str]], name: str) -> Iterable[Step]:
    total = 0
    for number, line in lines:
        try:
            total += _numbers(line)
            if total > NUMBERS_MAX:
                raise UsageError(f"the numbers up to here come to more than {NUMBERS_MAX:,}")
            yield parse_step(line)
        except UsageError as error:
            raise UsageError(f"{name}, line {number}: {error}") from error


def _numbers(line: str) -> int:
    """What the numbers of a step come to; UsageError where one, or the line, is longer than any that has a sense."""
    if len(line) > LINE_CHARACTERS_MAX:
        raise UsageError(f"it is longer than {LINE_CHARACTERS_MAX:,} characters")
    words = _NUMBER.findall(line)
    largest = len(str(NUMBER_MAX))
    if any(len(word) > largest or int(word) > NUMBER_MAX for word in words):
        raise UsageError(f"no number of a step is larger than {NUMBER_MAX:,}")
    return sum(map(int, words))


def load(path: Path, *, command: str = "") -> Finding:
    """Read one file; UsageError where it is not there, not a finding, or names another command than this to be run.

    ``command``: an engine with its options, or ``ANY``.
    """
    return _allowed(loads(_read(path), str(path)), path, command)


def _allowed(finding: Finding, path: Path, command: str) -> Finding:
    foreign = finding.engine.foreign
    if foreign and command not in (ANY, str(finding.engine)):
        raise UsageError(
            f"{path}: its engine is {foreign} {finding.engine.name!r}, which a file alone is not to run: if you "
            "trust it, replay it with --allow-commands"
        )
    return finding


def load_program(path: Path, *, command: str = "") -> tuple[EngineRef | None, list[Step]]:
    """The program of a finding, without the crashes at its end, and its engine; or the steps of a file of steps.

    ``command`` as in ``load``.
    """
    content = _read(path)
    if content.startswith(MAGIC):
        finding = _allowed(loads(content, str(path)), path, command)
        return finding.engine, without_last_crashes(finding.steps)
    lines = [(number, line.strip()) for number, line in enumerate(content.splitlines(), start=1)]
    steps = list(_steps([(number, line) for number, line in lines if line and not line.startswith("#")], str(path)))
    if not steps:
        raise UsageError(f"{path}: holds no step: expected lines like 'append 100', 'sync', 'rotate'")
    return None, steps


def _read(path: Path) -> str:
    try:
        with open(path, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path}: not a finding: it is no regular file")
            content = file.read(FINDING_BYTES_MAX + 1)
        if len(content) > FINDING_BYTES_MAX:
            raise UsageError(f"{path}: not a finding: it is longer than {FINDING_BYTES_MAX >> 10} KiB")
        return content.decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _opened(path: str, flags: int) -> int:
    """Open it without waiting for anybody, as whoever opens a pipe does."""
    return os.open(path, flags | os.O_NONBLOCK)


def save(finding: Finding, directory: Path, name: str = "") -> Path:
    """Write a finding into a directory, made if need be; the path of its file. Written whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name or finding.id}{SUFFIX}"
    _write(path, dumps(finding))
    return path


def _write(path: Path, content: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")  # another process may be at the same finding
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)


def note(path: Path, found: Evidence) -> None:
    """Write the evidence of a finding into its file, in the place of what stands there; its comments stay."""
    content = _read(path)
    finding = replace(loads(content, str(path)), evidence=found)
    head = len(dumps(replace(finding, steps=())).splitlines()) - 1
    lines = [line for line in content.splitlines() if not _EVIDENCE.fullmatch(line)]
    places = [place for place, line in enumerate(lines) if line and not line.startswith("#")]
    lines.insert(places[head - 1] + 1, f"evidence {finding.evidence_words}")
    _write(path, "\n".join([*lines, ""]))


_TEST = '''\
"""Finding {id}: it must be fixed. Run from where the path of its engine leads to it."""

from chaoswal import corpus
from chaoswal.disk.profiles import profile_named
from chaoswal.replay import Status, replay

FINDING = """\\
{text}"""


def test_{name}_is_fixed() -> None:
    """{expect}: found {found}, seed {seed}."""
    finding = corpus.loads(FINDING, "{id}")
    status, played = replay(finding.engine, finding.steps, profile_named(finding.profile))
    assert status is Status.FIXED, played.found.fault if played.found else status
'''


def as_test(finding: Finding) -> str:
    """A file with one function for pytest that fails as long as the violation is there."""
    return _TEST.format(
        id=finding.id,
        name=finding.id,
        text=dumps(finding).replace("\\", "\\\\").replace('"""', '\\"""'),
        expect=finding.expect,
        found=finding.found,
        seed=finding.seed,
    )


def files(paths: Sequence[Path]) -> list[Path]:
    """The finding files among these paths, directories searched through.

    UsageError where a path is not there, or where a link below a directory leads out of it.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += [_inside(entry, path) for entry in sorted(path.rglob(f"*{SUFFIX}"))]
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"no such file or directory: {path}")
    return found


def _inside(entry: Path, directory: Path) -> Path:
    if entry.is_symlink() and not entry.resolve().is_relative_to(directory.resolve()):
        raise UsageError(f"{entry}: a link that leads out of {directory}; name the file itself")
    return entry


def _id_of(path: Path) -> str:
    try:
        return load(path, command=ANY).id  # nothing is run
    except UsageError:
        return ""  # a file that is no finding has no id, and must not hide those behind it


def find(finding_id: str, directory: Path) -> Path:
    """The file of a finding by its id, its file's name, or its path."""
    if os.path.isfile(finding_id):
        return Path(finding_id)
    for path in files([directory]) if directory.is_dir() else []:
        if finding_id in (path.stem, _id_of(path)):
            return path
    raise UsageError(f"no finding {finding_id!r} in {directory}; name a file, or an id that 'replay' lists")
