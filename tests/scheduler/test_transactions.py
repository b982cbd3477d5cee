"""The pool's transactions: batched, patient with the chain, and never sent twice.

One file, for each of the four calls is led through the same refusals, crashes and re-organisations.
"""

from __future__ import annotations

import itertools

import pytest
from pool_world import RIGHT, TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from network.fuses import Crash
from poolhand.chain.errors import UnknownDeal
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Claim,
    ContributeAndFinalize,
    Finalize,
    Initialize,
)
from poolhand.domain.packing import GasPerTask, room
from poolhand.domain.task.machine import SendInitialize
from poolhand.domain.task.rules import AWAITED_AFTER_FORK
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import Gas
from poolhand.scheduler.chain_feed import SHALLOW

BATCH = GasPerTask(Gas(180_000)).tasks(room(Gas(30_000_000), 0.15))
"""Tasks of the first transactions, before receipts tell what a task takes."""
T = 300
"""Reference time of the category (seconds)."""


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

    def refuse(_, purpose, __):
        tried.append((purpose.rpartition(":")[2], world.chain.head.timestamp))
        raise UnknownDeal("no such deal")

    world.chain.before_send = refuse
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


async def test_what_is_wanted_anew_while_its_refusal_is_looked_into_is_not_sent_beside_it(pool):
    """Found by a simulated life: a forked chain made a claim wanted again at that very moment."""
    world = await pool()
    deal = await world.deal()
    tried = []

    def refuse(_, purpose, __):
        tried.append(purpose.rpartition(":")[2])
        world.chain.outage = True
        raise UnknownDeal("no such deal")

    world.chain.before_send = refuse
    await world.hired()
    await world.settle()
    assert tried == ["0"]
    world.chain.before_send = lambda _, purpose, __: tried.append(purpose.rpartition(":")[2])
    world.scheduler.engine.act(world.task(first_task(deal)), SendInitialize(0))
    world.chain.outage = False
    await world.settle()
    await world.until(lambda: world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE)
    assert tried == ["0", "1"]


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


def dies_after_its_next_broadcast(world):
    """Let the pool die between its next broadcast and the receipt."""

    def die(_, purpose, __):
        world.chain.after_send = None
        world.pool.fuse.is_blown = True
        raise Crash(purpose)

    world.chain.after_send = die


async def test_a_crash_between_broadcast_and_receipt_sends_nothing_twice(pool):
    world = await pool()
    await world.hired()
    dies_after_its_next_broadcast(world)
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
    await world.step()
    assert world.view(task).status is ChainTaskStatus.REVEALING  # the second may still reveal
    second.reveals(task)
    await world.step()
    await world.step()
    assert Finalize(task, b'{"location": "there"}', b"") in world.calls()
    kinds = [each.kind for each in world.task(task).transactions]
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
    assert world.task(task).transactions[-1].kind == kind


# ------------------------------------------------------------------------------------------ claims


def claims(world):
    return [call for call in world.calls() if isinstance(call, Claim)]


def statuses(world, deal):
    return {world.view(name).status for _, name in deal.tasks()}


async def late_deal(world, tasks, workers=1):
    """Return a deal that is on chain and nobody has computed, a second before it can be claimed."""
    for _ in range(workers):
        await world.hired(slots=tasks)
    deal = await world.deal(tasks=tasks)
    await world.step()
    await world.pass_to(deal.start_time + 10 * T - 1)
    return deal


async def test_tasks_out_of_time_are_claimed_together_in_batches(pool):
    world = await pool(quick=True)
    before = world.stake(world.requester)
    deal = await late_deal(world, 60)
    assert statuses(world, deal) == {ChainTaskStatus.ACTIVE}
    await world.step()
    await world.step()
    most = GasPerTask(Gas(135_000)).tasks(room(Gas(30_000_000), 0.15))
    assert [len(call.tasks) for call in claims(world)] == [most, 60 - most]
    assert statuses(world, deal) == {ChainTaskStatus.FAILED}
    assert world.stake(world.requester) == before
    assert not world.refused()


