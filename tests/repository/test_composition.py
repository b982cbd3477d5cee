"""An object is whole when it is made: nobody assigns to its attributes afterwards (ADR 0032)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "poolhand"
APPS = ("scheduler", "worker", "results", "requester")
RECORD = "a record that its one owner keeps, not a part that is joined"
FOREIGN = "the standard library's object is filled in this way"
ALLOWED = {
    ("scheduler/placement.py", "self._planner.can_initialize"): (1, "the pool's gas, told anew"),
    ("worker/archive.py", "entry.compress_type"): (1, FOREIGN),
    ("worker/archive.py", "entry.create_system"): (1, FOREIGN),
    ("worker/archive.py", "entry.external_attr"): (1, FOREIGN),
    ("worker/archive.py", "entry.file_size"): (1, FOREIGN),
    ("worker/deposit.py", "told.is_mined"): (1, "the cause of another refusal is kept"),
    ("worker/pool_member.py", "self.standing.idle"): (2, RECORD),
    ("worker/pool_member.py", "self.standing.offers.accepted"): (1, RECORD),
    ("worker/pool_member.py", "self.standing.offers.seen"): (1, RECORD),
    ("worker/stages/contribute.py", "verdict.is_mined"): (
        1,
        "the cause of another refusal is kept",
    ),
}
"""Attributes of others that are assigned to all the same: how often, and why."""


def assigned(tree: ast.AST) -> Iterator[str]:
    """Yield what is assigned to, of objects that are not one's own: ``self.a.b``, ``c.d``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) not in ("self", "cls"):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
            yield ast.unparse(node)


def found() -> Counter[tuple[str, str]]:
    return Counter(
        (str(file.relative_to(PACKAGE)), name)
        for app in APPS
        for file in sorted((PACKAGE / app).rglob("*.py"))
        for name in assigned(ast.parse(file.read_text(encoding="utf-8")))
    )


def test_no_object_of_an_app_gets_an_attribute_from_outside():
    allowed = Counter({key: count for key, (count, _) in ALLOWED.items()})
    assert found() == allowed, "pass it where the object is made, or connect to a Signal"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("engine.changed = self._changed", ["engine.changed"]),
        ("self.a.b, self.c = 1, 2", ["self.a.b"]),
        ("feed.passed: object = wake", ["feed.passed"]),
        ("setattr(member, 'link', client)", ["setattr(member, 'link', client)"]),
        ("self.own = 1", []),
    ],
)
def test_a_late_assignment_is_found(line, named):
    assert list(assigned(ast.parse(line))) == named
