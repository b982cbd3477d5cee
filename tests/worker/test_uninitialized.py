"""A task whose initialization a re-organisation took back: the worker's work waits for it."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from poolhand.domain.ids import ResultDigest
from poolhand.domain.onchain import ChainTaskStatus, Contribute
from poolhand.domain.replicate.machine import Action, Flow
from poolhand.domain.replicate.status import Status
from poolhand.worker.stages.contribute import MOST_REFUSED

A, S = Action, Status
RIGHT = ResultDigest(sha256(b"the right result").digest())


async def uninitialized(shop, flow=Flow.STANDARD):
    """Return a deal whose task the chain had, and a replicate of it that has computed."""
    deal = await shop.deal()
    replicate = shop.replicate(shop.offer(deal, flow), digest=RIGHT, link="the link")
    shop.initialize(deal)
    shop.chain.reorg(1, forget=True)
    assert shop.chain.state.view(replicate.offer.task_id).status is ChainTaskStatus.UNSET
    return deal, replicate


@pytest.mark.parametrize("flow", Flow)
@pytest.mark.parametrize("action", [A.CHECK, A.CONTRIBUTE])
async def test_a_task_that_is_initialized_anew_is_contributed_to(shop, action, flow):
    deal, replicate = await uninitialized(shop, flow)
    stage = asyncio.create_task(shop.stages.perform(replicate, action))
    await shop.blocks(30)
    assert not stage.done()
    shop.initialize(deal)
    await shop.blocks(2)
    good = {A.CHECK: S.CAN_CONTRIBUTE, A.CONTRIBUTE: S.CONTRIBUTED}
    assert (await stage).outcome is good[action]
    assert not refusals(shop)


async def test_a_task_that_is_never_initialized_again_is_left_at_the_deadline(shop):
    deal, replicate = await uninitialized(shop)
    stage = asyncio.create_task(shop.stages.perform(replicate, A.CONTRIBUTE))
    await shop.blocks(3)
    shop.chain.mine_until(deal.start_time + 2099)
    await shop.settle()
    assert not stage.done()
    shop.chain.mine_until(deal.start_time + 2100)
    await shop.settle()
    finished = await stage
    assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    assert "UNSET" in finished.detail


async def overtaken(shop, deal):
    """Let a contribution be sent in good faith, and mined without the initialization before it."""
    shop.chain.automine = False
    shop.initialize(deal)
    before = shop.chain.head.number
    while not any(isinstance(sent.call, Contribute) for sent in shop.chain.pool):
        await shop.blocks(1)
    shop.chain.reorg(shop.chain.head.number - before, forget=True)
    await shop.blocks(1)


async def test_a_contribution_mined_before_its_initialization_is_sent_again(shop):
    deal = await shop.deal()
    replicate = shop.replicate(shop.offer(deal), digest=RIGHT)
    stage = asyncio.create_task(shop.stages.perform(replicate, A.CONTRIBUTE))
    await overtaken(shop, deal)
    assert len(refusals(shop)) == 1
    assert not stage.done()
    shop.initialize(deal)
    await shop.blocks(4)
    assert (await stage).outcome is S.CONTRIBUTED
    assert len(refusals(shop)) == 1


async def test_a_contribution_that_is_overtaken_again_and_again_is_given_up(shop):
    """Each refusal on chain costs gas."""
    deal = await shop.deal()
    replicate = shop.replicate(shop.offer(deal), digest=RIGHT)
    stage = asyncio.create_task(shop.stages.perform(replicate, A.CONTRIBUTE))
    for _ in range(MOST_REFUSED + 1):
        assert not stage.done()
        await overtaken(shop, deal)
    shop.initialize(deal)
    await shop.blocks(12)
    assert len(refusals(shop)) == MOST_REFUSED + 1
    assert (await stage).outcome is S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE


def refusals(shop):
    return [mined for mined in shop.chain.mined() if mined.refusal is not None]
