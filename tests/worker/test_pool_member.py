"""A worker and its pool: what is told, what is believed, and what only the chain may end."""

from __future__ import annotations

import httpx
import pytest
import structlog
from scripted_pool import ends

from poolhand.cli.worker_report import worker_report
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import ContributionStatus
from poolhand.domain.replicate.machine import MOST_SET_BACK, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.transport.plain import plain_application
from poolhand.wire.messages import (
    Aborted,
    AcknowledgeReports,
    AskReveal,
    AskUpload,
    Capacity,
    Completed,
    Idle,
    Logs,
    OwnerMessage,
    ReportBatch,
    TaskActivated,
)
from poolhand.wire.session_terms import MOST_REPORTS
from poolhand.worker.offers import MOST_HELD_PER_SLOT
from poolhand.worker.status import routes

UNKNOWN = TaskId(bytes([77] * 32))
EARLY = ["RUNNING", "APP_DOWNLOADING", "APP_DOWNLOADED", "DATA_DOWNLOADING", "DATA_DOWNLOADED",
         "COMPUTING", "COMPUTED"]  # fmt: skip
LATE = ["CAN_CONTRIBUTE", "CONTRIBUTING", "CONTRIBUTED"]


# -------------------------------------------------------------------------------------- offers


async def test_an_offered_task_is_computed_before_it_is_initialized_and_then_contributed(pool):
    task = await pool.offered(active=False, trust=10)
    assert pool.path(task) == EARLY
    pool.initialize(pool.world.deals[0])
    await pool.blocks(2)
    assert pool.path(task) == [*EARLY, *LATE]


async def test_the_same_offer_twice_is_one_replicate_told_twice(pool):
    task = await pool.offered(active=False)
    pool.forgets()
    await pool.says(pool.offer(pool.world.deals[0]))
    assert len(pool.member.shell.replicates) == 1
    assert pool.path(task) == EARLY
    assert sum(pool.node.runtime.computations.values()) == 1


async def test_a_bad_offer_is_declined_with_the_reason_and_nothing_is_kept(pool):
    deal = await pool.world.deal(trust=5, settle=False)
    bad = pool.offer(deal, Flow.CONTRIBUTE_AND_FINALIZE)
    await pool.says(bad)
    (report,) = pool.heard(ReportBatch)
    (entry,) = report.statuses
    assert (report.first, entry.status) == (0, Status.FAILED)
    assert pool.member.standing.offers.declined == {"bad-offer": 1}
    assert "trust 5" in entry.detail
    assert not pool.member.shell.replicates
    assert not list(pool.node.journal.read())


async def test_an_offer_for_another_worker_is_declined(pool):
    deal = await pool.world.deal(settle=False)
    await pool.says(pool.offer(deal, worker=pool.owner.address))
    assert pool.heard(ReportBatch)[0].statuses[0].status == Status.FAILED
    assert pool.member.standing.offers.declined == {"bad-signature": 1}


async def test_more_offers_than_the_worker_can_hold_are_declined(pool):
    pool.node.runtime.gate.clear()
    deal = await pool.world.deal(tasks=MOST_HELD_PER_SLOT + 2, settle=False)
    for index, task in deal.tasks():
        signed = pool.owner.sign_authorization(pool.node.address, task, bytes(20))
        offer = pool.offer(deal)
        await pool.says(type(offer)(task, deal.deal_id, index, offer.flow, signed))
    assert len(pool.member.shell.replicates) == MOST_HELD_PER_SLOT
    declined = [
        r for r in pool.heard(ReportBatch) if "takes no more" in (r.statuses[0].detail or "")
    ]
    assert len(declined) == 2
    pool.node.runtime.gate.set()


async def test_an_offer_taken_back_while_it_is_being_checked_is_not_begun(pool):
    deal = await pool.world.deal(settle=False)
    task = pool.offer(deal).task_id
    pool.chain.outage = True
    await pool.says(pool.offer(deal))
    await pool.says(Aborted(task, "FAILED"))
    pool.chain.outage = False
    await pool.blocks(5)
    assert not pool.member.shell.replicates
    assert pool.path(task) == ["FAILED"]


# ------------------------------------------------------------------ whom the worker believes


