"""Work that is done together: who waits for it can go on after a fault, on every Python."""

from __future__ import annotations

import asyncio

import pytest

from poolhand.chain.batches import Batches
from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown
from poolhand.observe.groups import all_of


class Broken(Exception):
    """What one of them raises."""


async def given(value):
    await asyncio.sleep(0)
    return value


async def breaks():
    await asyncio.sleep(0)
    raise Broken


class Endless:
    """Works until it is ended, and notes that."""

    def __init__(self):
        self.ended = asyncio.Event()

    async def work(self):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended.set()


async def test_all_is_returned_in_order():
    assert await all_of(given(number) for number in range(5)) == [0, 1, 2, 3, 4]
    assert await all_of([]) == []


async def test_the_first_fault_is_raised_and_the_others_have_ended():
    other = Endless()
    with pytest.raises(Broken):
        await all_of([other.work(), breaks()])
    assert other.ended.is_set()


async def test_who_is_cancelled_ends_all():
    other = Endless()
    waiting = asyncio.create_task(all_of([other.work()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert other.ended.is_set()


async def test_after_a_fault_nobody_is_asked_to_cancel_and_time_limits_hold():
    with pytest.raises(Broken):
        await all_of([breaks()])
    assert asyncio.current_task().cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_an_endpoint_that_fails_a_batch_in_parts_leaves_nobody_asked_to_cancel():
    async def post(_queries):
        await asyncio.sleep(0)
        raise EndpointDown("node", "did not answer")

    batches = Batches("node")
    batches.size = 1
    with pytest.raises(EndpointDown):
        await batches.send([Query(name, (), str) for name in ("one", "two")], post)
    assert asyncio.current_task().cancelling() == 0
