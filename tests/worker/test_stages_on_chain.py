"""The stages that touch the chain, and every way in which it may refuse them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest
from worker_world import done

from poolhand.chain.errors import Displaced
from poolhand.domain.gas_reserve import REVEAL_GAS
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest, TxHash
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Contribute,
    ContributeAndFinalize,
    Reveal,
)
from poolhand.domain.replicate.machine import Action, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import Tag
from poolhand.domain.tee.enclave_signature import enclave_message
from poolhand.domain.units import Wei
from poolhand.keys.wallet import Wallet
from poolhand.worker.tee.stage_program import ChallengeKey

A = Action
S = Status
RIGHT = ResultDigest(sha256(b"the right result").digest())
OTHER = ResultDigest(bytes([9] * 32))
GAS = Wei(300_000)
ENCLAVE_KEY = bytes([4]) * 32
ENCLAVE = Wallet.from_key(ENCLAVE_KEY)
LINK = '{ "storage": "ipfs", "location": "http://results/1" }'


async def ready(shop, *, trust=1, digest=RIGHT, flow=Flow.STANDARD, **terms):
    """Return an initialized deal and a replicate that has computed."""
    deal = await shop.deal(trust=trust, **terms)
    shop.initialize(deal)
    return deal, shop.replicate(shop.offer(deal, flow), digest=digest)


# ------------------------------------------------------------------------------------ the check


async def test_a_worker_may_contribute_to_an_active_task(shop):
    _, replicate = await ready(shop)
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE


async def test_a_task_that_is_not_yet_active_is_waited_for(shop):
    deal = await shop.deal()
    stage = asyncio.create_task(shop.stages.perform(shop.replicate(shop.offer(deal)), A.CHECK))
    await shop.blocks(3)
    assert not stage.done()
    shop.initialize(deal)
    await shop.settle()
    assert (await stage).outcome is S.CAN_CONTRIBUTE


async def test_a_task_that_never_gets_active_cannot_be_contributed_to(shop):
    deal = await shop.deal()
    stage = asyncio.create_task(shop.stages.perform(shop.replicate(shop.offer(deal)), A.CHECK))
    await shop.blocks(20)
    assert not stage.done()
    shop.chain.mine_until(deal.start_time + 2100)
    await shop.blocks(1)
    finished = await stage
    assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE
    assert "UNSET" in finished.detail


async def test_too_little_stake_is_told_with_what_to_deposit(shop):
    deal, replicate = await ready(shop)
    shop.chain.state.stake[shop.address] = deal.worker_stake - 10**9
    finished = await done(shop, A.CHECK, replicate, blocks=1)
    assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW
    assert finished.detail.endswith("deposit 1 RLC (`poolhand worker deposit 1`)")


async def test_no_stake_is_asked_for_where_none_is_locked(shop):
    _, replicate = await ready(shop, flow=Flow.CONTRIBUTE_AND_FINALIZE)
    shop.chain.state.stake[shop.address] = 0
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE


async def test_after_the_deadline_nothing_is_contributed(shop):
    deal, replicate = await ready(shop)
    shop.chain.mine_until(deal.start_time + 7 * 300 + 5)
    for action in (A.CHECK, A.CONTRIBUTE):
        finished = await done(shop, action, replicate)
        assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE, action
        assert "deadline" in finished.detail or "ended" in finished.detail


async def test_a_wallet_that_contributed_something_else_before_cannot_again(shop):
    deal, replicate = await ready(shop, trust=10)
    await done(shop, A.CONTRIBUTE, replace(replicate, digest=OTHER))
    for action in (A.CHECK, A.CONTRIBUTE):
        again = replicate if action is A.CHECK else _anew(shop, replicate)
        finished = await done(shop, action, again)
        assert finished.outcome is S.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET, action
    assert shop.chain.state.locked_of(shop.address) == deal.worker_stake


def _anew(shop, replicate):
    """Forget what the sender remembers, as a wallet used elsewhere would."""
    shop.chain.purposes.clear()
    return replicate


async def test_ones_own_contribution_from_before_a_crash_is_no_hindrance(shop):
    _, replicate = await ready(shop, trust=10)
    first = await done(shop, A.CONTRIBUTE, replicate)
    assert first.outcome is S.CONTRIBUTED
    assert (await done(shop, A.CHECK, replicate)).outcome is S.CAN_CONTRIBUTE
    again = await done(shop, A.CONTRIBUTE, _anew(shop, replicate))
    assert again.outcome is S.CONTRIBUTED
    assert len(shop.chain.state.view(replicate.offer.task_id).contributors) == 1


# --------------------------------------------------------------------------------- contributing


async def test_a_contribution_locks_the_stake_and_tells_its_transaction(shop):
    deal, replicate = await ready(shop, trust=10)
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert finished.outcome is S.CONTRIBUTED
    assert finished.tx == shop.chain.mined()[-1].receipt.tx_hash
    assert shop.chain.state.locked_of(shop.address) == deal.worker_stake


class UsedElsewhere:
    """A sender whose first transaction finds its nonce used: an operator has deposited."""

    def __init__(self, inner) -> None:
        self._inner, self.tries = inner, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def send(self, purpose, *more):
        self.tries += 1
        if self.tries == 1:
            raise Displaced(purpose, 0, TxHash(bytes(32)))
        return await self._inner.send(purpose, *more)


async def test_a_wallet_that_was_used_elsewhere_contributes_all_the_same(shop):
    _, replicate = await ready(shop, trust=10)
    sender = UsedElsewhere(shop.node.sender())
    shop.make(sender=sender)
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert (finished.outcome, sender.tries) == (S.CONTRIBUTED, 2)


async def test_a_task_of_trust_1_is_finished_with_the_stored_link(shop):
    _, replicate = await ready(shop, flow=Flow.CONTRIBUTE_AND_FINALIZE)
    finished = await done(shop, A.CONTRIBUTE, replace(replicate, link="the link"))
    assert finished.outcome is S.CONTRIBUTED
    view = shop.chain.state.view(replicate.offer.task_id)
    assert (view.status, view.results) == (ChainTaskStatus.COMPLETED, b"the link")


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda shop, deal: shop.chain.state.stake.update({shop.address: 0}),
         S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW),
        (lambda shop, deal: shop.chain.mine_until(deal.start_time + 2100),
         S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE),
        (lambda shop, deal: _somebody_else_wins(shop, deal),  # noqa: PLW0108 - is below
         S.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE),
    ],
)  # fmt: skip
async def test_what_the_contract_refuses_has_a_status_of_its_own(shop, spoil, status):
    deal, replicate = await ready(shop)
    spoil(shop, deal)
    finished = await done(shop, A.CONTRIBUTE, replicate, blocks=1)
    assert finished.outcome is status
    assert finished.detail


def _somebody_else_wins(shop, deal):
    rival, (_, task) = shop.world.requester, next(deal.tasks())
    signed = shop.world.owner.sign_authorization(rival.address, task, ZERO_ADDRESS)
    seal = result_seal(rival.address, task, OTHER)
    shop.chain.submit(rival.address, Contribute(task, result_hash(task, OTHER), seal, signed))


async def test_any_other_refusal_is_told_as_it_is(shop):
    deal = await shop.deal()
    shop.initialize(deal)
    forged = shop.offer(deal, authorization=bytes(65))
    finished = await done(shop, A.CONTRIBUTE, shop.replicate(forged, digest=RIGHT))
    assert finished.outcome is S.CONTRIBUTE_FAILED
    assert "authorization" in finished.detail


async def test_a_wallet_without_gas_parks_the_stage(shop):
    _, replicate = await ready(shop, trust=10)
    shop.chain.gas_price = Wei(10)
    for action in (A.CONTRIBUTE, A.REVEAL):
        if action is A.REVEAL:
            shop.chain.fund(shop.address, coin=Wei(10 * (GAS + REVEAL_GAS)))
            await done(shop, A.CONTRIBUTE, replicate)
            shop.chain.drain(shop.address)
            _agree(shop, replicate)
        finished = await done(shop, action, replicate)
        assert finished.outcome is S.OUT_OF_GAS, action
        assert "send it" in finished.detail


def _agree(shop, replicate):
    """Declare the consensus on what was contributed."""
    name = replicate.offer.task_id
    state, now = shop.chain.state, shop.chain.head.timestamp
    known = state.tasks[name]
    view = replace(
        known.view,
        status=ChainTaskStatus.REVEALING,
        consensus=result_hash(name, replicate.digest),
        winner_counter=1,
        reveal_deadline=now + 600,
    )
    state.tasks[name] = replace(known, view=view)


async def test_an_outage_is_waited_for_in_every_stage_on_chain(shop):
    _, replicate = await ready(shop)
    for action, outcome in ((A.CHECK, S.CAN_CONTRIBUTE), (A.CONTRIBUTE, S.CONTRIBUTED),
                            (A.REVEAL, S.REVEALED)):  # fmt: skip
        shop.chain.outage = True
        stage = asyncio.create_task(shop.stages.perform(replicate, action))
        for _ in range(5):
            shop.clock.advance(2)
            await shop.settle()
        assert not stage.done()
        shop.chain.outage = False
        shop.clock.advance(2)
        shop.chain.mine()
        await shop.settle()
        assert (await stage).outcome is outcome


# ------------------------------------------------------------------------------------ revealing


async def contributed(shop, **terms):
    deal, replicate = await ready(shop, **terms)
    assert (await done(shop, A.CONTRIBUTE, replicate)).outcome is S.CONTRIBUTED
    return deal, replicate


async def test_a_result_is_revealed_once(shop):
    _, replicate = await contributed(shop)
    first = await done(shop, A.REVEAL, replicate)
    assert (first.outcome, first.detail) == (S.REVEALED, None)
    assert first.tx == shop.chain.mined()[-1].receipt.tx_hash
    again = await done(shop, A.REVEAL, replicate)
    assert (again.outcome, again.tx) == (S.REVEALED, None)
    assert sum(isinstance(m.sent.call, Reveal) for m in shop.chain.mined()) == 1


async def test_nothing_is_revealed_before_the_consensus(shop):
    _, replicate = await contributed(shop, trust=10)
    finished = await done(shop, A.REVEAL, replicate, blocks=12)
    assert finished.outcome is S.CANT_REVEAL
    assert "ACTIVE" in finished.detail


async def test_nothing_is_revealed_after_the_deadline(shop):
    _, replicate = await contributed(shop)
    view = shop.chain.state.view(replicate.offer.task_id)
    shop.chain.mine_until(view.reveal_deadline + 7)
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.CANT_REVEAL
    assert "7 s ago" in finished.detail


async def test_nothing_is_revealed_for_another_consensus(shop):
    _, replicate = await contributed(shop)
    finished = await done(shop, A.REVEAL, replace(replicate, digest=OTHER))
    assert finished.outcome is S.CANT_REVEAL
    assert "not this worker's result" in finished.detail


async def test_nothing_is_revealed_by_who_did_not_contribute(shop):
    _deal, replicate = await ready(shop)
    _agree(shop, replicate)
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.CANT_REVEAL
    assert "UNSET" in finished.detail


async def test_a_reveal_that_the_contract_refuses_fails_with_the_reason(shop):
    _, replicate = await contributed(shop)

    def too_late(*_):
        shop.chain.before_send = None
        view = shop.chain.state.view(replicate.offer.task_id)
        shop.chain.mine_until(view.reveal_deadline)

    shop.chain.before_send = too_late
    finished = await done(shop, A.REVEAL, replicate)
    assert finished.outcome is S.REVEAL_FAILED
    assert "ended" in finished.detail


# ------------------------------------------------------------------- what an enclave has signed


async def enclosed(shop, flow, **changes):
    """Return a replicate of an active confidential task, whose result its enclave has signed."""
    deal = await shop.deal(tag=Tag.of(["tee", "tdx"]))
    shop.initialize(deal)
    _, task_id = next(deal.tasks())
    signed = shop.world.owner.sign_authorization(shop.address, task_id, ENCLAVE.address)
    offer = shop.offer(deal, flow, authorization=signed, enclave=ENCLAVE.address)
    key = ChallengeKey(ENCLAVE_KEY.hex())
    told = {"enclave_sign": key.sign(enclave_message(shop.address, task_id, RIGHT)), **changes}
    return shop.replicate(offer, digest=RIGHT, link=LINK, **told)


@pytest.mark.parametrize("flow", Flow)
async def test_an_enclaves_signature_goes_on_chain(shop, flow):
    replicate = await enclosed(shop, flow)
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert (finished.outcome, finished.detail) == (S.CONTRIBUTED, None)
    calls = [mined.sent.call for mined in shop.chain.mined()]
    (call,) = [each for each in calls if isinstance(each, Contribute | ContributeAndFinalize)]
    assert call.enclave == ENCLAVE.address


@pytest.mark.parametrize("flow", Flow)
async def test_without_it_nothing_is_contributed(shop, flow):
    replicate = await enclosed(shop, flow, enclave_sign=bytes(65))
    finished = await done(shop, A.CONTRIBUTE, replicate)
    assert finished.outcome is S.CONTRIBUTE_FAILED
    assert "enclave" in finished.detail
