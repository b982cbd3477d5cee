"""Workers that flood, babble or are too old, over real sockets: told why, and kept from the others."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from pool_front import front, until
from pool_world import TO_COMPUTED, S, first_task
from websockets.exceptions import ConnectionClosed

from poolhand.domain.ids import Address
from poolhand.domain.version import is_older, version_order
from poolhand.settings.load import BadSetting, load
from poolhand.settings.pool import POOL_OPTIONS, pool_settings
from poolhand.transport.clock import ManualClock
from poolhand.transport.conduct import (
    FIRST_BAR,
    LONGEST_BAR,
    MOST_STRIKES,
    MOST_WALLETS_KNOWN,
    STRIKES_FORGOTTEN_AFTER,
    Conduct,
)
from poolhand.wire.frames import encode
from poolhand.wire.handshake import Rejected, WorkerBarred
from poolhand.wire.messages import Aborted, Capacity, Close, OfferTask
from poolhand.wire.session import INCOMING

SECONDS = 2.0
"""Within which a worker gets its task while another floods, on a busy machine."""


def wallet_of(world):
    return world.hire().wallet


async def flood(socket, frame):
    """Send for ever; the loop is shared with the pool, which a flooder's machine is not."""
    with suppress(ConnectionClosed):
        while True:
            await socket.send(frame)
            await asyncio.sleep(0)


async def deaf(socket):
    """Read and forget, so that the closing of the line is noticed."""
    async for _ in socket:
        pass


# ------------------------------------------------------------------------------------------ floods


def test_a_clock_that_is_set_changes_no_time_outside():
    clock, worker = ManualClock(), Address(bytes([1] * 20))
    conduct = Conduct(clock)
    conduct.bar(worker, "it floods")
    for seconds in (-7200, 14400):
        clock.set_by(seconds)
        assert conduct.barred_for(worker) == FIRST_BAR
    clock.advance(FIRST_BAR)
    assert conduct.barred_for(worker) == 0


def test_wallets_made_for_one_strike_each_fill_no_memory_and_free_nobody_who_is_barred():
    clock, barred = ManualClock(), Address(bytes([1] * 20))
    conduct = Conduct(clock)
    conduct.bar(barred, "it floods")
    for number in range(2 * MOST_WALLETS_KNOWN):
        conduct.strike(Address(number.to_bytes(20, "big")), "garbage")
    assert len(conduct._records) == len(conduct._ends) == MOST_WALLETS_KNOWN
    assert conduct.barred_for(barred) == FIRST_BAR
    clock.advance(FIRST_BAR + STRIKES_FORGOTTEN_AFTER)
    conduct.strike(barred, "garbage")
    assert len(conduct._records) == 1


async def test_a_flooding_worker_is_cut_off_and_its_task_goes_to_another(pool):
    world = await pool(quick=True)
    async with front(world) as pool_front, pool_front.dial(wallet_of(world)) as flooder:
        task = first_task(await world.deal())
        await flooder.hears(OfferTask)
        await flooder.tells(task, *TO_COMPUTED[:-1])
        await until(lambda: world.status(task, flooder.wallet) is S.COMPUTING)
        async with pool_front.dial(wallet_of(world)) as honest:
            sending = asyncio.ensure_future(flood(flooder.socket, encode(Capacity(None))))
            assert (await flooder.hears(Close)).code == "flooded"
            await sending
            async with asyncio.timeout(SECONDS):
                assert (await honest.hears(OfferTask)).task_id == task
        assert world.status(task, flooder.wallet) is S.WORKER_LOST


async def test_a_flood_does_not_hold_up_the_tasks_of_others(pool):
    """All the while one wallet floods, is cut off and comes again, as fast as the loopback lets it."""
    world = await pool(quick=True)
    async with front(world) as pool_front:
        same, floods = encode(Capacity(None)), []
        capacity = [encode(Capacity("x" if n % 2 else None)) for n in range(2, 2000)]

        async def rage(wallet):
            while True:
                with suppress(Rejected, ConnectionClosed):
                    async with pool_front.dial(wallet) as line:
                        reading = asyncio.ensure_future(deaf(line.socket))
                        for frame in capacity:
                            await line.socket.send(frame)
                            await asyncio.sleep(0)
                        await flood(line.socket, same)
                        await reading
                floods.append(wallet)
                world.scheduler.sessions.conduct._records.clear()  # as if its time were over

        raging = asyncio.ensure_future(rage(wallet_of(world)))
        async with pool_front.dial(wallet_of(world)) as honest:
            for _ in range(5):
                await until(lambda before=len(floods): len(floods) > before)
                task = first_task(await world.deal(settle=False))
                async with asyncio.timeout(SECONDS):
                    while (await honest.hears(OfferTask)).task_id != task:
                        pass
                await honest.says(_declined(task, world.clock.now()))
                await until(lambda task=task: world.status(task, honest.wallet) is S.FAILED)
        raging.cancel()
        await asyncio.gather(raging, return_exceptions=True)
        assert len(floods) >= 5


def _declined(task_id, now):
    from poolhand.wire.messages import ReportBatch, StatusReport

    return ReportBatch(task_id, 0, (StatusReport(S.FAILED, now, None, "enough"),), None)


