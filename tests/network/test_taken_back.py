"""What becomes of a worker's work and stake when the chain takes a block back, or the pool dies."""

from __future__ import annotations

import pytest

from network.world import RLC
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import ChainTaskStatus, Claim, Contribute, ContributionStatus, Reveal
from poolhand.domain.replicate.status import Status
from poolhand.ports.files import UploadRefused

S = Status
STAKE, T, GRACE = 10_000 * RLC, 300, 300


async def bought(network, *, trust=1, workers=1, gas_price=0):
    world = await network(workers=workers, quick=False, gas_price=gas_price)
    await world.start()
    deal = await world.deal(trust=trust)
    ((_, name),) = deal.tasks()
    return world, name


def own(world, name, node):
    return world.chain.state.contribution(name, node.address)


def held(node, name):
    return node.member.shell.replicates[name]


def path(node, name):
    return [entry.status for entry in held(node, name).history]


def count(world, kind):
    return sum(isinstance(call, kind) for call in world.calls())


async def contributed(network, **terms):
    """Return a network whose task of trust 10 has the contributions of two workers out of four."""
    world, name = await bought(network, trust=10, workers=2, **terms)
    await world.until(lambda: len(world.view(name).contributors) == 2)
    await world.step()
    return world, name


@pytest.mark.parametrize("fate", ["lost", "waiting"])
async def test_a_contribution_that_the_chain_took_back_is_seen_and_put_there_again(network, fate):
    world, name = await contributed(network)
    depth = world.chain.head.number - world.view_block(name, Contribute) + 1
    world.reorg(depth, forget=fate == "lost")
    await world.settle()
    assert world.view(name).status is ChainTaskStatus.ACTIVE
    assert all(own(world, name, node) is None for node in world.nodes)
    for node in world.nodes:
        assert path(node, name)[-2:] == [S.CONTRIBUTED, S.CONTRIBUTING]
        assert held(node, name).history[-1].detail == "the chain took it back"
    await world.step()
    await world.step()
    assert all(path(node, name)[-1] is S.CONTRIBUTED for node in world.nodes)
    assert all(own(world, name, node) is not None for node in world.nodes)
    assert count(world, Contribute) == 2
    assert [world.status(name, node) for node in world.nodes] == [S.CONTRIBUTED] * 2
    await world.done(steps=20, seconds=T)


@pytest.mark.parametrize("fate", ["lost", "waiting"])
async def test_a_reveal_that_the_chain_took_back_is_made_again_and_the_task_completed(
    network, fate
):
    world, name = await bought(network)
    (node,) = world.nodes
    world.results.faults[node.address] = UploadRefused("not yet")
    await world.until(lambda: own(world, name, node) and proved(world, name, node))
    await world.step()
    depth = world.chain.head.number - world.view_block(name, Reveal) + 1
    world.reorg(depth, forget=fate == "lost")
    await world.settle()
    assert not proved(world, name, node)
    await world.until(lambda: proved(world, name, node), steps=4)
    told = path(node, name)
    again = told.index(S.REVEALED)
    assert S.REVEALING in told[again:]
    world.results.faults.clear()
    await world.done(steps=200)
    assert world.view(name).status is ChainTaskStatus.COMPLETED
    assert count(world, Reveal) == 1
    assert world.stake(node) > STAKE


def proved(world, name, node):
    return own(world, name, node).status is ContributionStatus.PROVED


async def test_a_completed_task_that_the_chain_took_back_costs_nobody_its_stake(network):
    """Found by a simulated life: a reveal mined before the consensus is refused, and forgotten.

    Lost transactions are sent again by each program in its own order, so the first worker's reveal
    comes before the contributions of the others; its replicate is over, its files are gone.
    """
    world, name = await bought(network, trust=5, workers=3)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    await world.step()
    assert all(held(node, name).cleaned for node in world.nodes)
    depth = world.chain.head.number - world.view_block(name, Contribute) + 1
    world.reorg(depth, forget=True)
    await world.settle()
    await world.step()
    early = {mined.sent.sender for mined in world.refused() if isinstance(mined.sent.call, Reveal)}
    assert early, "the order was kind to everybody"
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    await world.done()
    assert all(world.stake(node) > STAKE for node in world.nodes)
    for node in world.nodes:
        told = [entry.status for entry in world.task(name).attempt(node.address).log]
        assert told.count(S.COMPLETED) == 1


async def test_a_refusal_that_a_reorganisation_turns_into_success_costs_no_stake(network):
    """Its sender must still know the result when the chain lets the contribution in after all."""
    world, name = await bought(network, workers=1)
    (node,) = world.nodes
    await world.until(lambda: any(isinstance(s.call, Contribute) for s in world.chain.pool))
    deadline = world.view(name).contribution_deadline
    await world.pass_to(deadline)
    assert [type(mined.sent.call) for mined in world.refused()] == [Contribute]
    assert path(node, name)[-1] is S.CONTRIBUTING, "the refusal is not yet believed"
    world.reorg(1, include=True, seconds=-10)
    await world.settle()
    await world.until(lambda: world.view(name).status >= ChainTaskStatus.COMPLETED, steps=30)
    assert world.stake(node) >= STAKE


