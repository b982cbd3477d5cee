"""What PoCo does, told to the fake chain and to the real contracts: both must agree.

Amounts are those of the specification's worked example (section 16): pool 100 RLC, app 3,
dataset 5, scheduler's share 5 %, worker stake 35 %.
"""

from __future__ import annotations

import pytest
from hub_world import RIGHT, RLC, WRONG

from poolhand.chain.errors import (
    NotAlone,
    NotClaimable,
    NotFinalizable,
    NotReopenable,
    NotRevealable,
)
from poolhand.domain.errors import (
    AlreadyContributed,
    DeadlineReached,
)
from poolhand.domain.hashes import result_hash
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Claim,
    ContributionStatus,
    EventKind,
    Initialize,
    Reopen,
)
from poolhand.domain.units import BlockNumber

# ------------------------------------------------------------------------------------ the good days


async def test_two_workers_agree_and_everybody_is_paid(market):
    world = market.world
    first, second = world.workers[:2]
    before = {wallet: await world.stake(wallet) for wallet in world.wallets}
    task = await market.task(trust=4, dataset=True)

    await market.contribute(first, task, RIGHT)
    assert (await market.view(task)).status is ChainTaskStatus.ACTIVE
    await market.contribute(second, task, RIGHT)
    view = await market.view(task, first)
    assert view.status is ChainTaskStatus.REVEALING
    assert (view.winner_counter, view.reveal_counter) == (2, 0)
    assert view.consensus == result_hash(task, RIGHT)
    assert view.contributions[first.address].log_weight == 1
    assert view.reveal_deadline == view.block_time + 2 * view.time_ref

    await market.reveal(first, task, RIGHT)
    await market.reveal(second, task, RIGHT)
    await market.finalize(task)
    view = await market.view(task, first, second)
    assert view.status is ChainTaskStatus.COMPLETED
    assert (view.results, view.digest) == (b"link", RIGHT)
    assert view.contributors == (first.address, second.address)
    assert {seen.status for seen in view.contributions.values()} == {ContributionStatus.PROVED}

    gains = {wallet: (await world.stake(wallet))[0] - before[wallet][0] for wallet in world.wallets}
    assert gains[world.requester] == -108 * RLC
    assert gains[first] == gains[second] == 47_500_000_000
    kitty = await world.hub.kitty()
    assert kitty == 0
    assert gains[world.owner] == 8 * RLC + 5 * RLC
    scores = await world.hub.scores([first.address, second.address])
    assert min(scores.values()) >= 1


async def test_a_lone_worker_gains_no_score(market):
    world, worker = market.world, market.world.workers[0]
    before = (await world.hub.scores([worker.address]))[worker.address]
    task = await market.task()
    await market.contribute(worker, task, RIGHT)
    assert (await world.stake(worker))[1] == 35 * RLC
    await market.reveal(worker, task, RIGHT)
    await market.finalize(task)
    assert (await world.stake(worker))[1] == 0
    assert (await world.hub.scores([worker.address]))[worker.address] == before


async def test_contribute_and_finalize_ends_a_task_at_once(market):
    world, worker = market.world, market.world.workers[0]
    before = await world.stake(worker)
    task = await market.task()
    await world.send(worker, market.both(worker, task, RIGHT))
    view = await market.view(task, worker)
    assert view.status is ChainTaskStatus.COMPLETED
    assert (view.winner_counter, view.reveal_counter) == (1, 1)
    assert view.contributions[worker.address].status is ContributionStatus.PROVED
    assert view.contributions[worker.address].log_weight == 0
    stake, locked = await world.stake(worker)
    assert (stake - before[0], locked) == (95 * RLC, 0)
    kinds = [event.kind for event in await world.hub.task_events(task, BlockNumber(0))]
    assert kinds == [
        EventKind.TASK_INITIALIZE,
        EventKind.TASK_CONTRIBUTE,
        EventKind.TASK_CONSENSUS,
        EventKind.TASK_REVEAL,
        EventKind.TASK_FINALIZE,
    ]


# ------------------------------------------------------------------------------------- the bad days


