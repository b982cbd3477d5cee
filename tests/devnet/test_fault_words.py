"""Faults in words: as a person types them, and as they are kept and shown."""

from __future__ import annotations

import json

import pytest

from poolhand.devnet.faults.kinds import (
    FAULT_KINDS,
    BadFault,
    DearGas,
    Down,
    DropTransactions,
    Lag,
    LoseAnswers,
    Partition,
    Reorg,
    TooManyRequests,
    dump,
    identity,
    load,
    read,
    usage,
    words,
)

EXAMPLES = [
    Partition("worker-1", "pool", silent=True),
    Lag(4, "pool"),
    TooManyRequests(3, 2),
    DropTransactions(2, "workers"),
    LoseAnswers("eth_call", 3),
    DearGas(7),
    Down("pool", "freeze"),
    FAULT_KINDS["full-disk"]("worker-1"),
    Reorg(5, lose=True),
]


@pytest.mark.parametrize("fault", EXAMPLES, ids=words)
def test_a_fault_is_read_as_it_is_written(fault):
    name, *typed = words(fault).split()
    assert read(name, typed) == fault
    assert load(json.loads(json.dumps(dump(fault)))) == fault


def test_there_is_an_example_of_every_kind():
    assert {type(each) for each in EXAMPLES} == set(FAULT_KINDS.values())


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("no-such", "choose from partition, lag"),
        ("partition worker-1", "needs SERVICE"),
        ("partition worker-1 moon", "no line to cut"),
        ("partition worker-1 pool true more", "is too much"),
        ("lag 0", "a whole number from 1"),
        ("lag depth=3", "has no 'depth'"),
        ("down pool how=gently", "kill or term or freeze"),
        ("reorg 49", "1 to 48 blocks"),
        ("reorg 1 lose=perhaps", "true or false"),
    ],
)
def test_words_that_fit_no_fault_are_refused_with_what_would(typed, sentence):
    name, *rest = typed.split()
    with pytest.raises(BadFault, match=sentence):
        read(name, rest)


def test_a_second_partition_of_the_same_two_replaces_the_first():
    loud, silent = Partition("pool", "node"), Partition("pool", "node", silent=True)
    assert identity(loud) == identity(silent)
    assert identity(loud) != identity(Partition("results", "node"))
    assert identity(Lag(1)) == identity(Lag(2))


def test_how_a_fault_is_typed_is_shown():
    assert usage(Partition) == "partition CALLER SERVICE [silent=false]"
