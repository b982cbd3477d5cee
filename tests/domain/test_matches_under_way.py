"""Whatever is sent together can all be mined: what is under way is counted before a block has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.chain.fake import FakeChain
from poolhand.chain.fake.assets import predict
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.onchain import CreateApp, CreateWorkerpool
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matches_under_way import (
    PURCHASES_COUNTED_FOR,
    REST_AFTER_FAILED_MATCH,
    MatchesUnderWay,
    MatchTakes,
    SendingQuota,
    TooManyPurchases,
)
from poolhand.domain.orders.matching import Facts, Match, match_orders
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    MatchOrders,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.keys.wallet import Wallet

OWNER, *BUYERS = [Wallet.from_key(bytes([number] * 32)) for number in (1, 2, 3)]
PRICE, STAKE, VOLUME = 10, 100, 12
Z = ZERO_ADDRESS
PURCHASES = st.lists(
    st.tuples(st.sampled_from(BUYERS), st.integers(1, 6), st.integers(0, 1)), max_size=8
)
"""Who buys, how many tasks, by which of two workerpool orders."""


class Trade:
    """A hub with two workerpool orders of few tasks, and buyers with little stake."""

    def __init__(self) -> None:
        self.chain = FakeChain(automine=False)
        app = CreateApp(OWNER.address, "a", b"image", bytes(32))
        pool = CreateWorkerpool(OWNER.address, "p")
        for asset in (app, pool):
            self.chain.submit(OWNER.address, asset)
        self.chain.mine()
        self.app, self.pool = predict(app), predict(pool)
        self.chain.fund(OWNER.address, stake=60)
        for buyer in BUYERS:
            self.chain.fund(buyer.address, stake=STAKE)
        self.sold = [self.signed(OWNER, self.pool_order(number)) for number in (1, 2)]

    def signed(self, wallet, order):
        return Signed(order, wallet.sign_order(self.chain.domain, order))

    def pool_order(self, number):
        salt = Salt(bytes([number] * 32))
        return WorkerpoolOrder(
            self.pool, NanoRlc(PRICE), VOLUME, NO_TAG, 0, Trust(1), Z, Z, Z, salt
        )

    def orders(self, buyer, tasks, which, number):
        salt = Salt(bytes([100 + number] * 32))
        app = AppOrder(self.app, NanoRlc(0), 1000, NO_TAG, Z, Z, Z, Salt(bytes(32)))
        request = RequestOrder(
            self.app, NanoRlc(0), Z, NanoRlc(0), self.pool, NanoRlc(PRICE), buyer.address, tasks,
            NO_TAG, 0, Trust(1), buyer.address, Z, "{}", salt,
        )  # fmt: skip
        return MatchOrders(
            self.signed(OWNER, app),
            Signed(NO_DATASET_ORDER, b""),
            self.sold[which],
            self.signed(buyer, request),
        )

    def takes(self, orders, terms):
        return MatchTakes.of(orders, terms, self.chain.domain, OWNER.address)

    def facts(self, orders):
        state, domain = self.chain.state, self.chain.domain
        names = [
            order_hash(domain, each.order)
            for each in (orders.app, orders.workerpool, orders.request)
        ]
        return Facts(
            domain,
            len(state.categories),
            state.apps[self.app],
            None,
            state.pools[self.pool],
            {name: state.consumed.get(name, 0) for name in names},
            free_stake={
                who.address: NanoRlc(state.stake_of(who.address)) for who in (OWNER, *BUYERS)
            },
        )


@given(PURCHASES, st.integers(1, 4))
def test_all_that_is_under_way_together_is_mined_and_nothing_of_it_is_counted_after(bought, rounds):
    trade, number = Trade(), 0
    under_way = MatchesUnderWay()
    for start in range(rounds):
        sent = []
        for buyer, tasks, which in bought[start::rounds]:
            number += 1
            orders = trade.orders(buyer, tasks, which, number)
            terms = match_orders(orders, under_way.seen(trade.facts(orders)))
            if isinstance(terms, Match) and terms.volume == tasks:
                under_way.begin(trade.takes(orders, terms))
                assert terms.deal_id in under_way
                trade.chain.submit(OWNER.address, orders)
                sent.append(terms)
        trade.chain.mine()
        assert not [each for each in trade.chain.mined() if each.refusal]
        for terms in sent:
            assert trade.chain.state.deals[terms.deal_id].bot_size == terms.volume
            under_way.end(terms.deal_id)
            under_way.end(terms.deal_id)
        probe = trade.facts(trade.orders(BUYERS[0], 1, 0, 99))
        assert under_way.seen(probe) == probe


def test_an_order_is_counted_for_every_match_that_takes_of_it():
    trade = Trade()
    under_way = MatchesUnderWay()
    first = trade.orders(BUYERS[0], 7, 0, 1)
    terms = match_orders(first, trade.facts(first))
    under_way.begin(trade.takes(first, terms))
    second = trade.orders(BUYERS[1], 7, 0, 2)
    seen = under_way.seen(trade.facts(second))
    assert match_orders(second, replace(seen, free_stake={})) != terms
    assert match_orders(second, seen).volume == VOLUME - 7


def test_a_quota_counts_each_requester_and_all_of_them_and_forgets_after_an_hour():
    quota, (first, second) = SendingQuota(2, 3), [each.address for each in BUYERS]
    for moment, who in ((0, first), (1, first), (2, second)):
        quota.check(who, UnixSeconds(moment))
        quota.count(who, UnixSeconds(moment))
    with pytest.raises(TooManyPurchases, match=f"2 purchases were sent for {first}"):
        quota.check(first, UnixSeconds(3))
    with pytest.raises(TooManyPurchases, match="3 purchases were sent here"):
        quota.check(second, UnixSeconds(3))
    quota.check(first, UnixSeconds(PURCHASES_COUNTED_FOR))


def test_who_let_a_match_fail_rests():
    quota, who = SendingQuota(10, 10), BUYERS[0].address
    quota.failed(who, UnixSeconds(5))
    with pytest.raises(TooManyPurchases, match="failed on chain"):
        quota.check(who, UnixSeconds(4 + REST_AFTER_FAILED_MATCH))
    quota.check(BUYERS[1].address, UnixSeconds(6))
    quota.check(who, UnixSeconds(5 + REST_AFTER_FAILED_MATCH))