@pytest.mark.parametrize("number", range(7))
async def test_whatever_the_pool_says_a_contribution_is_held_until_the_chain_ends_it(pool, number):
    task = await pool.contributed(trust=1)
    archive = pool.node.worker.folders.of(task).archive
    pool.chain.outage = True  # the worker cannot even look
    await pool.says(ends(task)[number])
    assert archive.exists()
    assert not pool.replicate(task).is_over
    pool.chain.outage = False
    await pool.restarts_worker()
    await pool.says(ends(task)[number])
    await pool.blocks(2)
    assert archive.exists()
    assert pool.contribution(task).status is ContributionStatus.PROVED
    assert not pool.replicate(task).is_over
    pool.finalize(task)
    await pool.blocks(1)
    assert pool.path(task)[-1] == "COMPLETED"
    assert not pool.files(task).exists()


@pytest.mark.parametrize("number", range(7))
async def test_a_contribution_on_its_way_is_not_dropped_either(pool, number):
    task = await pool.offered()
    assert pool.replicate(task).status is Status.CONTRIBUTING
    await pool.says(ends(task)[number])
    await pool.blocks(2)
    assert pool.contribution(task).status is ContributionStatus.PROVED


async def test_what_has_not_touched_the_chain_is_stopped_when_the_pool_says_so(pool):
    pool.node.runtime.gate.clear()
    task = await pool.offered(active=False)
    assert pool.files(task).exists()
    await pool.says(Aborted(task, "ABORTED_ON_CONSENSUS_REACHED"))
    assert pool.path(task)[-1] == "ABORTED_ON_CONSENSUS_REACHED"
    assert not pool.files(task).exists()
    assert not await pool.node.runtime.orphans(f"poolhand.worker={pool.node.address}")
    await pool.acknowledges(task)
    assert not pool.member.shell.replicates
    assert not list(pool.node.journal.read())


async def test_a_worker_told_to_drop_what_it_does_not_hold_says_so(pool):
    for message in (Aborted(UNKNOWN, "FAILED"), Completed(UNKNOWN)):
        pool.forgets()
        await pool.says(message)
        assert pool.path(UNKNOWN) == ["FAILED"]


async def test_activation_is_believed_only_if_the_chain_says_so(pool):
    task = await pool.offered(active=False)
    await pool.says(TaskActivated(task, 1))
    assert pool.path(task) == EARLY


async def test_a_reveal_is_made_only_if_the_chain_agrees(pool):
    task = await pool.contributed(trust=10)
    await pool.says(AskReveal(task, bytes(32)))
    await pool.blocks(3)
    assert pool.path(task)[-1] == "CONTRIBUTED"


@pytest.mark.parametrize("message", [TaskActivated(UNKNOWN, 1), AskReveal(UNKNOWN, bytes(32)),
                                     AskUpload(UNKNOWN), AcknowledgeReports(UNKNOWN, 3)])  # fmt: skip
async def test_messages_about_unknown_tasks_are_harmless(pool, message):
    await pool.says(message)
    assert not pool.heard(ReportBatch)


# --------------------------------------------------------------------------------------- telling


async def test_a_new_session_is_told_what_was_not_acknowledged_and_whether_work_is_taken(pool):
    task = await pool.contributed(trust=10)
    await pool.says(AcknowledgeReports(task, 3))
    pool.forgets()
    await pool.greets()
    assert pool.heard(Capacity) == [Capacity(None)]
    assert [r.first for r in pool.heard(ReportBatch)] == [3, 3 + MOST_REPORTS][
        : len(pool.heard(ReportBatch))
    ]
    assert pool.path(task) == [*EARLY, *LATE][3:]


async def test_acknowledged_reports_are_not_told_again_and_no_more_than_told_is_believed(pool):
    task = await pool.contributed(trust=10)
    await pool.says(AcknowledgeReports(task, 10_000))
    pool.forgets()
    await pool.greets()
    assert not pool.heard(ReportBatch)
    assert pool.replicate(task) is not None


async def test_a_pool_that_has_less_than_it_said_is_told_all_that_it_lacks_in_order(pool):
    task = await pool.contributed(trust=10)
    await pool.says(AcknowledgeReports(task, 7))
    pool.forgets()
    await pool.says(AcknowledgeReports(task, 2))
    assert pool.path(task) == [*EARLY, *LATE][2:]
    assert [r.first for r in pool.heard(ReportBatch)] == [2, 2 + MOST_REPORTS][
        : len(pool.heard(ReportBatch))
    ]
    await pool.restarts_worker()
    assert pool.replicate(task).acknowledged == 2


async def test_a_pool_that_takes_back_what_it_has_for_ever_does_not_fill_the_journal(pool):
    task = await pool.contributed(trust=10)

    async def takes_back(times):
        for _ in range(times):
            await pool.says(AcknowledgeReports(task, 7), AcknowledgeReports(task, 2))
        return len(list(pool.node.journal.read()))

    before = await takes_back(MOST_SET_BACK)
    assert pool.replicate(task).acknowledged == 2
    await pool.restarts_worker()
    await pool.says(AcknowledgeReports(task, 7))
    pool.forgets()
    written = await takes_back(100)
    assert written < before + 10
    assert pool.replicate(task).acknowledged == 7
    assert not pool.heard(ReportBatch)


