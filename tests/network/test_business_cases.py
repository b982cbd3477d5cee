"""Business cases of a whole network, simulated: what becomes of tasks, stakes and pay."""

from __future__ import annotations

from network.world import APP_PRICE, PRICE, fails, writes
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.status import TaskStatus
from poolhand.ports.files import UploadRefused

T = 300
"""Reference time of the category (seconds)."""


def kinds(world):
    return [type(call).__name__ for call in world.calls()][3:]


async def test_a_task_of_trust_1_is_finished_by_its_worker_in_one_transaction(network):
    world = await network(workers=1)
    await world.start()
    await world.deal()
    await world.done()
    (task,) = world.pool.tasks_known().values()
    assert task.status is TaskStatus.COMPLETED
    assert kinds(world) == ["Initialize", "ContributeAndFinalize"]
    assert [a.status for a in task.attempts] == [Status.COMPLETED]


async def test_a_task_of_trust_1_can_be_settled_in_the_standard_way(network):
    world = await network(workers=1, quick=False)
    (worker,) = world.nodes
    before = world.stake(worker), world.stake(world.owner), world.stake(world.requester)
    await world.start()
    await world.deal()
    await world.done()
    assert kinds(world) == ["Initialize", "Contribute", "Reveal", "Finalize"]
    paid = PRICE * 99 // 100
    after = world.stake(worker), world.stake(world.owner), world.stake(world.requester)
    assert after[0] == before[0] + paid
    assert after[1] == before[1] + PRICE - paid + APP_PRICE
    assert after[2] == before[2] - PRICE - APP_PRICE
    assert world.locked(worker) == 0


async def test_trust_10_takes_4_workers_and_every_one_of_them_is_paid(network):
    world = await network(workers=5)
    before = {node.address: world.stake(node) for node in world.nodes}
    await world.start()
    deal = await world.deal(trust=10)
    await world.done()
    ((_, name),) = deal.tasks()
    task = world.task(name)
    assert sorted(a.status for a in task.attempts) == [Status.COMPLETED] * 4
    assert sorted(kinds(world)) == sorted(
        ["Initialize", *["Contribute"] * 4, *["Reveal"] * 4, "Finalize"]
    )
    gained = sorted(world.stake(node) - before[node.address] for node in world.nodes)
    assert gained == [0] + [PRICE * 99 // 100 // 4] * 4
    assert sum(world.results.uploads.values()) == 1


async def test_workers_of_one_name_on_one_engine_compute_one_task_side_by_side(network):
    world = await network(workers=4)
    first, *others = world.nodes
    for node in others:
        node.name, node.runtime = first.name, first.runtime
    await world.start()
    deal = await world.deal(trust=10)
    await world.done()
    ((_, name),) = deal.tasks()
    assert [a.status for a in world.task(name).attempts] == [Status.COMPLETED] * 4
    assert list(first.runtime.computations.values()) == [1] * 4, "each in a container of its own"


async def test_a_bag_of_20_tasks_is_initialized_in_one_transaction_and_computed_by_all(network):
    world = await network(workers=4, slots=2)
    await world.start()
    deal = await world.deal(tasks=20)
    await world.done()
    assert {world.view(name).status for _, name in deal.tasks()} == {ChainTaskStatus.COMPLETED}
    assert kinds(world).count("ContributeAndFinalize") == 20
    assert kinds(world).count("Initialize") <= 20 // 8 + 1
    shares = {node.address: 0 for node in world.nodes}
    for _, name in deal.tasks():
        (attempt,) = world.task(name).attempts
        shares[attempt.worker] += 1
    assert min(shares.values()) >= 4


async def test_a_liar_loses_its_stake_and_the_honest_share_it(network):
    world = await network(workers=4)
    liar = world.add(writes("a lie"))
    world.nodes.insert(0, world.nodes.pop())
    before = {node.address: world.stake(node) for node in world.nodes}
    await world.start()
    deal = await world.deal(trust=5)
    ((_, name),) = deal.tasks()
    await world.until(lambda: world.chain.state.contribution(name, liar.address) is not None)
    await world.done()
    lost = before[liar.address] - world.stake(liar)
    assert lost == deal.worker_stake > 0
    assert world.status(name, liar) is Status.ABORTED_ON_CONSENSUS_REACHED
    honest = [node for node in world.nodes if node is not liar]
    assert sum(world.stake(node) - before[node.address] for node in honest) > PRICE * 98 // 100
    assert world.chain.state.scores.get(liar.address, 0) == 0


async def test_a_worker_that_vanishes_while_it_computes_is_replaced(network):
    world = await network(workers=2)
    gone, other = world.nodes
    gone.runtime.gate.clear()
    await world.start()
    other.member.pause("first the one that vanishes")
    await world.settle()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    assert world.status(name, gone) is Status.COMPUTING
    await gone.kill()
    other.member.pause(None)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert world.status(name, other) is Status.COMPLETED
    assert world.task(name).attempt(gone.address).count(Status.WORKER_LOST) == 1
    gone.runtime.gate.set()
    gone.start()
    await world.done()
    assert world.status(name, gone) is Status.ABORTED_ON_CONSENSUS_REACHED


async def test_a_task_that_nobody_reveals_is_reopened_and_completed_by_another(network):
    world = await network(workers=2, quick=False)
    silent, other = world.nodes
    await world.start()
    other.member.pause("first the silent one")
    await world.settle()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    await world.until(lambda: world.chain.pool and _waits(world, silent, "Contribute"))
    await silent.kill()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.REVEALING)
    other.member.pause(None)
    await world.pass_to(world.view(name).reveal_deadline)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert "Reopen" in kinds(world)
    assert world.status(name, other) is Status.COMPLETED
    silent.start()
    await world.done()
    assert world.status(name, silent) is Status.REVEAL_TIMEOUT
    contribution = world.chain.state.contribution(name, silent.address)
    assert contribution.status is ContributionStatus.REJECTED
    assert world.stake(silent) == 10_000 * 10**9 - deal.worker_stake


