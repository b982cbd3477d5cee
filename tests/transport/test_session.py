"""Sessions over real sockets on the loopback: cuts, leases, two wallets and refusals."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from session_world import CAN, HASTY, capacity, farewell, ground, idle, settled, until

from poolhand.domain.errors import Unavailable
from poolhand.domain.messages import Nonce
from poolhand.domain.signatures import BadSignature
from poolhand.keys.wallet import Wallet
from poolhand.transport.clock import ManualClock
from poolhand.transport.listener import ClientRules
from poolhand.transport.session_hub import WorkerAway
from poolhand.wire.handshake import Rejected, WorkerNotAllowed, WrongPool
from poolhand.wire.session import INCOMING, POOL_LEASE, WORKER_LEASE

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
        assert g.gate.log[0] == ("connected", worker.address)


async def test_a_worker_whose_cable_is_cut_again_and_again_tells_everything_in_the_end():
    """What was not acknowledged is told again after each return, as the worker's journal has it."""
    chance = Random(7)
    async with ground() as g:
        g.cable.cut_after = lambda: chance.randint(2_500, 6_000)
        worker = g.worker(rules=replace(HASTY, pace=None))

        def tell(_):
            known = len(set(map(repr, g.gate.heard(worker.address))))
            for number in range(known, 300):
                worker.client.send(capacity(number))

        worker.on_welcome = tell
        g.start(worker)
        await until(lambda: capacity(299) in g.gate.heard(worker.address))
        firsts = list(dict.fromkeys(map(repr, g.gate.heard(worker.address))))
        assert firsts == [repr(capacity(number)) for number in range(300)]
        assert g.cable.accepted > 3
        assert "lost" not in g.gate.events()


async def test_what_is_said_while_the_other_is_away_is_not_kept_for_it():
    async with ground() as g:
        worker = await g.joined()
        g.cable.is_up = False
        g.cable.cut()
        await until(lambda: worker.partings and not g.hub.is_connected(worker.address))
        worker.client.send(capacity(1))
        with pytest.raises(WorkerAway):
            g.hub.tell(worker.address, idle(1))
        assert not worker.client.is_connected
        assert not worker.client.is_ready
        assert worker.client.waiting == 0
        g.cable.is_up = True
        await until(lambda: len(worker.welcomes) == 2)
        assert worker.client.is_ready
        worker.client.send(capacity(2))
        g.hub.tell(worker.address, idle(2))
        await until(lambda: worker.heard and g.gate.heard(worker.address))
        assert worker.heard == [idle(2)]
        assert g.gate.heard(worker.address) == [capacity(2)]


# ----------------------------------------------------------------------------------------- leases


async def test_a_worker_away_for_a_lease_is_lost_and_welcome_again():
    async with ground() as g:
        worker = await g.joined()
        g.cable.is_up = False
        g.cable.cut()
        await until(lambda: not g.hub.is_connected(worker.address))
        g.clock.advance(WORKER_LEASE)
        await until(lambda: g.clock.sleepers >= 1)
        assert g.gate.events() == ["connected"]
        g.clock.advance(1)
        await until(lambda: "lost" in g.gate.events())
        with pytest.raises(WorkerAway):
            g.hub.tell(worker.address, idle(1))
        g.cable.is_up = True
        await until(lambda: len(worker.welcomes) == 2)
        assert g.gate.events() == ["connected", "lost", "connected"]


async def test_a_worker_that_comes_again_within_its_lease_is_not_lost():
    async with ground() as g:
        worker = await g.joined()
        g.cable.cut()
        await until(lambda: len(worker.welcomes) == 2)
        g.clock.advance(WORKER_LEASE)
        await until(lambda: g.clock.sleepers >= 2)
        assert g.gate.events() == ["connected", "connected"]


async def test_a_worker_that_beats_keeps_its_lease_and_costs_its_pool_no_answer():
    async with ground() as g:
        worker = await g.joined()
        for _ in range(120):
            await until(lambda: g.clock.sleepers == 2)
            g.clock.advance(1)
            await settled(g)
        worker.client.send(capacity(1))
        await until(lambda: g.gate.heard(worker.address))
        assert g.gate.events() == ["connected"]
        assert len(worker.welcomes) == 1


