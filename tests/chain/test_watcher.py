"""Following a real node through everything that happens to blocks and connections."""

from __future__ import annotations

from collections import Counter

import pytest
from aiohttp import web
from following import market_on
from proxies import http_proxy, tcp_line

from poolhand.chain import connect
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import EventKind, Initialize
from poolhand.domain.units import BlockNumber

pytestmark = pytest.mark.chain


async def next_block(chain) -> BlockNumber:
    return BlockNumber((await chain.hub.head()).number + 1)


async def seen(events, kind: EventKind, count: int = 1) -> None:
    """Wait until so many events of a kind were told."""
    await events.until(
        lambda told: sum(each.kind is kind and not each.removed for each in told) >= count
    )


async def test_events_taken_back_are_told_as_removed_and_then_anew(anvil, following):
    async with connect(anvil.settings()) as chain:
        market = await market_on(anvil, chain)
        world = market.world
        deal = await market.deal(tasks=2)
        events = following(chain.watcher.events(market.pool, await next_block(chain)))
        await world.send(world.owner, Initialize(((deal.deal_id, deal.bot_first),)))
        snapshot = await anvil.rpc("evm_snapshot")
        await world.send(world.owner, Initialize(((deal.deal_id, deal.bot_first + 1),)))
        await seen(events, EventKind.TASK_INITIALIZE, 2)
        first, second = events

        await anvil.rpc("evm_revert", snapshot)
        await anvil.advance(100)
        await seen(events, EventKind.TASK_INITIALIZE, 3)
        assert [(event.task_id, event.removed) for event in events] == [
            (first.task_id, False),
            (second.task_id, False),
            (second.task_id, True),
            (second.task_id, False),
        ]
        gone, again = events[2:]
        assert gone.block_hash == second.block_hash != again.block_hash
        views = await chain.hub.tasks({second.task_id: ()})
        assert views[second.task_id].status.name == "ACTIVE"


async def test_a_deep_reorganisation_is_followed_to_its_fork(anvil, following):
    async with connect(anvil.settings()) as chain:
        market = await market_on(anvil, chain)
        world = market.world
        deal = await market.deal(tasks=3)
        events = following(chain.watcher.events(market.pool, await next_block(chain)))
        for index in range(3):
            await world.send(world.owner, Initialize(((deal.deal_id, index),)))
            await anvil.rpc("anvil_mine", "0x5")
        await seen(events, EventKind.TASK_INITIALIZE, 3)
        told = list(events)
        await anvil.turn_back(14)
        await anvil.mine_again(2)
        await seen(events, EventKind.TASK_INITIALIZE, 5)
        taken_back = [event.task_id for event in events if event.removed]
        assert taken_back == [told[2].task_id, told[1].task_id]
        state = Counter()
        for event in events:
            state[event.task_id] += -1 if event.removed else 1
        assert set(state.values()) == {1}


async def test_an_event_is_told_once_it_is_confirmed(anvil, following):
    async with connect(anvil.settings()) as first:
        market = await market_on(anvil, first)
        deal = await market.deal()
        start = await next_block(first)
        async with connect(anvil.settings(confirmations=3)) as chain:
            patient = following(chain.watcher.events(market.pool, start))
            hasty = following(first.watcher.events(market.pool, start))
            heads = following(chain.watcher.heads())
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, 0),)))
            await seen(hasty, EventKind.TASK_INITIALIZE)
            for number in (start, start + 1):
                await heads.until(lambda told, n=number: told and told[-1].number >= n)
                assert patient == []
                await anvil.rpc("evm_mine")
            await seen(patient, EventKind.TASK_INITIALIZE)
            assert patient == hasty


@pytest.mark.parametrize("transport", ["ws", "http"])
async def test_old_events_are_told_first_and_everybody_hears_the_same(anvil, following, transport):
    url = anvil.ws_url if transport == "ws" else anvil.url
    async with connect(anvil.settings()) as before:
        market = await market_on(anvil, before)
        deal = await market.deal(tasks=3)
        await market.world.send(market.world.owner, Initialize(((deal.deal_id, 0),)))
        await anvil.rpc("anvil_mine", hex(150))
        async with connect(anvil.settings(url)) as chain:
            one = following(chain.watcher.events(market.pool, BlockNumber(0)))
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, 1),)))
            await seen(one, EventKind.TASK_INITIALIZE, 2)
            two = following(chain.watcher.events(market.pool, BlockNumber(0)))
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, 2),)))
            for events in (one, two):
                await seen(events, EventKind.TASK_INITIALIZE, 3)
            kinds = [EventKind.SCHEDULER_NOTICE, *[EventKind.TASK_INITIALIZE] * 3]
            assert [event.kind for event in one] == kinds
            assert one == two


