"""Ends of a session that break its rules, or say or take too much: the other one is unharmed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from session_world import capacity, farewell, ground, idle, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from poolhand.domain.errors import Malformed
from poolhand.keys.wallet import Wallet
from poolhand.transport.listener import ClientRules
from poolhand.transport.metering import SocketLimits
from poolhand.transport.session_hub import WorkerAway
from poolhand.wire.frames import MAX_SESSION_FRAME, OversizedMessage, decode, encode
from poolhand.wire.messages import Capacity, Idle, Reject
from poolhand.wire.session import INCOMING, WORKER_LEASE, Allowance


async def test_a_flood_ends_the_session():
    async with ground() as g, g.raw() as socket:
        with suppress(ConnectionClosed):
            for _ in range(INCOMING.burst + 1):
                await socket.send(encode(capacity(1)))
        assert (await farewell(socket)).code == "flooded"
        await until(lambda: g.gate.events() == ["connected", "lost"])


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"binary", "binary-frame"),
        ("not json", "malformed"),
        (encode(idle(1)), "wrong-direction"),
        ('{"v":1,"type":"capacity","seq":1,"ack":0,"body":{}}', "unknown-version"),
    ],
)
async def test_a_worker_that_breaks_the_protocol_is_told_how_and_loses_its_session(frame, code):
    async with ground() as g, g.raw() as socket:
        await socket.send(frame)
        assert (await farewell(socket)).code == code
        await until(lambda: g.gate.events() == ["connected", "lost"])
        assert g.gate.log[0][1] not in g.hub._sessions


async def test_an_oversized_frame_ends_connection_and_session():
    async with ground() as g, g.raw() as socket:
        await socket.send("x" * (MAX_SESSION_FRAME + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1009
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_an_oversized_message_in_pieces_is_no_way_around_the_limit():
    async with ground() as g, g.raw() as socket:

        async def pieces():
            for _ in range(9):
                yield "x" * (MAX_SESSION_FRAME // 8)

        with suppress(ConnectionClosed):
            await socket.send(pieces())
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_what_the_gate_blames_ends_the_session():
    async with ground() as g:
        g.gate.blame = Malformed("nonsense")
        worker = await g.joined()
        worker.client.send(capacity(1))
        await until(lambda: worker.partings)
        assert "nonsense" in worker.partings[0][0]


async def test_a_worker_that_does_not_log_in_in_time_is_rejected():
    async with ground(handshake_timeout=0.05) as g, g.socket() as socket:
        await socket.recv()
        reject = decode(await socket.recv())
        assert isinstance(reject, Reject)
        assert reject.code == "handshake-timeout"
        assert reject.retry_after == 5


@pytest.mark.parametrize("frame", ["nonsense", b"\0", encode(capacity(1))])
async def test_anything_but_a_login_is_rejected_for_good(frame):
    async with ground() as g, g.socket() as socket:
        await socket.recv()
        await socket.send(frame)
        reject = decode(await socket.recv())
        assert (reject.code in ("malformed", "binary-frame"), reject.retry_after) == (True, None)
        assert g.gate.log == []


async def test_one_address_cannot_take_all_sockets():
    async with ground(sockets_per_address=2, greetings_per_address=1) as g:
        async with g.socket() as greeting:
            await greeting.recv()
            with pytest.raises(InvalidStatus, match="403"):
                await g.socket().__aenter__()
        await until(lambda: g.cable.accepted == 2)
        first, second = g.worker(2), g.worker(3)
        g.start(first)
        await until(lambda: first.welcomes)
        g.start(second)
        await until(lambda: second.welcomes)
        with pytest.raises(InvalidStatus, match="403"):
            await g.socket().__aenter__()


# ------------------------------------------------------------------------------------- backpressure


async def told_for_ever(hub, worker):
    for _ in range(50_000):  # a hundred megabytes
        hub.tell(worker, Idle({"x" * 60 + str(n): n for n in range(30)}))
        await asyncio.sleep(0)


async def test_a_worker_that_takes_nothing_is_cut_and_keeps_no_memory():
    unread = 100_000
    async with ground(sockets=SocketLimits(unread=unread)) as g, g.raw() as socket:
        worker = Wallet.from_key(bytes([2] * 32)).address
        socket.transport.pause_reading()
        with pytest.raises(WorkerAway):
            await told_for_ever(g.hub, worker)
        assert not g.hub.is_connected(worker)
        assert g.gate.events() == ["connected"], "it may come back within its lease"


async def test_a_slow_listener_slows_the_pool_and_misses_nothing():
    async with ground() as g:
        worker = await g.joined()
        worker.open.clear()
        for number in range(200):
            g.hub.tell(worker.address, idle(number))
        await until(lambda: worker.client._mailbox.is_full)
        g.clock.advance(WORKER_LEASE + 1)
        worker.open.set()
        await until(lambda: len(worker.heard) == 200)
        assert worker.heard == [idle(number) for number in range(200)]


async def test_a_listener_is_never_cut_off_in_the_middle_of_a_message():
    """What arrived just before a cut is not lost with the connection."""
    async with ground() as g:
        worker = await g.joined()
        worker.open.clear()
        g.hub.tell(worker.address, idle(1))
        await until(lambda: worker.taken)
        g.cable.cut()
        await until(lambda: g.cable.accepted == 2 and g.hub.is_connected(worker.address))
        worker.open.set()
        g.hub.tell(worker.address, idle(2))
        await until(lambda: len(worker.heard) == 2)
        assert worker.heard == [idle(1), idle(2)]


async def test_a_worker_that_has_too_much_to_say_at_its_pace_starts_over():
    async with ground() as g:
        slow = ClientRules(first_pause=0, last_pause=0, queue=10, pace=Allowance(1, 1))
        worker = await g.joined(rules=slow)
        for number in range(12):
            worker.client.send(capacity(number))
        assert worker.client.waiting == 0
        await until(lambda: len(worker.welcomes) == 2)


async def test_a_message_over_its_limits_is_the_callers_bug_and_harms_nothing():
    async with ground() as g:
        worker = await g.joined()
        with pytest.raises(OversizedMessage):
            worker.client.send(Capacity("x" * 600))
        worker.client.send(capacity(1))
        await until(lambda: g.gate.heard(worker.address) == [capacity(1)])
