"""A worker of today and a pool of yesterday: they agree on what both know, and say nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from session_world import CAN, HASTY, HUB, OWNER, POOL, Worker, until
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from poolhand.domain.messages import Nonce
from poolhand.keys.wallet import Wallet
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.clock import ManualClock, SeededEntropy
from poolhand.transport.session_client import SessionClient
from poolhand.wire.frames import decode, encode
from poolhand.wire.handshake import PoolFacts, ServerHandshake, Terms
from poolhand.wire.messages import About, Capacity


@pytest.mark.parametrize(
    ("versions", "heard"), [((2,), ["Capacity"]), ((2, 3), ["About", "Capacity"])]
)
async def test_a_worker_says_nothing_that_its_pool_does_not_know(versions, heard):
    clock, listener, told = ManualClock(), bind("127.0.0.1", 0), []
    facts = PoolFacts(31337, HUB, POOL, f"http://127.0.0.1:{port_of(listener)}")

    async def pool(socket):
        side = ServerHandshake(facts, Nonce(bytes(32)))
        await socket.send(encode(replace(side.hello(clock.now()), versions=versions)))
        _, proof = side.login(decode(await socket.recv()), clock.now())
        await socket.send(encode(side.welcome(OWNER.sign_message(proof), Terms("http://r"))))
        with suppress(ConnectionClosed):
            async for frame in socket:
                told.append(type(decode(frame)).__name__)  # noqa: PERF401 - as they come

    worker = Worker(Wallet.from_key(bytes([2] * 32)))
    client = SessionClient(facts, OWNER.address, worker.wallet, CAN, clock, SeededEntropy(1), HASTY)

    def says(_):
        client.send(About("gvisor", 0))
        client.send(Capacity(None))

    worker.on_welcome = says
    async with serve(pool, sock=listener):
        running = asyncio.ensure_future(client.run(worker))
        await until(lambda: "Capacity" in told)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert told == heard
