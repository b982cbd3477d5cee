"""A result leaves the worker as its beneficiary alone can open it, and no task without a key."""

from __future__ import annotations

import asyncio

import pytest
from test_stages import RIGHT, A, S, done
from worker_world import refusal_of

from poolhand.domain.replicate.machine import Flow
from poolhand.domain.result_key import ResultKey, key_value
from poolhand.keys.result_encryption import decrypt_result, make_keypair
from poolhand.keys.wallet import Wallet
from poolhand.transport.results_client import ResultsDown
from poolhand.wire.messages import ReportBatch
from poolhand.worker.beneficiary_keys import BeneficiaryKeys
from poolhand.worker.brief import UnfitTask

PARAMS = '{"iexec_args":"hello","iexec_result_encryption":true}'
PRIVATE, PUBLIC = make_keypair(2048)


def hand_in(shop, deal, pem=PUBLIC) -> None:
    value = key_value(pem)
    signed = Wallet.random().sign_result_key(value)  # whose, the service's client checks
    shop.world.results.keys[deal.beneficiary] = ResultKey(deal.beneficiary, value, signed)


async def computed(shop, *, key=True):
    deal = await shop.deal(params=PARAMS)
    if key:
        hand_in(shop, deal)
    shop.initialize(deal)
    replicate = shop.replicate(shop.offer(deal, Flow.CONTRIBUTE_AND_FINALIZE), digest=RIGHT)
    await done(shop, A.DOWNLOAD_APP, replicate)
    await done(shop, A.COMPUTE, replicate)
    return replicate


def stored(shop, replicate) -> bytes:
    return shop.world.results.archives[replicate.offer.task_id, shop.address]


async def uploaded(shop, replicate):
    stage = asyncio.create_task(shop.stages.perform(replicate, A.UPLOAD))
    while not stage.done():  # a thread encrypts
        await asyncio.wait([stage], timeout=0.01)
        await shop.settle()
    return stage.result()


async def test_what_is_brought_opens_with_the_key_of_the_beneficiary(shop, tmp_path):
    replicate = await computed(shop)
    clear = shop.worker.folders.of(replicate.offer.task_id).archive.read_bytes()
    assert (await uploaded(shop, replicate)).outcome is S.RESULT_UPLOADED
    assert clear not in stored(shop, replicate)
    (tmp_path / "hidden").write_bytes(stored(shop, replicate))
    decrypt_result(tmp_path / "hidden", tmp_path / "clear", PRIVATE)
    assert (tmp_path / "clear").read_bytes() == clear


async def test_after_a_crash_the_same_archive_is_brought_again(shop):
    replicate = await computed(shop)
    await uploaded(shop, replicate)
    first = stored(shop, replicate)
    hand_in(shop, await shop.deal(params=PARAMS), make_keypair(2048)[1])
    await uploaded(shop, replicate)
    assert stored(shop, replicate) == first


async def test_a_task_without_a_key_is_not_taken(shop):
    deal = await shop.deal(params=PARAMS)
    brief = await shop.worker.briefs.of(shop.offer(deal))
    keys = BeneficiaryKeys(lambda: asyncio.sleep(0, shop.world.results.client(shop.address)))
    told = await refusal_of(UnfitTask, keys.check(brief))
    assert f"{deal.beneficiary}, who has handed in no key" in told
    assert "push-key" in told
    hand_in(shop, deal)
    await keys.check(brief)


async def test_a_task_whose_key_nobody_can_be_asked_for_is_not_taken(shop):
    async def away():
        raise ResultsDown("the service restarts")

    brief = await shop.worker.briefs.of(shop.offer(await shop.deal(params=PARAMS)))
    told = await refusal_of(UnfitTask, BeneficiaryKeys(away).check(brief))
    assert "cannot be asked for: the service restarts" in told


async def test_of_a_deal_that_asks_for_no_encryption_nobody_is_asked(shop):
    async def never():
        raise AssertionError

    brief = await shop.worker.briefs.of(shop.offer(await shop.deal()))
    await BeneficiaryKeys(never).check(brief)


@pytest.mark.parametrize("pem", [b"no key", PRIVATE])
async def test_a_task_whose_key_cannot_be_used_is_not_taken(shop, pem):
    deal = await shop.deal(params=PARAMS)
    hand_in(shop, deal, pem)
    brief = await shop.worker.briefs.of(shop.offer(deal))
    keys = BeneficiaryKeys(lambda: asyncio.sleep(0, shop.world.results.client(shop.address)))
    told = await refusal_of(UnfitTask, keys.check(brief))
    assert "cannot be used" in told
    assert "--change" in told


async def test_a_key_that_is_away_when_a_result_is_computed_is_waited_for(shop):
    replicate = await computed(shop, key=False)
    (deal,) = shop.world.deals
    stage = asyncio.create_task(shop.stages.perform(replicate, A.UPLOAD))
    await shop.settle()
    assert not stage.done()
    hand_in(shop, deal)
    while not stage.done():
        await asyncio.wait([stage], timeout=0.01)
        shop.world.clock.advance(1)
        await shop.settle()
    assert stage.result().outcome is S.RESULT_UPLOADED


@pytest.mark.parametrize("pem", [b"no key", PRIVATE])
async def test_a_key_that_is_none_ends_the_upload_with_the_reason(shop, pem):
    replicate = await computed(shop, key=False)
    hand_in(shop, next(each for each in shop.world.deals), pem)
    finished = await uploaded(shop, replicate)
    assert finished.outcome is S.RESULT_UPLOAD_FAILED
    assert "key" in finished.detail


async def test_an_offer_of_such_a_task_is_declined_with_the_reason(pool):
    deal = await pool.world.deal(params=PARAMS, settle=False)
    await pool.says(pool.offer(deal))
    assert pool.member.standing.offers.declined == {"unfit-task": 1}
    (batch,) = pool.heard(ReportBatch)
    assert "push-key" in batch.statuses[0].detail
