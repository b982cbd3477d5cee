"""A pool gives its workers what they take, and blames none for its operator's choice."""

from __future__ import annotations

from datetime import datetime, timedelta

from network.world import T
from poolhand.domain.network_hosts import read_hosts
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.params import DealParams
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.units import Seconds
from poolhand.wire.messages import Declined, ReportBatch, StatusReport


def window(world, *, begins: int, ends: int) -> str:
    """Return hours by the clock of this computer: minutes from now."""
    now = datetime.fromtimestamp(world.clock.now()).astimezone()
    first, last = now + timedelta(minutes=begins), now + timedelta(minutes=ends)
    return f"{first:%H:%M}-{last:%H:%M}"


async def test_a_worker_is_given_no_task_that_would_outlast_its_hours(network):
    world = await network(workers=2)
    await world.start()
    picky, other = world.nodes
    picky.worker.hours.learn((Seconds(60), Seconds(T)))
    picky.worker.live.set({"schedule": window(world, begins=-2, ends=4)})
    await world.settle()
    assert picky.member.standing.longest == 60
    for _ in range(3):
        deal = await world.deal()
        await world.done()
        (task,) = (name for _, name in deal.tasks())
        assert world.view(task).status is ChainTaskStatus.COMPLETED
    assert picky.member.standing.offers.seen == 0
    assert other.member.standing.offers.accepted == 3
    await other.kill()
    deal = await world.deal()
    await world.step()
    assert picky.member.standing.idle == {IdleReason.TOO_LONG: 1}
    picky.worker.live.set({"schedule": "always"})
    await world.settle()
    await world.done()
    assert picky.member.standing.offers.accepted == 1


async def test_outside_its_hours_a_worker_is_given_nothing_and_finishes_what_it_holds(network):
    world = await network(workers=1)
    await world.start()
    (node,) = world.nodes
    node.worker.live.set({"schedule": window(world, begins=-2, ends=T // 60 + 2)})
    await world.settle()
    deal = await world.deal()
    (task,) = (name for _, name in deal.tasks())
    assert node.member.shell.replicates
    node.worker.live.set({"schedule": window(world, begins=60, ends=120)})
    await world.done()
    assert world.view(task).status is ChainTaskStatus.COMPLETED
    await world.deal()
    await world.step()
    assert node.member.standing.offers.seen == 1
    await world.let_pass(3_600)
    await world.done()
    assert node.member.standing.offers.accepted == 2


async def test_a_worker_is_given_no_task_that_brings_less_than_it_asks(network):
    world = await network(workers=2)
    await world.start()
    proud, other = world.nodes
    proud.worker.live.set({"least-reward": "1000"})
    await world.settle()
    deal = await world.deal()
    await world.done()
    assert proud.member.standing.offers.seen == 0
    assert other.member.standing.offers.accepted == 1
    await other.kill()
    deal = await world.deal()
    await world.step()
    assert proud.member.standing.idle == {IdleReason.REWARD_TOO_LOW: 1}
    proud.worker.live.set({"least-reward": ""})
    await world.settle()
    await world.done()
    assert proud.member.standing.offers.accepted == 1
    assert deal.price


async def test_a_worker_that_declines_by_choice_is_not_blamed_and_others_do_the_task(network):
    world = await network(workers=2)
    await world.start()
    picky, other = world.nodes
    picky.worker.live.set({"not-requesters": str(world.requester.address)})
    for _ in range(3):
        await world.deal(tasks=2)
        await world.done()
    offers = picky.member.standing.offers
    assert (offers.accepted, offers.seen > 0) == (0, True)
    assert offers.declined == {"not-chosen": offers.seen}
    known = world.pool.scheduler.workers._reputation(picky.address)
    assert known.faults == 0
    assert other.member.standing.offers.accepted == 6


async def test_who_only_says_that_it_declines_and_then_fails_is_blamed_all_the_same(network):
    world = await network(workers=1)
    await world.start()
    (node,) = world.nodes
    deal = await world.deal()
    (task,) = (name for _, name in deal.tasks())
    sessions = world.pool.scheduler.workers
    sessions.received(node.address, Declined(task))
    failed = StatusReport(Status.FAILED, world.clock.now(), None, "no")
    reports = len(world.task(task).attempt(node.address).log) - 1
    assert reports
    sessions.received(node.address, ReportBatch(task, reports, (failed,), None))
    await world.step()
    assert sessions._reputation(node.address).faults == 1


async def test_a_task_whose_app_is_to_reach_hosts_goes_to_who_allows_all_of_them(network):
    world = await network(workers=3)
    await world.start()
    closed, narrow, wide = world.nodes
    hosts = read_hosts(["a.example", "b.example:8443"], 2)
    narrow.member.allow_hosts(hosts[:1])
    wide.member.allow_hosts(hosts)
    await world.settle()
    params = DealParams(hosts=hosts).dump()
    for _ in range(3):
        await world.deal(params=params)
        await world.done()
    accepted = [each.member.standing.offers.accepted for each in (closed, narrow, wide)]
    assert accepted == [0, 0, 3]
    assert closed.member.standing.offers.seen == narrow.member.standing.offers.seen == 0
    wide.member.allow_hosts(())
    await world.settle()
    await world.deal(params=params)
    await world.step()
    for node in (narrow, wide):
        assert node.member.standing.idle == {IdleReason.HOSTS_NOT_ALLOWED: 1}
    wide.member.allow_hosts(hosts)
    await world.settle()
    await world.done()
    assert wide.member.standing.offers.accepted == 4


async def test_a_worker_takes_no_task_whose_hosts_it_does_not_allow_whatever_its_pool_says(
    network,
):
    world = await network(workers=1)
    await world.start()
    (node,) = world.nodes
    hosts = read_hosts(["a.example"], 1)
    node.member.allow_hosts(hosts)
    await world.settle()
    node.member.standing.hosts = ()  # the pool has not been told
    await world.deal(params=DealParams(hosts=hosts).dump())
    await world.step()
    standing = node.member.standing
    assert (standing.offers.seen, standing.offers.accepted) == (1, 0)
