"""Sessions of workers: who may come, what they are told, and what is believed of what they say.

One file, for each plays a session from its first message on.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pool_world import RIGHT, TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import TaskId
from poolhand.domain.messages import Nonce
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.signatures import check_authorization
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.idle_news import RECOUNT
from poolhand.scheduler.worker_sessions import MOST_LEAPS
from poolhand.wire.handshake import WorkerNotAllowed
from poolhand.wire.messages import (
    Aborted,
    AcknowledgeReports,
    AskReveal,
    AskUpload,
    Capabilities,
    Completed,
    Held,
    Idle,
    Login,
    Logs,
    OfferTask,
    TaskActivated,
    Upload,
)

UNKNOWN = TaskId(bytes([77] * 32))


def login(worker) -> Login:
    can = Capabilities("w", "0", 4, 1, 2**30, (), gpu=False, instance=Nonce(bytes(32)))
    nonce = Nonce(bytes(32))
    return Login(2, worker.address, can, UnixSeconds(0), nonce, bytes(65), ())


async def test_everybody_may_join_a_pool_without_a_list(pool):
    world = await pool()
    world.scheduler.workers.admit(login(world.hire()))


async def test_only_listed_workers_may_join_a_pool_with_a_list(pool):
    world = await pool(allowed=frozenset({bytes(20)}))
    with pytest.raises(WorkerNotAllowed, match="ask the pool's owner"):
        world.scheduler.workers.admit(login(world.hire()))
    listed = world.hire()
    world.scheduler.workers._admission = Admission(frozenset({listed.address}))
    world.scheduler.workers.admit(login(listed))


async def test_an_offer_carries_the_owners_authorization_for_this_worker_and_task(pool):
    world = await pool()
    worker = await world.hired()
    deal = await world.deal()
    offer = worker.last(OfferTask)
    assert (offer.task_id, offer.deal_id, offer.index) == (first_task(deal), deal.deal_id, 0)
    check_authorization(offer.authorization, world.owner.address, worker.address, offer.task_id)


async def test_what_a_worker_says_of_its_enclaves_counts_for_nothing(pool):
    world = await pool()
    worker = world.hire()
    worker.claims = lambda can: replace(can, tee=("tdx", "scone"))
    await worker.arrives()
    assert world.scheduler.directory.get(worker.address).tee == ()


async def test_score_and_stake_are_read_when_a_worker_comes(pool):
    world = await pool()
    worker = world.hire(stake=123)
    world.chain.set_score(worker.address, 30)
    await worker.arrives()
    connected = world.scheduler.directory.get(worker.address)
    assert (connected.stake, connected.weight) == (123, 9)


async def test_each_worker_has_its_own_score_and_stake(pool):
    world = await pool()
    workers = [await world.hired(stake=100 * number) for number in (1, 2, 3)]
    for number, worker in enumerate(workers, 1):
        world.chain.set_score(worker.address, 15 * number)
    await world.scheduler.accounts.read([worker.address for worker in workers])
    workers = [world.scheduler.directory.get(worker.address) for worker in workers]
    assert [(each.stake, each.weight) for each in workers] == [(100, 4), (200, 9), (300, 14)]


async def test_a_stake_deposited_later_is_noticed_with_the_next_block(pool):
    world = await pool()
    worker = await world.hired(stake=0)
    deal = await world.deal()
    assert not world.offered(first_task(deal))
    assert worker.last(Idle).reasons == short(deal)
    world.chain.fund(worker.address, stake=deal.worker_stake)
    world.total = world.chain.total_nrlc()
    await world.step()
    assert world.offered(first_task(deal))


async def test_a_worker_gets_nothing_before_it_has_told_whether_it_takes_work(pool):
    world = await pool()
    (_, task), *_ = (await world.deal()).tasks()
    worker = world.hire()
    await worker.logs_in()
    assert not world.offered(task)
    await worker.pauses("it was paused before its restart")
    assert not world.offered(task)
    await worker.pauses(None)
    assert [each.worker for each in world.offered(task)] == [worker.address]


async def test_reports_are_stored_in_order_and_acknowledged(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED)
    assert worker.last(AcknowledgeReports) == AcknowledgeReports(task, 7)
    assert [e.status for e in world.task(task).attempts[0].log] == [S.CREATED, *TO_COMPUTED]


async def test_a_repeated_report_changes_nothing_and_is_acknowledged_again(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED[:4])
    before = world.task(task).attempts
    await worker.reports(task, *TO_COMPUTED[:2], first=0)
    assert world.task(task).attempts == before
    assert worker.last(AcknowledgeReports) == AcknowledgeReports(task, 4)
    await worker.reports(task, *TO_COMPUTED[2:6], first=2)
    assert world.status(task, worker) is S.COMPUTING


@pytest.mark.parametrize(
    ("statuses", "first"),
    [
        ((S.COMPUTED,), 0),  # not after CREATED
        ((S.RUNNING, S.CONTRIBUTED), 0),
        (("NO_SUCH_STATUS",), 0),
        ((S.WORKER_LOST,), 0),  # only the pool can know
        ((S.CREATED,), 0),
    ],
)
async def test_an_impossible_report_ends_the_replicate_and_another_worker_is_tried(
    pool, statuses, first
):
    world = await pool()
    liar = await world.hired()
    task = first_task(await world.deal())
    await liar.reports(task, *statuses, first=first)
    attempt = world.task(task).attempt(liar.address)
    assert attempt.status is S.FAILED
    assert attempt.log[-1].detail
    assert Aborted(task, S.FAILED) in liar.told
    assert liar.last(AcknowledgeReports).count >= first + len(statuses)
    honest = await world.hired()
    assert world.status(task, honest) is S.CREATED


async def test_who_leaps_ahead_is_told_how_much_the_pool_has_and_ended_if_it_goes_on(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    for _ in range(MOST_LEAPS):
        await worker.reports(task, S.APP_DOWNLOADED, first=3)
        assert worker.last(AcknowledgeReports).count == 0
    await worker.reports(task, *TO_COMPUTED, first=0)
    assert world.status(task, worker) is S.COMPUTED
    for _ in range(MOST_LEAPS + 1):
        assert world.status(task, worker) is S.COMPUTED
        await worker.reports(task, S.CONTRIBUTED, first=20)
    assert world.status(task, worker) is S.FAILED
    assert Aborted(task, S.FAILED) in worker.told


async def test_a_replicate_that_is_on_chain_is_known_again_and_one_that_is_not_goes_on(pool):
    world = await pool(start_block=BlockNumber(0))
    one, other = await world.hired(), await world.hired()
    task = first_task(await world.deal(trust=5))
    await one.reports(task, *TO_COMPUTED)
    await world.step()
    one.contributes(task)
    await world.step()
    await world.pool.kill()
    world.pool.journal = world.pool.new_journal(world.pool.fuse)
    world.pool.start()
    await world.settle()
    one.told.clear()
    await one.logs_in(held=(Held(task, S.CONTRIBUTING),))
    await other.logs_in(held=(Held(task, S.COMPUTING),))
    assert world.task(task).attempt(one.address) is not None
    assert AcknowledgeReports(task, 0) in one.told
    assert world.task(task).attempt(other.address) is None
    assert not [each for each in other.told if isinstance(each, Aborted)][1:]
    other.contributes(task)
    await world.step()
    assert world.task(task).attempt(other.address) is not None
    assert other.last(AcknowledgeReports) == AcknowledgeReports(task, 0)


async def test_a_liar_gets_nothing_from_a_pool_that_goes_on_from_an_older_copy(pool):
    """It says to hold what it was never given, and to have stored the result."""
    world = await pool(start_block=BlockNumber(0))
    honest = await world.hired()
    task = first_task(await world.deal())
    await honest.reports(task, *TO_COMPUTED)
    await world.step()
    await world.pool.kill()
    world.pool.journal = world.pool.new_journal(world.pool.fuse)
    world.pool.start()
    await world.settle()
    liar = world.hire()
    await liar.arrives(held=(Held(task, S.RESULT_UPLOADING),), paused="not now")
    stored = Upload('{"location": "there"}', None, RIGHT)
    await liar.reports(task, *TO_CONTRIBUTED, S.RESULT_UPLOADED, upload=stored)
    await liar.says(Logs(task, "out", "err"))
    assert world.task(task).attempts == ()
    assert (world.task(task).stored, world.task(task).claim) == (None, None)
    assert not await world.scheduler.outputs.logs.of(task)
    await honest.arrives(held=(Held(task, S.COMPUTED),))
    assert [each.worker for each in world.task(task).attempts] == [honest.address]


async def test_a_report_of_an_unknown_task_is_acknowledged_so_that_it_is_not_told_for_ever(pool):
    world = await pool()
    worker = await world.hired()
    await worker.reports(UNKNOWN, S.RUNNING, S.APP_DOWNLOADING)
    assert worker.last(AcknowledgeReports) == AcknowledgeReports(UNKNOWN, 2)
    assert UNKNOWN not in world.pool.tasks_known()


async def test_a_worker_cannot_report_on_another_workers_replicate(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    other = await world.hired()
    await other.reports(task, S.RUNNING)
    await other.has_stored(task)
    await other.says(Logs(task, "out", "err"))
    assert world.task(task).attempt(other.address) is None
    assert world.status(task, worker) is S.CREATED
    assert world.task(task).stored is None
    assert not await world.scheduler.outputs.logs.of(task)


async def test_a_worker_with_a_new_session_is_told_again_what_holds(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    worker.told.clear()
    await worker.arrives()
    assert worker.last(OfferTask).task_id == task
    await worker.reports(task, S.RUNNING)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.ACTIVE
    worker.told.clear()
    await worker.arrives(held=(Held(task, S.RUNNING),))
    assert [each for each in worker.kinds() if each != Idle] == [TaskActivated, AcknowledgeReports]
    assert worker.last(AcknowledgeReports).count == 1


async def test_a_worker_that_comes_again_in_time_is_what_the_chain_said_it_is(pool):
    world = await pool()
    worker = await world.hired(stake=123)
    world.chain.outage = True
    await worker.arrives()
    assert world.scheduler.directory.get(worker.address).stake == 123
    world.chain.outage = False


async def test_a_worker_that_holds_what_the_pool_does_not_know_is_told_to_drop_it(pool):
    world = await pool()
    worker = await world.hired()
    await worker.arrives(held=(Held(UNKNOWN, S.COMPUTING),))
    assert worker.last(Aborted).task_id == UNKNOWN


async def test_a_lost_worker_is_replaced_and_welcome_again(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED)
    await worker.leaves()
    assert world.status(task, worker) is S.WORKER_LOST
    other = await world.hired()
    assert world.status(task, other) is S.CREATED
    await worker.arrives(held=(Held(task, S.COMPUTED),))
    await worker.reports(task, S.RECOVERING, S.COMPUTED)
    assert world.status(task, worker) is S.COMPUTED
    assert world.task(task).attempt(worker.address).live


async def test_activation_reveal_and_upload_are_asked_for_in_their_time(pool):
    world = await pool()
    worker = await world.hired()
    task = first_task(await world.deal())
    await worker.reports(task, *TO_COMPUTED)
    assert TaskActivated not in worker.kinds()
    await world.step()
    assert worker.last(TaskActivated).task_id == task
    await worker.reports(task, S.CAN_CONTRIBUTE, S.CONTRIBUTING)
    worker.contributes(task)
    await world.step()
    consensus = world.view(task).consensus
    assert worker.last(AskReveal) == AskReveal(task, consensus)
    await worker.reports(task, S.CONTRIBUTED, S.REVEALING)
    assert AskUpload not in worker.kinds()
    worker.reveals(task)
    await world.step()
    await worker.reports(task, S.REVEALED)
    assert worker.kinds().count(AskUpload) == 1
    await worker.reports(task, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await worker.has_stored(task)
    assert worker.kinds().count(AskUpload) == 1
    await world.step()
    assert world.view(task).status is ChainTaskStatus.COMPLETED
    await world.step()
    assert worker.last(Completed) == Completed(task)
    await worker.reports(task, S.COMPLETED)
    assert world.is_over(task)


async def test_a_report_counts_only_with_the_chain_behind_it(pool):
    world = await pool()
    liar = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await liar.reports(task, *TO_CONTRIBUTED, S.REVEALING, S.REVEALED)
    assert AskReveal not in liar.kinds()
    assert AskUpload not in liar.kinds()
    await liar.has_stored(task)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.ACTIVE


async def test_an_end_that_a_worker_reports_is_looked_up_before_another_is_given_the_task(pool):
    world = await pool(quick=True)
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    other = await world.hired()
    hub = world.scheduler.chain_feed.looks._hub
    world.scheduler.chain_feed.looks._hub = blind = Blind(hub)
    await worker.reports(task, *TO_COMPUTED, S.RESULT_UPLOADING, S.RESULT_UPLOADED,
                         S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.CONTRIBUTED, S.COMPLETED)  # fmt: skip
    assert OfferTask not in other.kinds()
    blind.is_blind = False
    await world.step()
    await world.step()
    assert OfferTask in other.kinds()  # it was a lie


class Blind:
    """A hub that does not answer for tasks."""

    def __init__(self, hub):
        self._hub, self.is_blind = hub, True

    async def tasks(self, asked):
        if self.is_blind:
            raise ChainUnreachable("no endpoint answers")
        return await self._hub.tasks(asked)

    def __getattr__(self, name):
        return getattr(self._hub, name)


async def test_a_paused_worker_gets_nothing_until_it_goes_on(pool):
    world = await pool()
    worker = await world.hired()
    await worker.pauses("lunch")
    task = first_task(await world.deal())
    assert not world.offered(task)
    assert worker.last(Idle).reasons == {"worker is paused": 1}
    await worker.pauses(None)
    assert world.status(task, worker) is S.CREATED


async def test_a_worker_is_told_why_it_is_idle_once_and_not_with_every_block(pool):
    world = await pool()
    worker = await world.hired(stake=0)
    deal = await world.deal()
    for _ in range(5):
        await world.step()
    told = [m.reasons for m in worker.told if isinstance(m, Idle)]
    assert told == [{"no open task": 0}, short(deal)]


async def test_counts_that_change_are_told_now_and_then_and_new_reasons_at_once(pool):
    world = await pool()
    worker = await world.hired(stake=0)
    for _ in range(4):
        deal = await world.deal()
    told = [m.reasons for m in worker.told if isinstance(m, Idle)]
    assert told == [{"no open task": 0}, short(deal)]
    await world.step(RECOUNT)
    assert worker.last(Idle).reasons == short(deal, 4)
    await worker.pauses("lunch")
    assert worker.last(Idle).reasons == {"worker is paused": 4}


def short(deal, tasks=1):
    return {"stake too low": tasks, "nRLC of stake missing": deal.worker_stake}


async def test_a_worker_that_came_anew_is_told_again_why_it_is_idle(pool):
    world = await pool()
    worker = await world.hired(stake=0)
    deal = await world.deal()
    worker.told.clear()
    await worker.leaves()
    await worker.arrives()
    assert worker.last(Idle).reasons == short(deal)


async def test_a_chain_that_is_away_leaves_the_old_score_and_stake(pool):
    world = await pool()
    worker = await world.hired(stake=500)
    world.chain.outage = True
    await world.scheduler.accounts.read([worker.address])
    assert world.scheduler.directory.get(worker.address).stake == 500
    world.chain.outage = False
