"""Errors: one tree, five parties, codes that never mean two things."""

import asyncio
import importlib
import pkgutil

import pytest

import poolhand.domain
import poolhand.wire
from poolhand.domain.errors import (
    BadAmount,
    Bug,
    ChainUnreachable,
    EndsProgram,
    IllegalTransition,
    PeerFault,
    PoolhandError,
    Raced,
    Refused,
    Reverted,
    StakeTooLow,
    TaskNotActive,
    Unavailable,
    ends_program,
)

PARTIES = {
    Refused: (2, 400),
    PeerFault: (3, 400),
    Unavailable: (4, 503),
    Raced: (5, 409),
    Bug: (70, 500),
}


def pure_modules():
    for package in (poolhand.domain, poolhand.wire):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(found.name)


def all_errors(kind=PoolhandError):
    for child in kind.__subclasses__():
        yield child
        yield from all_errors(child)


def is_pure(kind):
    return kind.__module__.startswith(("poolhand.domain.", "poolhand.wire."))


pure_modules()
LEAVES = sorted(
    {kind for kind in all_errors() if is_pure(kind)} - {*PARTIES, Reverted, EndsProgram},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("party", PARTIES)
def test_exit_codes_and_http_statuses_say_who_must_act(party):
    assert (party.exit_code, party.http_status) == PARTIES[party]


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_every_error_belongs_to_one_party(leaf):
    (party,) = [party for party in PARTIES if issubclass(leaf, party)]
    assert leaf.exit_code == party.exit_code


def test_codes_are_unique():
    names = [leaf.__name__ for leaf in LEAVES]
    assert len(names) == len(set(names))
    assert len(names) > 20


def test_codes_are_names_in_kebab_case():
    assert BadAmount("x").code == "bad-amount"
    assert StakeTooLow("").code == "stake-too-low"
    assert IllegalTransition("A", "B").code == "illegal-transition"


def test_a_revert_is_caught_by_what_it_is_and_by_who_must_act():
    assert isinstance(StakeTooLow(""), Reverted)
    assert isinstance(StakeTooLow(""), Refused)
    assert isinstance(TaskNotActive(""), Raced)
    assert not isinstance(ChainUnreachable(""), Reverted)


def test_a_refused_move_names_both_ends():
    assert str(IllegalTransition("COMPUTED", "REVEALED")) == "REVEALED cannot follow COMPUTED"


class LostLock(EndsProgram, Unavailable):
    """A leaf of this test."""


@pytest.mark.parametrize(
    "fault",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        LostLock("gone"),
        ExceptionGroup("several", [ValueError(), LostLock("gone")]),
        BaseExceptionGroup("nested", [ExceptionGroup("in", [OSError()]), KeyboardInterrupt()]),
    ],
)
def test_what_is_the_programs_ends_the_program(fault):
    assert ends_program(fault)


@pytest.mark.parametrize(
    "fault",
    [
        Bug("an invariant"),
        Refused("no"),
        ChainUnreachable("away"),
        AssertionError(),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"),
        RecursionError(),
        MemoryError(),
        ExceptionGroup("several", [ValueError(), Bug("x")]),
    ],
)
def test_whatever_else_one_task_raises_is_that_tasks(fault):
    assert not ends_program(fault)
