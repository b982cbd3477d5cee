"""Two processes of one pool over one real server: the second reads, waits, and leads in its turn."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest
from started_pool import Started
from websockets.asyncio.client import connect

from poolhand.domain.lead import ANSWER, LEAD_LEASE
from poolhand.ports.lead import LeadLost
from poolhand.scheduler import main
from poolhand.transport.asgi import bind, port_of
from poolhand.wire.frames import decode
from poolhand.wire.messages import Reject
from postgres_fixtures import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

pytestmark = pytest.mark.postgres


class Pair:
    """A pool that leads, and one that is started beside it, as on another machine."""

    def __init__(self, folder, database):
        self.first = Started(folder)
        shared = replace(self.first.settings, database=database)
        self.first.settings = shared
        self.folder, self.url = folder, ""

    @asynccontextmanager
    async def second(self):
        """Run the second one; yields a client of it once it answers."""
        with bind("127.0.0.1", 0) as free:
            port = port_of(free)
        settings = replace(self.first.settings, locks=self.folder / "locks-2", port=port)
        self.url = f"http://127.0.0.1:{port}"
        self.leads = asyncio.Event()
        running = asyncio.ensure_future(
            main.run(settings, lambda _: self.leads.set(), self.first.join)
        )
        try:
            async with httpx.AsyncClient(base_url=self.url) as http:
                await answered(http, running)
                yield http
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def answered(http, running):
    """Wait until a process answers."""
    while not running.done():
        try:
            await http.get("/health")
        except httpx.ConnectError:
            await asyncio.sleep(0)
        else:
            return
    running.result()


def bought(world, tasks):
    """Buy on chain, whose time is the system's here."""
    world.bought.append(world.chain.submit(world.requester.address, world.orders(1, tasks)))
    world.chain.mine()
    deal_id = world.chain.outcome(world.bought[-1]).receipt.deals[0]
    return world.chain.state.deals[deal_id]


@pytest.fixture
async def pair(tmp_path, postgres):
    return Pair(tmp_path, postgres)


async def test_one_that_stands_by_says_so_and_sends_everybody_to_the_leader(pair):
    async with pair.first.serving(), pair.second() as http:
        health = (await http.get("/health")).json()
        assert (health["ok"], health["role"], health["sells"]) == (True, "standby", False)
        assert health["leader"] == "another process", "neither its number nor its machine"
        for path in (
            "/ready",
            "/v1/order",
            "/v1/workers",
            "/join",
            "/join.sh",
            "/join/x.whl",
            "/owner",
            "/owner/parts",
            "/v1/owner/sign-in",
            "/v1/owner/dashboard",
        ):
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "standing-by"), path
        assert "poolhand_leads 0.0" in (await http.get("/metrics")).text
        async with connect(pair.url.replace("http", "ws") + "/worker") as worker:
            reject = decode(await worker.recv())
        assert isinstance(reject, Reject)
        assert (reject.code, reject.retry_after) == ("standing-by", 2)
        (url,) = pair.first.urls
        async with httpx.AsyncClient(base_url=url) as leader:
            assert (await leader.get("/ready")).json() == {"leads": True}
            assert (await leader.get("/health")).json()["role"] == "leader"


async def test_one_that_stands_by_tells_of_deals_and_tasks_as_the_leader_does(pair):
    world = pair.first.world
    async with pair.first.serving(), pair.second() as http:
        deal = bought(world, 3)
        (url,) = pair.first.urls
        async with httpx.AsyncClient(base_url=url) as leader:
            while len((await leader.get("/v1/tasks")).json()) < 3:
                world.chain.mine()
                await asyncio.sleep(0)
            while (await http.get(f"/v1/deals/{deal.deal_id}")).status_code == 404:
                pass  # what the leader tells of may not be written yet
            for path in ("/v1/statuses", f"/v1/deals/{deal.deal_id}"):
                assert (await http.get(path)).json() == (await leader.get(path)).json(), path
            here = (await http.get("/v1/config")).json()
            there = (await leader.get("/v1/config")).json()
            for name in ("chain_id", "hub", "workerpool", "owner", "results_url", "prices"):
                assert here[name] == there[name], name
            names = [each["task_id"] for each in (await leader.get("/v1/tasks")).json()]
        told = (await http.get("/v1/tasks")).json()
        assert [each["task_id"] for each in told] == names
        pages = (await http.get("/v1/tasks", params={"limit": 2})).json()
        rest = await http.get("/v1/tasks", params={"limit": 2, "before": pages[-1]["task_id"]})
        assert [each["task_id"] for each in (*pages, *rest.json())] == names
        found = (await http.get(f"/v1/tasks/{names[0]}")).json()
        assert (found["task_id"], found["deal_id"]) == (names[0], str(deal.deal_id))
        assert (await http.get("/v1/tasks/0x" + "77" * 32)).status_code == 404
        assert (await http.get("/v1/deals/0x" + "77" * 32)).status_code == 404


async def test_one_that_stands_by_leads_at_once_when_the_leader_is_stopped(pair):
    async with pair.second() as http:  # nobody leads: it does
        await pair.leads.wait()
        assert (await http.get("/ready")).status_code == 200
    async with pair.first.serving():
        other = pair.second()
        http = await other.__aenter__()
        assert (await http.get("/ready")).status_code == 503
    began = asyncio.get_running_loop().time()
    await pair.leads.wait()
    assert asyncio.get_running_loop().time() - began < LEAD_LEASE, "a lease was waited for in vain"
    assert (await http.get("/ready")).status_code == 200
    assert (await http.get("/health")).json()["role"] == "leader"
    await other.__aexit__(None, None, None)


async def test_a_leader_whose_session_is_ended_ends_by_itself_and_the_other_leads(pair, postgres):
    up = asyncio.Event()
    serving = asyncio.ensure_future(
        main.run(pair.first.settings, lambda _: up.set(), pair.first.join)
    )
    await up.wait()
    async with pair.second() as http:
        assert (await http.get("/health")).json()["role"] == "standby"
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
        with pytest.raises(LeadLost):
            await serving
        await pair.leads.wait()
        assert (await http.get("/ready")).status_code == 200


class Ticks:
    """Finds for how long the loop stood still."""

    def __init__(self):
        self._loop, self.longest = asyncio.get_running_loop(), 0.0
        self._last = self._loop.time()
        self._tick()

    def _tick(self):
        now = self._loop.time()
        self.longest, self._last = max(self.longest, now - self._last), now
        self.timer = self._loop.call_later(0.1, self._tick)


async def test_a_leader_whose_servers_process_is_frozen_ends_and_its_loop_never_stands_still(
    pair, postgres
):
    """No time limit of server or network ends such a wait; whoever wakes must not act by it."""
    up = asyncio.Event()
    serving = asyncio.ensure_future(
        main.run(pair.first.settings, lambda _: up.set(), pair.first.join)
    )
    await up.wait()
    leads = "SELECT pid FROM pg_stat_activity WHERE application_name = 'poolhand leads'"
    with psycopg.connect(postgres, autocommit=True) as server:
        ((process,),) = server.execute(leads).fetchall()
    ticks = Ticks()
    os.kill(process, signal.SIGSTOP)
    try:
        async with asyncio.timeout(LEAD_LEASE + ANSWER + 10):
            with pytest.raises(LeadLost):
                await serving
    finally:
        os.kill(process, signal.SIGCONT)
        ticks.timer.cancel()
    assert ticks.longest < ANSWER
