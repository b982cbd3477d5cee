"""The pool's transactions: batched, patient with the chain, and never sent twice."""

from __future__ import annotations

import itertools

import pytest
from pool_world import TO_CONTRIBUTED, S, first_task

from network.fuses import Crash
from poolhand.domain.onchain import ChainTaskStatus, Finalize, Initialize
from poolhand.scheduler.treasury import BATCH


def initializations(world):
    return [call for call in world.calls() if isinstance(call, Initialize)]


async def test_nothing_is_initialized_before_a_worker_has_it(pool):
    world = await pool()
    deal = await world.deal()
    await world.step()
    assert not initializations(world)
    await world.hired()
    await world.step()
    assert initializations(world) == [Initialize(((deal.deal_id, 0),))]


async def test_tasks_assigned_together_are_initialized_together_in_batches(pool):
    world = await pool(quick=True)
    await world.hired(slots=200)
    deal = await world.deal(tasks=60)
    await world.step()
    sizes = [len(call.tasks) for call in initializations(world)]
    assert sizes == [BATCH, BATCH, 60 - 2 * BATCH]
    assert {world.view(name).status for _, name in deal.tasks()} == {ChainTaskStatus.ACTIVE}


async def test_deals_are_not_mixed_in_a_batch(pool):
    world = await pool(quick=True)
    await world.deal(tasks=2)
    await world.deal(tasks=2)
    await world.hired(slots=4)
    await world.step()
    assert sorted(len(call.tasks) for call in initializations(world)) == [2, 2]


async def test_a_refusal_because_it_has_happened_already_is_seen_by_looking(pool):
    world = await pool()
    deal = await world.deal()
    world.chain.submit(world.requester.address, Initialize(((deal.deal_id, 0),)))
    await world.hired()
    world.chain.mine()
    await world.settle()
    assert world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE
    await world.step(10)
    mine = [m for m in world.chain.mined() if m.sent.sender == world.owner.address]
    assert sum(isinstance(m.sent.call, Initialize) for m in mine) <= 1


async def test_one_task_that_is_refused_in_a_batch_does_not_keep_the_others_from_the_chain(pool):
    world = await pool(quick=True)
    deal = await world.deal(tasks=3)
    world.chain.submit(world.requester.address, Initialize(((deal.deal_id, 1),)))
    await world.hired(slots=3)
    await world.until(
        lambda: all(world.view(n).status is ChainTaskStatus.ACTIVE for _, n in deal.tasks())
    )


async def test_what_the_contract_refuses_is_tried_again_with_longer_and_longer_pauses(pool):
    world = await pool()
    deal = await world.deal()
    tried = []
    world.chain.before_send = lambda _, purpose, __: tried.append(
        (purpose.rpartition(":")[2], world.chain.head.timestamp)
    )
    world.chain.reorg(1, forget=True)  # the deal is gone: initialize must fail
    await world.settle()
    await world.hired()
    for _ in range(60):
        await world.step()
    times = [moment for _, moment in tried]
    assert [number for number, _ in tried] == [str(n) for n in range(len(tried))]
    assert len(tried) >= 4
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 5
    assert world.task(first_task(deal)).refusals[0].times == len(tried)


async def test_an_outage_is_waited_for_and_is_no_refusal(pool):
    world = await pool()
    await world.hired()
    deal = await world.deal(settle=False)
    world.chain.before_send = lambda *_: setattr(world.chain, "outage", True) or _away(world)
    await world.settle()
    for _ in range(10):
        await world.step()
    world.chain.before_send, world.chain.outage = None, False
    await world.until(lambda: world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE)
    assert not world.task(first_task(deal)).refusals


def _away(world):
    world.chain.check_up()


async def test_a_crash_between_broadcast_and_receipt_sends_nothing_twice(pool):
    world = await pool()
    await world.hired()
    fuse = world.pool.fuse

    def die(_, purpose, __):
        world.chain.after_send = None
        fuse.is_blown = True
        raise Crash(purpose)

    world.chain.after_send = die
    deal = await world.deal()
    assert world.pool.task is None, "it should have died"
    world.pool.start()
    await world.settle()
    await world.step()
    assert initializations(world) == [Initialize(((deal.deal_id, 0),))]
    assert not world.refused()


async def test_a_task_is_finalized_with_the_stored_link_once_everybody_has_revealed(pool):
    world = await pool()
    first, second = await world.hired(), await world.hired()
    task = first_task(await world.deal(trust=3))
    await world.step()
    for worker in (first, second):
        await worker.reports(task, *TO_CONTRIBUTED)
        worker.contributes(task)
    await world.step()
    first.reveals(task)
    await world.step()
    await first.reports(task, S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED,
                        S.RESULT_UPLOADING)  # fmt: skip
    await first.has_stored(task)
    await first.reports(task, S.RESULT_UPLOADED)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.REVEALING  # the second may still reveal
    second.reveals(task)
    await world.step()
    await world.step()
    assert Finalize(task, b'{"location": "there"}', b"") in world.calls()
    kinds = [kind for kind, _ in world.scheduler._treasury.receipts[task]]
    assert kinds == ["initialize", "finalize"]


async def test_a_straggler_is_waited_for_to_the_reveal_deadline_and_no_longer(pool):
    world = await pool()
    first, second = await world.hired(), await world.hired()
    task = first_task(await world.deal(trust=3))
    await world.step()
    for worker in (first, second):
        await worker.reports(task, *TO_CONTRIBUTED)
        worker.contributes(task)
    await world.step()
    first.reveals(task)
    await world.step()
    await first.reports(task, S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED,
                        S.RESULT_UPLOADING)  # fmt: skip
    await first.has_stored(task)
    await world.pass_to(world.view(task).reveal_deadline - 1)
    assert world.view(task).status is ChainTaskStatus.REVEALING
    await world.step()
    await world.step()
    assert world.view(task).status is ChainTaskStatus.COMPLETED


@pytest.mark.parametrize("kind", ["reopen", "claim"])
async def test_reopen_and_claim_are_sent_in_their_time(pool, kind):
    world = await pool()
    worker = await world.hired()
    deal = await world.deal()
    task = first_task(deal)
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    if kind == "reopen":
        worker.contributes(task)
        await world.step()
        await world.pass_to(world.view(task).reveal_deadline)
    else:
        await world.pass_to(deal.start_time + 3000)
    await world.step()
    wanted = ChainTaskStatus.ACTIVE if kind == "reopen" else ChainTaskStatus.FAILED
    assert world.view(task).status is wanted
    assert [name for name, _ in world.scheduler._treasury.receipts[task]][-1] == kind
