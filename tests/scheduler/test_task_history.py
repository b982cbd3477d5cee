"""What the API tells of time, blocks and of the event that decided how each replicate ended."""

from __future__ import annotations

import httpx
import pytest
from pool_world import RIGHT, TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.domain.hashes import result_hash
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest, TxHash
from poolhand.domain.onchain import ContributeAndFinalize, EventKind
from poolhand.transport.asgi import application
from poolhand.wire.messages import ReportBatch, StatusReport

WRONG = ResultDigest(bytes([8] * 32))


async def shown(world, task_id):
    app = application("Poolhand pool", world.scheduler.api("http://pool.test"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pool.test") as client:
        answer = await client.get(f"/v1/tasks/{task_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def replicate(body, worker):
    (found,) = (each for each in body["replicates"] if each["worker"] == str(worker.address))
    return found


def line(body, worker, status):
    return next(e for e in replicate(body, worker)["history"] if e["status"] == status)


def mined(world, kind):
    """Return transaction and block of the newest event of a kind."""
    events = [event for block in world.chain.blocks() for event in block.events]
    found = [event for event in events if event.kind is kind][-1]
    return str(found.tx_hash), found.block


async def tells(worker, task_id, status, tx=None, at=None):
    """Report one status, with its transaction, by the worker's clock."""
    first = worker.count.get(task_id, 0)
    worker.count[task_id] = first + 1
    now = worker.world.clock.now() if at is None else at
    await worker.says(ReportBatch(task_id, first, (StatusReport(status, now, tx, None),), None))


async def contributed(world, worker, task_id, digest=RIGHT):
    await worker.reports(task_id, *TO_CONTRIBUTED[:-1])
    worker.contributes(task_id, digest)
    await world.step()
    tx, block = mined(world, EventKind.TASK_CONTRIBUTE)
    await tells(worker, task_id, S.CONTRIBUTED, TxHash.parse(tx))
    return tx, block


async def begun(world, *, trust=1, workers=1):
    crew = [await world.hired() for _ in range(workers)]
    task_id = first_task(await world.deal(trust=trust))
    await world.step()
    return task_id, crew


async def test_a_transaction_is_told_with_its_block(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    tx, block = await contributed(world, worker, task_id)
    body = await shown(world, task_id)
    told = line(body, worker, "CONTRIBUTED")
    assert (told["tx"], told["block"]) == (tx, block)
    assert line(body, worker, "COMPUTED")["block"] is None
    assert replicate(body, worker)["won_by"] is None


async def test_a_transaction_that_the_chain_does_not_have_has_no_block(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    await worker.reports(task_id, *TO_CONTRIBUTED[:-1])
    await tells(worker, task_id, S.CONTRIBUTED, TxHash(bytes([1] * 32)))
    told = line(await shown(world, task_id), worker, "CONTRIBUTED")
    assert (told["tx"], told["block"]) == ("0x" + "01" * 32, None)


async def test_the_chains_story_is_told_in_order_from_initialize_to_finalize(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    await contributed(world, worker, task_id)
    await worker.reports(task_id, S.REVEALING)
    worker.reveals(task_id)
    await world.step()
    await worker.reports(task_id, S.REVEALED, S.RESULT_UPLOAD_REQUESTED)
    await worker.has_stored(task_id)
    await world.step()
    await worker.reports(task_id, S.COMPLETED)
    body = await shown(world, task_id)
    assert [each["event"] for each in body["chain"]] == [
        "TaskInitialize",
        "TaskContribute",
        "TaskConsensus",
        "TaskReveal",
        "TaskFinalize",
    ]
    assert [each["block"] for each in body["chain"]] == sorted(e["block"] for e in body["chain"])
    consensus = str(result_hash(task_id, RIGHT))
    assert {e["result_hash"] for e in body["chain"]} == {None, consensus}
    tx, block = mined(world, EventKind.TASK_FINALIZE)
    assert replicate(body, worker)["won_by"] == {
        "event": "TaskFinalize",
        "tx": tx,
        "block": block,
        "worker": None,
        "result_hash": consensus,
    }
    told = line(body, worker, "COMPLETED")
    assert (told["tx"], told["block"], told["seconds"]) == (tx, block, None)


async def test_who_was_too_late_is_told_which_transaction_won(pool):
    world = await pool()
    task_id, (slow,) = await begun(world)
    await slow.reports(task_id, *TO_COMPUTED)
    await slow.leaves()
    quick = await world.hired()
    await world.step()
    await slow.arrives()
    tx, block = await contributed(world, quick, task_id)
    await slow.reports(task_id, S.ABORTED_ON_CONSENSUS_REACHED)
    body = await shown(world, task_id)
    assert replicate(body, slow)["won_by"] == {
        "event": "TaskConsensus",
        "tx": tx,
        "block": block,
        "worker": str(quick.address),
        "result_hash": str(result_hash(task_id, RIGHT)),
    }
    ended = line(body, slow, "ABORTED_ON_CONSENSUS_REACHED")
    assert (ended["tx"], ended["block"]) == (tx, block)
    assert replicate(body, quick)["won_by"] is None


async def test_who_did_not_reveal_is_told_of_the_reopening_and_its_successor_of_the_second(pool):
    world = await pool()
    task_id, (silent,) = await begun(world)
    first, _ = await contributed(world, silent, task_id)
    await world.pass_to(world.view(task_id).reveal_deadline)
    await world.step()
    reopened, block = mined(world, EventKind.TASK_REOPEN)
    await silent.reports(task_id, S.REVEAL_TIMEOUT)
    body = await shown(world, task_id)
    won = replicate(body, silent)["won_by"]
    assert (won["event"], won["tx"], won["block"], won["worker"]) == (
        "TaskReopen",
        reopened,
        block,
        None,
    )
    slow = await world.hired()
    await world.step()
    await slow.reports(task_id, *TO_COMPUTED)
    await slow.leaves()
    quick = await world.hired()
    await world.step()
    await slow.arrives()
    second, _ = await contributed(world, quick, task_id)
    await slow.reports(task_id, S.ABORTED_ON_CONSENSUS_REACHED)
    body = await shown(world, task_id)
    assert replicate(body, slow)["won_by"]["tx"] == second != first
    assert replicate(body, silent)["won_by"]["tx"] == reopened


async def test_a_claim_decides_for_who_was_at_work_and_not_for_who_had_failed(pool):
    world = await pool()
    task_id, (broken,) = await begun(world)
    await broken.reports(task_id, *TO_COMPUTED[:-1], S.COMPUTE_FAILED, S.FAILED)
    silent = await world.hired()
    await world.step()
    await contributed(world, silent, task_id)
    await world.pass_to(world.task(task_id).facts.final_deadline)
    await world.step()
    tx, block = mined(world, EventKind.TASK_CLAIMED)
    await silent.reports(task_id, S.FAILED)
    body = await shown(world, task_id)
    won = replicate(body, silent)["won_by"]
    assert (won["event"], won["tx"], won["block"]) == ("TaskClaimed", tx, block)
    assert replicate(body, silent)["acts"] == "nobody"
    assert replicate(body, broken)["acts"] == "scheduler"
    assert replicate(body, broken)["won_by"] is None
    assert line(body, broken, "FAILED")["tx"] is None


async def test_who_settles_at_once_is_named_as_the_winner(pool):
    world = await pool(quick=True)
    task_id, (worker,) = await begun(world)
    signed = world.owner.sign_authorization(worker.address, task_id, ZERO_ADDRESS)
    worker.sends(ContributeAndFinalize(task_id, RIGHT, b"link", b"", signed))
    await world.step()
    await worker.reports(task_id, *TO_COMPUTED, S.RESULT_UPLOADING, S.RESULT_UPLOADED)
    await worker.reports(task_id, S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.CONTRIBUTED, S.COMPLETED)
    won = replicate(await shown(world, task_id), worker)["won_by"]
    assert (won["event"], won["worker"]) == ("TaskFinalize", str(worker.address))


async def test_a_deadline_is_no_event_so_nothing_won(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    await worker.reports(task_id, *TO_COMPUTED)
    await world.pass_to(world.task(task_id).facts.contribution_deadline)
    await worker.reports(task_id, S.ABORTED_ON_CONTRIBUTION_TIMEOUT)
    found = replicate(await shown(world, task_id), worker)
    assert found["status"] == "ABORTED_ON_CONTRIBUTION_TIMEOUT"
    assert found["won_by"] is None


# -------------------------------------------------------------------------------- durations


async def test_durations_are_by_one_clock_and_never_negative(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    await world.pass_to(world.chain.head.timestamp + 1800)  # the chain is ahead of the wall clock
    wall = 1_700_000_000 - 7200
    for status, at in ((S.RUNNING, 0), (S.APP_DOWNLOADING, 1), (S.APP_DOWNLOADED, 8)):
        await tells(worker, task_id, status, at=wall + at)
    await tells(worker, task_id, S.DATA_DOWNLOADING, at=wall + 3)  # the clock was put back
    await worker.leaves()
    body = await shown(world, task_id)
    told = [(e["status"], e["clock"], e["seconds"]) for e in replicate(body, worker)["history"]]
    assert told == [
        ("CREATED", "chain", None),
        ("RUNNING", "worker", 1),
        ("APP_DOWNLOADING", "worker", 7),
        ("APP_DOWNLOADED", "worker", None),
        ("DATA_DOWNLOADING", "worker", None),
        ("WORKER_LOST", "chain", None),
    ]


async def test_how_long_a_worker_was_lost_is_told_by_the_chains_clock(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    await worker.reports(task_id, S.RUNNING)
    await worker.leaves()
    await world.step(seconds=40)
    await worker.arrives()
    body = await shown(world, task_id)
    last = replicate(body, worker)["history"][-2:]
    assert [(e["status"], e["clock"], e["seconds"]) for e in last] == [
        ("WORKER_LOST", "chain", 40),
        ("RUNNING", "chain", None),
    ]


# -------------------------------------------------------------------------------- the chain moves


async def test_after_a_restart_blocks_and_winners_are_told_again(pool):
    world = await pool()
    task_id, (slow,) = await begun(world)
    await slow.reports(task_id, *TO_COMPUTED)
    await slow.leaves()
    quick = await world.hired()
    await world.step()
    await contributed(world, quick, task_id)
    before = await shown(world, task_id)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    after = await shown(world, task_id)
    assert after["chain"] == before["chain"] != []
    assert line(after, quick, "CONTRIBUTED") == line(before, quick, "CONTRIBUTED")


async def test_what_a_reorganisation_moved_is_told_at_its_new_block(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    _, block = await contributed(world, worker, task_id)
    assert line(await shown(world, task_id), worker, "CONTRIBUTED")["block"] == block
    world.chain.mine(blocks=1)
    world.chain.reorg(2)
    await world.settle()
    assert line(await shown(world, task_id), worker, "CONTRIBUTED")["block"] is None
    await world.step()  # mined anew
    moved = line(await shown(world, task_id), worker, "CONTRIBUTED")["block"]
    assert moved == mined(world, EventKind.TASK_CONTRIBUTE)[1] > block


async def test_a_silent_chain_hides_the_story_and_nothing_else(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    world.chain.outage = True
    body = await shown(world, task_id)
    assert body["chain"] is None
    assert replicate(body, worker)["history"][0]["status"] == "CREATED"
    world.chain.outage = False
    assert [e["event"] for e in (await shown(world, task_id))["chain"]] == ["TaskInitialize"]


async def test_the_chain_is_read_again_only_when_it_has_news(pool):
    world = await pool()
    task_id, (worker,) = await begun(world)
    first = await shown(world, task_id)
    await world.step()
    world.chain.outage = True  # whoever asks the chain now learns nothing
    assert (await shown(world, task_id))["chain"] == first["chain"]
    world.chain.outage = False
    await contributed(world, worker, task_id)
    assert len((await shown(world, task_id))["chain"]) == 3


@pytest.mark.parametrize("blocks", [0, 500])
async def test_an_ended_tasks_story_is_whole_however_late_it_is_asked_for(pool, blocks):
    world = await pool()
    task_id, _ = await begun(world)
    await world.pass_to(world.task(task_id).facts.final_deadline)
    await world.step()
    await world.pool.kill()
    world.chain.mine(blocks=blocks)
    world.pool.start()
    await world.settle()
    kinds = [each["event"] for each in (await shown(world, task_id))["chain"]]
    assert kinds == ["TaskInitialize", "TaskClaimed"]
