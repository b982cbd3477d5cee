"""Who boasts, takes and does nothing, or never answers, holds up nobody's task."""

from __future__ import annotations

import pytest

from network.rogues import add_adversary
from network.world import RLC
from poolhand.devnet.adversaries.kinds import TURN_SEEKERS, Kind
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.placement.rules import TAKE_UP, TRIAL_TIME
from poolhand.domain.replicate.status import Status
from poolhand.transport.clock import SeededEntropy

SEEDS = 12
MIXED = tuple(TURN_SEEKERS) * 3
ROUNDS = 3
"""1, 2 and 4 more of eleven have been asked when everybody is: 1 + 2 + 4 + 4."""


async def crowd(network, kinds=(), *, seed=0, workers=2):
    """Return a network of honest workers (the first ones) and adversaries."""
    world = await network(workers=workers)
    world.pool.entropy = SeededEntropy(seed)
    for kind in kinds:
        add_adversary(world, kind)
    await world.start()
    return world


async def join(world, kinds):
    """Let adversaries come to a network that is at work already."""
    for kind in kinds:
        add_adversary(world, kind).start()
    world.total = world.chain.total_nrlc()
    await world.settle()


async def seconds_of(world, *, tasks=1):
    """Buy trust-1 tasks; return how long they take to complete (block time)."""
    begun = world.chain.head.timestamp
    deal = await world.deal(tasks=tasks)
    names = [name for _, name in deal.tasks()]
    await world.until(
        lambda: all(world.view(each).status is ChainTaskStatus.COMPLETED for each in names), 200
    )
    return world.chain.head.timestamp - begun


@pytest.mark.case("A2")
@pytest.mark.parametrize("kinds", [*((kind,) * 9 for kind in TURN_SEEKERS), MIXED])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_nine_hold_up_nobody_where_two_have_settled_tasks(network, kinds, seed):
    world = await crowd(network, seed=seed)
    await seconds_of(world, tasks=2)
    usual = await seconds_of(world)
    await join(world, kinds)
    for _ in range(3):
        assert await seconds_of(world) <= 1.5 * usual, world.story()


@pytest.mark.case("A2")
@pytest.mark.parametrize("kinds", [*((kind,) * 9 for kind in TURN_SEEKERS), MIXED])
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_where_nobody_has_settled_a_task_nine_hold_the_first_one_up_for_a_bound_time(
    network, kinds, seed
):
    alone = await crowd(network)
    usual = await seconds_of(alone)
    world = await crowd(network, kinds, seed=seed)
    wait = TAKE_UP if set(kinds) == {Kind.SILENT} else TRIAL_TIME
    assert await seconds_of(world) <= usual + ROUNDS * wait, world.story()
    for _ in range(2):
        assert await seconds_of(world) <= 1.5 * usual, world.story()


@pytest.mark.case("A2")
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_wallets_without_stake_get_no_trust_1_task(network, seed):
    world = await network(workers=2)
    world.pool.entropy, world._stake = SeededEntropy(seed), 0
    for kind in MIXED:
        add_adversary(world, kind)
    await world.start()
    await seconds_of(world, tasks=5)
    given = {a.worker for name in world.task_ids() for a in world.task(name).attempts}
    assert given == {node.address for node in world.nodes[:2]}


async def test_an_offer_taken_up_after_it_was_handed_on_is_no_fault_and_is_paid_once(network):
    world = await network(workers=2)
    world.pool.entropy = SeededEntropy()
    late, other = world.nodes
    await world.start()
    other.pause("let the other one be first")
    await world.settle()
    world.exchange.session(late).hold()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    assert world.status(name, late) is Status.CREATED
    other.runtime.gate.clear()
    other.pause(None)
    await world.until(lambda: world.status(name, other) is not None)
    assert world.chain.head.timestamp >= deal.start_time + TAKE_UP
    world.exchange.session(late).release()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    other.runtime.gate.set()
    await world.done()
    assert world.status(name, late) is Status.COMPLETED
    assert world.status(name, other) is Status.ABORTED_ON_CONSENSUS_REACHED
    assert world.stake(world.requester) == 100_000 * RLC - world.price_of_a_task