async def test_a_long_history_is_told_in_batches_that_the_protocol_admits(pool):
    task = await pool.contributed(trust=10)
    for _ in range(10):
        await pool.restarts_worker()
    pool.forgets()
    await pool.greets()
    assert all(len(each.statuses) <= MOST_REPORTS for each in pool.heard(ReportBatch))
    assert len(pool.path(task)) == len(pool.replicate(task).history) > MOST_REPORTS


async def test_a_result_is_told_with_the_report_of_its_upload_until_that_is_acknowledged(pool):
    task = await pool.contributed(trust=1)
    await pool.blocks(2)
    pool.forgets()
    await pool.says(AskUpload(task))
    assert pool.path(task)[-1] == "RESULT_UPLOADED"
    (told,) = [each for each in pool.heard(ReportBatch) if each.upload is not None]
    assert [each.status for each in told.statuses] == ["RESULT_UPLOADED"]
    assert str(task) in told.upload.link
    pool.forgets()
    await pool.greets()
    assert [each.upload for each in pool.heard(ReportBatch) if each.upload] == [told.upload]
    await pool.acknowledges(task)
    pool.forgets()
    await pool.greets()
    assert not pool.heard(ReportBatch)


async def test_an_upload_of_a_result_that_is_gone_is_declined(pool):
    task = await pool.contributed(trust=1)
    await pool.blocks(2)
    pool.node.worker.folders.of(task).archive.unlink()
    await pool.says(AskUpload(task))
    assert pool.path(task)[-1] == "RESULT_UPLOAD_REQUEST_FAILED"


async def test_an_upload_asked_for_too_early_is_not_made(pool):
    task = await pool.contributed(trust=10)
    await pool.says(AskUpload(task))
    assert pool.path(task)[-1] == "CONTRIBUTED"
    assert not pool.world.results.uploads


async def test_what_the_app_prints_is_told_and_long_prints_keep_their_end(pool):
    pool.member._reports.logs(UNKNOWN, b"x" * 100_000 + b"the end", b"\xff oh")
    (logs,) = pool.heard(Logs)
    assert logs.stdout.endswith("the end")
    assert len(logs.stdout.encode()) <= 24_576
    assert "oh" in logs.stderr


async def test_a_worker_says_what_it_holds_at_login(pool):
    task = await pool.contributed(trust=10)
    assert [(h.task_id, h.status) for h in pool.member.held()] == [(task, "CONTRIBUTED")]


# ----------------------------------------------------------------------------------- status page


async def test_in_what_apps_run_is_told_in_each_session_by_whoever_knows(pool):
    told = []
    pool.member.joined.connect(lambda: told.append("runc"))
    for _ in range(2):
        await pool.greets()
    assert told == ["runc", "runc"]


async def test_what_the_pools_owner_says_stands_in_the_status_and_once_in_the_log(pool):
    structlog.reset_defaults()  # the fixture lets nothing through
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            await pool.says(OwnerMessage(UnixSeconds(7), "please update"))
    assert pool.teller().show()["owner_messages"] == [{"at": 7, "text": "please update"}]
    told = [each for each in logged if each["event"] == "pool_owner_says"]
    assert [each["text"] for each in told] == ["please update"]
    assert worker_report(pool.teller().show())


async def test_the_status_page_tells_what_is_done_and_why_nothing_is(pool):
    app = plain_application("w", routes(pool.teller(), pool.gauges()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await pool.says(Idle({"stake too low": 2}))
        body = (await client.get("/v1/status")).json()
        assert (body["connected"], body["idle"]) == (True, {"stake too low": 2})
        task = await pool.contributed(trust=10)
        body = (await client.get("/v1/status")).json()
        assert body["idle"] == {}
        (replicate,) = body["replicates"]
        assert (replicate["task_id"], replicate["status"]) == (str(task), "CONTRIBUTED")
        assert [each["status"] for each in replicate["history"]] == [*EARLY, *LATE]
        assert replicate["history"][-1]["tx"].startswith("0x")
        await pool.member.disconnected("the connection broke", 1.0)
        health = (await client.get("/health")).json()
        assert health == {"ok": True, "connected": False, "chain": None}
        assert "poolhand_worker_replicates 1.0" in (await client.get("/metrics")).text
        assert (await client.get("/version")).text.count(".") == 2
