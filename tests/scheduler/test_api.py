"""The pool's public API: every page, every refusal."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest
from pool_world import TO_CONTRIBUTED, S, first_task

from poolhand import __version__
from poolhand.domain.ids import Address
from poolhand.domain.tag import Tag
from poolhand.domain.units import NANO_PER_RLC as RLC
from poolhand.transport.asgi import application
from poolhand.wire.messages import Logs
from poolhand.wire.order_json import decode_order

URL = "http://pool.test"
UNKNOWN = "0x" + "77" * 32


@pytest.fixture
async def office(pool):
    """Return a pool at work and a client of its API."""
    world = await pool()
    app = application("Poolhand pool", world.scheduler.api(URL))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield world, client


async def got(client, path, **query):
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(client, path, **query):
    answer = await client.get(path, params=query)
    body = answer.json()
    assert set(body) == {"code", "message"}, body
    return answer.status_code, body["code"], body["message"]


async def test_config_tells_chain_hub_and_pool(office):
    world, client = office
    assert await got(client, "/v1/config") == {
        "version": __version__,
        "chain_id": 31337,
        "hub": str(world.chain.facts.hub),
        "workerpool": str(world.workerpool),
        "owner": str(world.owner.address),
        "url": URL,
        "results_url": "http://results.test",
        "prices": {"0": 10**9},
        "highest_trust": 0,
        "by_signature": {"fee": 0, "most_params": 1024},
        "by_invitation": False,
        "sms_url": "",
        "simulated_tee": False,
    }


async def test_an_order_is_sold_in_the_iexec_sdks_form(office):
    world, client = office
    body = await got(client, "/v1/order", category=0, trust=5, volume=3)
    assert body["workerpool"] == str(world.workerpool)
    signed = decode_order(type(world.orders(1, 1).workerpool.order), body)
    assert signed.order.trust == 5
    assert re.fullmatch(r"0x[0-9a-f]{130}", body["sign"])


async def test_what_is_not_sold_is_refused(office):
    _, client = office
    status, code, message = await refused(client, "/v1/order", category=4)
    assert (status, code) == (400, "not-sold")
    assert "choose one of 0" in message
    tee = str(Tag.of(["tee", "scone"]))
    assert (await refused(client, "/v1/order", tag=tee))[:2] == (400, "not-sold")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/order", {"category": "x"}),
        ("/v1/order", {"category": -1}),
        ("/v1/order", {"volume": 0}),
        ("/v1/order", {"tag": "0x12"}),
        ("/v1/tasks", {"status": "NO_SUCH"}),
        ("/v1/tasks", {"limit": 0}),
        ("/v1/tasks", {"limit": 1001}),
        ("/v1/tasks/0x12", {}),
        ("/v1/tasks/nonsense", {}),
        ("/v1/tasks/nonsense/logs", {}),
        ("/v1/deals/0xzz", {}),
    ],
)
async def test_a_malformed_request_is_refused_with_the_reason(office, path, query):
    _, client = office
    status, code, message = await refused(client, path, **query)
    assert status == 400
    assert code
    assert message


@pytest.mark.parametrize("path", ["/v1/tasks/{}", "/v1/tasks/{}/logs", "/v1/deals/{}"])
async def test_what_is_not_this_pools_is_not_found(office, path):
    _, client = office
    status, code, message = await refused(client, path.format(UNKNOWN))
    assert (status, code) == (404, "not-known")
    assert UNKNOWN in message


async def test_a_path_that_does_not_exist_answers_in_the_same_shape(office):
    _, client = office
    assert (await refused(client, "/v2/tasks"))[0] == 404


async def test_a_task_that_cannot_be_shown_is_told_in_the_list_and_still_given_to_workers(office):
    world, client = office
    engine, name = world.scheduler.engine, first_task(await world.deal())
    whole = engine.tasks[name]
    world.planted = (TypeError,)
    engine.tasks[name] = replace(whole, history=None)
    (told,) = await got(client, "/v1/tasks")
    assert told["task_id"] == str(name)
    assert "a fault of Poolhand's own" in told["trouble"]
    engine.tasks[name] = whole
    assert engine.troubles == {}
    assert (await got(client, "/v1/tasks"))[0]["trouble"] is None
    worker = await world.hired()
    assert engine.tasks[name].attempt(worker.address) is not None


async def test_a_task_is_shown_with_its_replicates_histories_and_transactions(office):
    world, client = office
    worker = await world.hired()
    deal = await world.deal()
    task = first_task(deal)
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    body = await got(client, f"/v1/tasks/{task}")
    assert body["status"] == "CONSENSUS_REACHED"
    assert body["chain_status"] == "REVEALING"
    assert body["consensus"] == str(world.view(task).consensus)
    assert body["reveal_deadline"] == world.view(task).reveal_deadline
    assert body["digest"] is None
    assert body["result_link"] is None
    (replicate,) = body["replicates"]
    assert replicate["worker"] == str(worker.address)
    assert [e["status"] for e in replicate["history"]] == ["CREATED", *TO_CONTRIBUTED]
    assert replicate["meaning"]
    assert replicate["next_step"]
    assert replicate["acts"] == "scheduler"
    (sent,) = body["transactions"]
    assert sent["call"] == "initialize"
    assert sent["gas"] == 300_000
    assert next(each["status"] for each in body["history"]) == "RECEIVED"


async def test_tasks_are_listed_newest_first_by_status_and_number(office):
    world, client = office
    await world.hired()
    first, second = await world.deal(), await world.deal(tasks=2)
    names = [str(name) for deal in (first, second) for _, name in deal.tasks()]
    listed = await got(client, "/v1/tasks")
    assert [each["task_id"] for each in listed] == names[::-1]
    assert [t["task_id"] for t in await got(client, "/v1/tasks", limit=1)] == names[2:]
    begun = await got(client, "/v1/tasks", status="RUNNING")
    assert [each["task_id"] for each in begun] == names[:1]
    assert len(await got(client, "/v1/tasks", status="RECEIVED")) == 2


async def test_a_deal_is_shown_with_its_tasks(office):
    world, client = office
    deal = await world.deal(trust=5, tasks=2)
    body = await got(client, f"/v1/deals/{deal.deal_id}")
    assert body["deal_id"] == str(deal.deal_id)
    assert body["trust"] == 5
    assert body["price"] == 103 * 10**9
    assert body["dataset"] is None
    assert (body["first_index"], body["size"]) == (0, 2)
    assert [(t["index"], t["status"]) for t in body["tasks"]] == [(0, "RECEIVED"), (1, "RECEIVED")]


async def test_the_tasks_of_a_deal_are_told_page_by_page(office):
    world, client = office
    deal = await world.deal(tasks=5)
    pages = [
        [
            each["index"]
            for each in (await got(client, f"/v1/deals/{deal.deal_id}", **page))["tasks"]
        ]
        for page in ({"limit": 2}, {"limit": 2, "first": 2}, {"first": 4}, {"first": 5})
    ]
    assert pages == [[0, 1], [2, 3], [4], []]


async def test_workers_are_told_page_by_page_in_order_of_their_addresses(office):
    world, client = office
    known = sorted([await world.hired() for _ in range(5)], key=lambda each: each.address)
    first = await got(client, "/v1/workers", limit=2)
    await known[1].leaves()  # the last of a page need not be there any more
    rest = await got(client, "/v1/workers", after=first[-1]["worker"])
    told = [Address.parse(each["worker"]) for each in (*first, *rest)]
    assert told == [each.address for each in known]


async def test_workers_are_listed_with_what_they_can_take(office):
    world, client = office
    worker = await world.hired(slots=2)
    await worker.pauses("lunch")
    (connected,) = await got(client, "/v1/workers")
    assert Address.parse(connected["worker"]) == worker.address
    assert (
        connected["slots"],
        connected["replicates"],
        connected["paused"],
        connected["reason"],
    ) == (
        2,
        0,
        True,
        "lunch",
    )
    assert connected["stake"] == 1000 * 10**9


async def test_why_workers_are_given_nothing_is_told_of_all_and_of_each(office):
    world, client = office
    poor, idle = await world.hired(stake=0), await world.hired()
    deal = await world.deal(trust=5)
    await idle.pauses("lunch")
    health = await got(client, "/health")
    assert health["idle"] == {"stake too low": 1, "worker is paused": 1}
    told = await got(client, f"/v1/workers/{poor.address}")
    assert (told["worker"], told["stake"]) == (str(poor.address), 0)
    assert told["stake_missing"] == deal.worker_stake
    (why,) = told["idle"]
    assert (why["reason"], why["tasks"]) == ("stake too low", 1)
    assert why["remedy"] == "deposit RLC as stake"


async def test_of_a_worker_that_is_not_connected_nothing_is_told(office):
    _, client = office
    status, code, message = await refused(client, "/v1/workers/" + "0x" + "77" * 20)
    assert (status, code) == (404, "not-known")
    assert "is not connected to this pool" in message
    assert "`poolhand worker status`" in message


async def test_all_36_statuses_are_explained(office):
    _, client = office
    rows = await got(client, "/v1/statuses")
    assert {row["status"] for row in rows} == set(S)
    assert all(row["meaning"] and row["cause"] and row["next_step"] for row in rows)
    assert all(set(row["next"]) <= set(S) for row in rows)


async def test_logs_are_shown_if_the_owner_publishes_them(office):
    world, client = office
    worker = await world.hired()
    task = first_task(await world.deal())
    assert await got(client, f"/v1/tasks/{task}/logs") == {}
    await worker.says(Logs(task, "hello", "oh"))
    assert await got(client, f"/v1/tasks/{task}/logs") == {
        str(worker.address): {"stdout": "hello", "stderr": "oh"}
    }


async def test_logs_are_not_shown_otherwise(pool):
    world = await pool(public_logs=False)
    task = first_task(await world.deal())
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        assert (await refused(client, f"/v1/tasks/{task}/logs"))[:2] == (403, "not-public")


async def test_health_tells_block_workers_and_work(office):
    world, client = office
    await world.hired()
    await world.deal()
    assert await got(client, "/health") == {
        "ok": True,
        "role": "leader",
        "leader": None,
        "chain": None,
        "block": world.chain.head.number,
        "block_time": world.chain.head.timestamp,
        "workers": 1,
        "idle": {"all slots busy": 1},
        "open_tasks": 1,
        "gas": {"short": False, "balance": 10**30, "missing": 0, "spent": 0, "message": None},
        "deposit": {
            "free": 100_000 * RLC,
            "locked": 0,
            "least": 3 * RLC // 10,
            "message": None,
        },
        "sells": True,
        "sells_nothing_because": None,
    }


async def sells(client):
    told = await got(client, "/health")
    assert told["sells"] == (told["sells_nothing_because"] is None)
    return told["sells_nothing_because"] or True


async def test_health_says_that_something_is_sold_only_while_a_worker_takes_tasks(pool):
    world = await pool(preflight=True)
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        assert "no worker is connected that takes tasks" in await sells(client)
        worker = await world.hired()
        assert await sells(client) is True
        await worker.pauses("a new disk")
        assert "no worker" in await sells(client)
        await worker.pauses(None)
        assert await sells(client) is True
        await worker.leaves()
        assert "no worker" in await sells(client)


@pytest.mark.case("B1")
async def test_health_says_that_the_chain_is_not_being_read(office):
    world, client = office
    world.chain.outage = True
    told = await got(client, "/health")
    assert not told["ok"]
    assert "not being read" in told["chain"]
    world.chain.outage = False
    assert (await got(client, "/health"))["ok"]


async def test_metrics_are_in_prometheus_form(office):
    world, client = office
    await world.hired()
    await world.deal(tasks=2)
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'poolhand_tasks{status="INITIALIZING"} 1.0' in lines
    assert 'poolhand_tasks{status="RECEIVED"} 1.0' in lines
    assert "poolhand_workers_connected 1.0" in lines
    assert 'poolhand_workers_idle{reason="all slots busy"} 1.0' in lines
    assert 'poolhand_workers_idle{reason="stake too low"} 0.0' in lines
    assert "poolhand_replicates_created_total 1.0" in lines
    assert "poolhand_assignment_seconds_count 1.0" in lines


@pytest.mark.case("A3")
async def test_what_cannot_be_done_is_refused_with_a_code_and_what_to_do(pool):
    world = await pool(preflight=True, tasks_per_requester=4)
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        assert (await refused(client, "/v1/order"))[:2] == (409, "no-worker-for-it")
        worker = await world.hired()
        assert (await got(client, "/v1/config"))["highest_trust"] == 2
        status, code, message = await refused(client, "/v1/order", trust=3)
        assert (status, code) == (409, "trust-out-of-reach")
        assert "trust 2 or less" in message
        me = str(world.requester.address)
        body = await got(client, "/v1/order", requester=me, app=str(world.app), volume=4)
        assert (body["requesterrestrict"], body["apprestrict"]) == (me, str(world.app))
        assert (await refused(client, "/v1/order", requester=me, volume=5))[:2] == (
            429,
            "too-many-open-tasks",
        )
        deal = await world.deal()
        shown = await got(client, f"/v1/tasks/{next(deal.tasks())[1]}")
        assert shown["obstacle"] is None
        await worker.leaves()
        shown = await got(client, f"/v1/tasks/{next(deal.tasks())[1]}")
        assert "takes tasks now" in shown["obstacle"]


@pytest.mark.case("N2")
async def test_who_has_a_whole_ipv6_network_is_one_caller(pool):
    world = await pool(orders_per_minute=2)
    app = application("Poolhand pool", world.scheduler.api(URL))
    statuses = []
    for number in range(1, 5):
        transport = httpx.ASGITransport(app, client=(f"2001:db8::{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            asked = {"requester": "0x" + f"{number:02x}" * 20}
            statuses.append((await client.get("/v1/order", params=asked)).status_code)
    assert statuses == [200, 200, 429, 429]
