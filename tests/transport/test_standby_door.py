"""A worker finds whoever leads: behind one address, or behind one name with several."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from session_world import CAN, HUB, OWNER, POOL, Gate, Worker, ground, until

from poolhand.domain.errors import Unavailable
from poolhand.keys.wallet import Wallet
from poolhand.transport.asgi import application, bind, port_of, serve_on
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.transport.gate import HubRules
from poolhand.transport.listener import ClientRules
from poolhand.transport.places import Places
from poolhand.transport.session_client import SessionClient
from poolhand.transport.session_hub import SessionHub
from poolhand.transport.session_server import worker_endpoint
from poolhand.transport.standby_door import standby_door
from poolhand.wire.handshake import PoolFacts


async def test_a_worker_that_met_one_that_stands_by_comes_back_soon_and_finds_the_leader():
    """As behind a balancer that asks nobody who leads: it sends each connection somewhere else."""
    listener, up = bind("127.0.0.1", 0), asyncio.Event()
    app = application("standby", [standby_door(lambda: Unavailable("another process leads"))])
    standing = asyncio.ensure_future(serve_on(app, listener, lambda _: up.set()))
    await up.wait()
    async with ground() as g:
        leader, g.cable.pool = g.cable.pool, port_of(listener)
        worker = g.worker(rules=ClientRules())
        g.start(worker)
        for tries in range(1, 9):
            await until(lambda: len(worker.partings) == tries)  # noqa: B023 - called at once
            reason, pause = worker.partings[-1]
            assert "another process leads" in reason
            assert pause == 2, "it waits longer and longer, as for a pool that is away"
            g.clock.advance(2)
        assert not worker.welcomes
        g.cable.pool = leader
        while not worker.welcomes:
            g.clock.advance(1)
            await asyncio.sleep(0)
    standing.cancel()
    await asyncio.gather(standing, return_exceptions=True)


async def three(host, port):
    assert (host, port) == ("pool.test", 443)
    return ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


@asynccontextmanager
async def named(addresses, monkeypatch):
    """A pool behind a name, on the last of its addresses or on none, and a worker that looks for it."""
    monkeypatch.setenv("no_proxy", "*")
    listener, up = bind("127.0.0.1", 0), asyncio.Event()
    clock, hub = ManualClock(), SessionHub(ManualClock(), SeededEntropy(1), "http://r", HubRules())
    facts = PoolFacts(31337, HUB, POOL, f"http://pool.test:{port_of(listener)}")
    app = application("pool", [worker_endpoint(hub, OWNER, facts)])

    async def resolve(_host, _port):
        return addresses

    worker = Worker(Wallet.from_key(bytes([2] * 32)))
    worker.client = SessionClient(
        facts, OWNER.address, worker.wallet, CAN, clock, SeededEntropy(2), resolve=resolve
    )
    running = [
        asyncio.ensure_future(serve_on(app, listener, lambda _: up.set())),
        asyncio.ensure_future(hub.run(Gate())),
    ]
    await up.wait()
    running.append(asyncio.ensure_future(worker.client.run(worker)))
    try:
        yield worker
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_every_address_behind_a_name_is_tried_before_a_worker_waits(monkeypatch):
    """Its clock stands still here: it was let in without any pause."""
    async with named(["127.0.0.3", "127.0.0.2", "127.0.0.1"], monkeypatch) as worker:
        await until(lambda: worker.welcomes or any(pause for _, pause in worker.partings))
        assert [pause for _, pause in worker.partings] == [0, 0]


async def test_a_worker_that_tried_every_address_in_vain_waits(monkeypatch):
    async with named(["127.0.0.3", "127.0.0.2"], monkeypatch) as worker:
        await until(lambda: len(worker.partings) == 2)
        first, second = (pause for _, pause in worker.partings)
        assert first == 0
        assert second > 0


async def one(_host, _port):
    return ["192.0.2.1"]


async def test_each_address_behind_a_name_is_dialled_in_its_turn():
    places, dialled = Places("wss://pool.test/worker", three), []
    for _ in range(4):
        dialled.append((await places.where())["host"])
        places.next()
    assert dialled == ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1"]


async def test_a_name_with_one_address_is_left_to_the_system():
    places = Places("wss://pool.test/worker", one)
    places.next()
    assert await places.where() == {}


async def test_a_proxy_is_left_to_find_the_pool(monkeypatch):
    """Who is behind one may resolve nothing, and what is dialled is the proxy."""
    monkeypatch.setenv("https_proxy", "http://192.0.2.9:3128")
    asked = []

    async def several(host, port):
        asked.append(host)
        return await three(host, port)

    assert await Places("wss://pool.test/worker", several).where() == {}
    assert not asked


async def test_a_system_that_finds_no_address_in_time_is_given_up():
    """Else a worker whose name service hangs could not even be stopped."""

    async def never(_host, _port):
        await asyncio.Event().wait()

    with pytest.raises(OSError):
        async with asyncio.timeout(60) as ours:
            await Places("wss://pool.test/worker", never, timeout=0).where()
    assert not ours.expired()
