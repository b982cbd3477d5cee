"""The repository's Python files as syntax trees, each parsed once for all tests that look at it."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "src"
PACKAGE: Final = SRC / "poolhand"
TESTS: Final = ROOT / "tests"


@cache
def files(folder: Path) -> tuple[Path, ...]:
    """Return the Python files in a folder and below it, in order."""
    return tuple(sorted(folder.rglob("*.py")))


@cache
def parsed(file: Path) -> ast.Module:
    """Return a file's tree; nobody may change it.

    It stays to the end, so that no collection of garbage need look at it: with all the trees there
    are, they would look for longer than it takes to parse.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    gc.freeze()
    return tree


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a tree, as ``ast.walk`` yields them."""
    return tuple(ast.walk(tree))


def called(call: ast.Call) -> str:
    """Return the last name of what is called: ``b`` of ``a.b()``, an empty one of ``a()()``."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def trees(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield the path, below the folder, and the tree of every Python file in it."""
    for file in files(folder):
        yield file.relative_to(folder).as_posix(), parsed(file)