@pytest.mark.parametrize("seconds", [-7200, 7200])
async def test_a_clock_that_is_set_neither_loses_a_worker_nor_calls_it_a_flood(seconds):
    """Where it is set back, beats must go on, and what may be said must grow again."""
    async with ground() as g:
        worker = await g.joined()
        g.clock.set_by(seconds)
        for _ in range(WORKER_LEASE + 2):
            await until(lambda: g.clock.sleepers == 2)
            g.clock.advance(1)
            for number in range(INCOMING.burst // WORKER_LEASE):
                worker.client.send(capacity(number % 3))
            await settled(g)
        await until(lambda: len(g.gate.heard(worker.address)) > INCOMING.burst)
        assert {kind for kind, *_ in g.gate.log} == {"connected", "received"}
        assert len(worker.welcomes) == 1


async def test_a_silent_worker_is_lost_though_the_clock_was_set_back():
    async with ground() as g, g.raw():
        await until(lambda: g.clock.sleepers == 1)
        g.clock.set_by(-7200)
        for _ in range(WORKER_LEASE + 2):
            await until(lambda: g.clock.sleepers == 1)
            g.clock.advance(1)
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_a_silent_worker_is_lost_though_its_connection_stands():
    async with ground() as g, g.raw():
        for _ in range(WORKER_LEASE + 2):
            await until(lambda: g.clock.sleepers == 1)
            g.clock.advance(1)
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_the_lease_ends_after_its_last_second():
    async with ground() as g, g.raw():
        for _ in range(WORKER_LEASE):
            await until(lambda: g.clock.sleepers == 1)
            g.clock.advance(1)
        await until(lambda: g.clock.sleepers == 1)
        assert g.gate.events() == ["connected"]
        g.clock.advance(1)
        await until(lambda: g.gate.events() == ["connected", "lost"])


async def test_a_silent_pool_is_left_for_a_new_connection():
    async with ground() as g:
        worker = await g.joined()
        await until(lambda: g.clock.sleepers == 2)
        g.cable.stalled = True
        for _ in range(POOL_LEASE + 2):
            g.clock.advance(1)
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
        assert retry_in >= WORKER_LEASE
        g.hub.tell(first.address, idle(1))
        await until(lambda: first.heard)
        assert g.gate.events() == ["connected"]


async def test_a_restarted_worker_takes_its_place_without_waiting_for_the_lease():
    async with ground() as g:
        first = g.worker()
        (running,) = g.start(first)
        await until(lambda: first.welcomes)
        running.cancel()
        await until(lambda: not g.hub.is_connected(first.address))
        await g.joined()
        assert g.gate.events() == ["connected", "connected"]


async def test_a_worker_whose_old_connection_hangs_takes_its_own_place():
    async with ground() as g:
        g.capabilities = lambda: replace(CAN, instance=Nonce(bytes(32)))
        async with g.raw() as old, g.raw():
            assert (await farewell(old)).code == "superseded"
            g.hub.tell(Wallet.from_key(bytes([2] * 32)).address, idle(1))
            assert g.gate.events() == ["connected", "connected"]


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


# -------------------------------------------------------------------------------------- refusals


async def test_a_worker_that_is_not_allowed_stops_for_good():
    async with ground() as g:
        g.gate.refusal = WorkerNotAllowed("not on the list: ask the owner")
        worker = g.worker()
        with pytest.raises(Rejected, match="not on the list"):
            await worker.client.run(worker)
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
        worker = g.worker()
        with pytest.raises(BadSignature, match="belongs to"):
            await worker.client.run(worker)


async def test_a_worker_set_to_another_pool_stops_before_it_signs():
    async with ground() as g:
        worker = g.worker(chain_id=1)
        with pytest.raises(WrongPool, match="chain"):
            await worker.client.run(worker)
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