def _waits(world, node, kind):
    return any(
        sent.sender == node.address and type(sent.call).__name__ == kind
        for sent in world.chain.pool
    )


async def test_a_result_that_one_worker_cannot_upload_is_uploaded_by_another(network):
    world = await network(workers=4)
    for node in world.nodes[:2]:
        world.results.faults[node.address] = UploadRefused("the archive is unsafe: correct it")
    await world.start()
    deal = await world.deal(trust=10)
    await world.done()
    ((_, name),) = deal.tasks()
    assert world.view(name).status is ChainTaskStatus.COMPLETED
    (uploaded,) = world.results.uploads
    assert uploaded[1] in [node.address for node in world.nodes[2:]]


async def test_a_worker_whose_app_fails_is_replaced(network):
    world = await network(workers=0)
    bad, good = world.add(fails), world.add()
    await world.start()
    good.member.pause("later")
    await world.settle()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    assert world.status(name, bad) is Status.FAILED
    good.member.pause(None)
    await world.done()
    assert world.status(name, good) is Status.COMPLETED


async def test_workers_whose_engines_are_away_blame_no_app_and_are_blamed_themselves(network):
    """Eight of them would give up a task whose app failed on each."""
    world = await network(workers=8)
    away, good = list(world.nodes), world.add()
    await world.start()
    good.member.pause("later")
    await world.settle()
    for node in away:
        node.runtime.is_down = True
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    await world.until(lambda: len(ended(world, name)) == len(away), steps=120)
    assert {a.status for a in ended(world, name)} == {Status.FAILED}
    good.member.pause(None)
    await world.until(lambda: world.view(name).status is ChainTaskStatus.COMPLETED)
    assert world.status(name, good) is Status.COMPLETED
    workers = world.pool.scheduler.memory.workers
    assert all(workers.of(node.address).faults for node in away)


def ended(world, name):
    """Return the replicates of a task that are over."""
    return [each for each in world.task(name).attempts if each.is_over]


