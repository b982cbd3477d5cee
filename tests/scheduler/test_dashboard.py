"""What a pool's owner is told of its pool: counted, and no more work in a larger one."""

from __future__ import annotations

import httpx
import pytest
from crowded_pool import crowded, quiet, same, work_of
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.domain.ids import Address
from poolhand.domain.pool_alerts import LONG_WAIT, STUCK_AFTER, AlertName
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.page import sections
from poolhand.transport.asgi import application
from poolhand.wire.messages import ReportBatch, StatusReport
from poolhand.wire.pool_owner import ExclusionOrder

URL, TOKEN = "http://127.0.0.1:13000", "ab" * 32
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOSTILE = "<script>alert(1)</script>"


def asking(world):
    routes = [*world.scheduler.api(URL), *world.scheduler.owner_api(URL, TOKEN)]
    transport = httpx.ASGITransport(application("pool", routes))
    return httpx.AsyncClient(transport=transport, base_url=URL, headers=BEARER)


async def dashboard(world):
    async with asking(world) as client:
        answer = await client.get("/v1/owner/dashboard")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def settled(world, worker, task):
    """Take a trust-1 task to its end."""
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    told = (S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await worker.reports(task, *told)
    await worker.has_stored(task)
    for _ in range(4):
        await world.step()


async def test_it_tells_workers_tasks_and_money(pool):
    world = await pool()
    worker = await world.hired(slots=2)
    task = first_task(await world.deal())
    await world.step()
    await settled(world, worker, task)
    await world.deal()
    await world.step()
    told = await dashboard(world)
    assert told["tasks"] == {"COMPLETED": 1, "RUNNING": 1}
    assert (told["settled"], told["failed"]) == (1, 0)
    assert told["health"]["workers"] == 1
    assert told["health"]["deposit"]["free"] == world.scheduler.collateral.account.stake
    assert (told["waits"], told["transaction"], told["alerts"]) == (None, None, [])
    async with asking(world) as client:
        (row,) = (await client.get("/v1/owner/workers")).json()["workers"]
    assert (row["settled"], row["failed"]) == (1, 0)
    assert row["mean_seconds"] == 0


async def test_what_ends_by_a_workers_fault_is_counted_against_it_and_the_apps_is_not(pool):
    world = await pool()
    bad = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await bad.reports(task, *TO_COMPUTED)
    await bad.leaves()
    await world.step()
    assert world.scheduler.tallies.of(bad.address).failed == 1
    other = await world.hired()
    await world.step()
    await other.reports(task, *TO_COMPUTED[:-1], S.COMPUTE_FAILED)
    tally = world.scheduler.tallies.of(other.address)
    assert (tally.settled, tally.failed) == (0, 0)


async def test_a_pool_without_workers_and_a_task_that_waits_alert_its_owner(pool):
    world = await pool()
    await world.deal()
    await world.step()
    told = await dashboard(world)
    assert [each["name"] for each in told["alerts"]] == [AlertName.NO_WORKERS]
    before = told["waits"]
    await world.step(LONG_WAIT)
    told = await dashboard(world)
    assert told["waits"] >= before + LONG_WAIT
    assert [each["name"] for each in told["alerts"]] == [AlertName.NO_WORKERS]
    await world.hired()
    await world.step()
    assert (await dashboard(world))["waits"] is None


async def test_a_transaction_that_is_not_mined_is_told_for_how_long(pool):
    world = await pool()
    await world.hired()
    await world.deal()
    await world.settle()
    transactions = world.scheduler.transactions
    assert transactions.under_way == 1
    world.clock.advance(STUCK_AFTER)
    assert transactions.oldest() >= STUCK_AFTER
    assert "transaction-stuck" in [each["name"] for each in (await dashboard(world))["alerts"]]
    for _ in range(3):
        await world.step()
    assert (transactions.under_way, transactions.oldest()) == (0, None)


async def test_whoever_waits_longest_is_found_whatever_came_and_went(pool):
    world = await pool()
    waiting = world.scheduler._waiting
    assert waiting.longest() is None
    await world.deal()
    await world.step()
    await world.step(50)
    await world.deal()
    await world.step()
    assert waiting.longest() >= 50


async def test_a_task_waits_again_from_when_its_last_worker_went(pool):
    world = await pool()
    waiting = world.scheduler._waiting
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step(100)
    await worker.reports(task, *TO_COMPUTED)
    assert waiting.longest() is None
    await worker.leaves()
    assert waiting.longest() == 0
    await world.step(70)
    assert 70 <= waiting.longest() < 100
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    assert 70 <= world.scheduler._waiting.longest() < 100
    other = await world.hired()
    assert world.scheduler._waiting.longest() is None
    long_ago = [StatusReport(each, UnixSeconds(1), None, None) for each in (S.RUNNING, S.FAILED)]
    await other.says(ReportBatch(task, 0, tuple(long_ago), None))
    await world.step(60)
    assert 60 <= world.scheduler._waiting.longest() < 70, "a worker's clock decides nothing"


async def test_the_page_shows_texts_of_others_as_texts(pool):
    world = await pool()
    worker = world.hire()
    worker.name = HOSTILE
    await worker.arrives(paused=HOSTILE)
    await world.scheduler.owners_workers.ban(
        Address(bytes([7] * 20)), ExclusionOrder(reason=HOSTILE)
    )
    async with asking(world) as client:
        told = (await client.get("/owner/parts")).json()
    assert set(told["sections"]) == set(sections.OWNER_SECTIONS)
    whole = "".join(told["sections"].values())
    assert HOSTILE not in whole
    assert whole.count("&lt;script&gt;") >= 3


async def test_a_page_that_nobody_has_is_refused(pool):
    world = await pool()
    async with asking(world) as client:
        for asked in (
            {"workers": "0x12"},
            {"tasks": "nonsense"},
            {"excluded": "\x00"},
            {"limit": "0"},
            {"limit": "x"},
            {"limit": "000000200000"},
        ):
            assert (await client.get("/owner/parts", params=asked)).status_code == 400, asked
        unknown = {"tasks": "0x" + "77" * 32}
        assert (await client.get("/owner/parts", params=unknown)).status_code in (200, 404)


ASKED = ("/v1/owner/dashboard", "/v1/owner/workers?limit=20", "/v1/owner/excluded?limit=20",
         "/owner/parts?limit=20")  # fmt: skip


async def works_of(world, workers):
    """Ask each thing twice; return what the second asking took."""
    for each in workers:  # as many are kept from work as there are workers
        await world.scheduler.owners.drain(Address(bytes(each.address)[::-1]), "why")
    await quiet(world)
    works = {}
    async with asking(world) as client:
        for path in ASKED:
            for _ in range(2):
                works[path] = await work_of(client.get(path))
                await world.settle()
    return works


@pytest.mark.timeout(300)
async def test_ten_times_the_pool_is_no_more_work_for_its_owners_page(pool):
    few, many = [await works_of(*await crowded(pool, times)) for times in (1, 10)]
    assert {path: (few[path], n) for path, n in many.items() if n > same(few[path])} == {}
