"""What a worker says that it has stored is checked before it goes on chain for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from pool_world import first_task

from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.task.model import Stored
from poolhand.scheduler.result_check import ResultCheck

CONTRACT = Address(bytes([8] * 20))
DATA = b"\x01\x02"
RIGHT = ResultDigest(keccak(DATA))


@pytest.fixture
async def claimed(pool):
    """Return what becomes of a claim about a task with a callback."""
    world = await pool()
    worker = await world.hired()
    deal = await world.deal()
    task_id = first_task(deal)
    known = {deal.deal_id: replace(deal, callback=CONTRACT)}
    checker = ResultCheck(known, None, world.clock)

    async def check(data, digest):
        claim = Stored(worker.address, "link", digest, data)
        return await checker.check(world.task(task_id), claim)

    return check


async def test_callback_data_that_hash_to_the_digest_are_taken(claimed):
    stored = await claimed(DATA, RIGHT)
    assert (stored.callback_data, stored.digest) == (DATA, RIGHT)


@pytest.mark.parametrize("data", [b"\x01\x03", b""])
async def test_callback_data_that_do_not_hash_to_the_digest_are_not_believed(claimed, data):
    assert await claimed(data, RIGHT) is None


class Elsewhere:
    """A results service that keeps archives where no URL of its own leads."""

    async def location(self, _task_id):
        return "/ipfs/QmX/result.zip"


async def test_the_link_that_goes_on_chain_names_the_place_that_the_results_service_tells(pool):
    world = await pool()
    worker = await world.hired()
    deal = await world.deal()
    checker = ResultCheck({deal.deal_id: deal}, Elsewhere(), world.clock)
    claim = Stored(worker.address, "of the worker", RIGHT, b"")
    stored = await checker.check(world.task(first_task(deal)), claim)
    assert stored.link == '{ "storage": "ipfs", "location": "/ipfs/QmX/result.zip" }'