async def test_who_flooded_is_told_when_to_come_again_and_let_in_then(pool):
    world = await pool()
    async with front(world) as pool_front:
        wallet = wallet_of(world)
        async with pool_front.dial(wallet) as line:
            with suppress(ConnectionClosed):
                for _ in range(INCOMING.burst + 1):
                    await line.socket.send(encode(Capacity(None)))
            await line.hears(Close)
        for _ in range(2):
            with pytest.raises(Rejected, match="broke the protocol") as told:
                await pool_front.dial(wallet).__aenter__()
            reject = told.value.reject
            assert (reject.code, reject.retry_after) == ("worker-barred", FIRST_BAR)
        world.clock.advance(FIRST_BAR - 1)
        with pytest.raises(Rejected):
            await pool_front.dial(wallet).__aenter__()
        world.clock.advance(1)
        async with pool_front.dial(wallet):
            pass


# ----------------------------------------------------------------------------------------- garbage


async def test_garbage_ends_the_attempt_and_not_the_session_until_it_is_too_much(pool):
    world = await pool(quick=True)
    async with front(world) as pool_front, pool_front.dial(wallet_of(world)) as babbler:
        for number in range(1, MOST_STRIKES + 1):
            task = first_task(await world.deal(settle=False))
            while (await babbler.hears(OfferTask)).task_id != task:
                pass
            babbler.reports = 0
            await babbler.tells(task, S.REVEALED)
            if number < MOST_STRIKES:
                assert (await babbler.hears(Aborted)).task_id == task
            else:
                assert (await babbler.hears(Close)).code == "misbehaved"
            assert world.status(task, babbler.wallet) is S.FAILED
        with pytest.raises(Rejected) as told:
            await pool_front.dial(babbler.wallet).__aenter__()
        assert "impossible report" in told.value.reject.message


def test_each_strike_doubles_the_time_outside_up_to_an_hour_and_quiet_is_forgiven():
    clock, who, other = ManualClock(), Address(bytes([1] * 20)), Address(bytes([2] * 20))
    conduct, pauses = Conduct(clock), []
    for _ in range(12):
        conduct.bar(who, "flooded")
        pauses.append(conduct.barred_for(who))
        clock.advance(pauses[-1])
        conduct.check(who)
    assert pauses == [min(FIRST_BAR * 2**n, LONGEST_BAR) for n in range(12)]
    assert conduct.barred_for(other) == 0
    clock.advance(STRIKES_FORGOTTEN_AFTER)
    assert not conduct.strike(who, "garbage")
    assert not conduct.strike(who, "garbage")
    assert conduct.strike(who, "garbage")
    with pytest.raises(WorkerBarred, match=f"in {FIRST_BAR} seconds"):
        conduct.check(who)


def test_the_memory_of_conduct_is_bounded_by_time():
    clock = ManualClock()
    conduct = Conduct(clock)
    for number in range(1000):
        conduct.bar(Address(number.to_bytes(20, "big")), "flooded")
    clock.advance(FIRST_BAR + STRIKES_FORGOTTEN_AFTER)
    conduct.strike(Address(bytes(20)), "garbage")
    assert len(conduct._records) == 1


# ---------------------------------------------------------------------------------------- versions


async def test_an_outdated_worker_is_told_which_version_to_install(pool):
    world = await pool(least_version="0.3.0")
    async with front(world) as pool_front:
        for version in ("0.2.9", "0.3.0rc1", "nonsense"):
            with pytest.raises(Rejected) as told:
                await pool_front.dial(wallet_of(world), version=version).__aenter__()
            reject = told.value.reject
            assert (reject.code, reject.retry_after) == ("worker-outdated", None)
            assert f"version {version}" in reject.message
            assert "install poolhand 0.3.0 or newer" in reject.message
        for version in ("0.3.0", "0.10.0", "1.0.0+local"):
            async with pool_front.dial(wallet_of(world), version=version):
                pass


def test_versions_have_an_order():
    order = ["0.1", "0.1.1.dev3", "0.1.1", "0.2.0rc1", "0.2", "0.10.0-beta", "0.10.0", "v8.1.0"]
    assert sorted(order, key=version_order) == order
    assert version_order("1.0.0") == version_order("v1") == version_order("1.0.0+cuda.1")
    assert not is_older("0.2.0.post1", "0.2.0")
    assert is_older("nonsense", "0.0.1")


@pytest.mark.parametrize("text", ["x", "1..2", "9999999.1", "1.2.3.4.5.6", "-1"])
def test_what_is_no_version_is_refused_in_settings(text):
    with pytest.raises(BadSetting, match="least-worker-version"):
        settings_with(text)


@pytest.mark.parametrize("text", ["", "1.2", "v8.1.0-rc.1"])
def test_the_least_version_is_a_setting_under_iexecs_name(text):
    assert settings_with(text).least_version == text


def settings_with(version):
    environ = {
        "POOL_ADDRESS": "0x" + "11" * 20,
        "IEXEC_CORE_WALLET_PATH": "w",
        "IEXEC_CORE_REQUIRED_WORKER_VERSION": version,
    }
    return pool_settings(load(POOL_OPTIONS, {"chain": "bellecour"}, environ))
