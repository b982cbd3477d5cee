"""What a worker's signer signs: nothing outside its policy, whatever it is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.chain.encode import encode
from poolhand.domain.eip712 import Domain, order_domain
from poolhand.domain.ids import (
    ZERO_ADDRESS,
    Address,
    ResultDigest,
    ResultHash,
    ResultSeal,
    TaskId,
)
from poolhand.domain.market.challenges import MarketLogin
from poolhand.domain.messages import Nonce, PoolProof, ResultUpload, WorkerLogin, pool_domain
from poolhand.domain.onchain import (
    Claim,
    Contribute,
    ContributeAndFinalize,
    Deposit,
    Finalize,
    Initialize,
    Reopen,
    Reveal,
    TransferCoin,
    TransferRlc,
    Withdraw,
    WithdrawTo,
)
from poolhand.domain.payout import BadPayoutAddress
from poolhand.domain.signing_policy import (
    LONGEST_LIFE,
    MOST_DEPOSITS,
    MOST_GAS_SIGNED,
    OutsidePolicy,
    Rule,
    SigningPolicy,
    check_message,
    check_transaction,
)
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import NANO_PER_RLC, Gas, NanoRlc, UnixSeconds, Wei
from poolhand.ports.chain import HubFacts

CHAIN, NOW, CAP = 31337, UnixSeconds(1_700_000_000), Wei(22 * 10**9)
MOST = NanoRlc(100 * NANO_PER_RLC)
WALLET, HUB, RLC, POOL, OTHER = (Address(bytes([number]) * 20) for number in range(1, 6))
FACTS = HubFacts(CHAIN, HUB, RLC, OTHER, OTHER, OTHER, Gas(100_000))
URL = "https://pool.example"
TASK, NONCE = TaskId(b"\x07" * 32), Nonce(b"\x08" * 32)
DIGEST, SIGNED = ResultDigest(b"\x09" * 32), b"\x0a" * 65

POLICY = SigningPolicy(WALLET, HUB, POOL, URL, False, CAP, MOST).met(CHAIN, RLC)
NATIVE = SigningPolicy(WALLET, HUB, POOL, URL, True, CAP, MOST).met(CHAIN, None)

WORK = {
    "contribute": Contribute(TASK, ResultHash(DIGEST), ResultSeal(DIGEST), SIGNED),
    "settle": ContributeAndFinalize(TASK, DIGEST, b"{}", b"", SIGNED),
    "settle with a callback": ContributeAndFinalize(TASK, DIGEST, b"link", b"\x01" * 999, SIGNED),
    "reveal": Reveal(TASK, DIGEST),
    "claim": Claim((TASK,)),
    "fill a gap": TransferCoin(WALLET, Wei(0)),
}


def transaction(call, policy=POLICY, **other):
    facts = FACTS if policy is POLICY else replace(FACTS, rlc=None)
    made = encode(call, facts)
    fees = (CAP, Wei(10**9)) if policy is POLICY else (Wei(0), None)
    built = UnsignedTransaction(CHAIN, 3, made.to, made.value, made.data, Gas(850_000), *fees)
    return replace(built, **other)


def refused(rule, built, policy=POLICY, deposits=None):
    with pytest.raises(OutsidePolicy) as caught:
        check_transaction(policy, built, deposits or {})
    assert caught.value.rule is rule, caught.value


@pytest.mark.parametrize("policy", [POLICY, NATIVE], ids=["token", "native"])
@pytest.mark.parametrize("call", WORK.values(), ids=WORK)
def test_a_workers_work_is_signed_and_deposits_nothing(call, policy):
    assert check_transaction(policy, transaction(call, policy), {}) == 0


@pytest.mark.parametrize("policy", [POLICY, NATIVE], ids=["token", "native"])
def test_a_deposit_is_signed_as_far_as_was_agreed(policy):
    def deposit(amount, nonce=3):
        return transaction(Deposit(NanoRlc(amount)), policy, nonce=nonce)

    assert check_transaction(policy, deposit(MOST), {}) == MOST
    refused(Rule.DEPOSIT, deposit(MOST + 1), policy)
    refused(Rule.DEPOSIT, deposit(1), policy, {2: MOST})
    assert check_transaction(policy, deposit(MOST, nonce=2), {2: MOST}) == MOST, "its replacement"


@pytest.mark.parametrize("policy", [POLICY, NATIVE], ids=["token", "native"])
def test_no_more_deposits_are_signed_than_can_be_remembered(policy):
    def deposit(nonce):
        return transaction(Deposit(NanoRlc(1)), policy, nonce=nonce)

    signed = dict.fromkeys(range(MOST_DEPOSITS - 1), NanoRlc(1))
    assert check_transaction(policy, deposit(MOST_DEPOSITS), signed) == 1
    signed[MOST_DEPOSITS] = NanoRlc(1)
    refused(Rule.DEPOSIT, deposit(MOST_DEPOSITS + 1), policy, signed)
    assert check_transaction(policy, deposit(0), signed) == 1, "its replacement"
    assert check_transaction(policy, transaction(WORK["reveal"], policy), signed) == 0


@pytest.mark.parametrize("policy", [POLICY, NATIVE], ids=["token", "native"])
def test_stake_is_withdrawn_to_the_one_address_that_the_operator_has_named(policy):
    def paid(to):
        return transaction(WithdrawTo(to, NanoRlc(2**60)), policy)

    home, others = Address(b"\x70" * 20), (OTHER, WALLET, HUB, POOL)
    refused(Rule.PAYOUT, paid(home), policy)
    agreed = replace(policy, payout=home)
    built = paid(home)
    assert check_transaction(agreed, built, {}) == 0
    for other in others:
        refused(Rule.PAYOUT, paid(other), agreed)
    longer = replace(built, data=built.data + bytes(32))
    dirty = replace(built, data=built.data[:36] + b"\x01" * 12 + built.data[48:])
    refused(Rule.PAYOUT, longer, agreed)
    refused(Rule.PAYOUT, dirty, agreed)
    refused(Rule.VALUE, replace(built, value=Wei(1)), agreed)
    refused(Rule.CONTRACT, replace(built, to=OTHER), agreed)
    refused(Rule.METHOD, transaction(Withdraw(NanoRlc(1)), policy), agreed)


@pytest.mark.parametrize("bad", [WALLET, HUB, POOL, RLC, ZERO_ADDRESS])
def test_a_signer_agrees_to_no_payment_that_nobody_would_have(bad):
    unmet = SigningPolicy(WALLET, HUB, POOL, URL, False, CAP, MOST, payout=bad)
    with pytest.raises(BadPayoutAddress):
        unmet.met(CHAIN, RLC)


OTHERS = {
    "withdraw": (Withdraw(NanoRlc(1)), Rule.METHOD),
    "withdraw to somebody": (WithdrawTo(OTHER, NanoRlc(1)), Rule.PAYOUT),
    "initialize": (Initialize(((TASK, 0),)), Rule.METHOD),
    "finalize": (Finalize(TASK, b"", b""), Rule.METHOD),
    "reopen": (Reopen(TASK), Rule.METHOD),
    "claim many": (Claim((TASK, TASK)), Rule.METHOD),
    "pay RLC": (TransferRlc(OTHER, NanoRlc(1)), Rule.METHOD),
    "pay coin": (TransferCoin(OTHER, Wei(1)), Rule.VALUE),
    "pay coin to the hub": (TransferCoin(HUB, Wei(1)), Rule.VALUE),
    "pay itself": (TransferCoin(WALLET, Wei(1)), Rule.VALUE),
    "call a stranger": (TransferCoin(OTHER, Wei(0)), Rule.CONTRACT),
}


@pytest.mark.parametrize(("call", "rule"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_workers_is_refused_by_its_rule(call, rule):
    refused(rule, transaction(call))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"chain_id": CHAIN + 1}, Rule.CHAIN),
        ({"to": OTHER}, Rule.CONTRACT),
        ({"to": POOL}, Rule.CONTRACT),
        ({"to": WALLET}, Rule.METHOD),
        ({"to": RLC}, Rule.METHOD),
        ({"value": Wei(1)}, Rule.VALUE),
        ({"gas": Gas(MOST_GAS_SIGNED + 1)}, Rule.GAS),
        ({"max_fee": Wei(CAP + 1)}, Rule.PRICE),
        ({"priority_fee": Wei(CAP + 1)}, Rule.PRICE),
        ({"priority_fee": None, "max_fee": Wei(CAP + 1)}, Rule.PRICE),
    ],
)
def test_a_reveal_with_one_thing_changed_is_refused_by_its_rule(change, rule):
    refused(rule, transaction(WORK["reveal"], **change))


@pytest.mark.parametrize("policy", [POLICY, NATIVE], ids=["token", "native"])
def test_a_deposit_is_the_hubs_alone_and_whole(policy):
    good = transaction(Deposit(NanoRlc(5)), policy)
    if policy is NATIVE:
        refused(Rule.VALUE, replace(good, to=OTHER), policy)
        refused(Rule.VALUE, replace(good, value=Wei(good.value + 1)), policy)
        refused(Rule.PRICE, replace(good, max_fee=Wei(1)), policy)
        return
    elsewhere = encode(Deposit(NanoRlc(5)), replace(FACTS, hub=OTHER))
    refused(Rule.METHOD, replace(good, data=elsewhere.data))
    refused(Rule.METHOD, replace(good, data=good.data + b"\0" * 32))
    refused(Rule.METHOD, replace(good, data=good.data[:-1]))
    refused(Rule.VALUE, replace(good, value=Wei(1)))
    refused(Rule.CONTRACT, replace(good, to=OTHER))


@pytest.mark.parametrize("name", ["contribute", "settle", "reveal", "claim"])
def test_arguments_have_the_size_of_their_method(name):
    good = transaction(WORK[name])
    refused(Rule.ARGUMENTS, replace(good, data=good.data[:4]))
    refused(Rule.ARGUMENTS, replace(good, data=good.data + b"\0"))
    refused(Rule.ARGUMENTS, replace(good, data=good.data + b"\0" * 131_072))


# -------------------------------------------------------------------------------- typed messages


def login(**other):
    made = WorkerLogin(pool_domain(CHAIN, POOL), WALLET, URL, NONCE, NONCE, UnixSeconds(NOW + 60))
    return replace(made, **other)


def upload(**other):
    expiry = UnixSeconds(NOW + 60)
    made = ResultUpload(pool_domain(CHAIN, POOL), WALLET, TASK, bytes(32), expiry)
    return replace(made, **other)


def test_logins_and_uploads_of_this_worker_are_signed():
    for message in (login(), upload(), login(expiry=UnixSeconds(NOW + LONGEST_LIFE))):
        check_message(POLICY, message, NOW)


@pytest.mark.parametrize("message", [login(), upload()], ids=["login", "upload"])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"domain": pool_domain(CHAIN + 1, POOL)}, Rule.POOL),
        ({"domain": pool_domain(CHAIN, OTHER)}, Rule.POOL),
        ({"domain": Domain("Poolhand", "2", CHAIN, POOL)}, Rule.POOL),
        ({"domain": order_domain(CHAIN, HUB)}, Rule.POOL),
        ({"worker": OTHER}, Rule.WALLET),
        ({"expiry": UnixSeconds(NOW + LONGEST_LIFE + 1)}, Rule.LIFE),
    ],
)
def test_a_message_with_one_thing_changed_is_refused_by_its_rule(message, change, rule):
    with pytest.raises(OutsidePolicy) as caught:
        check_message(POLICY, replace(message, **change), NOW)
    assert caught.value.rule is rule


def test_a_login_elsewhere_and_messages_of_others_are_refused():
    proof = PoolProof(pool_domain(CHAIN, POOL), WALLET, NONCE, NONCE, UnixSeconds(NOW))
    market = MarketLogin(CHAIN, "sign this")
    for message, rule in (
        (login(url="https://evil.example"), Rule.POOL),
        (proof, Rule.MESSAGE),
        (market, Rule.MESSAGE),
    ):
        with pytest.raises(OutsidePolicy) as caught:
            check_message(POLICY, message, NOW)
        assert caught.value.rule is rule


# ------------------------------------------------------------------------------------- the chain


def test_nothing_is_signed_before_the_chain_is_met_and_it_is_met_once():
    unmet = SigningPolicy(WALLET, HUB, POOL, URL, False, CAP, MOST)
    refused(Rule.NOT_MET, transaction(WORK["reveal"]), unmet)
    with pytest.raises(OutsidePolicy):
        check_message(unmet, login(), NOW)
    assert POLICY.met(CHAIN, RLC) == POLICY
    for told in ((CHAIN + 1, RLC), (CHAIN, OTHER)):
        with pytest.raises(OutsidePolicy):
            POLICY.met(*told)


@pytest.mark.parametrize("told", [(CHAIN, RLC), (1, None), (1, HUB), (1, WALLET)])
def test_the_chain_is_that_of_the_settings_and_keeps_rlc_as_they_say(told):
    with pytest.raises(OutsidePolicy):
        SigningPolicy(WALLET, HUB, POOL, URL, False, CAP, MOST, chain_id=1).met(*told)


# ------------------------------------------------------------------------------------- whatever

SELECTORS = st.sampled_from([transaction(call).data[:4] for call in WORK.values()])
DATA = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda head, tail: head + tail, SELECTORS, st.binary(max_size=400)),
    st.sampled_from([transaction(call).data for call in (*WORK.values(), Deposit(NanoRlc(7)))]),
)
FEE = st.one_of(st.sampled_from([Wei(0), CAP, Wei(CAP + 1)]), st.integers(0, 2**70).map(Wei))
TRANSACTIONS = st.builds(
    UnsignedTransaction,
    st.sampled_from([CHAIN, CHAIN, CHAIN, 1]),
    st.integers(0, 5),
    st.sampled_from([HUB, HUB, RLC, WALLET, OTHER, POOL, ZERO_ADDRESS]),
    st.sampled_from([Wei(0), Wei(0), Wei(10**9), Wei(1), Wei(2**200)]),
    DATA,
    st.sampled_from([Gas(21_000), MOST_GAS_SIGNED, Gas(MOST_GAS_SIGNED + 1)]),
    FEE,
    st.none() | FEE,
)


@given(TRANSACTIONS, st.dictionaries(st.integers(0, 5), st.integers(0, MOST)))
def test_nothing_outside_the_policy_is_signed(built, deposits):
    """What passes can move no coin, no RLC but into the own stake, and costs no more than agreed."""
    try:
        deposited = check_transaction(POLICY, built, deposits)
    except OutsidePolicy:
        return
    assert built.chain_id == CHAIN
    assert built.value == 0
    assert built.max_fee <= CAP
    assert built.gas <= MOST_GAS_SIGNED
    if built.to == RLC:
        assert built.data == encode(Deposit(deposited), FACTS).data
        assert deposited + sum(n for at, n in deposits.items() if at != built.nonce) <= MOST
    elif built.to == WALLET:
        assert built.data == b""
    else:
        assert built.to == HUB
        assert built.data[:4] in {transaction(WORK[name]).data[:4] for name in tuple(WORK)[:5]}


@given(
    st.sampled_from([login(), upload()]),
    st.sampled_from([pool_domain(CHAIN, POOL), pool_domain(1, POOL), order_domain(CHAIN, HUB)]),
    st.sampled_from([WALLET, OTHER]),
    st.integers(0, 2 * NOW),
)
def test_no_message_is_signed_but_this_workers_for_now(message, domain, worker, expiry):
    asked = replace(message, domain=domain, worker=worker, expiry=UnixSeconds(expiry))
    fits = domain == pool_domain(CHAIN, POOL) and worker == WALLET
    try:
        check_message(POLICY, asked, NOW)
    except OutsidePolicy:
        assert not fits or expiry > NOW + LONGEST_LIFE
    else:
        assert fits
        assert expiry <= NOW + LONGEST_LIFE
