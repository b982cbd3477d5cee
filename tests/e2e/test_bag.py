"""A bag of a hundred tasks on four workers: every task paid, every nRLC accounted for.

It is bought by signature alone, so the pool brings it onto the chain with its first tasks.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from aiodocker import Docker

from poolhand.containers.engine import DEFAULT_URL
from poolhand.domain.ids import ZERO_ADDRESS, DealId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.reward import finalize_shares
from poolhand.domain.trust import Weight

TASKS = 100
SMALL = "--width 8 --height 8 --iterations 10"


@pytest.mark.timeout(600)
async def test_a_bag_of_a_hundred_tasks_is_computed_and_paid_to_the_unit(network):
    before = await network.money()
    words = ("run", network.image("fractal"), "--tasks", str(TASKS), "--args", SMALL)
    bought = network.ok(*words, seconds=200)
    assert bought["sent_by"] == network.info.pool_url  # signed here, and brought on chain there
    after = await network.money()
    assert sum(after.values()) == sum(before.values())
    async with network.chain() as chain:
        deal = await chain.hub.deal(DealId.parse(bought["deal_id"]))
        tasks = await chain.hub.tasks({task: network.owners.values() for _, task in deal.tasks()})
    assert Counter(task.status for task in tasks.values()) == {ChainTaskStatus.COMPLETED: TASKS}
    paid = _paid(deal, tasks.values(), before[ZERO_ADDRESS])
    paid[deal.requester] -= TASKS * deal.price
    assert {who: after[who] - before[who] for who in after} == {**dict.fromkeys(after, 0), **paid}
    assert {each["status"] for task in bought["tasks"] for each in task["replicates"]} == {
        "COMPLETED"
    }
    assert not await _containers({str(task) for task in tasks})


def _paid(deal, tasks, kitty: int) -> Counter:
    """What finalizing every task pays to whom, by the domain's reading of the contract (nRLC)."""
    paid = Counter()
    for task in tasks:
        proved = {
            worker: Weight(max(1 << each.log_weight, 2))  # not kept where one contribution settles
            for worker, each in task.contributions.items()
            if each.status is ContributionStatus.PROVED
        }
        shares = finalize_shares(
            deal.workerpool.price,
            deal.worker_stake,
            deal.scheduler_percent,
            proved,
            len(task.contributors) - len(proved),
            kitty + paid[ZERO_ADDRESS],
        )
        assert shares.workers, "a task that paid nobody"
        paid.update(shares.workers)
        paid[deal.workerpool.owner] += shares.scheduler
        paid[ZERO_ADDRESS] -= shares.kitty
    return paid


async def _containers(tasks: set[str]) -> list[str]:
    async with Docker(os.environ.get("DOCKER_HOST") or DEFAULT_URL) as docker:
        found = await docker.containers.list(all=True, filters={"label": ["poolhand.task"]})
    return [each["Names"] for each in found if each["Labels"]["poolhand.task"] in tasks]
