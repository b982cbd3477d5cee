"""What source text names of our packages is there, in strings, pages and scripts, too.

A program that a test or a bench gives to another interpreter is text to every tool: a name that
was changed stays in it until it is run.
"""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from sources import ROOT, nodes, parsed

PLACES = (
    "README.md", "apps", "bench", "chaos", "docker", "docs", "hostile", "scripts", "src", "tests",
)  # fmt: skip
KINDS = {".md", ".py", ".sh", ".ps1", ".toml", ".yml", ".yaml", ""}
PAST = {"tests/golden/make_pool_database.py", "tests/repository/test_named_modules.py"}
"""Run on an older revision, which it names; and this file, whose examples are not there."""
NAME = r"[A-Za-z_]\w*"
MODULE = rf"(?:poolhand|bench|chaos)(?:\.{NAME})*"
SEVERAL = rf"\([^()]*\)|{NAME}(?: as {NAME})?(?:, {NAME}(?: as {NAME})?)*"
TAKEN = re.compile(rf"\bfrom ({MODULE}) import ({SEVERAL})")
WHOLE = re.compile(rf"(?:-m |^import |[\"';] ?import )({MODULE})", re.MULTILINE)


@cache
def members(module):
    """Return what can be imported from a module; None: there is no such module."""
    path = (ROOT / "src" if module.startswith("poolhand") else ROOT).joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return None
    found = {each.stem for each in path.iterdir()} if path.is_dir() else set()
    for node in nodes(parsed(file)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
            case ast.Import() | ast.ImportFrom():
                found.update(each.asname or each.name for each in node.names)
    return found


def missing(text):
    """Return what a text names that is not there."""
    found = [name for name in WHOLE.findall(text) if members(name) is None]
    for module, several in TAKEN.findall(text):
        words = re.sub(r"#.*", "", several).replace("\\n", " ").strip("()").split(",")
        names = {word.split(" as ")[0].strip() for word in words} - {""}
        gone = names if members(module) is None else names - members(module)
        found += [f"{module}.{name}" for name in sorted(gone)]
    return found


def texts():
    for place in PLACES:
        for file in sorted((ROOT / place).rglob("*")) or [ROOT / place]:
            name = file.relative_to(ROOT).as_posix()
            if file.is_file() and file.suffix in KINDS and name not in PAST:
                yield name, file.read_text(encoding="utf-8", errors="replace")


def test_whatever_is_named_of_our_packages_is_there():
    found = {name: missing(text) for name, text in texts()}
    assert {name: gone for name, gone in found.items() if gone} == {}


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("from poolhand.worker.life import Life, NOTICE", ["poolhand.worker.life.NOTICE"]),
        ('X = """\nfrom poolhand.worker.life import (\n    Life,\n    Gone,\n)\n"""',
         ["poolhand.worker.life.Gone"]),
        ('"-c", "import sys; from poolhand.gone import x"', ["poolhand.gone.x"]),
        ("python -m poolhand.worker.gone", ["poolhand.worker.gone"]),
        ("python -m poolhand.worker.main", []),
        ("from poolhand.worker import life as alive", []),
    ],
)  # fmt: skip
def test_a_name_that_was_changed_would_be_found(text, gone):
    assert missing(text) == gone
