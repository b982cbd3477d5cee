"""What iExec's SDK asks of a scheduler: a task, its replicates, and the requester's logs."""

from __future__ import annotations

import httpx
import pytest
from pool_world import TO_CONTRIBUTED, S, first_task

from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.replicate.events import Flow
from poolhand.domain.task.status import TaskStatus
from poolhand.scheduler.api.core_tasks import CORE_NAME
from poolhand.transport.asgi import application
from poolhand.wire.core_api import core_status
from poolhand.wire.messages import Logs, ReportBatch, StatusReport
from signing import sign_digest

CORE_STATUSES = frozenset(
    {
        "CREATED", "STARTING", "START_FAILED", "STARTED",
        "APP_DOWNLOADING", "APP_DOWNLOAD_FAILED", "APP_DOWNLOADED",
        "DATA_DOWNLOADING", "DATA_DOWNLOAD_FAILED", "DATA_DOWNLOADED",
        "COMPUTING", "COMPUTE_FAILED", "COMPUTED",
        "CONTRIBUTING", "CONTRIBUTE_FAILED", "CONTRIBUTED",
        "REVEALING", "REVEAL_FAILED", "REVEALED",
        "RESULT_UPLOAD_REQUESTED", "RESULT_UPLOADING", "RESULT_UPLOAD_FAILED", "RESULT_UPLOADED",
        "CONTRIBUTE_AND_FINALIZE_ONGOING", "CONTRIBUTE_AND_FINALIZE_FAILED",
        "CONTRIBUTE_AND_FINALIZE_DONE", "COMPLETING", "COMPLETE_FAILED", "COMPLETED",
        "FAILED", "ABORTED", "RECOVERING", "WORKER_LOST",
    }
)  # fmt: skip
"""Every replicate status that iExec's scheduler has."""

URL = "http://pool.test"
CORE_TASK_STATUSES = {
    "RECEIVED",
    "INITIALIZING",
    "INITIALIZED",
    "INITIALIZE_FAILED",
    "RUNNING",
    "RUNNING_FAILED",
    "CONTRIBUTION_TIMEOUT",
    "CONSENSUS_REACHED",
    "REOPENING",
    "REOPENED",
    "REOPEN_FAILED",
    "AT_LEAST_ONE_REVEALED",
    "RESULT_UPLOADING",
    "RESULT_UPLOADED",
    "RESULT_UPLOAD_TIMEOUT",
    "FINALIZING",
    "FINALIZED",
    "FINALIZE_FAILED",
    "FINAL_DEADLINE_REACHED",
    "COMPLETED",
    "FAILED",
}


@pytest.fixture
async def office(pool):
    """Return a pool at work, a client of its API, a task, and the worker at it."""
    world = await pool(public_logs=False)
    app = application("Poolhand pool", world.scheduler.api(URL))
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield world, client, task, worker


async def authorization(client, wallet, by=None):
    asked = {"address": str(wallet.address), "chainId": 31337}
    told = (await client.get("/tasks/logs/challenge", params=asked)).json()
    assert told["domain"] == {"name": CORE_NAME, "version": "1", "chainId": 31337}
    digest = challenge_digest(31337, told["message"]["challenge"], CORE_NAME)
    sign = sign_digest(by or wallet, digest)
    return {"authorization": f"0x{digest.hex()}_0x{sign.hex()}_{wallet.address}"}


@pytest.mark.parametrize("flow", Flow)
def test_every_status_of_ours_is_one_that_iexecs_scheduler_has(flow):
    assert {core_status(status, flow)[0] for status in S} <= CORE_STATUSES
    assert set(TaskStatus) <= CORE_TASK_STATUSES


async def test_a_task_is_shown_as_iexecs_scheduler_shows_it(office):
    _, client, task, worker = office
    told = (await client.get(f"/tasks/{task}")).json()
    assert (told["chainTaskId"], told["currentStatus"]) == (str(task), "RUNNING")
    assert told["dateStatusList"][0]["status"] == "RECEIVED"
    assert told["dateStatusList"][0]["date"].endswith(".000Z")
    (replicate,) = told["replicates"]
    assert replicate["walletAddress"] == str(worker.address)
    assert replicate["currentStatus"] == "CONTRIBUTED"
    names = [each["status"] for each in replicate["statusUpdateList"]]
    assert names[:3] == ["CREATED", "STARTED", "APP_DOWNLOADING"]
    assert names[-3:] == ["COMPUTED", "CONTRIBUTING", "CONTRIBUTED"]
    assert replicate["appExitCode"] == 0
    alone = await client.get(f"/tasks/{task}/replicates/{worker.address}")
    assert alone.json() == replicate


async def test_the_exit_code_of_a_failed_app_is_told(office):
    world, client, _, _ = office
    worker, task = await world.hired(), first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED[: TO_CONTRIBUTED.index(S.COMPUTED)])
    path = f"/tasks/{task}/replicates/{worker.address}"
    assert (await client.get(path)).json()["appExitCode"] is None
    why = "the app exited with code 137, out of memory: no room"
    failed = StatusReport(S.COMPUTE_FAILED, world.clock.now(), None, why)
    await worker.says(ReportBatch(task, worker.count[task], (failed,), None))
    assert (await client.get(path)).json()["appExitCode"] == 137


async def test_what_the_pool_does_not_know_is_not_found_in_json(office):
    world, client, task, _ = office
    unknown = "0x" + "77" * 32
    for path in (f"/tasks/{unknown}", f"/tasks/{task}/replicates/{world.owner.address}"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-known")


async def test_its_requester_reads_the_logs_of_a_task_that_the_pool_publishes_to_nobody(office):
    world, client, task, worker = office
    await worker.says(Logs(task, "hello", "oh"))
    assert (await client.get(f"/v1/tasks/{task}/logs")).status_code == 403
    own = await authorization(client, world.requester)
    for _ in range(2):
        told = (await client.get(f"/tasks/{task}/logs", headers=own)).json()
        printed = {"walletAddress": str(worker.address), "stdout": "hello", "stderr": "oh"}
        assert told == {"chainTaskId": str(task), "computeLogsList": [printed]}
    one = f"/tasks/{task}/replicates/{worker.address}/logs"
    assert (await client.get(one, headers=own)).json() == printed


async def test_nobody_else_reads_them(office):
    world, client, task, _ = office
    path = f"/tasks/{task}/logs"
    assert (await client.get(path)).status_code == 401
    forged = await authorization(client, world.requester, by=world.owner)
    assert (await client.get(path, headers=forged)).status_code == 401
    stranger = await authorization(client, world.owner)
    answer = await client.get(path, headers=stranger)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-the-requester")
    assert str(world.requester.address) in answer.json()["message"]
