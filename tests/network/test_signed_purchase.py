"""A purchase that is only signed: in one block with its task's beginning, and once, whoever dies."""

from __future__ import annotations

import pytest

from network.laws import check_laws
from network.test_crashes import end, settle
from network.world import SimulatedNetwork
from poolhand.domain.errors import PoolhandError
from poolhand.domain.onchain import ChainTaskStatus, ContributeAndFinalize, Finalize, Initialize
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.signed_purchase import deal_of
from poolhand.wire.messages import OfferTask


async def hand_in(world, orders):
    """Hand in as a client does that asks again: what hinders it now may be over in a block."""
    try:
        await world.pool.scheduler.purchases.hand_in(orders, "somewhere")
    except PoolhandError:
        return


async def play(folder, at, *, quick=True, tasks=1):
    """Buy by signature alone, with the pool killed at points ``at``, until everything is done."""
    world = SimulatedNetwork(folder, 1, slots=2, quick=quick)
    world.chain.drain(world.requester.address)
    world.pool.fuse.at = frozenset(at)
    world.total = world.chain.total_nrlc()
    for each in (world.pool, *world.nodes):
        each.start()
    await settle(world)
    orders = world.orders(1, tasks)
    name = deal_of(orders, world.chain.domain)
    for _ in range(200):
        await settle(world)
        if world.deals and world.is_done():
            break
        if not world.deals and world.pool.is_open:
            world.pool.tasks.create_task(hand_in(world, orders))
            await settle(world)
        world.clock.advance(1)
        world.chain.mine()
        if not world.deals and name in world.chain.state.deals:
            world.deals.append(world.chain.state.deals[name])
    assert world.is_done(), f"killed at {at}: {world.pool.fuse.trace[-1]}\n{world.story()}"
    check_laws(world)
    await world.stop()
    return world


def block_of(world, kind):
    (found,) = [each for each in world.chain.mined() if isinstance(each.sent.call, kind)]
    assert found.refusal is None
    return found


@pytest.mark.parametrize(("quick", "last", "blocks"), [
    (True, ContributeAndFinalize, 1),
    (False, Finalize, 3),
])  # fmt: skip
async def test_the_task_begins_in_the_block_of_its_deal_and_the_requester_needs_no_coin(
    tmp_path, quick, last, blocks
):
    world = await play(tmp_path, (), quick=quick)
    match, first = block_of(world, MatchOrders), block_of(world, Initialize)
    assert match.sent.sender == first.sent.sender == world.owner.address
    assert match.receipt.block == first.receipt.block
    assert block_of(world, last).receipt.block == match.receipt.block + blocks
    ((_, task),) = world.deals[0].tasks()
    assert world.view(task).status is ChainTaskStatus.COMPLETED
    assert world.pool.scheduler.gas_budget.spent == 0  # nothing is paid where gas is free


@pytest.mark.parametrize("tasks", [1, 3])
async def test_a_pool_killed_at_any_point_of_it_buys_and_begins_once(tmp_path, tasks):
    """From the hand-over to the first offer, of a bag to its end: the rest is as with any deal."""
    undisturbed = await play(tmp_path / "0", (), tasks=tasks)
    wanted, points = end(undisturbed), list(undisturbed.pool.fuse.trace)
    first = points.index("before post")
    last = points.index(f"after telling {OfferTask.__name__}" if tasks == 1 else "after post")
    assert {"broadcast MatchOrders", "broadcast Initialize", "after post"} < {
        *points[first : last + 1]
    }
    for number in range(first, last + 1):
        world = await play(tmp_path / str(number), [number + 1], tasks=tasks)
        assert not world.refused(), points[number]
        assert sum(isinstance(call, MatchOrders) for call in world.calls()) == 1
        begun = [each for call in world.calls() if type(call) is Initialize for each in call.tasks]
        assert sorted(begun) == [(world.deals[0].deal_id, index) for index in range(tasks)]
        if tasks == 1:
            assert end(world) == wanted, f"killed at {points[number]} ({number})"
