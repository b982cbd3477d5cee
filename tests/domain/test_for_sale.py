"""Which orders a pool shows, signs and closes: no more is ever promised than it can keep."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from many import examples
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.orders.for_sale import (
    MOST_ORDERS,
    STANDS_IN_THE_WAY,
    TASKS_PER_SLOT,
    OrderForSale,
    PoolSaleTerms,
    Ware,
    plan_sale,
    room_of,
)
from poolhand.domain.orders.model import Salt, Signed, WorkerpoolOrder
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc, UnixSeconds

RLC = NANO_PER_RLC
POOL = Address(bytes([7] * 20))
TDX = TeeFramework.TDX.tag
PRICES = {0: NanoRlc(RLC), 2: NanoRlc(12 * RLC)}


def terms(**changes):
    known = {
        "now": UnixSeconds(1000),
        "prices": PRICES,
        "trust": {Ware(0): Trust(4), Ware(2): Trust(4)},
        "stake": NanoRlc(100 * RLC),
        "room": 20,
    }
    return PoolSaleTerms(**{**known, **changes})


def signed(wanted, number, since=UnixSeconds(1000)):
    order = WorkerpoolOrder(
        POOL, wanted.price, wanted.volume, wanted.tag, wanted.category, wanted.trust,
        ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS, Salt(bytes(32)),
    )  # fmt: skip
    return OrderForSale(OrderHash(number.to_bytes(32, "big")), Signed(order, b""), since)


def signed_all(plan):
    return [signed(each, number) for number, each in enumerate(plan.sign)]


def test_what_is_signed_follows_price_reach_room_and_stake():
    plan = plan_sale([], terms(room=20, stake=NanoRlc(30 * RLC)))
    cheap, dear = plan.sign
    assert (cheap.category, cheap.price, cheap.trust, cheap.volume) == (0, RLC, 4, 20)
    assert (dear.category, dear.volume) == (2, 24 * RLC // scheduler_stake(PRICES[2]))
    again = plan_sale(signed_all(plan), terms(room=20, stake=NanoRlc(30 * RLC)))
    assert again.sign == ()
    assert [each.why for each in again.verdicts.values()] == [None, None]


def test_an_order_is_renewed_before_it_is_used_up():
    (order,) = signed_all(plan_sale([], terms(prices={0: NanoRlc(RLC)})))
    assert plan_sale([replace(order, used=14)], terms(prices={0: NanoRlc(RLC)})).sign == ()
    plan = plan_sale([replace(order, used=15)], terms(prices={0: NanoRlc(RLC)}))
    assert [each.volume for each in plan.sign] == [15]
    assert plan.verdicts[order.order_hash].why is None


def bag_ends(slots, stake):
    """Have all that a pool sells bought at once, and end task by task; return what is signed."""
    prices, lock = {0: NanoRlc(RLC)}, scheduler_stake(NanoRlc(RLC))
    held = replace(terms(), prices=prices)
    orders, signed_then = [], []
    (first,) = plan_sale(
        [], replace(held, room=TASKS_PER_SLOT * slots, stake=NanoRlc(stake * lock))
    ).sign
    for open_tasks in range(first.volume, -1, -1):
        free = NanoRlc((stake - open_tasks) * lock)
        now = replace(held, room=room_of(slots, open_tasks), stake=free, open_tasks=open_tasks)
        plan = plan_sale(orders, now)
        for wanted in plan.sign:
            signed_then.append(wanted.volume)
            orders.append(signed(wanted, len(orders)))
        assert plan.sign or plan.lacks or orders
    return first.volume, signed_then


@given(slots=st.integers(1, 300), stake=st.integers(1, 2000))
def test_while_a_bag_ends_no_order_of_crumbs_is_signed_and_in_the_end_a_fourth_is_for_sale(
    slots, stake
):
    whole, volumes = bag_ends(slots, stake)
    assert len(volumes) <= MOST_ORDERS
    assert all(each * 4 >= whole for each in volumes)
    assert max(volumes) * 4 > whole or whole == sum(volumes)


def test_an_order_is_as_large_as_the_room_once_a_bag_has_ended():
    assert bag_ends(4, 1000) == (20, [5, 15])


def test_why_nothing_is_signed_while_a_bag_is_open_is_told():
    plan = plan_sale([], terms(prices={0: NanoRlc(RLC)}, room=2, open_tasks=18))
    assert plan.sign == ()
    assert "18 task(s) are open, and there is room or stake for 2 more" in plan.lacks[Ware(0)]
    few = plan_sale([], terms(prices={0: NanoRlc(RLC)}, room=2))
    assert [each.volume for each in few.sign] == [2]


def test_what_only_passes_hides_an_order_and_nothing_is_signed_or_closed():
    orders = signed_all(plan_sale([], terms()))
    for changes, told in (
        ({"obstacle": "no gas"}, "no gas"),
        ({"trust": {}}, "trust 0"),
        ({"room": 0}, "no room"),
    ):
        plan = plan_sale(orders, terms(**changes))
        assert all(told in each.why for each in plan.verdicts.values())
        assert not any(each.closes for each in plan.verdicts.values())
        assert plan.sign == ()
    assert [each.why for each in plan_sale(orders, terms()).verdicts.values()] == [None, None]


def test_what_must_never_be_bought_again_is_closed_and_counts_until_it_is():
    orders = signed_all(plan_sale([], terms()))
    dearer = plan_sale(orders, terms(prices={0: NanoRlc(2 * RLC)}))
    assert all(each.closes for each in dearer.verdicts.values())
    told = [each.why for each in dearer.verdicts.values()]
    assert told == ["the price is 2 RLC now, not 1 RLC", "category 2 is not sold any more"] or (
        "the price is 2 RLC now" in told[0] and "not sold any more" in told[1]
    )
    poor = plan_sale(orders, terms(stake=NanoRlc(4 * RLC)))
    assert all(each.closes for each in poor.verdicts.values())
    assert poor.sign == ()


def test_a_pool_that_is_to_end_has_every_order_closed_and_signs_none():
    orders = signed_all(plan_sale([], terms()))
    plan = plan_sale(orders, terms(obstacle="it drains", ending="it drains"))
    assert {(each.why, each.closes) for each in plan.verdicts.values()} == {("it drains", True)}
    assert plan.sign == ()
    gone = [replace(each, used=each.signed.order.volume) for each in orders]
    plan = plan_sale(gone, terms(obstacle="it drains", ending="it drains"))
    assert not any(each.closes for each in plan.verdicts.values())


def test_an_order_that_nobody_could_lock_stake_for_is_hidden_and_not_closed():
    orders = signed_all(plan_sale([], terms()))
    verdicts = plan_sale(orders, terms(stake=NanoRlc(0))).verdicts.values()
    assert all(each.why and not each.closes for each in verdicts)


def test_more_trust_is_sold_beside_what_was_signed_and_the_oldest_gives_way_in_the_end():
    prices = {0: NanoRlc(RLC)}
    (order,) = plan_sale([], terms(prices=prices, room=5, trust={Ware(0): Trust(1)})).sign
    first = signed(order, 1)
    higher = {Ware(0): Trust(7)}
    plan = plan_sale([first], terms(prices=prices, room=20, trust=higher))
    assert [(each.trust, each.volume) for each in plan.sign] == [(7, 15)]
    full = plan_sale([first], terms(prices=prices, room=5, trust=higher))
    assert full.sign == ()
    assert not full.verdicts[first.order_hash].closes
    late = UnixSeconds(first.since + STANDS_IN_THE_WAY)
    closing = plan_sale([first], terms(prices=prices, room=5, trust=higher, now=late))
    assert closing.verdicts[first.order_hash].closes


def test_confidential_tasks_are_sold_apart_with_what_their_workers_reach():
    cheap = {"prices": {0: NanoRlc(RLC)}, "stake": NanoRlc(1000 * RLC)}
    some = {Ware(0): Trust(4), Ware(0, TDX): Trust(1)}
    plan = plan_sale([], terms(trust=some, **cheap))
    told = [(each.category, each.tag.names, each.trust, each.volume) for each in plan.sign]
    assert told == [(0, (), 4, 20), (0, ("tee", "tdx"), 1, 20)]
    orders = signed_all(plan)
    nobody = plan_sale(orders, terms(trust={**some, Ware(0, TDX): Trust(0)}, **cheap))
    assert [each.why is None for each in nobody.verdicts.values()] == [True, False]
    assert nobody.lacks == {Ware(0, TDX): "no worker that is there could do it"}
    away = plan_sale(orders, terms(trust={Ware(0): Trust(4)}, **cheap))
    assert [each.why is None for each in away.verdicts.values()] == [True, False]
    assert (away.sign, away.lacks) == ((), {})
    assert str(Ware(0, TDX)) == "category 0 with the tag tee,tdx"


@given(slots=st.integers(0, 10**6), open_tasks=st.integers(0, 10**7))
def test_room_is_what_workers_can_do_in_time(slots, open_tasks):
    room = room_of(slots, open_tasks)
    assert room >= 0
    assert room == 0 or open_tasks + room == TASKS_PER_SLOT * slots


class SaleLife(RuleBasedStateMachine):
    """A pool, the chain, and whoever buys; what is valid on chain is never more than it can keep.

    The model: an order is valid until it is used up or closed, whatever any market shows.
    """

    @initialize(stake=st.integers(0, 200), room=st.integers(0, 40))
    def begins(self, stake, room):
        self.stake, self.room, self.trust = NanoRlc(stake * RLC), room, Trust(2)
        self.prices, self.obstacle, self.now = dict(PRICES), None, UnixSeconds(1000)
        self.valid, self.count, self.shown, self.open_tasks = {}, 0, set(), 0
        self.enclaves = None

    def _terms(self):
        trust = {Ware(each): self.trust for each in self.prices}
        if self.enclaves is not None:
            trust |= {Ware(each, TDX): self.enclaves for each in self.prices}
        shares = self.now, self.prices, trust, self.stake, self.room, self.open_tasks
        return PoolSaleTerms(*shares, self.obstacle)

    @rule(seconds=st.integers(1, 700))
    def the_pool_looks(self, seconds):
        self.now = UnixSeconds(self.now + seconds)
        plan = plan_sale(list(self.valid.values()), self._terms())
        before = {name: each.remaining for name, each in self.valid.items()}
        for wanted in plan.sign:
            assert wanted.price == self.prices[wanted.category]
            assert wanted.volume > 0
            assert wanted.trust == (self.enclaves if any(wanted.tag) else self.trust)
            self.count += 1
            order = signed(wanted, self.count, self.now)
            self.valid[order.order_hash] = order
        if plan.sign:
            assert self.obstacle is None
            assert sum(each.promised for each in self.valid.values()) <= self.stake
            for ware in {(each.category, each.tag) for each in plan.sign}:
                own = [each for each in self.valid.values() if each.ware == ware]
                assert sum(each.remaining for each in own) <= self.room
                assert len([each for each in own if each.remaining]) <= MOST_ORDERS
        self.shown = {name for name, each in plan.verdicts.items() if each.why is None}
        self.closing = [name for name, each in plan.verdicts.items() if each.closes]
        assert not self.shown & set(self.closing)
        assert all(before[name] for name in self.shown)
        again = plan_sale(list(self.valid.values()), self._terms())
        wares = [{(each.category, each.tag) for each in every.sign} for every in (again, plan)]
        assert not wares[0] & wares[1]

    @rule()
    def the_chain_closes_what_was_sent(self):
        for name in getattr(self, "closing", []):
            self.valid.pop(name, None)

    @rule(data=st.data())
    def somebody_buys_what_is_valid(self, data):
        names = [name for name, each in self.valid.items() if each.remaining]
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        order = self.valid[name]
        lock = scheduler_stake(order.signed.order.price)
        most = min(order.remaining, self.stake // lock)
        if most:
            count = data.draw(st.integers(1, most))
            self.stake = NanoRlc(self.stake - lock * count)
            self.valid[name] = replace(order, used=order.used + count)

    @rule(stake=st.integers(0, 200), room=st.integers(0, 40), trust=st.integers(0, 9))
    def the_world_changes(self, stake, room, trust):
        self.stake, self.room, self.trust = NanoRlc(stake * RLC), room, Trust(trust)

    @rule(trust=st.none() | st.integers(0, 9).map(Trust))
    def enclaves_are_proved_and_their_service_comes_and_goes(self, trust):
        self.enclaves = trust

    @rule(open_tasks=st.integers(0, 100))
    def tasks_come_and_go(self, open_tasks):
        self.open_tasks = open_tasks

    @rule(obstacle=st.sampled_from([None, "no gas", "stopping"]))
    def gas_comes_and_goes(self, obstacle):
        self.obstacle = obstacle

    @rule(price=st.sampled_from([1, 3]), both=st.booleans())
    def the_owner_restarts_with_other_prices(self, price, both):
        self.prices = {0: NanoRlc(price * RLC)} | ({2: PRICES[2]} if both else {})

    @invariant()
    def what_is_shown_can_be_kept(self):
        if not hasattr(self, "shown"):
            return
        assert self.shown <= set(self.valid)


SaleLife.TestCase.settings = settings(
    max_examples=examples(25), stateful_step_count=20, deadline=None
)
TestSaleLife = SaleLife.TestCase
