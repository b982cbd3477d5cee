"""Which test reaches which replicate status: read from the tests' source, without running them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.replicate.status import Status

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests" / "e2e"
PAGE: Final = ROOT / "docs" / "statuses-tested.md"
CLAIM: Final = "reaches"
HEAD: Final = """# Statuses and the tests that reach them

<!-- Made by `make docs` from the tests' source; do not edit. -->

Every replicate status is provoked on the real contracts with real containers. A test claims what
it reaches with `@reaches`, and fails when no history that it was told has that status
(`tests/e2e/reaching.py`). What each status means: [statuses.md](statuses.md).

"""


@dataclass(frozen=True, order=True, slots=True)
class Claim:
    """One status that one test provokes; ``how`` is empty where there is one way only."""

    status: Status
    how: str
    place: str


class StrayClaim(Exception):
    """A claim that belongs to no test: nobody would check it."""


def claims(folder: Path = TESTS) -> tuple[Claim, ...]:
    """Read every claim of the tests below a folder.

    Raises:
        StrayClaim: One stands elsewhere than in a decorator of a test.
    """
    return tuple(
        claim
        for file in sorted(folder.rglob("test_*.py"))
        for claim in _claims_of(file, folder.parent.parent)
    )


def _claims_of(file: Path, root: Path) -> Iterator[Claim]:
    place = file.relative_to(root).as_posix()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    read = 0
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            for call, suffix in _marks(node.decorator_list):
                read += 1
                yield from _claimed(call, f"{place}::{node.name}{suffix}")
    if read != sum(_is_claim(node) for node in ast.walk(tree)):
        raise StrayClaim(f"{place} has a {CLAIM}(…) that decorates no test")


def _marks(decorators: Iterable[ast.expr]) -> Iterator[tuple[ast.Call, str]]:
    """Yield claims of a test, and of its parameters with their ids in brackets."""
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and _is_claim(decorator):
            yield decorator, ""
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and _name(node) == "param":
                inner = (each.value for each in node.keywords if each.arg == "marks")
                for call in (found for marks in inner for found in ast.walk(marks)):
                    if isinstance(call, ast.Call) and _is_claim(call):
                        yield call, f"[{_text(node, 'id')}]"


def _claimed(call: ast.Call, place: str) -> Iterator[Claim]:
    how = _text(call, "how")
    for argument in call.args:
        if not isinstance(argument, ast.Attribute):
            raise StrayClaim(f"{place} claims what is no Status.NAME")
        yield Claim(Status[argument.attr], how, place)


def _text(call: ast.Call, keyword: str) -> str:
    values = (each.value for each in call.keywords if each.arg == keyword)
    return next((str(v.value) for v in values if isinstance(v, ast.Constant)), "")


def _is_claim(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node) == CLAIM


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def page() -> str:
    """Return docs/statuses-tested.md."""
    found: defaultdict[Status, list[Claim]] = defaultdict(list)
    for claim in claims():
        found[claim.status].append(claim)
    rows = ["| status | how | test |", "| --- | --- | --- |"]
    for status in Status:
        for number, claim in enumerate(found[status] or [Claim(status, "**no test**", "")]):
            shown = "" if number else f"`{status}`"
            rows.append(f"| {shown} | {claim.how} | {_shown(claim.place)} |")
    return HEAD + "\n".join(rows) + "\n"


def _shown(place: str) -> str:
    path, _, test = place.partition("::")
    return f"[`{Path(path).name}::{test}`](../{path})" if test else ""