async def test_a_refusal_on_chain_is_believed_when_it_is_deep_enough(network):
    world, name = await bought(network, workers=1)
    (node,) = world.nodes
    await world.until(lambda: any(isinstance(s.call, Contribute) for s in world.chain.pool))
    await world.pass_to(world.view(name).contribution_deadline)
    for _ in range(12):
        await world.step()
    task = world.task(name)
    assert task.attempt(node.address).count(S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE) == 1
    assert task.attempt(node.address).status is S.FAILED


# ------------------------------------------------------------------------------ a pool that is gone


async def test_a_task_that_its_pool_never_initializes_is_let_go_at_the_deadline(network):
    world = await network(workers=1)
    (node,) = world.nodes
    await world.start()
    world.chain.before_send = refuse_initialize
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    await world.pool.kill()
    await world.step()
    assert path(node, name)[-1] in (S.COMPUTED, S.RESULT_UPLOADED)
    assert node.folder.joinpath(str(name)).exists()
    await world.pass_to(deal.start_time + 7 * T)
    await world.step(10)
    assert path(node, name)[-1] is S.ABORTED_ON_CONTRIBUTION_TIMEOUT
    assert not list(node.folder.glob("*"))
    assert node.computing() == 0
    assert world.stake(node) == STAKE


def refuse_initialize(_sender, purpose, _call):
    if purpose.startswith("initialize"):
        raise ChainUnreachable("the pool's node is gone")


async def abandoned(network, **terms):
    """Return a network whose pool died after the contributions of two of four workers."""
    world, name = await contributed(network, **terms)
    await world.pool.kill()
    return world, name


async def test_the_stake_in_a_task_that_no_pool_claims_comes_back_by_its_workers_claim(network):
    world, name = await abandoned(network)
    due = world.view(name).final_deadline + GRACE
    await world.pass_to(due - 10)
    await world.step()
    assert count(world, Claim) == 0
    assert all(world.locked(node) > 0 for node in world.nodes)
    await world.pass_to(due)
    for _ in range(3):
        await world.step(10)
    assert world.view(name).status is ChainTaskStatus.FAILED
    assert count(world, Claim) == 1
    assert all(world.locked(node) == 0 and world.stake(node) == STAKE for node in world.nodes)
    for node in world.nodes:
        assert path(node, name)[-1] is S.FAILED
        assert "claimed" in held(node, name).history[-1].detail
        assert not list(node.folder.glob("*"))
    assert sum(held(node, name).history[-1].tx is not None for node in world.nodes) == 1


async def test_an_operator_may_leave_claims_to_the_pool(network):
    world = await network(workers=1)
    world.nodes[0].claim_grace = None
    await world.start()
    ((_, name),) = (await world.deal(trust=10)).tasks()
    await world.until(lambda: len(world.view(name).contributors) == 1)
    await world.step()
    await world.pool.kill()
    await world.pass_to(world.view(name).final_deadline + 10 * GRACE)
    for _ in range(3):
        await world.step(10)
    assert count(world, Claim) == 0
    world.pool.start()
    await world.settle()
    await world.done()
    assert count(world, Claim) == 1


async def test_a_claim_waits_for_an_empty_wallet_and_for_somebody_elses_claim(network):
    world, name = await abandoned(network, gas_price=1)
    rich, poor = world.nodes
    for node in world.nodes:
        world.chain.drain(node.address)
    await world.pass_to(world.view(name).final_deadline + GRACE)
    await world.step(10)
    assert world.view(name).status is not ChainTaskStatus.FAILED
    world.chain.fund(rich.address, coin=world.gas_money)
    for _ in range(8):
        await world.step(10)
    assert world.view(name).status is ChainTaskStatus.FAILED
    assert [path(node, name)[-1] for node in (rich, poor)] == [S.FAILED, S.FAILED]
    assert held(poor, name).history[-1].tx is None
    assert world.locked(poor) == 0


async def test_a_deal_that_a_reorganisation_moved_below_where_the_pool_stopped_is_not_lost(network):
    """Found by a simulated life: the second deal was not read before the pool was restarted."""
    world = await network(workers=1)
    await world.start()
    for _ in range(3):
        await world.step()
    world.pool.reach.lag = 1  # it reads of a deal one block after it hears of it
    first, second = await world.deal(), await world.deal()
    assert set(world.pool.tasks_known()) == {name for _, name in first.tasks()}
    world.reorg(3, include=True)
    await world.pool.kill()
    world.pool.reach.lag = 0
    world.pool.start()
    await world.settle()
    known = {name for deal in (first, second) for _, name in deal.tasks()}
    assert set(world.pool.tasks_known()) == known
    await world.done()