async def test_a_claim_of_somebody_else_does_not_block_those_of_the_others(pool):
    world = await pool(quick=True)
    deal = await late_deal(world, 5)
    name = [name for _, name in deal.tasks()][2]

    def another(_, purpose, call):
        world.chain.before_send = None
        world.chain.submit(world.requester.address, Claim((name,)))

    world.chain.before_send = another
    await world.step()
    await world.step()
    (failed,) = world.refused()
    assert len(failed.sent.call.tasks) == 5
    await world.until(lambda: statuses(world, deal) == {ChainTaskStatus.FAILED})
    assert sorted(len(call.tasks) for call in claims(world)) == [1] * 5
    assert world.task(name).refusals == ()


async def test_tasks_that_nobody_ever_came_for_are_put_on_chain_to_be_claimed(pool):
    world = await pool()
    before = world.stake(world.requester)
    deal = await world.deal(tasks=3)
    await world.pass_to(deal.start_time + 10 * T - 1)
    await world.step()
    await world.until(lambda: statuses(world, deal) == {ChainTaskStatus.FAILED}, steps=5)
    assert [type(call) for call in world.calls()[-2:]] == [Initialize, Claim]
    assert world.stake(world.requester) == before
    assert not any(True for _ in world.scheduler.engine.open_tasks())


# ---------------------------------------------------------------------- chains that change their mind


def forgets(world):
    """Let the sender know nothing of what it sent, as after more transactions than it keeps."""
    world.chain.purposes.clear()
    world.witness.sent.clear()


async def completed(world):
    """Bring a task of the standard flow to its end; the pool sent its last transaction."""
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    await worker.reports(task, S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED,
                         S.RESULT_UPLOADING)  # fmt: skip
    await worker.has_stored(task)
    await world.step()
    await worker.reports(task, S.COMPLETED)
    assert world.task(task).status is TaskStatus.COMPLETED
    assert not any(True for _ in world.scheduler.engine.open_tasks())
    return task


@pytest.mark.parametrize("sender_remembers", [True, False])
async def test_a_finalization_that_is_taken_back_after_the_end_is_sent_again(
    pool, sender_remembers
):
    world = await pool()
    task = await completed(world)
    world.chain.reorg(1, forget=True)
    if not sender_remembers:
        forgets(world)
    await world.settle()
    assert world.task(task).status is TaskStatus.FINALIZING
    await world.until(lambda: world.view(task).status is ChainTaskStatus.COMPLETED)
    await world.until(lambda: world.task(task).status is TaskStatus.COMPLETED)
    assert [s for s, _ in world.task(task).history[-3:]] == [
        TaskStatus.COMPLETED,
        TaskStatus.FINALIZING,
        TaskStatus.COMPLETED,
    ]
    assert sum(isinstance(call, Finalize) for call in world.calls()) == 1
    assert not any(True for _ in world.scheduler.engine.open_tasks())


async def test_a_finalization_that_is_taken_back_while_the_pool_is_down_is_sent_again(pool):
    world = await pool()
    task = await completed(world)
    await world.deal()  # from here on the pool reads events when it starts again
    await world.pool.kill()
    world.chain.reorg(2, forget=True)
    forgets(world)
    world.pool.start()
    await world.until(lambda: world.view(task).status is ChainTaskStatus.COMPLETED)


async def test_an_end_deep_in_the_chain_is_not_read_again_at_every_start(pool):
    world = await pool()
    task = await completed(world)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    chain_feed = world.scheduler.chain_feed
    assert chain_feed._is_shallow(world.task(task))
    world.chain.mine(blocks=SHALLOW)
    await world.settle()
    assert not chain_feed._is_shallow(world.task(task))