async def test_deals_of_another_pool_are_not_told(anvil, following):
    async with connect(anvil.settings()) as chain:
        market = await market_on(anvil, chain)
        start = await next_block(chain)
        other = following(chain.watcher.events(market.app, start))
        every = following(chain.watcher.events(None, start))
        await market.task()
        await seen(other, EventKind.TASK_INITIALIZE)
        await seen(every, EventKind.TASK_INITIALIZE)
        assert [event.kind for event in other] == [EventKind.TASK_INITIALIZE]
        kinds = [event.kind for event in every]
        assert kinds == [EventKind.SCHEDULER_NOTICE, EventKind.TASK_INITIALIZE]
        assert every[0].worker == market.pool


async def test_a_broken_connection_loses_no_event(anvil, following):
    async with (
        connect(anvil.settings()) as direct,
        tcp_line(anvil.anvil.port) as line,
        connect(anvil.settings(line.url)) as chain,
    ):
        market = await market_on(anvil, direct)
        deal = await market.deal(tasks=3)
        events = following(chain.watcher.events(market.pool, await next_block(direct)))
        for index in range(3):
            line.cut()
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, index),)))
        await seen(events, EventKind.TASK_INITIALIZE, 3)
        assert len({event.task_id for event in events}) == len(events) == 3


async def test_heads_never_go_back(anvil, following):
    async with connect(anvil.settings()) as chain:
        heads = following(chain.watcher.heads())
        start = (await chain.hub.head()).number
        await anvil.rpc("anvil_mine", "0x3")
        await anvil.rpc("anvil_reorg", 2, [])
        await anvil.rpc("anvil_mine", "0x2")

        await heads.until(lambda told: told and told[-1].number >= start + 5)
        numbers = [head.number for head in heads]
        assert numbers == sorted(set(numbers))


async def test_a_lagging_endpoint_takes_nothing_back(anvil, following):
    async with (
        http_proxy(anvil.url) as late,
        connect(anvil.settings()) as direct,
        http_proxy(anvil.url) as good,
        connect(anvil.settings(good.url, late.url)) as chain,
    ):
        market = await market_on(anvil, direct)
        start = await next_block(direct)
        late.frozen_at = start - 1
        events = following(chain.watcher.events(market.pool, start))
        heads = following(chain.watcher.heads())
        await market.task()
        await seen(events, EventKind.TASK_INITIALIZE)
        good.fault = lambda: web.Response(status=503)
        await late.asked(5)
        good.fault = None
        await market.task()
        await seen(events, EventKind.TASK_INITIALIZE, 2)
        assert not any(event.removed for event in events)
        assert [head.number for head in heads] == sorted({head.number for head in heads})


async def test_new_blocks_are_told_without_polling(anvil, following):
    async with connect(anvil.settings(poll_seconds=3600)) as chain:
        heads = following(chain.watcher.heads())
        await heads.until(len)
        for _ in range(3):
            before = len(heads)
            await anvil.rpc("evm_mine")
            await heads.until(lambda told, n=before: len(told) > n)


async def test_who_follows_is_told_of_the_end(anvil):
    async with connect(anvil.settings()) as chain:
        heads = chain.watcher.heads()
        await anext(heads)
    with pytest.raises(ChainUnreachable):
        await anext(heads)


async def test_logs_of_a_wide_range_are_read_in_chunks_that_the_node_takes(anvil):
    async with (
        connect(anvil.settings()) as direct,
        http_proxy(anvil.url) as proxy,
        connect(anvil.settings(proxy.url)) as chain,
    ):
        market = await market_on(anvil, direct)
        first = await market.deal()
        await anvil.rpc("anvil_mine", hex(40))
        second = await market.deal()
        proxy.widest_logs = 7
        last = (await chain.hub.head()).number
        found = await chain.hub.deals_of(market.pool, BlockNumber(0), last)
        assert [event.deal_id for event in found] == [first.deal_id, second.deal_id]
        proxy.widest_logs = 0
        with pytest.raises(ChainUnreachable):
            await chain.hub.deals_of(market.pool, BlockNumber(0), last)
