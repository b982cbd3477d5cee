"""The scheduler's chain_watch: no deal is missed, no deal is taken that cannot be served."""

from __future__ import annotations

from dataclasses import replace

import structlog
from pool_world import PoolWorld, first_task, with_tag
from structlog.testing import capture_logs

from poolhand.domain.onchain import ChainTaskStatus, CreateWorkerpool, Initialize
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.tag import Tag
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber
from poolhand.wire.messages import OfferTask

T = 300


async def test_every_task_of_a_deal_is_received_with_what_matching_fixed(pool):
    world = await pool()
    deal = await world.deal(trust=5, tasks=3)
    known = world.pool.tasks_known()
    assert list(known) == [name for _, name in deal.tasks()]
    facts = known[first_task(deal)].facts
    assert (facts.deal_id, facts.index, facts.trust) == (deal.deal_id, 0, Trust(5))
    assert facts.contribution_deadline == deal.start_time + 7 * T
    assert facts.final_deadline == deal.start_time + 10 * T


async def test_trust_1_is_settled_at_once_if_the_owner_allows_it_and_no_other_trust_ever(pool):
    flows = []
    for quick in (True, False):
        world = await pool(quick=quick)
        for trust in (1, 2):
            deal = await world.deal(trust=trust)
            flows.append(world.task(first_task(deal)).facts.flow)
    standard, quick = Flow.STANDARD, Flow.CONTRIBUTE_AND_FINALIZE
    assert flows == [quick, standard, standard, standard]


async def test_a_new_pool_begins_at_the_newest_block(tmp_path):
    world = PoolWorld(tmp_path)
    old = await world.deal(settle=False)
    world.chain.mine()
    await world.start()
    new = await world.deal()
    assert set(world.pool.tasks_known()) == {first_task(new)} != {first_task(old)}
    await world.stop()


async def test_a_pool_can_be_told_to_begin_at_an_old_block(tmp_path):
    world = PoolWorld(tmp_path, start_block=BlockNumber(0))
    old = await world.deal(settle=False)
    world.chain.mine(blocks=5)
    await world.start()
    assert set(world.pool.tasks_known()) == {first_task(old)}
    await world.stop()


async def test_a_restarted_pool_goes_on_where_it_stopped(pool):
    world = await pool()
    before = await world.deal()
    await world.pool.kill()
    while_away = await world.deal(settle=False)
    await world.step()
    world.pool.start()
    await world.settle()
    assert set(world.pool.tasks_known()) == {first_task(before), first_task(while_away)}


async def test_a_deal_read_before_workers_may_come_is_not_said_to_be_out_of_reach(pool):
    world = await pool()
    await world.pool.kill()
    deal = await world.deal(settle=False)
    await world.step()
    structlog.reset_defaults()
    with capture_logs() as told:
        world.pool.start()
        await world.settle()
    assert "deal_received" in {each["event"] for each in told}
    assert first_task(deal) in world.pool.tasks_known()
    assert "deal_out_of_reach" not in {each["event"] for each in told}


async def test_a_deal_that_is_told_twice_is_received_once(pool):
    world = await pool()
    deal = await world.deal(tasks=2)
    records = len(list(world.pool.journal.read()))
    await world.scheduler.deals.receive(deal.deal_id, BlockNumber(1), world.chain.head.timestamp)
    assert len(list(world.pool.journal.read())) == records


async def test_a_deal_of_another_pool_is_left_alone(pool):
    world = await pool()
    world.workerpool = world._create(CreateWorkerpool(world.owner.address, "another"))
    await world.step()
    deal = await world.deal()
    assert deal.workerpool.address == world.workerpool
    await world.scheduler.deals.receive(deal.deal_id, BlockNumber(1), world.chain.head.timestamp)
    assert not world.pool.tasks_known()


async def test_a_deal_past_its_final_deadline_is_left_alone(pool):
    world = await pool()
    await world.pool.kill()
    late = await world.deal(settle=False)
    just = await world.deal(settle=False)
    await world.pass_to(late.start_time + 10 * T)
    world.pool.start()
    await world.settle()
    assert set(world.pool.tasks_known()) == {first_task(just)}


async def test_a_deal_past_its_contribution_deadline_is_offered_to_nobody_and_claimed_in_time(pool):
    world = await pool()
    await world.pool.kill()
    late = await world.deal(settle=False)
    await world.pass_to(late.start_time + 7 * T)
    world.pool.start()
    worker = await world.hired()
    await world.settle()
    assert not world.offered(first_task(late))
    await world.pass_to(late.start_time + 10 * T)
    await world.step()
    await world.step()
    assert world.task(first_task(late)).chain_status is ChainTaskStatus.FAILED
    assert OfferTask not in worker.kinds()


async def test_an_earlier_block_than_it_ever_looked_from_is_gone_back_to_once(tmp_path):
    world = PoolWorld(tmp_path)
    old = await world.deal(settle=False)
    world.chain.mine(blocks=20)
    await world.start()
    assert not world.pool.tasks_known()
    await world.pool.kill()
    world.pool.settings = replace(world.pool.settings, start_block=BlockNumber(0))
    world.pool.start()
    await world.settle()
    assert set(world.pool.tasks_known()) == {first_task(old)}
    new = await world.deal()
    seen = world.scheduler.engine.cursor
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    assert world.scheduler.engine.cursor == seen > 20
    assert set(world.pool.tasks_known()) == {first_task(old), first_task(new)}
    await world.stop()


