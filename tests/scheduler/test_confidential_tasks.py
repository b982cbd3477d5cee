"""Confidential tasks in the scheduler: taken where secrets are kept, offered for one enclave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pool_world import PoolWorld, S, first_task
from tee_secrets import ACCEPTING, ENCLAVE, SCONE, SMS, TDX, Secrets, enclave_hired

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.signatures import check_authorization
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.scheduler.api.selling import pool_config
from poolhand.scheduler.confidential_sale import TERMS_KEPT
from poolhand.scheduler.main import SIMULATED_TEE, pool_profile
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import NotSold
from poolhand.wire.messages import OfferTask
from poolhand.wire.tee_messages import OfferConfidentialTask


@pytest.fixture
async def world(tmp_path):
    made = PoolWorld(tmp_path, quick=True, **ACCEPTING)
    made.pool.challenges = Secrets()
    await made.start()
    yield made
    await made.stop()


async def bought(world, tag=TDX.tag):
    deal = await world.deal(tag=tag)
    await world.step()
    return first_task(deal)


def is_active(world, task_id):
    return world.chain.state.view(task_id).status is ChainTaskStatus.ACTIVE


def asked(tag):
    return Asked(category=0, trust=Trust(1), tag=tag, volume=1)


async def refused(world, tag):
    with pytest.raises(NotSold) as caught:
        await world.scheduler.pricing.order(asked(tag))
    return str(caught.value)


async def test_an_offer_names_the_enclave_and_where_its_secrets_are_and_is_authorized_for_it(world):
    worker = await enclave_hired(world)
    task = await bought(world)
    await world.until(lambda: OfferConfidentialTask in worker.kinds())
    assert is_active(world, task)
    offer = worker.last(OfferConfidentialTask)
    assert (offer.task_id, offer.enclave, offer.secrets_url) == (task, ENCLAVE, SMS)
    check_authorization(offer.authorization, world.owner.address, worker.address, task, ENCLAVE)
    assert OfferTask not in worker.kinds()
    assert world.pool.challenges.asked == [task]


async def test_a_task_goes_to_whoever_has_proved_its_framework_alone(world):
    usual, other = await world.hired(), await enclave_hired(world, (SCONE,))
    await bought(world)
    assert OfferConfidentialTask not in other.kinds()
    worker = await enclave_hired(world)
    await world.until(lambda: OfferConfidentialTask in worker.kinds())
    assert not {OfferConfidentialTask, OfferTask} & {*usual.kinds(), *other.kinds()}


@pytest.mark.parametrize("fault", [Unavailable("it sleeps"), Refused("not active, as I see it")])
async def test_where_the_service_is_away_a_task_waits_is_told_as_such_and_nobody_is_blamed(
    world, fault
):
    worker, secrets = await enclave_hired(world), world.pool.challenges
    secrets.away = fault
    task = await bought(world)
    await world.until(lambda: secrets.asked, seconds=3)
    for _ in range(4):
        await world.step(60)
    assert OfferConfidentialTask not in worker.kinds()
    assert 3 < len(secrets.asked) < 12
    told = world.scheduler._told.tasks.whole(world.task(task), None)
    assert str(fault) in told.obstacle
    known = world.scheduler.directory.get(worker.address).reputation
    assert known.faults == 0
    secrets.away = None
    await world.until(lambda: OfferConfidentialTask in worker.kinds(), seconds=30)
    await worker.reports(task, S.RUNNING)
    told = world.scheduler._told.tasks.whole(world.task(task), None)
    assert str(fault) not in (told.obstacle or "")


async def test_who_lets_such_an_offer_lie_is_blamed_from_the_offer_on(world):
    worker = await enclave_hired(world)
    await bought(world)
    await world.until(lambda: OfferConfidentialTask in worker.kinds())
    for _ in range(8):
        await world.step(10)
    assert world.scheduler.directory.get(worker.address).reputation.faults == 1


class DiesAt:
    """Ends the pool's program at one effect, once."""

    def __init__(self, world, name):
        self.world, self.name, self.is_over = world, name, False

    def __call__(self, _task, effect):
        if type(effect).__name__ == self.name and not self.is_over:
            self.is_over = True
            self.world.pool.fuse.blow()


