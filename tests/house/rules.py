"""House rules that ruff, mypy and import-linter cannot see, as functions from a source file to complaints.

A rule is given one ``Source`` and what is known of the whole package, and yields lines that say where, what, and
what to do. ``test_rules.py`` runs every rule over every file, and shows for each rule that it can fail.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
"""The checkout."""

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """A file by its path below the checkout, with ``/`` between the parts, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file as Python code."""
        return ast.parse(self.text, self.path)

    @cached_property
    def comment_lines(self) -> frozenset[int]:
        """The numbers of the lines that hold a comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return frozenset(token.start[0] for token in tokens if token.type == tokenize.COMMENT)

    def below(self, *folders: str) -> bool:
        """Whether it is one of these files, or in one of these folders."""
        return any(self.path == folder or self.path.startswith(folder + "/") for folder in folders)

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Every node of these kinds."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as compilers write it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


Package: TypeAlias = tuple[Source, ...]
"""Every Python file that is looked at, for rules that need to see more than one."""

Rule: TypeAlias = Callable[[Source, Package], Iterable[str]]


def tracked_paths() -> list[str]:
    """The files of the project: those git knows or would add; without git, all but what tools made."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    else:
        listed = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    made = re.compile(r"(^|/)(\.[a-z_]+_cache|\.venv|\.hypothesis|__pycache__|build|dist)/")
    paths = {path for path in listed if path and not made.search(path)}
    return sorted(path for path in paths if (ROOT / path).is_file() and not path.startswith("chaoswal/models/"))


def sources(suffix: str = "") -> Package:
    """The project's text files whose names end so; what does not decode as UTF-8 is no text."""
    found = []
    for path in tracked_paths():
        if path.endswith(suffix):
            try:
                found.append(Source(path, (ROOT / path).read_text(encoding="utf-8")))
            except UnicodeDecodeError:
                continue  # a binary golden file
    return tuple(found)


# --- size and docstrings ------------------------------------------------------------------------------------------


def opens_with_a_docstring(source: Source, _: Package) -> Iterator[str]:
    """Every module opens with one sentence of purpose."""
    if not ast.get_docstring(source.tree):
        yield f"{source.path}:1: no docstring: say in one sentence what the module is for"


def functions_are_short(source: Source, _: Package) -> Iterator[str]:
    """No function is longer than 70 lines."""
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, Function)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{source.at(node)}: {node.name} has {lines} lines, allowed are {FUNCTION_LINES_MAX}: divide it"


def files_are_short(source: Source, _: Package) -> Iterator[str]:
    """No file is longer than 600 lines."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{source.path}: {lines} lines, allowed are {FILE_LINES_MAX}: find the second subject in it"


def public_names_have_docstrings(source: Source, package: Package) -> Iterator[str]:
    """Every public function, class and method of the package says what it is; an implementation need not repeat it."""
    if not source.below("chaoswal", "models"):
        return
    for node in source.tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{source.at(node)}: {node.name} is public and has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from _undocumented_methods(source, node, package)


def _undocumented_methods(source: Source, owner: ast.ClassDef, package: Package) -> Iterator[str]:
    promised = _methods_of_protocols(package)
    if not _is_protocol(owner):
        promised |= _inherited(owner, _classes(package))
    else:
        promised = frozenset()
    for node in owner.body:
        if not isinstance(node, Function) or node.name.startswith("_") or node.name in promised:
            continue
        if not ast.get_docstring(node):
            yield f"{source.at(node)}: {owner.name}.{node.name} is public and has no docstring"


@cache
def _classes(package: Package) -> dict[str, ast.ClassDef]:
    found = (node for source in package for node in source.tree.body if isinstance(node, ast.ClassDef))
    return {node.name: node for node in found}


def _bases(owner: ast.ClassDef) -> list[str]:
    names = (base.value if isinstance(base, ast.Subscript) else base for base in owner.bases)
    return [ast.unparse(name).rpartition(".")[2] for name in names]


def _is_protocol(owner: ast.ClassDef) -> bool:
    return "Protocol" in _bases(owner)


def _method_names(owner: ast.ClassDef) -> frozenset[str]:
    return frozenset(node.name for node in owner.body if isinstance(node, Function))


@cache
def _methods_of_protocols(package: Package) -> frozenset[str]:
    protocols = (_method_names(owner) for owner in _classes(package).values() if _is_protocol(owner))
    return frozenset[str]().union(*protocols)


def _inherited(owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> frozenset[str]:
    names = frozenset[str]()
    for base in _bases(owner):
        if base in classes and classes[base] is not owner:
            names |= _method_names(classes[base]) | _inherited(classes[base], classes)
    return names


# --- what code may do ---------------------------------------------------------------------------------------------

SPEAKERS = ("chaoswal/cli.py", "chaoswal/commands", "chaoswal/report")
"""Who may write to standard output."""


def only_front_ends_print(source: Source, _: Package) -> Iterator[str]:
    """Standard output belongs to the command line and the reporters."""
    if not source.below("chaoswal", "models") or source.below(*SPEAKERS):
        return
    for node in source.nodes(ast.Call):
        assert isinstance(node, ast.Call)
        called = ast.unparse(node.func)
        if called == "print" or called.startswith("sys.stdout."):
            yield f"{source.at(node)}: {called}: send a notice, and let a reporter write it"


DETERMINISTIC = (
    "chaoswal/check.py",
    "chaoswal/disk",
    "chaoswal/lint",
    "chaoswal/ops.py",
    "chaoswal/oracle",
    "chaoswal/program.py",
    "chaoswal/run.py",
    "chaoswal/shrink.py",
    "chaoswal/trace.py",
    "chaoswal/vfs",
    "chaoswal/wal",
    "chaoswal/workload.py",
    "models",
)
REAL = ("chaoswal/vfs/runtime.py", "chaoswal/vfs/real.py")
"""The two modules that are the machine's own clock, chance and files."""

