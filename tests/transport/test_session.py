"""Sessions over real sockets on the loopback: cuts, leases, floods, slow ends and two wallets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import pytest
from session_world import capacity, farewell, ground, idle, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from poolhand.domain.errors import Malformed, Unavailable
from poolhand.domain.signatures import BadSignature
from poolhand.keys.wallet import Wallet
from poolhand.transport.clock import ManualClock
from poolhand.transport.listener import ClientRules
from poolhand.transport.session_hub import WorkerAway
from poolhand.wire.frames import MAX_FRAME, Frame, OversizedMessage, decode, encode
from poolhand.wire.handshake import Rejected, WorkerNotAllowed, WrongPool
from poolhand.wire.messages import Capacity, Ping, Reject
from poolhand.wire.session import POOL_LIMITS

STRANGER = Wallet.from_key(bytes([99] * 32))


# ------------------------------------------------------------------------------------ both ways


async def test_messages_go_both_ways_in_order():
    async with ground() as g:
        worker = await g.joined()
        for number in range(50):
            worker.client.send(capacity(number))
            g.hub.tell(worker.address, idle(number))
        await until(lambda: len(worker.heard) == 50 and len(g.gate.heard(worker.address)) == 50)
        assert worker.heard == [idle(number) for number in range(50)]
        assert g.gate.heard(worker.address) == [capacity(number) for number in range(50)]
        assert worker.welcomes[0].results_url == "http://r"
        assert g.gate.log[0] == ("connected", worker.address, False)


async def test_a_cut_cable_loses_no_message_and_doubles_none():
    chance = Random(7)
    async with ground() as g:
        g.cable.cut_after = lambda: chance.randint(2_500, 9_000)
        worker = await g.joined()
        for number in range(300):
            worker.client.send(capacity(number))
            g.hub.tell(worker.address, idle(number))
            await until(lambda: not g.hub.sessions()[0].unacknowledged > 100)
        await until(lambda: len(worker.heard) >= 300 and len(g.gate.heard(worker.address)) >= 300)
        assert worker.heard == [idle(number) for number in range(300)]
        assert g.gate.heard(worker.address) == [capacity(number) for number in range(300)]
        assert g.cable.accepted > 5
        assert "lost" not in g.gate.events()
        assert all(welcome.resumed for welcome in worker.welcomes[1:])


async def test_what_is_said_while_away_arrives_after_the_return():
    async with ground() as g:
        worker = await g.joined()
        g.cable.is_up = False
        g.cable.cut()
        await until(lambda: worker.partings)
        worker.client.send(capacity(1))
        g.hub.tell(worker.address, idle(1))
        assert not worker.client.is_connected
        g.cable.is_up = True
        await until(lambda: worker.heard and g.gate.heard(worker.address))
        assert worker.welcomes[-1].resumed
        assert worker.heard == [idle(1)]
        assert g.gate.heard(worker.address) == [capacity(1)]


# ----------------------------------------------------------------------------------------- leases


async def test_a_worker_away_for_a_lease_is_lost_and_tells_everything_again():
    async with ground() as g:
        worker = g.worker()
        worker.on_welcome = lambda welcome: worker.client.send(capacity(100 + len(worker.welcomes)))
        g.start(worker)
        await until(lambda: g.gate.heard(worker.address))
        g.cable.is_up = False
        g.cable.cut()
        await until(lambda: not g.hub.sessions()[0].attached)
        worker.client.send(capacity(1))
        g.clock.advance(POOL_LIMITS.lease + 1)
        await until(lambda: "lost" in g.gate.events())
        with pytest.raises(WorkerAway):
            g.hub.tell(worker.address, idle(1))
        g.cable.is_up = True
        await until(lambda: len(g.gate.heard(worker.address)) == 2)
        assert g.gate.events() == ["connected", "lost", "connected"]
        assert not worker.welcomes[-1].resumed
        assert g.gate.heard(worker.address) == [capacity(101), capacity(102)]


async def test_a_worker_that_beats_keeps_its_lease():
    async with ground() as g:
        worker = await g.joined()
        for _ in range(120):
            received = g.hub.sessions()[0]
            await until(lambda: g.clock.sleepers == 2)
            g.clock.advance(1)
            assert received.attached
        await until(lambda: g.clock.sleepers == 2)
        worker.client.send(capacity(1))
        await until(lambda: g.gate.heard(worker.address))
        assert g.gate.events() == ["connected"]
        assert len(worker.welcomes) == 1


async def test_a_silent_pool_is_left_for_a_new_connection():
    async with ground() as g:
        worker = await g.joined()
        await until(lambda: g.clock.sleepers == 2)
        g.cable.stalled = True
        for _ in range(3):
            g.clock.advance(10)
            await until(lambda: g.clock.sleepers >= 2 or worker.partings)
        await until(lambda: worker.partings)
        assert "silent" in worker.partings[0][0]
        g.cable.stalled = False
        g.cable.cut()
        await until(lambda: len(worker.welcomes) == 2)


# ---------------------------------------------------------------------------------------- wallets


async def test_a_wallet_in_use_is_told_so_and_the_first_worker_is_not_disturbed():
    async with ground() as g:
        first = await g.joined()
        second = g.worker(rules=ClientRules())
        g.start(second)
        await until(lambda: second.partings)
        reason, retry_in = second.partings[0]
        assert "wallet-connected" in reason
        assert retry_in >= POOL_LIMITS.lease
        g.hub.tell(first.address, idle(1))
        await until(lambda: first.heard)
        assert g.gate.events() == ["connected"]


async def test_a_restarted_worker_takes_its_seat_without_waiting_for_the_lease():
    async with ground() as g:
        first = g.worker()
        (running,) = g.start(first)
        await until(lambda: first.welcomes)
        running.cancel()
        await until(lambda: not g.hub.sessions()[0].attached)
        second = await g.joined()
        await until(lambda: len(g.gate.events()) == 3)
        assert g.gate.events() == ["connected", "lost", "connected"]
        assert not second.welcomes[0].resumed


async def test_a_worker_that_leaves_is_lost_at_once():
    async with ground() as g:
        worker = g.worker()
        (running,) = g.start(worker)
        await until(lambda: worker.welcomes)
        await worker.client.close("stopping", "the operator stopped it")
        await running
        await until(lambda: "lost" in g.gate.events())


async def test_a_stopping_pool_says_so_and_its_workers_come_back():
    async with ground() as g:
        worker = await g.joined()
        g.hub.drop(worker.address, "pool-stopping", "come back later")
        await until(lambda: len(worker.welcomes) == 2)
        assert "pool-stopping" in worker.partings[0][0]
        assert not worker.welcomes[1].resumed


# -------------------------------------------------------------------------------------- refusals


async def test_a_worker_that_is_not_allowed_stops_for_good():
    async with ground() as g:
        g.gate.refusal = WorkerNotAllowed("not on the list: ask the owner")
        worker = g.worker()
        with pytest.raises(Rejected, match="not on the list"):
            await worker.client.run()
        assert worker.partings == [(worker.partings[0][0], None)]


async def test_a_pool_that_is_not_ready_is_asked_again():
    async with ground() as g:
        g.gate.refusal = Unavailable("the chain does not answer")
        worker = g.worker()
        g.start(worker)
        await until(lambda: worker.partings)
        assert worker.partings[0][1] == 5
        g.gate.refusal = None
        await until(lambda: g.clock.sleepers == 2)
        g.clock.advance(5)
        await until(lambda: worker.welcomes)


async def test_whoever_lacks_the_owners_key_gets_no_worker():
    async with ground(STRANGER) as g:
        with pytest.raises(BadSignature, match="belongs to"):
            await g.worker().client.run()


async def test_a_worker_set_to_another_pool_stops_before_it_signs():
    async with ground() as g:
        with pytest.raises(WrongPool, match="chain"):
            await g.worker(chain_id=1).client.run()
        assert g.gate.log == []


@pytest.mark.case("N6")
async def test_a_pool_whose_clock_is_wrong_is_tried_again_until_it_is_right():
    async with ground() as g:
        ahead = ManualClock(g.clock.now() + 3_600)
        worker = g.worker(rules=ClientRules(first_pause=1, last_pause=4), clock=ahead)
        g.start(worker)
        for tries in range(1, 4):
            await until(lambda tries=tries: len(worker.partings) == tries)
            assert "set both by NTP" in worker.partings[-1][0]
            assert worker.partings[-1][1] is not None
            await until(lambda: ahead.sleepers == 1)
            g.clock.advance(3_610 if tries == 3 else 0)
            ahead.advance(4)
        await until(lambda: worker.welcomes)


async def test_an_absent_pool_is_tried_ever_more_slowly_up_to_a_limit():
    async with ground() as g:
        g.cable.is_up = False
        worker = g.worker(rules=ClientRules(first_pause=1, last_pause=8))
        g.start(worker)
        for tries in range(1, 7):
            await until(lambda tries=tries: len(worker.partings) == tries)
            await until(lambda: g.clock.sleepers == 2)
            g.clock.advance(8)
        pauses = [pause for _, pause in worker.partings]
        for pause, longest in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
            assert longest / 2 <= pause <= longest
        assert "does not answer" in worker.partings[0][0]


# ------------------------------------------------------------------------------- peers that misbehave


async def test_a_flood_ends_the_session():
    async with ground() as g, g.raw() as socket:
        ping = encode(Frame(Ping(0, g.clock.now())))
        with suppress(ConnectionClosed):
            for _ in range(POOL_LIMITS.incoming.burst + 1):
                await socket.send(ping)
        assert (await farewell(socket)).code == "flooded"
        await until(lambda: g.gate.events() == ["connected", "lost"])


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"binary", "binary-frame"),
        ("not json", "malformed"),
        (encode(Frame(capacity(1), 2, 0)), "out-of-sequence"),
        (encode(Frame(capacity(1), 1, 5)), "bad-acknowledgement"),
        (encode(Frame(idle(1), 1, 0)), "wrong-direction"),
        ('{"v":9,"type":"ping","body":{}}', "unknown-version"),
    ],
)
async def test_a_worker_that_breaks_the_protocol_is_told_how_and_loses_its_session(frame, code):
    async with ground() as g, g.raw() as socket:
        await socket.send(frame)
        assert (await farewell(socket)).code == code
        await until(lambda: g.gate.events() == ["connected", "lost"])
        assert g.hub.sessions() == ()


async def test_an_oversized_frame_ends_connection_and_session():
    async with ground() as g, g.raw() as socket:
        await socket.send("x" * (MAX_FRAME + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1009
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_an_oversized_message_in_pieces_is_no_way_around_the_limit():
    async with ground() as g, g.raw() as socket:

        async def pieces():
            for _ in range(9):
                yield "x" * (MAX_FRAME // 8)

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
        reject = decode(await socket.recv()).message
        assert isinstance(reject, Reject)
        assert reject.code == "handshake-timeout"
        assert reject.retry_after == 5


@pytest.mark.parametrize("frame", ["nonsense", b"\0", encode(Frame(Ping(0, 0)))])
async def test_anything_but_a_login_is_rejected_for_good(frame):
    async with ground() as g, g.socket() as socket:
        await socket.recv()
        await socket.send(frame)
        reject = decode(await socket.recv()).message
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


async def test_a_worker_that_acknowledges_nothing_is_dropped_as_slow():
    async with ground() as g, g.raw() as socket:
        worker = Wallet.from_key(bytes([2] * 32)).address
        for number in range(POOL_LIMITS.high):
            g.hub.tell(worker, idle(number))
        with pytest.raises(WorkerAway, match="keep up"):
            g.hub.tell(worker, idle(0))
        assert (await farewell(socket)).code == "slow-consumer"
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_a_slow_gate_slows_its_own_worker_and_nobody_else():
    async with ground() as g:
        slow, other = await g.joined(2), await g.joined(3)
        await until(lambda: len(g.gate.events()) == 2)
        usual, g.gate.open = g.gate.open, asyncio.Event()
        for number in range(400):
            slow.client.send(capacity(number))
        await until(lambda: 100 < slow.client.waiting < 400)
        g.gate.open = usual  # the slow worker's first message still waits at the old one
        other.client.send(capacity(7))
        await until(lambda: g.gate.heard(other.address))
        assert g.gate.heard(slow.address) == []


async def test_a_slow_listener_slows_the_pool_and_misses_nothing():
    async with ground() as g:
        worker = await g.joined()
        worker.open.clear()
        for number in range(200):
            g.hub.tell(worker.address, idle(number))
        await until(lambda: g.hub.sessions()[0].unacknowledged < 200 - 32)
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert g.hub.sessions()[0].unacknowledged > 100
        g.clock.advance(POOL_LIMITS.lease + 1)
        worker.open.set()
        await until(lambda: len(worker.heard) == 200)
        assert worker.heard == [idle(number) for number in range(200)]


async def test_a_listener_is_never_cut_off_in_the_middle_of_a_message():
    """What arrived just before a cut is not lost with the connection."""
    async with ground() as g:
        worker = await g.joined()
        worker.open.clear()
        g.hub.tell(worker.address, idle(1))
        await until(lambda: g.hub.sessions()[0].unacknowledged == 0 or worker.client.is_connected)
        g.cable.cut()
        await until(lambda: g.cable.accepted == 2)
        worker.open.set()
        g.hub.tell(worker.address, idle(2))
        await until(lambda: len(worker.heard) == 2)
        assert worker.heard == [idle(1), idle(2)]


async def test_a_worker_that_has_too_much_to_say_to_an_absent_pool_starts_over():
    async with ground() as g:
        worker = await g.joined(rules=ClientRules(first_pause=0, last_pause=0, queue=10))
        g.cable.is_up = False
        g.cable.cut()
        await until(lambda: worker.partings)
        for number in range(11):
            worker.client.send(capacity(number))
        assert worker.client.waiting == 0
        g.cable.is_up = True
        await until(lambda: len(worker.welcomes) == 2)
        assert not worker.welcomes[1].resumed


async def test_a_message_over_its_limits_is_the_callers_bug_and_harms_nothing():
    async with ground() as g:
        worker = await g.joined()
        with pytest.raises(OversizedMessage):
            worker.client.send(Capacity(1, paused=True, reason="x" * 600))
        worker.client.send(capacity(1))
        await until(lambda: g.gate.heard(worker.address) == [capacity(1)])