async def test_a_wrong_worker_pays_the_right_ones(market):
    """One wrong of four: R = 135, three workers get 42.75 each, the scheduler 6.75."""
    world = market.world
    liar, *honest = world.workers[:4]
    before = {wallet: (await world.stake(wallet))[0] for wallet in world.wallets}
    task = await market.task(trust=3, dataset=True)
    await market.contribute(liar, task, WRONG)
    for worker in honest:
        await market.contribute(worker, task, RIGHT)
    with pytest.raises(NotRevealable):
        await market.reveal(liar, task, WRONG)
    for worker in honest:
        await market.reveal(worker, task, RIGHT)
    await market.finalize(task)
    gains = {wallet: (await world.stake(wallet))[0] - before[wallet] for wallet in world.wallets}
    assert gains[liar] == -35 * RLC
    assert [gains[worker] for worker in honest] == [42_750_000_000] * 3
    assert gains[world.owner] == 8 * RLC + 6_750_000_000
    view = await market.view(task, liar)
    assert view.contributions[liar.address].status is ContributionStatus.CONTRIBUTED


async def test_a_silent_winner_is_slashed_after_the_reveal_deadline(market):
    world = market.world
    speaks, silent = world.workers[:2]
    before = (await world.stake(silent))[0]
    task = await market.task(trust=4)
    for worker in (speaks, silent):
        await market.contribute(worker, task, RIGHT)
    await market.reveal(speaks, task, RIGHT)
    with pytest.raises(NotFinalizable):
        await market.finalize(task)
    await world.deadline((await market.view(task)).reveal_deadline)
    with pytest.raises(DeadlineReached):
        await market.reveal(silent, task, RIGHT)
    await market.finalize(task)
    assert (await world.stake(silent))[0] - before == -35 * RLC


async def test_a_task_nobody_reveals_is_reopened_and_done_by_others(market):
    world = market.world
    silent, worker = world.workers[:2]
    task = await market.task()
    await market.contribute(silent, task, WRONG)
    with pytest.raises(NotReopenable):
        await world.send(world.owner, Reopen(task))
    await world.deadline((await market.view(task)).reveal_deadline)
    await world.send(world.owner, Reopen(task))
    view = await market.view(task, silent)
    assert view.status is ChainTaskStatus.ACTIVE
    assert view.contributions[silent.address].status is ContributionStatus.REJECTED
    assert (view.reveal_deadline, view.winner_counter, view.consensus) == (0, 0, bytes(32))
    with pytest.raises(AlreadyContributed):
        await market.contribute(silent, task, RIGHT)
    with pytest.raises(NotAlone):
        await world.send(worker, market.both(worker, task, RIGHT))
    await market.contribute(worker, task, WRONG)
    await market.reveal(worker, task, WRONG)
    before = (await world.stake(silent))[1]
    await market.finalize(task)
    assert (await world.stake(silent))[1] - before == -35 * RLC


async def test_a_task_out_of_time_is_claimed_and_feeds_the_kitty(market):
    world, worker = market.world, market.world.workers[0]
    before = {wallet: await world.stake(wallet) for wallet in world.wallets}
    kitty = await world.hub.kitty()
    deal = await market.deal(trust=4, tasks=2)
    tasks = tuple(name for _, name in deal.tasks())
    await world.send(
        world.owner, Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    )
    await market.contribute(worker, tasks[0], RIGHT)
    with pytest.raises(NotClaimable):
        await world.send(world.requester, Claim(tasks))
    view = await market.view(tasks[0])
    await world.deadline(view.contribution_deadline)
    with pytest.raises(DeadlineReached):
        await market.contribute(world.workers[1], tasks[0], RIGHT)
    await world.deadline(view.final_deadline)
    await world.send(world.requester, Claim(tasks))
    assert (await market.view(tasks[1])).status is ChainTaskStatus.FAILED
    assert await world.stake(worker) == before[worker]
    assert await world.stake(world.requester) == before[world.requester]
    assert await world.hub.kitty() - kitty == 60 * RLC
    stake, locked = before[world.owner]
    assert await world.stake(world.owner) == (stake - 60 * RLC, locked)
    with pytest.raises(NotClaimable):
        await world.send(world.requester, Claim(tasks[:1]))

    lucky = await market.task()
    await market.contribute(worker, lucky, RIGHT)
    await market.reveal(worker, lucky, RIGHT)
    await market.finalize(lucky)
    assert await world.hub.kitty() == kitty + 60 * RLC - max((kitty + 60 * RLC) // 10, RLC)