@pytest.mark.parametrize("effect", ["AskChallenge", "TellOffer"])
async def test_a_crash_loses_neither_the_question_nor_the_answer(world, effect):
    worker = await enclave_hired(world)
    world.pool.opened_with(dies := DiesAt(world, effect))
    task = await bought(world)
    await world.until(lambda: dies.is_over)
    if world.pool.task is None:
        world.pool.start()
    await world.settle()
    worker.told.clear()
    await worker.arrives()
    await world.until(lambda: OfferConfidentialTask in worker.kinds())
    assert worker.last(OfferConfidentialTask).enclave == world.task(task).enclave == ENCLAVE


async def test_an_enclave_that_was_told_is_not_asked_for_again_after_a_restart(world):
    worker = await enclave_hired(world)
    task = await bought(world)
    await world.until(lambda: OfferConfidentialTask in worker.kinds())
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    worker.told.clear()
    await worker.arrives()
    assert worker.last(OfferConfidentialTask).enclave == ENCLAVE
    assert world.pool.challenges.asked == [task]


async def test_an_order_is_sold_for_the_framework_of_the_service_alone(world):
    await enclave_hired(world)
    sold = await world.scheduler.pricing.order(asked(TDX.tag))
    assert sold.order.tag == TDX.tag
    assert "for tdx: ask with tee,tdx" in await refused(world, SCONE.tag)
    assert (await world.scheduler.pricing.order(asked(NO_TAG))).order.tag == NO_TAG


async def test_a_pool_that_takes_simulated_enclaves_says_so_to_whoever_reads_of_it(world):
    pool = await world.scheduler._hub.workerpool(world.workerpool)
    told = replace(world.pool.settings, about="Two racks.")
    assert pool_profile(told, pool, "http://p.test").description == f"{SIMULATED_TEE}\nTwo racks."
    other = replace(told, simulated_tee=None)
    assert pool_profile(other, pool, "http://p.test").description == "Two racks."
    assert pool_config(told, world.chain.facts, pool.owner, "http://p.test").simulated_tee
    assert not pool_config(other, world.chain.facts, pool.owner, "http://p.test").simulated_tee


async def test_nothing_confidential_is_sold_while_nobody_can_tell_for_which_framework(world):
    world.pool.challenges.fault = Unavailable("it sleeps")
    with pytest.raises(Unavailable, match="it sleeps"):
        await world.scheduler.pricing.order(asked(TDX.tag))
    world.pool.challenges.fault = Refused("no properties")
    assert "serves no confidential tasks: no properties" in await refused(world, TDX.tag)


async def test_a_service_that_refuses_is_not_asked_for_every_buyer(world):
    secrets = world.pool.challenges
    secrets.fault = Refused("no properties")
    await world.step(int(TERMS_KEPT))  # what it said before holds no longer
    for _ in range(3):
        assert "no properties" in await refused(world, TDX.tag)
    secrets.fault = None
    assert "no properties" in await refused(world, TDX.tag)
    await world.step(int(TERMS_KEPT))
    assert await world.scheduler.pricing.order(asked(TDX.tag))


async def test_simulated_enclaves_are_taken_by_name_only(tmp_path):
    world = PoolWorld(tmp_path, sms_url=SMS)
    world.pool.challenges = secrets = Secrets()
    await world.start()
    assert "--simulated-tee" in await refused(world, TDX.tag)
    secrets.told = replace(secrets.told, is_simulated=False)
    await world.step(int(TERMS_KEPT))
    assert await world.scheduler.pricing.order(asked(TDX.tag))
    await world.stop()


@pytest.mark.parametrize("tag", [SCONE.tag])
async def test_a_deal_of_another_framework_is_not_begun(world, tag):
    await enclave_hired(world, (SCONE,))
    deal = await world.deal(tag=tag)
    await world.step()
    assert first_task(deal) not in world.pool.tasks_known()
    assert not world.pool.challenges.asked


async def test_a_confidential_task_is_shown_as_such_with_its_enclave_and_that_it_is_simulated(
    world,
):
    await enclave_hired(world)
    task = await bought(world)
    usual = first_task(await world.deal())
    await world.step()
    told = world.scheduler._told.tasks.whole(world.task(task), None).confidential
    assert (told.framework, told.enclave, told.simulated) == ("tdx", ENCLAVE, True)
    assert world.scheduler._told.tasks.whole(world.task(usual), None).confidential is None
