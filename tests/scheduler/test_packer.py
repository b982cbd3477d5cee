"""Tasks that wait for a transaction of many: packed by gas, deal by deal, and no more than fit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.packing import OVERHEAD, GasPerTask, ahead, room
from poolhand.domain.task.machine import SendClaim, SendInitialize
from poolhand.domain.units import Gas
from poolhand.scheduler.packer import Packer

BLOCK, SHARE = Gas(30_000_000), 0.15
FULL = GasPerTask(Gas(180_000)).tasks(room(BLOCK, SHARE))
AHEAD = ahead(BLOCK, SHARE, 1)


def task(deal: int, index: int):
    name = TaskId(deal.to_bytes(16, "big") + index.to_bytes(16, "big"))
    facts = SimpleNamespace(deal_id=DealId(deal.to_bytes(32, "big")), task_id=name, index=index)
    return SimpleNamespace(facts=facts)


@pytest.fixture
def packer():
    return Packer(SHARE, 1, lambda: SimpleNamespace(gas_limit=BLOCK))


def fill(packer, deal, count, effect=SendInitialize):
    for index in range(count):
        packer.add(effect, task(deal, index))


def taken(packer):
    found = packer.take()
    return None if found is None else (found[0], [each.facts.index for each in found[1]])


def test_a_transaction_takes_what_fits_in_the_order_of_the_deal(packer):
    fill(packer, 1, FULL + 3)
    assert taken(packer) == (SendInitialize, list(range(FULL)))
    assert taken(packer) == (SendInitialize, [FULL, FULL + 1, FULL + 2])
    assert taken(packer) is None


def test_deals_are_served_in_turn_and_never_mixed(packer):
    fill(packer, 1, 10 * FULL)
    fill(packer, 2, 1)
    deals = [packer.take()[1][0].facts.deal_id for _ in range(4)]
    one, two = (DealId(number.to_bytes(32, "big")) for number in (1, 2))
    assert deals == [one, two, one, one]


def test_no_more_are_under_way_than_the_next_blocks_have_room_for(packer):
    fill(packer, 1, 100 * FULL)
    for _ in range(AHEAD):
        assert len(packer.take()[1]) == FULL
    assert packer.take() is None
    packer.ended(SendInitialize)
    assert len(packer.take()[1]) == FULL


def test_claims_do_not_wait_for_initializations_that_cannot_be_paid(packer):
    fill(packer, 1, 100 * FULL)
    while packer.take() is not None:
        pass
    packer.add(SendClaim, task(2, 0))
    assert taken(packer) == (SendClaim, [0])


def test_what_waits_already_waits_once(packer):
    fill(packer, 1, 2)
    fill(packer, 1, 2)
    assert taken(packer) == (SendInitialize, [0, 1])
    assert taken(packer) is None


def test_cheaper_tasks_are_packed_more_at_a_time(packer):
    for _ in range(50):
        packer.learn(SendInitialize, Gas(OVERHEAD + 10 * 90_000), 10)
    fill(packer, 1, 1000)
    assert len(packer.take()[1]) in range(2 * FULL - 1, 2 * FULL + 2)


class Visited(dict):
    """Counts how many of its keys are gone through."""

    count = 0

    def __iter__(self):
        for key in super().__iter__():
            Visited.count += 1
            yield key


@pytest.mark.parametrize("waiting", [100, 1000])
def test_taking_some_goes_through_those_alone(packer, waiting):
    fill(packer, 1, waiting)
    deals = packer._waiting[SendInitialize]
    for deal_id in deals:
        deals[deal_id] = Visited(deals[deal_id])
    Visited.count = 0
    packer.take()
    assert Visited.count <= FULL + 1
