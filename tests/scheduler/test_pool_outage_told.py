"""A pool without its chain or results service says so once, and once when it is over."""

from __future__ import annotations

import pytest
import structlog
from pool_world import first_task

from poolhand.domain.errors import Unavailable
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.scheduler.result_check import ResultCheck


@pytest.fixture
def lines():
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        yield told


def outages(lines, subject):
    return [line["event"] for line in lines if line["event"].startswith(subject)]


async def test_all_parts_of_a_scheduler_speak_of_one_outage_of_the_chain(pool, lines):
    world = await pool()
    await world.hired()
    deal = await world.deal(settle=False)

    def goes(*_):
        world.chain.outage = True
        world.chain.check_up()

    world.chain.before_send = goes
    await world.settle()
    for _ in range(30):
        world.scheduler.chain_feed.look([first_task(deal)])
        await world.step()
    assert outages(lines, "chain_") == ["chain_unreachable"]
    world.chain.before_send, world.chain.outage = None, False
    await world.until(lambda: world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE)
    assert outages(lines, "chain_") == ["chain_unreachable", "chain_reached"]


class Shelf:
    """A results service that is away as often as one says."""

    def __init__(self, times):
        self.left = times

    async def location(self, _task_id):
        self.left -= 1
        if self.left >= 0:
            raise Unavailable("the results service does not answer")
        return "https://results.test/1"


async def test_a_results_service_that_restarts_is_told_of_once(pool, lines):
    world = await pool()
    await world.hired()
    deal = await world.deal()
    checker = ResultCheck({deal.deal_id: deal}, Shelf(3), Passing())
    where = await checker._location(world.task(first_task(deal)), checker._shelf)
    assert where == "https://results.test/1"
    assert outages(lines, "results_") == ["results_unreachable", "results_reached"]


class Passing:
    """A clock on which time passes at once."""

    async def sleep(self, _seconds):
        return
