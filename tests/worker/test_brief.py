"""What a worker believes of an offer: nothing that the chain does not say."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from worker_world import refusal_of

from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.signatures import BadSignature
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import NoOneFramework, TeeFramework
from poolhand.worker.brief import BadOffer, UnfitTask, check_offer

ENCLAVE = Address(bytes([4]) * 20)


async def checked(shop, offer, brief=None, pool=None, **can):
    brief = brief or await shop.worker.briefs.of(offer)
    check_offer(offer, brief, pool or shop.world.workerpool, shop.address, **can)
    return brief


async def test_an_honest_offer_is_taken_with_everything_read_from_the_chain(shop):
    deal = await shop.deal()
    brief = await checked(shop, shop.offer(deal))
    assert brief.deal == deal
    assert brief.app.address == shop.world.app
    assert brief.dataset is None
    assert brief.params.args == "hello"
    assert brief.category.time_ref == 300


async def test_a_deal_that_is_not_on_chain_is_refused_after_a_few_blocks(shop):
    offer = replace(shop.offer(await shop.deal()), deal_id=DealId(bytes(32)))
    asked = asyncio.create_task(refusal_of(BadOffer, shop.worker.briefs.of(offer)))
    await shop.blocks(4)
    assert not asked.done()
    await shop.blocks(10)
    assert "does not know" in await asked


async def test_a_node_that_lags_behind_the_pools_is_waited_for(shop):
    shop.chain.automine = False
    deal = await shop.deal()
    offer = shop.offer(deal)
    shop.chain.automine = False
    shop.chain.reorg(1)
    asked = asyncio.create_task(shop.worker.briefs.of(offer))
    await shop.settle()
    assert not asked.done()
    await shop.blocks(1)
    assert (await asked).deal.deal_id == deal.deal_id


@pytest.mark.parametrize("read_before", [False, True])
async def test_a_task_that_is_not_the_one_of_its_deal_and_index_is_refused(shop, read_before):
    deal, other = await shop.deal(tasks=2), await shop.deal(trust=5)
    if read_before:
        await shop.worker.briefs.of(shop.offer(deal))
    _, foreign = next(other.tasks())
    for lie in (
        shop.offer(deal, index=1),
        shop.offer(deal, index=7),
        replace(shop.offer(other), deal_id=deal.deal_id),
        shop.offer(deal, task_id=foreign),
    ):
        assert "is not task" in await refusal_of(BadOffer, checked(shop, lie))


async def test_another_pools_deal_is_refused(shop):
    offer = shop.offer(await shop.deal())
    elsewhere = shop.world.app
    assert "is for pool" in await refusal_of(BadOffer, checked(shop, offer, pool=elsewhere))


@pytest.mark.parametrize("forger", ["requester", "worker"])
async def test_an_authorization_by_anybody_but_the_pools_owner_is_refused(shop, forger):
    wallet = shop.world.requester if forger == "requester" else shop.node.wallet
    deal = await shop.deal()
    _, task_id = next(deal.tasks())
    forged = wallet.sign_authorization(shop.address, task_id, ZERO_ADDRESS)
    await refusal_of(BadSignature, checked(shop, shop.offer(deal, authorization=forged)))


async def test_an_authorization_for_another_worker_or_task_is_refused(shop):
    deal, owner = await shop.deal(tasks=2), shop.world.owner
    (_, first), (_, second) = deal.tasks()
    for worker, task_id in ((owner.address, first), (shop.address, second)):
        other = owner.sign_authorization(worker, task_id, ZERO_ADDRESS)
        await refusal_of(BadSignature, checked(shop, shop.offer(deal, authorization=other)))


async def test_a_flow_that_the_trust_does_not_allow_is_refused(shop):
    offer = shop.offer(await shop.deal(trust=5), Flow.CONTRIBUTE_AND_FINALIZE)
    assert "trust 5" in await refusal_of(BadOffer, checked(shop, offer))


async def test_a_task_that_needs_what_this_worker_has_not_is_declined(shop):
    offer = shop.offer(await shop.deal())
    brief = await shop.worker.briefs.of(offer)
    unfit = {
        "TEE": replace(brief, deal=replace(brief.deal, tag=Tag.of(["tee", "scone"]))),
        "GPU": replace(brief, deal=replace(brief.deal, tag=Tag.of(["gpu"]))),
        "DOCKER": replace(brief, app=replace(brief.app, type="WASM")),
    }
    for word, each in unfit.items():
        assert word in await refusal_of(UnfitTask, checked(shop, offer, each))


def confidential(shop, brief, *, names=("tee", "tdx")):
    """Return the brief of a deal that asks for an enclave."""
    return replace(brief, deal=replace(brief.deal, tag=Tag.of(names)))


def offered(shop, deal, enclave=ENCLAVE, url="http://secrets"):
    """Return an offer for an enclave, authorized by the pool's owner."""
    _, task_id = next(deal.tasks())
    signed = shop.world.owner.sign_authorization(shop.address, task_id, enclave)
    return shop.offer(deal, authorization=signed, enclave=enclave, secrets_url=url)


async def test_an_enclave_is_named_exactly_where_the_deal_asks_for_one(shop):
    deal = await shop.deal()
    brief = await shop.worker.briefs.of(shop.offer(deal))
    wanted, tdx = confidential(shop, brief), {TeeFramework.TDX}
    await checked(shop, offered(shop, deal), wanted, frameworks=tdx)
    plain = shop.offer(deal)
    for offer, each in (
        (offered(shop, deal), brief),
        (plain, wanted),
        (offered(shop, deal, url=""), wanted),
    ):
        assert "enclave" in await refusal_of(BadOffer, checked(shop, offer, each, frameworks=tdx))
    forged = replace(offered(shop, deal), authorization=plain.authorization)
    await refusal_of(BadSignature, checked(shop, forged, wanted, frameworks=tdx))


async def test_a_framework_that_this_worker_lacks_is_declined(shop):
    deal = await shop.deal()
    brief = await shop.worker.briefs.of(shop.offer(deal))
    offer, tdx = offered(shop, deal), {TeeFramework.TDX}
    scone = confidential(shop, brief, names=("tee", "scone"))
    assert "scone" in await refusal_of(UnfitTask, checked(shop, offer, scone, frameworks=tdx))
    none = confidential(shop, brief, names=("tee",))
    assert "exactly one" in await refusal_of(
        NoOneFramework, checked(shop, offer, none, frameworks=tdx)
    )
