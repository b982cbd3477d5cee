"""What concerns the whole program passes every handler that goes on after a fault of one task.

A lost lead, a full journal and a lock that another holds are refusals and outages as well
(``domain/errors.py``), so that the command line tells them apart; whoever asks again after an outage,
or gives one task up after a refusal, must let them through, or a deposed leader goes on.
"""

from __future__ import annotations

import ast

import pytest
from sources import PACKAGE, nodes, trees

PROGRAMS = ("chain", "market", "results", "scheduler", "sms", "store", "transport", "web", "worker")
BROAD = {"Refused", "Unavailable", "PoolhandError"}


def names(kind: ast.expr | None) -> set[str]:
    """What a handler catches."""
    return {each.id for each in ast.walk(kind) if isinstance(each, ast.Name)} if kind else set()


def lets_through(handler: ast.ExceptHandler) -> bool:
    return "EndsProgram" in names(handler.type) and isinstance(handler.body[-1], ast.Raise)


def swallows(tree: ast.Module) -> list[int]:
    """The lines of handlers that keep a fault of the program to themselves."""
    found = []
    for each in nodes(tree):
        if not isinstance(each, ast.Try):
            continue
        passed = False
        for handler in each.handlers:
            passed = passed or lets_through(handler)
            is_broad = bool(names(handler.type) & BROAD)
            if is_broad and not passed and not isinstance(handler.body[-1], ast.Raise):
                found.append(handler.lineno)
    return found


@pytest.mark.parametrize("package", PROGRAMS)
def test_no_handler_keeps_what_ends_the_program(package):
    found = {
        f"{package}/{file}:{line}"
        for file, tree in trees(PACKAGE / package)
        for line in swallows(tree)
    }
    assert not found, 'put "except EndsProgram: raise" before these handlers'


def test_the_rule_finds_a_handler_that_swallows():
    caught = "try:\n    f()\nexcept (Refused, OSError) as fault:\n    tell(fault)\n"
    passed = "try:\n    f()\nexcept EndsProgram:\n    raise\nexcept Refused:\n    pass\n"
    again = "try:\n    f()\nexcept Unavailable as fault:\n    raise Other() from fault\n"
    assert swallows(ast.parse(caught)) == [3]
    assert swallows(ast.parse(passed)) == swallows(ast.parse(again)) == []
