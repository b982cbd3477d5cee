"""Whoever publishes requests costs a matcher no gas for nothing, and keeps it from nobody else."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from test_matcher import HELPER, ask, deals, stall

from market_stall import RIVAL, SELLER
from poolhand.domain.market.requests import MatchQuota
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.keys.wallet import Wallet
from poolhand.market.matcher import Matcher
from poolhand.transport.clock import ManualClock
from requester_market import RLC

__all__ = ["stall"]
CROWD = [Wallet.from_key(bytes([n] * 32)) for n in range(20, 26)]


def matcher(stall, clock=None, at_once: int = 50) -> Matcher:
    chain, quota = stall.world.chain, MatchQuota(100, Seconds(60))
    sender = chain.sender(HELPER)
    return Matcher(chain.hub, stall.client, sender, quota, clock or ManualClock(), at_once=at_once)


async def reverted(stall, running: Matcher) -> list:
    """Look once while blocks wait until all is sent; returns what failed on chain."""
    chain = stall.world.chain
    chain.automine, before = False, chain.head.number
    looking = asyncio.create_task(running.round())
    while not looking.done():
        await asyncio.sleep(0)
        if chain.pool:
            await asyncio.wait([looking], timeout=0.05)
            chain.mine()
    assert not looking.exception()
    chain.automine = True
    blocks = chain._blocks[before + 1 :]
    return [each.refusal for block in blocks for each in block.mined if each.refusal]


async def test_requests_of_one_stake_are_not_all_sent_into_one_block(stall):
    """Each could be paid alone: but for the first, all would fail at the matcher's cost."""
    await stall.sell_pool(RLC)
    stall.world.chain.fund(CROWD[0].address, stake=RLC)
    for _ in range(4):
        await ask(stall, price=RLC, by=CROWD[0])
    await ask(stall)
    assert await reverted(stall, matcher(stall)) == []
    assert len(deals(stall)) == 2


async def test_orders_of_one_pool_owners_stake_are_not_all_sent_into_one_block(stall):
    """Each order alone is covered: its owner could let all but the first fail."""
    stall.world.chain.state.stake[RIVAL.address] = NanoRlc(0)
    stall.world.chain.fund(RIVAL.address, stake=3 * RLC)
    for _ in range(3):
        await stall.sell_pool(10 * RLC, by=RIVAL, volume=1)
    for wallet in CROWD[:3]:
        stall.world.chain.fund(wallet.address, stake=10 * RLC)
        await ask(stall, price=10 * RLC, by=wallet)
    assert await reverted(stall, matcher(stall)) == []
    assert len(deals(stall)) == 1


async def test_dear_requests_that_nothing_fits_keep_no_cheaper_one_from_being_looked_at(stall):
    await stall.sell_pool(RLC)
    stall.world.chain.fund(SELLER.address, stake=9 * RLC)
    for _ in range(25):
        await ask(stall, price=9 * RLC, by=SELLER, category=1)
    await ask(stall, price=RLC)
    clock = ManualClock()
    running, matched = matcher(stall, clock, at_once=10), 0
    for _ in range(4):  # of three pages the first is looked at every other time
        matched += await running.round()
        clock.advance(1)
    assert matched == 1


@pytest.mark.parametrize("size", [30, 60])
async def test_a_round_looks_at_so_many_however_many_are_open(stall, size):
    for wallet in CROWD:
        stall.world.chain.fund(wallet.address, stake=RLC)
    for number in range(size):
        await ask(stall, price=RLC, by=CROWD[number % len(CROWD)], category=1)
    asked = []

    async def count(request):
        asked.append(request.url.path)

    stall.world.http.event_hooks["request"] = [count]
    await matcher(stall, at_once=10).round()
    assert asked.count("/workerpoolorders") <= 10
    assert asked.count("/requestorders") == 1


async def test_what_was_found_is_matched_though_the_market_answers_no_more(stall):
    """A market has a limit for each client: a round that reaches it is not in vain."""
    await stall.sell_pool(RLC, volume=5)
    for wallet in CROWD[:3]:
        stall.world.chain.fund(wallet.address, stake=RLC)
        await ask(stall, price=RLC, by=wallet)
    looks = []

    async def limited(request):
        looks.append(request.url.path)
        if looks.count("/workerpoolorders") > 2:
            raise httpx.ReadError("the limit is reached")

    stall.world.http.event_hooks["request"] = [limited]
    assert await matcher(stall).round() == 2
    stall.world.http.event_hooks["request"] = []