async def test_a_task_whose_app_always_fails_is_given_up_and_refunded(network):
    """After twice as many failures as of proved workers: nobody here has settled a task yet."""
    world = await network(workers=0)
    for _ in range(8):
        world.add(fails)
    before = world.stake(world.requester)
    await world.start()
    deal = await world.deal()
    ((_, name),) = deal.tasks()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.ACTIVE)
    task = world.task(name)
    assert task.status is TaskStatus.RUNNING_FAILED
    assert [a.status for a in task.attempts] == [Status.FAILED] * 8
    await world.pass_to(deal.start_time + 10 * T)
    await world.done()
    assert world.view(name).status is ChainTaskStatus.FAILED
    assert world.stake(world.requester) == before


async def test_a_reorganisation_in_the_middle_costs_nothing(network):
    world = await network(workers=4)
    await world.start()
    deal = await world.deal(trust=10)
    ((_, name),) = deal.tasks()
    await world.until(lambda: world.view(name).status is ChainTaskStatus.REVEALING)
    world.chain.reorg(2)
    await world.settle()
    assert world.view(name).status is ChainTaskStatus.UNSET
    await world.done()
    assert sorted(kinds(world)) == sorted(
        ["Initialize", *["Contribute"] * 4, *["Reveal"] * 4, "Finalize"]
    )
    assert not world.refused()


async def test_an_outage_of_the_chain_in_the_middle_is_waited_for(network):
    world = await network(workers=4)
    await world.start()
    deal = await world.deal(trust=10)
    ((_, name),) = deal.tasks()
    await world.step()
    world.chain.outage = True
    for _ in range(20):
        await world.step()
    world.chain.outage = False
    await world.done()
    assert world.view(name).status is ChainTaskStatus.COMPLETED


async def test_a_deal_after_its_contribution_deadline_costs_nothing_and_is_told_as_such(network):
    """It is watched until its final deadline, for somebody may have contributed to it in time."""
    world = await network(workers=1)
    await world.start()
    await world.pool.kill()
    late = await world.deal()
    await world.pass_to(late.start_time + 7 * T)
    in_time = await world.deal()
    world.pool.start()
    await world.settle()
    await world.until(lambda: world.view(next(in_time.tasks())[1]).status >= 3)
    known = world.pool.tasks_known()
    assert {known[name].status for _, name in late.tasks()} == {TaskStatus.CONTRIBUTION_TIMEOUT}
    assert {known[name].status for _, name in in_time.tasks()} == {TaskStatus.COMPLETED}
    assert kinds(world).count("Initialize") == 1


async def test_deals_made_while_the_pool_was_away_are_served_when_it_is_back(network):
    world = await network(workers=2)
    await world.start()
    await world.pool.kill()
    await world.deal()
    await world.deal(tasks=3)
    world.pool.start()
    await world.done()


async def test_a_task_that_finds_too_few_workers_is_claimed_and_everybody_refunded(network):
    world = await network(workers=2)
    before = [world.stake(each) for each in (world.requester, *world.nodes)]
    await world.start()
    deal = await world.deal(trust=10)
    ((_, name),) = deal.tasks()
    await world.until(lambda: len(world.view(name).contributors) == 2)
    assert all(world.locked(node) == deal.worker_stake for node in world.nodes)
    await world.pass_to(deal.start_time + 7 * T)
    assert world.task(name).status is TaskStatus.CONTRIBUTION_TIMEOUT
    await world.pass_to(deal.start_time + 10 * T)
    await world.done()
    assert world.task(name).status is TaskStatus.FAILED
    assert [world.stake(each) for each in (world.requester, *world.nodes)] == before
    assert kinds(world)[-1] == "Claim"
    assert all(world.status(name, node) is Status.FAILED for node in world.nodes)


async def test_a_result_that_was_never_stored_is_not_put_on_chain(network):
    world = await network(workers=2, quick=False)
    liar, honest = world.nodes

    async def pretends(offer, archive):
        return "a link to nowhere"

    liar.pretends = pretends
    await world.start()
    deal = await world.deal(trust=3)
    ((_, name),) = deal.tasks()
    await world.done(steps=200)
    assert world.view(name).status is ChainTaskStatus.COMPLETED
    assert world.results.uploads == {(name, honest.address): 1}
    assert str(name).encode() in world.view(name).results
