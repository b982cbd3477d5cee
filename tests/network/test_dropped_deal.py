"""What becomes of a deal that a re-organisation drops: waited for, given up, and taken up again."""

from __future__ import annotations

import pytest

from poolhand.domain.onchain import ChainTaskStatus, Initialize, MatchOrders
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Flow
from poolhand.domain.task.rules import FORGOTTEN
from poolhand.domain.task.status import TaskStatus
from poolhand.scheduler.chain_feed import REWIND

STANDARD, QUICK = Flow.STANDARD, Flow.CONTRIBUTE_AND_FINALIZE


async def dropped(network, *, flow=QUICK, workers=1, computing=False):
    """Return a network whose only deal is on no chain any more, its task and its transaction.

    Its worker is still computing, or has its contribution on the way.
    """
    world = await network(workers=workers, quick=flow is QUICK)
    await world.start()
    for node in world.nodes if computing else ():
        node.runtime.gate.clear()
    for _ in range(3):
        await world.step()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    await world.step()
    assert world.task(name).attempts
    depth = world.chain.head.number - world.task(name).facts.noticed_in + 1
    again, world.bought = world.bought, []
    world.reorg(depth, forget=True)
    await world.settle()
    for _ in range(depth):
        await world.step()
    assert deal.deal_id not in world.chain.state.deals
    return world, name, again


def sends(world, kind):
    """Count the calls that anybody sent, mined or not."""
    return sum(
        len(sent) for (_, call), sent in world.witness.sent.items() if isinstance(call, kind)
    )


@pytest.mark.parametrize("flow", [QUICK, STANDARD])
async def test_a_deal_that_is_dropped_for_good_frees_its_worker_and_costs_nothing(network, flow):
    world, name, _ = await dropped(network, flow=flow, computing=True)
    (node,) = world.nodes
    before, stake = sends(world, Initialize), world.stake(node)
    for _ in range(FORGOTTEN // 10 - 2):
        await world.step(10)
    assert world.task(name).status is not TaskStatus.FAILED
    assert node.computing() == 1
    for _ in range(4):
        await world.step(10)
    assert world.task(name).status is TaskStatus.FAILED
    assert world.status(name, node) is Status.FAILED
    assert node.computing() == 0
    assert not list(node.folder.glob("*"))
    assert sends(world, Initialize) == before
    assert world.stake(node) == stake
    assert not list(world.pool.scheduler.engine.open_tasks())


@pytest.mark.parametrize("flow", [QUICK, STANDARD])
async def test_who_has_contributed_keeps_its_result_as_long_as_the_deal_may_come_back(
    network, flow
):
    """Whoever kept the contribution may bring it in again, and then it must be revealed."""
    world, name, _ = await dropped(network, flow=flow)
    (node,) = world.nodes
    deadline, stake = world.task(name).facts.contribution_deadline, world.stake(node)
    for _ in range(FORGOTTEN // 10 + 2):
        await world.step(10)
    assert world.task(name).status is TaskStatus.FAILED
    assert world.status(name, node) is Status.CONTRIBUTING
    assert node.folder.joinpath(str(name)).exists()
    await world.pass_to(deadline)
    for _ in range(12):
        await world.step()
    assert world.status(name, node) is Status.FAILED
    log = world.task(name).attempt(node.address).log
    assert log[-2].status is Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    assert not list(node.folder.glob("*"))
    assert world.stake(node) == stake
    assert not list(world.pool.scheduler.engine.open_tasks())


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("flow", [QUICK, STANDARD])
async def test_a_deal_that_comes_back_in_time_is_served_by_who_was_at_it(network, flow, restarted):
    world, name, again = await dropped(network, flow=flow)
    first = world.task(name).facts
    if restarted:
        await world.pool.kill()
        world.pool.start()
        await world.settle()
    for _ in range(6):
        await world.step(10)
    assert not world.task(name).attempt(world.nodes[0].address).is_over
    world.bought = again
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    facts = world.task(name).facts
    assert facts.final_deadline > first.final_deadline + 60
    assert world.task(name).gone_since is None
    assert len(world.task(name).attempts) == 1


async def test_a_deal_that_comes_back_after_it_was_given_up_is_served_by_another(network):
    world, name, again = await dropped(network, workers=2, computing=True)
    (first,) = [attempt.worker for attempt in world.task(name).attempts]
    for _ in range(FORGOTTEN // 10 + 3):
        await world.step(10)
    assert world.task(name).status is TaskStatus.FAILED
    world.bought = again
    for node in world.nodes:
        node.runtime.gate.set()
    await world.until(lambda: world.task(name).status is TaskStatus.COMPLETED, seconds=10)
    await world.done()
    second = world.task(name).attempts[-1]
    assert second.worker != first
    assert second.status is Status.COMPLETED
    assert world.task(name).attempt(first).status is Status.FAILED


async def test_a_deal_that_was_dropped_while_the_pool_was_down_is_found_missing(network):
    world = await network(workers=1)
    await world.start()
    for _ in range(3):
        await world.step()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    again, world.bought = world.bought, []
    await world.pool.kill()
    depth = world.chain.head.number - world.chain.outcome(again[0]).receipt.block + 1
    world.reorg(depth, forget=True)
    for _ in range(depth):
        await world.step()
    world.pool.start()
    await world.settle()
    assert world.task(name).gone_since is not None
    world.bought = again
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert sum(isinstance(call, MatchOrders) for call in world.calls()) == 1
    await world.done()


async def test_a_node_that_does_not_know_a_deal_at_a_restart_is_asked_again(network):
    """It lags far behind; the deal was there all the time, and nothing tells of it once more."""
    world = await network(workers=1, slots=2)
    (node,) = world.nodes
    node.runtime.gate.clear()
    await world.start()
    ((_, name),) = (await world.deal()).tasks()
    for _ in range(2 * REWIND):
        await world.step()
    await world.deal()
    await world.pool.kill()
    world.pool.reach.lag = 3 * REWIND
    world.pool.start()
    await world.settle()
    assert world.task(name).gone_since is not None
    world.pool.reach.lag = 0
    node.runtime.gate.set()
    await world.done()
    assert world.view(name).status is ChainTaskStatus.COMPLETED
    assert world.task(name).gone_since is None
