"""Winners that do not reveal: the task goes on without them, and they alone pay for it."""

from __future__ import annotations

import pytest

from network.world import PRICE, SimulatedNetwork
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest
from poolhand.domain.onchain import ChainTaskStatus, Contribute, ContributionStatus, Initialize
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.status import TaskStatus

LIE = ResultDigest(bytes([9] * 32))
T = 300
"""Reference time of the category (seconds)."""
STAKE = 10_000 * 10**9
"""What every worker has (nRLC)."""


def kinds(world):
    return [type(call).__name__ for call in world.calls()]


async def consensus_and_silence(world: SimulatedNetwork, silent, *, trust):
    """Let ``silent`` and nobody else contribute, and die once the chain has their contributions."""
    others = [node for node in world.nodes if node not in silent]
    for node in others:
        node.member.pause("first the silent ones")
    await world.settle()
    deal = await world.deal(trust=trust)
    ((_, name),) = deal.tasks()
    await world.until(lambda: _wait_in_the_pool(world, silent))
    for node in silent:
        await node.kill()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.REVEALING)
    return deal, name, others


def _wait_in_the_pool(world, nodes):
    sent = {each.sender for each in world.chain.pool if type(each.call).__name__ == "Contribute"}
    mined = {each.sent.sender for each in world.chain.mined() if "Contribute" in str(each)}
    return {node.address for node in nodes} <= sent | mined


@pytest.mark.parametrize(("trust", "winners"), [(2, 1), (5, 3)])
async def test_when_no_winner_reveals_others_complete_the_task_and_share_the_stakes(
    network, trust, winners
):
    world = await network(workers=2 * winners, quick=False)
    await world.start()
    silent = world.nodes[:winners]
    deal, name, others = await consensus_and_silence(world, silent, trust=trust)
    for node in others:
        node.member.pause(None)
    await world.pass_to(world.view(name).reveal_deadline - 1)
    assert "Reopen" not in kinds(world)
    assert all(world.status(name, node) is None for node in others), "nobody computes in vain"
    await world.step()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert kinds(world).count("Reopen") == 1
    assert kinds(world)[-1] == "Finalize"
    history = [status for status, _ in world.task(name).history]
    assert history.count(TaskStatus.REOPENING) == 1
    for node in silent:
        assert contribution(world, name, node).status is ContributionStatus.REJECTED
        assert world.stake(node) == STAKE - deal.worker_stake
        node.start()
    paid = sum(world.stake(node) - STAKE for node in others)
    assert paid > PRICE * 98 // 100
    assert world.chain.total_nrlc() == world.total
    await world.done()
    assert {world.status(name, node) for node in others} == {Status.COMPLETED}
    assert {world.status(name, node) for node in silent} == {Status.REVEAL_TIMEOUT}
    assert not world.refused()


async def test_when_some_winners_are_silent_the_task_ends_after_the_reveal_deadline_without_them(
    network,
):
    world = await network(workers=3, quick=False)
    await world.start()
    deal = await world.deal(trust=5)
    ((_, name),) = deal.tasks()
    silent = world.nodes[0]
    await world.until(lambda: _wait_in_the_pool(world, world.nodes))
    await silent.kill()
    await world.until(lambda: world.view(name).reveal_counter == 2)
    await world.pass_to(world.view(name).reveal_deadline - 1)
    assert world.view(name).status is ChainTaskStatus.REVEALING
    assert world.task(name).status is TaskStatus.RESULT_UPLOADED
    await world.step()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED, steps=5)
    assert "Reopen" not in kinds(world)
    assert world.stake(silent) == STAKE - deal.worker_stake
    share = (PRICE + deal.worker_stake) * 98 // 100
    assert sum(world.stake(node) - STAKE for node in world.nodes[1:]) > share
    silent.start()
    await world.done()
    assert world.status(name, silent) is Status.REVEAL_TIMEOUT


async def test_when_nobody_is_left_after_a_reopening_everybody_gets_his_money_back(network):
    world = await network(workers=1, quick=False)
    before = world.stake(world.requester)
    await world.start()
    (silent,) = world.nodes
    deal, name, _ = await consensus_and_silence(world, [silent], trust=2)
    await world.pass_to(world.view(name).reveal_deadline)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.ACTIVE)
    await world.pass_to(deal.start_time + 10 * T)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.FAILED)
    assert kinds(world)[-2:] == ["Reopen", "Claim"]
    assert world.stake(world.requester) == before
    assert (world.stake(silent), world.locked(silent)) == (STAKE, 0)
    silent.start()
    await world.done()


async def test_a_second_round_of_silence_is_reopened_again(network):
    """Each reopening is a transaction of its own, however alike their names are."""
    world = await network(workers=3, quick=False)
    await world.start()
    first, second, third = world.nodes
    _, name, _ = await consensus_and_silence(world, [first], trust=2)
    second.member.pause(None)
    await world.pass_to(world.view(name).reveal_deadline)
    await world.until(lambda: _wait_in_the_pool(world, [second]))
    await second.kill()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.REVEALING)
    third.member.pause(None)
    await world.pass_to(world.view(name).reveal_deadline)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert kinds(world).count("Reopen") == 2
    assert world.status(name, third) is Status.COMPLETED
    assert not world.task(name).refusals


async def test_a_pool_that_dies_while_it_reopens_reopens_once(network):
    world = await network(workers=2, quick=False)
    await world.start()
    silent, other = world.nodes
    _, name, _ = await consensus_and_silence(world, [silent], trust=2)
    other.member.pause(None)
    world.pool.fuse.is_blown = False

    def die(*_):
        world.chain.after_send = None
        world.pool.fuse.blow()

    world.chain.after_send = die
    await world.pass_to(world.view(name).reveal_deadline)
    await world.step()
    assert world.pool.task is None, "it should have died"
    world.pool.start()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert kinds(world).count("Reopen") == 1


def contribution(world, name, node):
    return world.chain.state.contribution(name, node.address)


async def test_a_task_of_trust_1_that_somebody_spoilt_is_completed_the_long_way(network):
    """A contribution that nobody reveals bars ``contributeAndFinalize`` for good."""
    world = await network(workers=1, quick=True)
    spoiler = world._wallet()
    world.chain.fund(spoiler.address, stake=STAKE)
    await world.start()
    (node,) = world.nodes
    node.member.pause("first the spoiler")
    deal = await world.deal(trust=1)
    ((index, name),) = deal.tasks()
    world.chain.submit(world.owner.address, Initialize(((deal.deal_id, index),)))
    await world.step()
    signed = world.owner.sign_authorization(spoiler.address, name, ZERO_ADDRESS)
    seal = result_seal(spoiler.address, name, LIE)
    world.chain.submit(spoiler.address, Contribute(name, result_hash(name, LIE), seal, signed))
    await world.step()
    assert world.view(name).status is ChainTaskStatus.REVEALING
    node.member.pause(None)
    await world.pass_to(world.view(name).reveal_deadline)
    await world.done()
    assert world.view(name).status is ChainTaskStatus.COMPLETED
    assert kinds(world)[-4:] == ["Reopen", "Contribute", "Reveal", "Finalize"]
    assert world.status(name, node) is Status.COMPLETED