async def test_a_deal_that_needs_a_tee_is_left_alone(pool):
    world = await pool()
    tag = Tag.of(["tee", "scone"])
    orders = with_tag(world.orders(1, 1), world.owner, world.requester, world.chain.domain, tag)
    world.chain.submit(world.requester.address, orders)
    await world.step()
    assert len(world.chain.state.deals) == 1
    assert not world.pool.tasks_known()


async def test_an_outage_of_minutes_loses_no_deal(pool):
    world = await pool()
    deal = await world.deal(settle=False)
    world.chain.bell.ring()
    world.chain.outage = True
    for _ in range(120):
        await world.step()
    world.chain.outage = False
    await world.step()
    await world.step()
    assert first_task(deal) in world.pool.tasks_known()


async def test_an_outage_between_a_deals_event_and_its_reading_loses_no_deal(pool):
    world = await pool()
    hub = world.scheduler.deals._hub
    world.scheduler.deals._hub = flaky = Flaky(hub, world.chain)
    deal = await world.deal()
    assert flaky.asked
    assert not world.pool.tasks_known()
    for _ in range(60):
        world.clock.advance(1)
        await world.settle()
    world.chain.outage = False
    await world.step()
    await world.step()
    assert first_task(deal) in world.pool.tasks_known()


class Flaky:
    """A hub that goes away when it is first asked for a deal."""

    def __init__(self, hub, chain):
        self._hub, self._chain, self.asked = hub, chain, False

    async def deal(self, deal_id):
        self._chain.outage |= not self.asked
        self.asked = True
        return await self._hub.deal(deal_id)

    def __getattr__(self, name):
        return getattr(self._hub, name)


async def test_a_node_that_lags_behind_the_event_is_waited_for(pool):
    world = await pool()
    deals = world.scheduler.deals
    deals._hub = lagging = Lagging(deals._hub, 3)
    deal = await world.deal()
    for _ in range(4):
        await world.step()
    assert lagging.left == 0
    assert first_task(deal) in world.pool.tasks_known()


class Lagging:
    """A hub that does not know a deal the first times it is asked."""

    def __init__(self, hub, times):
        self._hub, self.left = hub, times

    async def deal(self, deal_id):
        if self.left:
            self.left -= 1
            return None
        return await self._hub.deal(deal_id)

    def __getattr__(self, name):
        return getattr(self._hub, name)


async def test_a_reorganisation_that_takes_a_deal_back_leaves_its_tasks_to_nobody(pool):
    world = await pool()
    deal = await world.deal()
    world.chain.reorg(1, forget=True)
    await world.settle()
    assert world.chain.state.deals == {}
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    worker = await world.hired()
    assert not world.offered(first_task(deal))
    assert OfferTask not in worker.kinds()


async def test_a_deal_that_a_reorganisation_moves_to_another_block_is_served(pool):
    world = await pool()
    deal = await world.deal()
    world.chain.reorg(1)
    worker = await world.hired()
    await world.step()
    await world.step()
    assert OfferTask in worker.kinds()
    await world.until(lambda: world.view(first_task(deal)).status is ChainTaskStatus.ACTIVE)


async def test_somebody_elses_initialization_is_noticed(pool):
    world = await pool()
    deal = await world.deal()
    world.chain.submit(world.requester.address, Initialize(((deal.deal_id, 0),)))
    await world.step()
    assert world.task(first_task(deal)).status is TaskStatus.INITIALIZED


async def test_block_time_passes_without_events_and_without_being_journaled(pool):
    world = await pool()
    deal = await world.deal()
    before, task = len(list(world.pool.journal.read())), world.task(first_task(deal))
    for _ in range(20):
        await world.step()
    assert world.task(first_task(deal)) is task, "it was woken though nothing was due"
    await world.pass_to(task.facts.contribution_deadline - 1)
    assert world.task(first_task(deal)) is task
    assert len(list(world.pool.journal.read())) == before
    await world.step()
    assert world.task(first_task(deal)).status is TaskStatus.CONTRIBUTION_TIMEOUT


async def test_looks_asked_for_at_once_are_answered_by_one_read(pool):
    world = await pool()
    deal = await world.deal(tasks=5)
    chain_feed = world.scheduler.chain_feed
    chain_feed.looks._hub = counting = Counting(chain_feed.looks._hub)
    done = [chain_feed.look([name]) for _, name in deal.tasks() for _ in range(3)]
    await world.settle()
    assert all(each.done() for each in done)
    assert counting.reads == [5]


class Counting:
    """A hub that counts the tasks of each read."""

    def __init__(self, hub):
        self._hub, self.reads = hub, []

    async def tasks(self, asked):
        self.reads.append(len(asked))
        return await self._hub.tasks(asked)

    def __getattr__(self, name):
        return getattr(self._hub, name)


async def test_time_that_passed_in_silence_and_decided_something_is_replayed_too(pool):
    world = await pool(placement=PlacementRules())
    await world.hired()
    task = first_task(await world.deal())
    await world.step(20)
    late = world.task(task).now
    assert late > world.task(task).attempts[0].heard_at, "its silence was not noticed"
    world.chain.reorg(1, seconds=1)  # block time goes back
    await world.settle()
    await world.hired()
    known = world.task(task)
    assert known.attempts[1].heard_at == late > world.chain.head.timestamp
    assert world.pool.journal.state(task).history == known.history


async def test_a_task_that_a_worker_settles_at_once_was_not_finalized_by_the_pool(pool):
    world = await pool(quick=True)
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    worker.settles(task)
    await world.step()
    assert world.task(task).status is TaskStatus.COMPLETED
    calls = [each.kind for each in world.task(task).transactions]
    assert calls == ["initialize", "contributeAndFinalize"]
