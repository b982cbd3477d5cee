"""Large deals: received, looked at and dropped a part at a time, and never by way of all others."""

from __future__ import annotations

import asyncio

import pytest
from pool_world import first_task

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import DealId
from poolhand.domain.partial import Partial
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import BlockNumber
from poolhand.scheduler.deals import DEAL_READ_TRIES, MOST_UNREADABLE, TASKS_PER_TURN
from poolhand.scheduler.deals import READ_AT_ONCE as DEALS_AT_ONCE
from poolhand.scheduler.looks import TASKS_READ_TOGETHER as READ_AT_ONCE
from work import Turns, counted


class Watched(dict):
    """Tasks that nobody may go through."""

    def _refuse(self):
        raise AssertionError("went through all tasks")

    __iter__ = keys = values = items = _refuse


@pytest.mark.parametrize("tasks", [60, 600])
async def test_a_large_deal_is_received_a_part_at_a_time(pool, tasks):
    world, turns = await pool(), Turns()
    engine = world.scheduler.engine
    changed = engine.changed

    def count(task_id):
        turns.count()
        changed(task_id)

    engine.changed = count
    deal = await world.deal(tasks=tasks)
    await world.settle()
    assert len(world.pool.tasks_known()) == tasks
    assert turns.most <= READ_AT_ONCE + TASKS_PER_TURN
    assert world.task(list(deal.tasks())[-1][1]).status is TaskStatus.RECEIVED


async def test_a_crash_in_the_midst_of_a_deal_loses_none_of_its_tasks(pool):
    world = await pool()
    engine, seen = world.scheduler.engine, []
    receive = engine.receive

    def dying(event):
        seen.append(event)
        if len(seen) > 2 * TASKS_PER_TURN:
            raise asyncio.CancelledError
        receive(event)

    engine.receive = dying
    await world.deal(tasks=4 * TASKS_PER_TURN, settle=False)
    await world.step()
    await world.pool.kill()
    assert len(world.pool.tasks_known()) == 2 * TASKS_PER_TURN
    world.pool.start()
    await world.settle()
    assert len(world.pool.tasks_known()) == 4 * TASKS_PER_TURN


async def test_a_deal_is_received_dropped_and_taken_back_without_going_through_other_tasks(pool):
    world = await pool()
    await world.deal(tasks=50)
    engine = world.scheduler.engine
    engine.tasks = Watched(engine.tasks)
    deals, now = world.scheduler.deals, world.chain.head.timestamp
    deal = await world.deal()
    task = first_task(deal)
    assert world.task(task) is not None
    assert await deals.drop(deal.deal_id, now) == [task]
    assert engine.tasks[task].gone_since is not None
    assert await deals.find_again() == [task]
    assert engine.tasks[task].gone_since is None
    engine.tasks = dict(dict.items(engine.tasks))


