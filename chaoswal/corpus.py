"""The corpus: one text file a finding, which replays for ever.

    chaoswal-finding 1
    engine wal bug=no-dir-sync-after-rename    profile ext4-ordered    expect lost    found 2026-11-20 seed 8271
    append 61
    rotate
    power-cut in operation 2 after rename of segment-#.seg nth 1 lose rename of segment-#.seg nth 1

The first line names the format, the second the finding, each other line is a step of the program. A line that
begins with ``#`` is a comment. The parser is strict, a file runs no code, and an engine goes by its registered name
or its path only.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.program import Step, parse_step, step_line, without_last_crashes
from chaoswal.verdict import Violation

MAGIC = "chaoswal-finding 1"
SUFFIX = ".chaos"
_HEADER = re.compile(
    r"engine (?P<engine>.+?) {4}profile (?P<profile>\S+) {4}expect (?P<expect>\S+)"
    r" {4}found (?P<found>\d{4}-\d\d-\d\d) seed (?P<seed>\d+)"
)


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

    @property
    def id(self) -> str:
        """Six hexadecimal digits that follow from the engine, the profile, the kind and the steps."""
        lines = [str(self.engine), self.profile, self.expect, *map(step_line, self.steps)]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=3).hexdigest()


def dumps(finding: Finding) -> str:
    """The text of a finding's file."""
    fields = (
        f"engine {finding.engine}",
        f"profile {finding.profile}",
        f"expect {finding.expect}",
        f"found {finding.found} seed {finding.seed}",
    )
    return "\n".join([MAGIC, "    ".join(fields), *map(step_line, finding.steps), ""])


def loads(content: str, name: str) -> Finding:
    """The finding in a file's text; UsageError says in which line of ``name`` what is wrong."""
    lines = [(number, line.rstrip()) for number, line in enumerate(content.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines or lines[0][1] != MAGIC:
        raise UsageError(f"{name}: not a finding: the first line must be {MAGIC!r}")
    header = _HEADER.fullmatch(lines[1][1]) if len(lines) > 1 else None
    if not header:
        raise UsageError(f"{name}: line 2 must read 'engine …    profile …    expect …    found DATE seed N'")
    if header["profile"] not in PROFILES:
        raise UsageError(f"{name}: unknown profile {header['profile']!r}; there are: {', '.join(PROFILES)}")
    if header["expect"] not in list(Violation):
        raise UsageError(f"{name}: unknown kind of violation {header['expect']!r}; there are: {', '.join(Violation)}")
    return Finding(
        engine=_engine(header["engine"], f"{name}, line {lines[1][0]}"),
        profile=header["profile"],
        expect=Violation(header["expect"]),
        found=header["found"],
        seed=int(header["seed"]),
        steps=tuple(_steps(lines[2:], name)),
    )


def _engine(words: str, where: str) -> EngineRef:
    try:
        return EngineRef.parse(words)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _steps(lines: Sequence[tuple[int, str]], name: str) -> Iterable[Step]:
    for number, line in lines:
        try:
            yield parse_step(line)
        except UsageError as error:
            raise UsageError(f"{name}, line {number}: {error}") from error


def load(path: Path) -> Finding:
    """Read one file; UsageError where it is not there or not a finding."""
    return loads(_read(path), str(path))


def load_program(path: Path) -> tuple[EngineRef | None, list[Step]]:
    """The program of a finding, without the crashes at its end, and its engine; or the steps of a file of steps."""
    content = _read(path)
    if content.startswith(MAGIC):
        finding = loads(content, str(path))
        return finding.engine, without_last_crashes(finding.steps)
    lines = [(number, line.strip()) for number, line in enumerate(content.splitlines(), start=1)]
    steps = list(_steps([(number, line) for number, line in lines if line and not line.startswith("#")], str(path)))
    if not steps:
        raise UsageError(f"{path}: holds no step: expected lines like 'append 100', 'sync', 'rotate'")
    return None, steps


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def save(finding: Finding, directory: Path, name: str = "") -> Path:
    """Write a finding into a directory, made if need be; the path of its file. Written whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name or finding.id}{SUFFIX}"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(dumps(finding), encoding="utf-8")
    temporary.replace(path)
    return path


def files(paths: Sequence[Path]) -> list[Path]:
    """The finding files among these paths, directories searched through; UsageError where a path is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.rglob(f"*{SUFFIX}"))
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"no such file or directory: {path}")
    return found


def _id_of(path: Path) -> str:
    try:
        return load(path).id
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