CHANCE = re.compile(r"^(time\.\w+|random\.(?!Random\b)\w+|os\.urandom|secrets\.\w+|uuid\.uuid\w+|datetime\.\w*now)$")


def time_and_chance_are_arguments(source: Source, _: Package) -> Iterator[str]:
    """The same seed gives the same events: no clock and no chance but what was handed in."""
    if not source.below(*DETERMINISTIC) or source.below(*REAL):
        return
    for node in source.nodes(ast.Attribute, ast.ImportFrom, ast.Call):
        for used in _uses(node):
            if CHANCE.match(used):
                yield f"{source.at(node)}: {used}: take the clock, or a seeded random.Random, as an argument"


def _uses(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "random.Random" and not node.args:
        return ["random.seedless"]
    return [ast.unparse(node)] if isinstance(node, ast.Attribute) else []


def _imports(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in source.nodes(ast.Import, ast.ImportFrom):
        if isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def _is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def models_stand_alone(source: Source, _: Package) -> Iterator[str]:
    """A reference model uses the standard library and nothing else, least of all what it judges."""
    if not source.below("models"):
        return
    for node, name in _imports(source):
        if name.partition(".")[0] not in sys.stdlib_module_names and not _is_in(name, "chaoswal.models"):
            yield f"{source.at(node)}: a model imports {name}: the oracle must share no code with what it judges"


WAL_MAY_IMPORT = ("chaoswal.wal", "chaoswal.vfs.protocol", "chaoswal.vfs.runtime")


def the_log_sees_protocols_only(source: Source, _: Package) -> Iterator[str]:
    """The log engine is one somebody could use: of chaoswal it knows only the protocols it runs on."""
    if not source.below("chaoswal/wal"):
        return
    for node, name in _imports(source):
        if name.startswith("chaoswal.") and not any(_is_in(name, may) for may in WAL_MAY_IMPORT):
            yield f"{source.at(node)}: the log imports {name}; allowed are {', '.join(WAL_MAY_IMPORT)}"


def exceptions_are_not_swallowed(source: Source, _: Package) -> Iterator[str]:
    """An exception that is passed over has a comment that says why."""
    for node in source.nodes(ast.ExceptHandler):
        assert isinstance(node, ast.ExceptHandler)
        silent = all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if silent and source.comment_lines.isdisjoint(lines):
            yield f"{source.at(node)}: an exception is swallowed: say in a comment inside the handler why that is right"


PYTHON_RULES: tuple[Rule, ...] = (
    opens_with_a_docstring,
    functions_are_short,
    files_are_short,
    public_names_have_docstrings,
    only_front_ends_print,
    time_and_chance_are_arguments,
    models_stand_alone,
    the_log_sees_protocols_only,
    exceptions_are_not_swallowed,
)


# --- what text may say --------------------------------------------------------------------------------------------

# A bracket in each pattern keeps this file from being found by it.
UNWANTED = {
    "a path of one machine": r"(?<![\w.])/(?:wor[k]|roo[t]|hom[e]/\w+|opt/pyp[i])/",
    "an issue number of this project (cite others as `Project #12`)": (
        r"(?i)\b(?:fix(?:es|ed)?|close[sd]?|resolve[sd]?|refs?|see|issue|ticke[t]|pr) [#]\d+"
    ),
    "the address of a package registry": (
        r"(?i)(?:index-ur[l]|pythonhoste[d]\.|pypi\.or[g]/simple|registry\.npmj[s]|de[b]\.debian|proxy\.golan[g])"
    ),
    "a word about how the text was made": r"(?i)\b(?:ai assistan[t]|language mode[l]|coding agen[t])\b",
}


def speaks_of_itself_alone(source: Source, _: Package) -> Iterator[str]:
    """No tracked text names a machine, a registry, an issue of this project, or how it was written."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for what, pattern in UNWANTED.items():
            if found := re.search(pattern, line):
                yield f"{source.path}:{number}: {found.group()!r} is {what}: leave it out"


TEXT_RULES: tuple[Rule, ...] = (speaks_of_itself_alone,)


# --- the map ------------------------------------------------------------------------------------------------------


def modules_of(paths: Iterable[str]) -> set[str]:
    """The modules of the package as docs/map.md names them, packages' own files left out."""
    kept = (path for path in paths if path.endswith(".py") and not path.endswith("__init__.py"))
    return {path.removeprefix("chaoswal/") for path in kept if path.startswith(("chaoswal/", "models/"))}


def map_complaints(text: str, modules: set[str]) -> list[str]:
    """Where the map and the package differ."""
    listed = set(re.findall(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`", text))
    missing = [f"docs/map.md does not list `{name}`: put it on the map" for name in sorted(modules - listed)]
    stale = [f"docs/map.md lists `{name}`, which is not there: take it off" for name in sorted(listed - modules)]
    return missing + stale
