"""Calls that mark tests, read from the tests' source without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


class StrayClaim(Exception):
    """A mark that belongs to no test: nobody would check it."""


def marked(folder: Path, mark: str) -> Iterator[tuple[ast.Call, str]]:
    """Yield every call ``mark(…)`` that decorates a test below a folder, and the test's place.

    A mark may also stand on one parameter of a test, ``pytest.param(…, marks=mark(…), id="x")``;
    its place then ends in ``[x]``. Places begin with ``tests/``.

    Raises:
        StrayClaim: One stands elsewhere than in a decorator of a test.
    """
    root = next(each.parent for each in (folder, *folder.parents) if each.name == "tests")
    for file in sorted(folder.rglob("test_*.py")):
        yield from _marked_in(file, file.relative_to(root).as_posix(), mark)


def text(call: ast.Call, keyword: str) -> str:
    """Return a keyword argument that is a literal; empty if there is none."""
    values = (each.value for each in call.keywords if each.arg == keyword)
    return next((str(v.value) for v in values if isinstance(v, ast.Constant)), "")


def _marked_in(file: Path, place: str, mark: str) -> Iterator[tuple[ast.Call, str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    read = 0
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            for call, suffix in _marks(node.decorator_list, mark):
                read += 1
                yield call, f"{place}::{node.name}{suffix}"
    if read != sum(_is(node, mark) for node in ast.walk(tree)):
        raise StrayClaim(f"{place} has a {mark}(…) that decorates no test")


def _marks(decorators: Iterable[ast.expr], mark: str) -> Iterator[tuple[ast.Call, str]]:
    """Yield marks of a test, and of its parameters with their ids in brackets."""
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and _is(decorator, mark):
            yield decorator, ""
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and _name(node) == "param":
                inner = (each.value for each in node.keywords if each.arg == "marks")
                for call in (found for marks in inner for found in ast.walk(marks)):
                    if isinstance(call, ast.Call) and _is(call, mark):
                        yield call, f"[{text(node, 'id')}]"


def _is(node: ast.AST, mark: str) -> bool:
    return isinstance(node, ast.Call) and _name(node) == mark


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
