"""What a replicate has at stake, as the chain has it."""

from __future__ import annotations

import pytest
from scripted_pool import ScriptedPool

from poolhand.domain.onchain import Claim
from poolhand.domain.replicate.machine import Flow
from poolhand.worker.stakes import ReplicateStake
from poolhand.worker.status import left_behind


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path, quick=False)
    await made.opens()
    await made.greets()
    yield made
    await made.world.stop()


def shown(pool, task):
    (found,) = [each for each in pool.shown()["replicates"] if each["task_id"] == str(task)]
    return found


async def test_before_a_contribution_nothing_is_at_stake(pool):
    task = await pool.offered(active=False)
    assert pool.member.chain_watch.stake(task) == ReplicateStake()
    assert left_behind(pool.member)["reveals_owed"] == 0


async def test_a_contribution_locks_what_the_deal_says_until_the_final_deadline(pool):
    task = await pool.contributed(trust=10)
    await pool.blocks(1)
    view, (deal,) = pool.chain.state.view(task), pool.world.deals
    stake = pool.member.chain_watch.stake(task)
    assert stake.locked == deal.worker_stake == pool.chain.state.locked_of(pool.node.address)
    assert stake.unlocks_at == view.final_deadline
    assert (stake.reveal_owed, stake.reveal_by) == (True, None)  # no consensus yet
    row = shown(pool, task)
    assert (row["stake_locked_nrlc"], row["unlocks_at"]) == (stake.locked, stake.unlocks_at)


async def test_a_consensus_gives_the_reveal_a_date_and_the_reveal_takes_it_away(pool):
    pool.chain.before_send = None
    task = await pool.contributed(trust=1)
    pool.member.chain_watch.look_at_all()
    await pool.world.settle()
    view = pool.chain.state.view(task)
    assert pool.member.chain_watch.stake(task).reveal_by == view.reveal_deadline
    assert left_behind(pool.member)["restart_before"].endswith("UTC")
    await pool.blocks(2)
    pool.member.chain_watch.look_at_all()
    await pool.world.settle()
    stake = pool.member.chain_watch.stake(task)
    assert (stake.reveal_owed, stake.reveal_by) == (False, None)
    assert stake.locked  # until the task is finalized
    pool.finalize(task)
    await pool.blocks(2)
    assert pool.member.chain_watch.stake(task) == ReplicateStake()


async def test_a_claimed_task_frees_the_stake(pool):
    task = await pool.contributed(trust=10)
    await pool.blocks(1, seconds=3000)
    pool.chain.submit(pool.owner.address, Claim((task,)))
    await pool.blocks(2)
    assert pool.member.chain_watch.stake(task) == ReplicateStake()


async def test_a_settlement_at_once_locks_nothing(pool):
    deal = await pool.world.deal(settle=False)
    await pool.says(pool.offer(deal, Flow.CONTRIBUTE_AND_FINALIZE))
    pool.initialize(deal)
    await pool.blocks(1)
    (_, task) = next(deal.tasks())
    assert pool.member.chain_watch.stake(task).locked == 0


async def test_what_is_forgotten_is_forgotten_here_too(pool):
    task = await pool.contributed(trust=1)
    await pool.blocks(2)
    pool.finalize(task)
    await pool.blocks(2)
    await pool.acknowledges(task)
    await pool.offered(trust=10)
    await pool.blocks(11)
    assert task not in pool.member.chain_watch._stakes


async def test_what_tasks_that_are_held_will_still_lock_is_known_once_the_chain_was_read(pool):
    watch = pool.member.chain_watch
    assert watch.stake_needed() == 0
    task = await pool.offered(trust=10, active=False)
    (deal,) = pool.world.deals
    assert watch.stake_needed() in (None, deal.worker_stake)
    await pool.world.settle()
    assert watch.stake_needed() == deal.worker_stake
    pool.initialize(deal)
    await pool.blocks(12)
    assert pool.chain.state.locked_of(pool.node.address) == deal.worker_stake
    watch.look(task)
    await pool.world.settle()
    assert watch.stake_needed() == 0, "it is locked, and no longer free"
