"""Whoever asks for orders, and how often: the chain is asked no more than a few times a block."""

from __future__ import annotations

import asyncio

import pytest

from network.world import RLC, T
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import read_hosts
from poolhand.domain.orders.offering import NoWorkerForIt
from poolhand.domain.params import DealParams
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds
from poolhand.scheduler.order_reads import MOST_ANSWERS_OF_A_BLOCK, OrderReads
from poolhand.scheduler.preflight import Asked

OWNER = Address(bytes([1] * 20))


class Slow:
    """A hub that answers when the test lets it, and counts what it was asked."""

    def __init__(self, hub=None):
        self.hub, self.count, self.gate, self.down = hub, 0, asyncio.Event(), False

    def __getattr__(self, name):
        async def read(*args, **more):
            self.count += 1
            await self.gate.wait()
            if self.down:
                raise ChainUnreachable("no endpoint answers")
            return await getattr(self.hub, name)(*args, **more)

        return read


@pytest.fixture
async def shop(pool):
    """A pool with one worker that looks first, over a chain that counts what it is asked."""
    world = await pool(prices={0: NanoRlc(RLC)}, preflight=True)
    await world.hired()
    pricing = world.scheduler.pricing
    pricing._reads._hub = slow = Slow(pricing._reads._hub)
    slow.gate.set()
    return world, pricing, slow


def by(caller, **more):
    return Asked(0, Trust(1), caller=f"192.0.2.{caller}", **more)


async def test_the_chain_is_asked_three_times_a_block_by_however_many(shop):
    world, pricing, slow = shop
    for caller in range(50):
        assert await pricing.order(by(caller))
    assert slow.count == 3, "the pool, its owner's stake, whether the order is used"
    await world.step()
    for caller in range(50):
        assert await pricing.order(by(caller))
    assert slow.count == 6


async def test_what_a_category_takes_is_asked_for_once_where_a_worker_limits_its_time(shop):
    world, pricing, slow = shop
    (worker,) = (known.worker for known in world.scheduler.directory.page(None, 2))
    world.scheduler.directory.agree(worker, Seconds(T), NanoRlc(0))
    for blocks in range(1, 4):
        for caller in range(50):
            assert await pricing.order(by(caller))
        assert slow.count == 3 * blocks + 1
        await world.step()
    world.scheduler.directory.agree(worker, Seconds(T - 1), NanoRlc(0))
    with pytest.raises(NoWorkerForIt):
        await pricing.order(by(1))


async def test_hosts_are_sold_while_a_worker_allows_all_of_them(shop):
    world, pricing, _ = shop
    (worker,) = (known.worker for known in world.scheduler.directory.page(None, 2))
    hosts = read_hosts(["a.example", "b.example:8443"], 2)
    params = DealParams(hosts=hosts).dump()
    for allowed in ((), hosts[:1]):
        world.scheduler.directory.agree(worker, None, NanoRlc(0), allowed)
        with pytest.raises(NoWorkerForIt, match=r"a\.example:443 and b\.example:8443"):
            await pricing.order(by(1, params=params))
        assert await pricing.order(by(1))
    world.scheduler.directory.agree(worker, None, NanoRlc(0), hosts)
    assert await pricing.order(by(1, params=params))


async def test_orders_asked_for_at_once_wait_for_one_answer(shop):
    _, pricing, slow = shop
    slow.gate.clear()
    asked = [asyncio.create_task(pricing.order(by(caller))) for caller in range(20)]
    await asyncio.sleep(0)
    gone = asked.pop(0)
    gone.cancel()
    slow.gate.set()
    orders = await asyncio.gather(*asked)
    assert len(orders) == 19, "one that hung up takes nobody's answer away"
    assert slow.count <= 3


async def test_an_answer_that_did_not_come_is_asked_for_again(shop):
    _, pricing, slow = shop
    slow.down = True
    for _ in range(2):
        with pytest.raises(ChainUnreachable):
            await pricing.order(by(1))
    assert slow.count == 2
    slow.down = False
    assert await pricing.order(by(1))


async def test_a_stake_that_a_block_took_is_seen_with_the_block():
    now, accounts = [UnixSeconds(10)], [3, 2]

    class Hub:
        async def accounts(self, owners):
            return {owner: accounts.pop(0) for owner in owners}

    reads = OrderReads(Hub(), lambda: now[0])
    assert [await reads.account(OWNER) for _ in range(2)] == [3, 3]
    now[0] = UnixSeconds(11)
    assert await reads.account(OWNER) == 2


async def test_while_the_chain_stands_still_the_oldest_answers_are_forgotten():
    asked = []

    class Hub:
        async def accounts(self, owners):
            asked.extend(owners)
            return dict.fromkeys(owners, 1)

    reads = OrderReads(Hub(), lambda: UnixSeconds(10))
    owners = [Address(number.to_bytes(20, "big")) for number in range(3 * MOST_ANSWERS_OF_A_BLOCK)]
    for owner in owners:
        await reads.account(owner)
    assert len(reads._asked) == len(reads._answered) == MOST_ANSWERS_OF_A_BLOCK
    await reads.account(owners[-1])
    await reads.account(owners[-MOST_ANSWERS_OF_A_BLOCK])
    assert asked == owners
    await reads.account(owners[-MOST_ANSWERS_OF_A_BLOCK - 1])
    assert asked == [*owners, owners[-MOST_ANSWERS_OF_A_BLOCK - 1]]