async def test_an_initialization_that_is_taken_back_is_sent_again(pool):
    world = await pool()
    await world.hired()
    task = first_task(await world.deal())
    await world.step()
    assert world.task(task).status is TaskStatus.RUNNING
    world.chain.reorg(1, forget=True)
    forgets(world)
    await world.settle()
    assert world.task(task).status is TaskStatus.INITIALIZING
    await world.until(lambda: world.view(task).status is ChainTaskStatus.ACTIVE)


async def test_a_claim_that_is_taken_back_is_sent_again(pool):
    world = await pool(quick=True)
    deal = await late_deal(world, 2)
    await world.step()
    await world.step()
    assert statuses(world, deal) == {ChainTaskStatus.FAILED}
    world.chain.reorg(1, forget=True)
    forgets(world)
    await world.settle()
    assert statuses(world, deal) == {ChainTaskStatus.ACTIVE}
    await world.until(lambda: statuses(world, deal) == {ChainTaskStatus.FAILED})


async def test_a_task_whose_end_was_just_taken_back_is_not_given_to_others_at_once(pool):
    world = await pool(quick=True)
    worker, other = await world.hired(), await world.hired()
    deal = await world.deal()
    task = first_task(deal)
    worker, other = (worker, other) if world.status(task, worker) else (other, worker)
    await world.step()
    await worker.reports(task, *TO_COMPUTED, S.RESULT_UPLOADING, S.RESULT_UPLOADED,
                         S.CAN_CONTRIBUTE, S.CONTRIBUTING)  # fmt: skip
    signed = world.owner.sign_authorization(worker.address, task, ZERO_ADDRESS)
    worker.sends(ContributeAndFinalize(task, RIGHT, b"there", b"", signed))
    await world.step()
    await worker.reports(task, S.CONTRIBUTED, S.COMPLETED)
    assert world.task(task).status is TaskStatus.COMPLETED
    world.chain.reorg(1, forget=True)
    await world.settle()
    assert world.view(task).status is ChainTaskStatus.ACTIVE
    await world.step(AWAITED_AFTER_FORK - 10)
    assert world.status(task, other) is None
    await world.step(20)
    assert world.status(task, other) is S.CREATED


async def test_a_receipt_that_a_lagging_node_does_not_show_yet_is_no_reason_to_send_again(pool):
    world = await pool()
    deal = await world.deal()
    world.chain.mine(blocks=10)
    world.pool.reach.lag = 10
    await world.hired()
    for _ in range(30):
        await world.step()
    assert world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE
    mine = [m for m in world.chain.mined() if isinstance(m.sent.call, Initialize)]
    assert len(mine) == 1
    assert world.task(first_task(deal)).status is TaskStatus.RUNNING


# -------------------------------------------------------------------------------------- the record


def recorded(world, task):
    return [(each.kind, each.block) for each in world.task(task).transactions]


async def test_the_record_of_transactions_survives_a_restart(pool):
    world = await pool()
    task = await completed(world)
    before = world.task(task).transactions
    assert [each.kind for each in before] == ["initialize", "finalize"]
    assert all(each.gas and each.block for each in before)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    assert world.task(task).transactions == before


async def test_a_transaction_mined_while_the_pool_was_dead_is_recorded_from_the_chain(pool):
    world = await pool()
    await world.hired()
    dies_after_its_next_broadcast(world)
    task = first_task(await world.deal())
    assert world.pool.task is None, "it should have died"
    head = world.chain.mine()
    world.pool.start()
    await world.settle()
    assert recorded(world, task) == [("initialize", head.number)]


async def test_a_transaction_that_moves_to_another_block_is_recorded_where_it_stands(pool):
    world = await pool()
    task = await completed(world)
    before = world.task(task).transactions[-1]
    world.chain.reorg(1, forget=True)
    world.pool.fuse.trace.clear()
    await world.settle()
    assert recorded(world, task)[-1] == ("finalize", None)
    await world.until(lambda: world.view(task).status is ChainTaskStatus.COMPLETED)
    await world.settle()
    after = world.task(task).transactions[-1]
    assert (after.tx, after.gas, len(world.task(task).transactions)) == (before.tx, before.gas, 2)
    assert after.block > before.block
