"""The house rules hold everywhere, and each of them can fail."""

import pytest

from tests.house.rules import (
    FILE_LINES_MAX,
    FUNCTION_LINES_MAX,
    PYTHON_RULES,
    ROOT,
    TEXT_RULES,
    Package,
    Rule,
    Source,
    map_complaints,
    modules_of,
    sources,
    tracked_paths,
)

PYTHON_FILES = sources(".py")
TEXT_FILES = sources()


def _report(rule: Rule, files: Package) -> str:
    return "\n".join(complaint for source in files for complaint in rule(source, files))


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_python_files_keep(rule: Rule) -> None:
    assert PYTHON_FILES
    assert not (broken := _report(rule, PYTHON_FILES)), f"{rule.__doc__}\n{broken}"


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.__name__)
def test_text_files_keep(rule: Rule) -> None:
    assert not (broken := _report(rule, TEXT_FILES)), f"{rule.__doc__}\n{broken}"


def test_every_module_is_on_the_map() -> None:
    text = (ROOT / "docs/map.md").read_text(encoding="utf-8")
    assert not (broken := map_complaints(text, modules_of(tracked_paths()))), "\n".join(broken)


def _long_function(lines: int) -> str:
    return '"""Purpose."""\n\n\ndef f():\n' + "    x = 1\n" * (lines - 1)


_DOCUMENTED = 'class B({base}):\n    """A B."""\n    def f(self):\n        """Do f."""\n'
_IMPLEMENTED = 'class A({base}):\n    """An A."""\n    def f(self):\n        pass\n'

BAD: dict[str, list[tuple[str, str]]] = {
    "opens_with_a_docstring": [("chaoswal/a.py", "import os\n"), ("tests/a.py", "")],
    "functions_are_short": [("chaoswal/a.py", _long_function(FUNCTION_LINES_MAX + 1))],
    "files_are_short": [("tests/a.py", "x = 1\n" * (FILE_LINES_MAX + 1))],
    "public_names_have_docstrings": [
        ("chaoswal/a.py", "def f():\n    pass\n"),
        ("models/a.py", "class A:\n    pass\n"),
        ("chaoswal/a.py", 'class A:\n    """An A."""\n    def f(self):\n        pass\n'),
        ("chaoswal/a.py", 'class A(Protocol):\n    """An A."""\n    def f(self): ...\n'),
    ],
    "only_front_ends_print": [
        ("chaoswal/check.py", "print(1)\n"),
        ("chaoswal/wal/log.py", "import sys\nsys.stdout.write('1')\n"),
    ],
    "time_and_chance_are_arguments": [
        ("chaoswal/wal/log.py", "import time\ntime.sleep(1)\n"),
        ("chaoswal/check.py", "from time import monotonic\n"),
        ("chaoswal/oracle/history.py", "import random\nx = random.random()\n"),
        ("chaoswal/disk/disk.py", "import random\nx = random.Random()\n"),
        ("chaoswal/vfs/memory.py", "import os\nx = os.urandom(4)\n"),
    ],
    "models_stand_alone": [
        ("models/log.py", "from chaoswal.errors import ChaoswalError\n"),
        ("models/log.py", "import chaoswal\n"),
        ("models/log.py", "import hypothesis\n"),
    ],
    "the_log_sees_protocols_only": [
        ("chaoswal/wal/log.py", "from chaoswal.vfs.memory import MemoryVfs\n"),
        ("chaoswal/wal/log.py", "import chaoswal.errors\n"),
    ],
    "exceptions_are_not_swallowed": [
        ("chaoswal/a.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
        ("tests/a.py", "for x in y:\n    try:\n        f()\n    except OSError:\n        continue  \n"),
    ],
    "speaks_of_itself_alone": [
        ("docs/a.md", "Look in /wor" + "k/main.\n"),
        ("CHANGELOG.md", "- Fixes #" + "12\n"),
        ("Makefile", "pip install --index-ur" + "l x\n"),
        ("README.md", "Written by an AI assistan" + "t.\n"),
    ],
}

GOOD: dict[str, list[tuple[str, str]]] = {
    "opens_with_a_docstring": [("chaoswal/a.py", '"""Purpose."""\n')],
    "functions_are_short": [("chaoswal/a.py", _long_function(FUNCTION_LINES_MAX))],
    "files_are_short": [("tests/a.py", "x = 1\n" * FILE_LINES_MAX)],
    "public_names_have_docstrings": [
        ("tests/a.py", "def f():\n    pass\n"),
        ("chaoswal/a.py", "def _f():\n    pass\n"),
        ("chaoswal/a.py", _DOCUMENTED.format(base="Protocol") + _IMPLEMENTED.format(base="")),
        ("chaoswal/a.py", _DOCUMENTED.format(base="") + _IMPLEMENTED.format(base="B")),
    ],
    "only_front_ends_print": [("chaoswal/cli.py", "print(1)\n"), ("tests/a.py", "print(1)\n")],
    "time_and_chance_are_arguments": [
        ("chaoswal/vfs/runtime.py", "import time\ntime.sleep(1)\n"),
        ("chaoswal/killloop/loop.py", "import time\ntime.sleep(1)\n"),
        ("chaoswal/check.py", "import random\nx = random.Random(seed)\n"),
    ],
    "models_stand_alone": [("models/log.py", "from chaoswal.models.queue import Queue\nimport bisect\n")],
    "the_log_sees_protocols_only": [
        ("chaoswal/wal/log.py", "from chaoswal.vfs.protocol import Vfs\nfrom chaoswal.wal.frames import Codec\n")
    ],
    "exceptions_are_not_swallowed": [
        ("chaoswal/a.py", "try:\n    f()\nexcept OSError:\n    pass  # it was not there\n"),
        ("chaoswal/a.py", "try:\n    f()\nexcept OSError:\n    g()\n"),
    ],
    "speaks_of_itself_alone": [
        ("docs/a.md", "A known mistake (Quiver #4024); paths like tests/wor" + "k/x are fine.\n"),
    ],
}


@pytest.mark.parametrize("rule", PYTHON_RULES + TEXT_RULES, ids=lambda rule: rule.__name__)
def test_rule_can_fail_and_can_be_kept(rule: Rule) -> None:
    for path, text in BAD[rule.__name__]:
        bad = Source(path, text)
        assert list(rule(bad, (bad,))), f"not found in {path}:\n{text}"
    for path, text in GOOD[rule.__name__]:
        good = Source(path, text)
        assert not list(rule(good, (good,))), f"wrongly found in {path}:\n{text}"


def test_map_complains_both_ways() -> None:
    modules = modules_of(["chaoswal/disk/disk.py", "chaoswal/disk/__init__.py", "models/log.py", "tests/a.py"])
    assert modules == {"disk/disk.py", "models/log.py"}
    assert not map_complaints("`disk/disk.py` and `models/log.py`", modules)
    assert len(map_complaints("`disk/disk.py` and `disk/gone.py`", modules)) == 2
