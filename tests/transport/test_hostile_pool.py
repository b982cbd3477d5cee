"""A worker leaves a pool that floods it, reads nothing, or sends it elsewhere, and comes back (A7)."""

from __future__ import annotations

from dataclasses import replace

import psutil
import pytest
from hostile_pool import CONTINUATION, PING, PONG, TEXT, frame, hostile
from session_world import HUB, POOL, capacity, ground, until

from poolhand.domain.messages import Nonce
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.transport.clock import ManualClock
from poolhand.transport.listener import ClientRules
from poolhand.transport.metering import SocketLimits
from poolhand.wire.frames import encode
from poolhand.wire.messages import Conditions, Hello
from poolhand.wire.session import Allowance

SLOW = ClientRules(first_pause=1, last_pause=4)


@pytest.mark.case("A7")
@pytest.mark.parametrize(
    ("said", "again"),
    [
        (b"", frame(PING) * 1_000),
        (b"", frame(PING, b"x" * 125) * 1_000),
        (b"", frame(PONG) * 1_000),
        (b"{", frame(CONTINUATION, b"", 0) * 1_000),
    ],
    ids=["pings", "large pings", "pongs", "continuations of nothing"],
)
@pytest.mark.parametrize("reads", [True, False])
async def test_a_pool_that_floods_its_worker_is_left_and_tried_again(said, again, reads):
    before = psutil.Process().memory_info().rss
    async with hostile(said, again=again, reads=reads) as url, ground() as g:
        worker = g.worker(rules=SLOW, url=url)
        g.start(worker)
        await until(lambda: worker.partings)
        assert worker.partings[0][1] is not None
    assert psutil.Process().memory_info().rss - before < 48 * 2**20


@pytest.mark.case("A7")
async def test_a_message_in_endless_empty_pieces_is_a_flood():
    first, rest = frame(TEXT, b"x", 0), frame(CONTINUATION, b"", 0) * 1_000
    async with hostile(again=first + rest) as url, ground() as g:
        worker = g.worker(rules=SLOW, url=url)
        g.start(worker)
        await until(lambda: worker.partings)


@pytest.mark.case("A7")
async def test_what_a_pool_does_not_read_is_bounded():
    limits = SocketLimits(frames=Allowance(0, 10**7), size=Allowance(0, 10**10), unread=100_000)
    async with hostile(again=frame(PING, b"x" * 125) * 100, reads=False) as url, ground() as g:
        worker = g.worker(rules=replace(SLOW, socket=limits), url=url)
        g.start(worker)
        await until(lambda: worker.partings)
        assert "does not read" in worker.partings[0][0]


@pytest.mark.case("A9")
async def test_a_pool_does_not_send_its_workers_elsewhere():
    async with hostile() as inside:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {inside}/worker\r\nContent-Length: 0\r\n\r\n"
        async with hostile(answer=moved.encode()) as url, ground() as g:
            worker = g.worker(rules=SLOW, url=url)
            g.start(worker)
            await until(lambda: worker.partings)
            assert "302" in worker.partings[0][0]


@pytest.mark.case("N3")
async def test_a_frame_of_a_pool_that_is_not_utf8_ends_the_connection_alone(caplog):
    async with hostile(b"\xff\xfe") as url, ground() as g:
        worker = g.worker(rules=SLOW, url=url)
        g.start(worker)
        await until(lambda: worker.partings)
        assert worker.partings[0][1] is not None
    assert caplog.records == []


@pytest.mark.case("N6")
async def test_a_pool_of_another_version_is_tried_again():
    hello = Hello((99,), 31337, HUB, POOL, "http://p", Nonce(bytes(32)), ManualClock().now())
    async with hostile(encode(hello).encode()) as url, ground() as g:
        worker = g.worker(rules=SLOW, url=url)
        g.start(worker)
        await until(lambda: worker.partings)
        reason, retry_in = worker.partings[0]
        assert "speaks versions (99,)" in reason
        assert 0 < retry_in <= 4


async def test_a_pool_of_an_older_version_is_not_told_what_it_does_not_know():
    async with ground(versions=(2,)) as g:
        worker = await g.joined()
        worker.client.send(Conditions(Seconds(300), NanoRlc(0)))
        worker.client.send(capacity(1))
        await until(lambda: g.gate.heard(worker.address))
        assert g.gate.heard(worker.address) == [capacity(1)]
    async with ground() as g:
        worker = await g.joined()
        worker.client.send(Conditions(Seconds(300), NanoRlc(0)))
        await until(lambda: g.gate.heard(worker.address))
        assert g.gate.heard(worker.address) == [Conditions(300, 0)]