@pytest.mark.parametrize("dropped", [TASKS_PER_TURN + 5, 10 * TASKS_PER_TURN])
async def test_a_block_looks_for_a_few_dropped_deals_in_one_read_and_in_the_end_for_all(
    pool, dropped
):
    world = await pool()
    deals, now = world.scheduler.deals, world.chain.head.timestamp
    bought = [await world.deal() for _ in range(dropped)]
    for deal in bought:
        await deals.drop(deal.deal_id, now)
    deals._hub = hub = Hub(deals._hub)
    assert len(await deals.find_again()) == TASKS_PER_TURN
    assert hub.reads == [TASKS_PER_TURN]
    for _ in range(dropped // TASKS_PER_TURN):
        await deals.find_again()
    assert max(hub.reads) <= TASKS_PER_TURN
    assert sum(hub.reads) == dropped
    assert all(world.task(first_task(deal)).gone_since is None for deal in bought)


class SilentHub:
    """A hub that tells of no deal, and counts how often it was asked."""

    def __init__(self, hub) -> None:
        self._hub, self.asked = hub, []

    def __getattr__(self, name):
        return getattr(self._hub, name)

    async def deal(self, deal_id):
        self.asked.append(deal_id)
        raise ChainUnreachable("no node has it")


def deal_id_of(number):
    return DealId(number.to_bytes(32, "big"))


async def put_aside(pool, count):
    """Return a pool that was told of so many deals and can read none of them."""
    world = await pool()
    deals = world.scheduler.deals
    deals._hub = hub = SilentHub(deals._hub)
    for number in range(1, count + 1):
        await deals.receive(
            deal_id_of(number), BlockNumber(10 + number), world.chain.head.timestamp
        )
    assert len(deals.unread) == count
    return world, deals, hub


async def test_a_block_tries_some_of_the_deals_that_were_put_aside_in_turn(pool):
    world, deals, hub = await put_aside(pool, 3 * DEALS_AT_ONCE)
    assert deals.unread_since() == 11
    tried = []
    for _ in range(3):
        hub.asked.clear()
        await world.step()
        assert len(hub.asked) == DEALS_AT_ONCE
        tried += hub.asked
    assert sorted(tried) == [deal_id_of(number) for number in range(1, 3 * DEALS_AT_ONCE + 1)]


async def test_ten_times_the_deals_put_aside_are_hardly_more_work_per_notice(pool):
    works = []
    for count in (20, 200):
        world, deals, _ = await put_aside(pool, count)
        with counted() as work:
            await deals.receive(deal_id_of(7), BlockNumber(17), world.chain.head.timestamp)
            assert deals.unread_since() == 11
        works.append(work.count)
    assert works[1] <= 1.3 * works[0]


@pytest.mark.parametrize("times", [1, 10])
async def test_after_a_restart_deals_are_read_together(pool, times):
    world = await pool()
    for _ in range(20 * times):
        await world.deal()
    deals = world.scheduler.deals
    deals._hub = hub = Hub(deals._hub)
    await deals.recall(world.chain.head.timestamp)
    assert len(hub.reads) <= 1 + 20 * times // 100
    assert sum(hub.reads) == 20 * times


async def test_a_deal_that_cannot_be_read_keeps_no_other_from_being_recalled(pool):
    world = await pool()
    world.planted = (Unreadable,)
    bad, good = await world.deal(), await world.deal()
    deals = world.scheduler.deals
    deals._hub = hub = Hub(deals._hub)
    deals.by_id.clear()
    hub.broken = {bad.deal_id}
    await deals.recall(world.chain.head.timestamp)
    assert set(deals.by_id) == {good.deal_id}
    hub.broken = set()
    await deals.read_again()
    assert set(deals.by_id) == {bad.deal_id, good.deal_id}


async def test_of_deals_that_the_chain_never_shows_the_newest_are_remembered_until_it_does(pool):
    world = await pool()
    deals, head = world.scheduler.deals, world.chain.head
    lost = [DealId(number.to_bytes(32, "big")) for number in range(1, MOST_UNREADABLE + 4)]
    for name in lost:
        for _ in range(DEAL_READ_TRIES):
            assert await deals.receive(name, head.number, head.timestamp) == []
    assert not deals.unread
    assert list(deals.unreadable) == lost[3:]
    late = await world.deal()
    deals._give_up(late.deal_id, "no such deal")
    await deals.receive(late.deal_id, head.number, head.timestamp)
    assert late.deal_id not in deals.unreadable


class Unreadable(ValueError):
    """A deal of a form that nobody knows."""


class Hub:
    """Counts what each read asks for, and can be told to answer for some only."""

    def __init__(self, hub):
        self._hub, self.reads, self.lost, self.broken = hub, [], set(), set()

    async def deal(self, deal_id):
        return (await self.deals([deal_id])).get(deal_id)

    async def deals(self, asked):
        self.reads.append(len(asked))
        if self.broken & set(asked):
            raise Unreadable
        return await self._hub.deals(asked)

    async def tasks(self, asked):
        self.reads.append(len(asked))
        found = await self._hub.tasks(asked)
        left = {name: view for name, view in found.items() if name not in self.lost}
        return Partial(left, dict.fromkeys(found.keys() - left.keys(), "no endpoint has it"))

    def __getattr__(self, name):
        return getattr(self._hub, name)


@pytest.fixture
async def reading(pool):
    world = await pool()
    looks = world.scheduler.chain_feed.looks
    looks._hub = hub = Hub(looks._hub)
    return world, looks, hub


async def test_many_are_read_some_at_a_time_and_a_few_need_not_wait_for_them(reading):
    world, looks, hub = reading
    many = await world.deal(tasks=5 * READ_AT_ONCE)
    one = await world.deal()
    hub.reads.clear()
    order = []
    looks.look([name for _, name in many.tasks()]).add_done_callback(lambda _: order.append("many"))
    looks.look([first_task(one)]).add_done_callback(lambda _: order.append("one"))
    await world.settle()
    assert order == ["one", "many"]
    assert max(hub.reads) == READ_AT_ONCE
    assert sum(hub.reads) == 5 * READ_AT_ONCE + 1


async def test_a_task_that_cannot_be_read_loses_no_other_and_is_read_again(reading):
    world, looks, hub = reading
    deal = await world.deal(tasks=3)
    names = [name for _, name in deal.tasks()]
    await world.hired(slots=3)
    await world.step()
    hub.lost = {names[1]}
    found, missing = looks.look([names[0], names[2]]), looks.look(names)
    await found
    await world.settle()
    assert looks.outdated == {names[1]}
    assert hub.reads[-1] == 3
    assert not missing.done()
    awaited = len(looks._waiting[names[1]])
    for _ in range(5):
        await world.step()
    assert len(looks._waiting[names[1]]) == awaited, "each block leaves one more that waits"
    hub.lost = set()
    await world.step()
    assert looks.outdated == set()
    assert missing.done()


async def test_a_task_that_left_while_it_could_not_be_read_is_awaited_no_longer(reading):
    world, looks, hub = reading
    deal = await world.deal()
    hub.lost = {first_task(deal)}
    missing = looks.look([first_task(deal)])
    await world.settle()
    assert looks.outdated == hub.lost
    del world.scheduler.engine.tasks[first_task(deal)]
    looks.look_again()
    await missing
    assert looks.outdated == set()
