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
FITS = ahead(BLOCK, 1) // (OVERHEAD + FULL * 180_000)


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


def wanted(_task_id, _effect):
    return True


def taken(packer):
    found = packer.take(wanted)
    return None if found is None else (found[0], [each.facts.index for each in found[1]])


def test_a_transaction_takes_what_fits_in_the_order_of_the_deal(packer):
    fill(packer, 1, FULL + 3)
    assert taken(packer) == (SendInitialize, list(range(FULL)))
    assert taken(packer) == (SendInitialize, [FULL, FULL + 1, FULL + 2])
    assert taken(packer) is None


def test_deals_are_served_in_turn_and_never_mixed(packer):
    fill(packer, 1, 10 * FULL)
    fill(packer, 2, 1)
    deals = [packer.take(wanted)[1][0].facts.deal_id for _ in range(4)]
    one, two = (DealId(number.to_bytes(32, "big")) for number in (1, 2))
    assert deals == [one, two, one, one]


def test_no_more_are_under_way_than_the_next_block_has_room_for(packer):
    fill(packer, 1, 100 * FULL)
    for _ in range(FITS):
        assert len(packer.take(wanted)[1]) == FULL
    assert packer.take(wanted) is None
    packer.ended(SendInitialize, FULL)
    assert len(packer.take(wanted)[1]) == FULL


def test_what_is_no_longer_wanted_takes_no_room(packer):
    fill(packer, 1, 100 * FULL)
    assert packer.take(lambda _task_id, _effect: False) is None
    fill(packer, 1, FULL)
    assert taken(packer) == (SendInitialize, list(range(FULL)))


def test_many_small_deals_are_put_on_chain_at_once(packer):
    for deal in range(1, 31):
        fill(packer, deal, 1)
    assert [taken(packer) for _ in range(30)] == [(SendInitialize, [0])] * 30


def test_claims_do_not_wait_for_initializations_that_cannot_be_paid(packer):
    fill(packer, 1, 100 * FULL)
    while packer.take(wanted) is not None:
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
    assert len(packer.take(wanted)[1]) in range(2 * FULL - 1, 2 * FULL + 2)


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
    packer.take(wanted)
    assert Visited.count <= FULL + 1
