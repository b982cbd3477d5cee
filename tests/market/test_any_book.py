"""Any book and any chain: whatever people and blocks do, the market agrees with a simple model.

The model knows one rule for each status and no tables: it holds orders in a list and looks through
all of them each time. Forks are played by keeping what it knew after each block.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_world import (
    APP,
    BUYER,
    POOL_OWNER,
    SELLER,
    SIGNERS,
    STRANGER,
    a_market,
    app_order,
    hash_of,
    pool_order,
    ready_chain,
    request_order,
)

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.book import sort_of
from poolhand.domain.market.room import STANDS
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc

pytestmark = pytest.mark.timeout(600)  # thousands of requests; a busy machine takes minutes


@dataclass
class Entry:
    order: object
    status: str
    remaining: int
    published: int


@dataclass
class Model:
    """What should be in the book, by the rules as a person would say them."""

    room: int
    entries: dict = field(default_factory=dict)
    stakes: dict = field(default_factory=dict)
    used: dict = field(default_factory=dict)
    owner: object = SELLER

    def serves(self, app, request):
        fits = app.requester_restrict in (ZERO_ADDRESS, request.requester)
        return fits and app.price <= request.app_max_price

    def cheapest(self, request):
        fitting = [
            each.order.price
            for each in self.entries.values()
            if each.status == "open"
            and sort_of(each.order) is OrderSort.APP
            and each.order.requester_restrict in (ZERO_ADDRESS, request.requester)
        ]
        return min(fitting, default=None)

    def is_served(self, request):
        best = self.cheapest(request)
        return best is not None and best <= request.app_max_price

    def covers(self, order, remaining):
        match sort_of(order):
            case OrderSort.WORKERPOOL:
                return self.stakes.get(POOL_OWNER, 0) >= order.price * 30 // 100 * remaining
            case OrderSort.REQUEST:
                price = order.app_max_price + order.workerpool_max_price
                return self.stakes.get(BUYER, 0) >= price * remaining
        return True

    def takes_room(self, order, status):
        return status == "dead" or (status == "open" and sort_of(order) is OrderSort.REQUEST)

    def places(self, order, now):
        """Whose places an order takes; None: of somebody who does not give way."""
        mine = hash_of(order)
        held = {
            name: each
            for name, each in self.entries.items()
            if sort_of(each.order) is sort_of(order) and self.takes_room(each.order, each.status)
        }
        over = len(held.keys() - {mine}) + self.takes_room(order, "open") - self.room
        going = sorted(held.keys() - {mine}, key=lambda name: rank(held[name]))[
            : min(max(over, 0), 2)
        ]
        for name in going:
            each = held[name]
            is_old = now - each.published >= STANDS
            more = offer(order) - offer(each.order)
            if each.status == "open" and (more < 0 or (more == 0 and not is_old)):
                return None
        return going

    def may_publish(self, order, now):
        known = self.entries.get(hash_of(order))
        if known is not None and known.status != "dead":
            return False
        if sort_of(order) is OrderSort.APP and self.owner is not SELLER:
            return False
        left = order.volume - self.used.get(hash_of(order), 0)
        if left <= 0 or not self.covers(order, left):
            return False
        if sort_of(order) is OrderSort.REQUEST and not self.is_served(order):
            return False
        return self.places(order, now) is not None

    def publish(self, order, now):
        for name in self.places(order, now):
            del self.entries[name]
        left = order.volume - self.used.get(hash_of(order), 0)
        known = self.entries.get(hash_of(order))
        moment = known.published if known else now
        self.entries[hash_of(order)] = Entry(order, "open", left, moment)

    def orphans(self):
        """Requests that nothing serves die; asked after whatever happened."""
        for each in self.entries.values():
            if each.status == "open" and sort_of(each.order) is OrderSort.REQUEST:
                each.status = "open" if self.is_served(each.order) else "dead"

    def unpublish(self, order):
        del self.entries[hash_of(order)]
        self.orphans()

    def use(self, order, count):
        name = hash_of(order)
        self.used[name] = self.used.get(name, 0) + count
        if name in self.entries and self.entries[name].status in ("open", "dead"):
            entry = self.entries[name]
            entry.remaining = max(min(entry.remaining, order.volume - self.used[name]), 0)
            entry.status = entry.status if entry.remaining else "filled"

    def close(self, order):
        self.used[hash_of(order)] = order.volume
        if hash_of(order) in self.entries:
            before = self.entries[hash_of(order)]
            self.entries[hash_of(order)] = Entry(order, "canceled", 0, before.published)

    def poorer(self, wallet):
        for each in self.entries.values():
            if SIGNERS[sort_of(each.order)] is wallet and each.status == "open":
                each.status = "open" if self.covers(each.order, each.remaining) else "dead"

    def given(self):
        for each in self.entries.values():
            if sort_of(each.order) is OrderSort.APP and each.status == "open":
                each.status = "dead"

    def book(self):
        return {str(name): (each.status, each.remaining) for name, each in self.entries.items()}


def offer(order):
    return order.app_max_price + order.dataset_max_price + order.workerpool_max_price


def rank(entry):
    is_dead = entry.status == "dead"
    return not is_dead, 0 if is_dead else offer(entry.order), entry.published


POOL_OF_ORDERS = (
    app_order(volume=3),
    app_order(volume=5, price=NanoRlc(2)),
    app_order(volume=5, requester_restrict=BUYER.address),
    pool_order(volume=4),
    pool_order(volume=4, price=NanoRlc(10)),
    request_order(volume=2),
    request_order(volume=4),
    request_order(volume=3, app_max_price=NanoRlc(2)),
    request_order(volume=3, workerpool_max_price=NanoRlc(10)),
)
which = st.integers(0, len(POOL_OF_ORDERS) - 1)
STEPS = st.one_of(
    st.tuples(st.just("publish"), which),
    st.tuples(st.just("publish"), which),
    st.tuples(st.just("unpublish"), which),
    st.tuples(st.just("match"), which, st.integers(1, 3)),
    st.tuples(st.just("close"), which),
    st.tuples(st.just("withdraw"), st.sampled_from((0, 1)), st.sampled_from((10, 28, 30))),
    st.tuples(st.just("deposit"), st.sampled_from((0, 1)), st.integers(1, 30)),
    st.tuples(st.just("give")),
    st.tuples(st.just("wait")),
    st.tuples(st.just("fork")),
    st.tuples(st.just("fork")),
    st.tuples(st.just("restart")),
)
WALLETS = (POOL_OWNER, BUYER)


class Life:
    """A market and its model, side by side."""

    def __init__(self, url: str, room: int) -> None:
        self.url, self.chain, self.model = url, ready_chain(), Model(room)
        self.clock = [1_700_000_000_000]
        self.before: Model | None = None
        self.acts_since: list = []
        for wallet in WALLETS:
            self.chain.deposit(wallet.address, 40)
            self.model.stakes[wallet] = 40
        self.chain.mine()

    async def run(self, steps) -> None:
        while steps:
            async with a_market(self.url, self.chain, self.clock, room=self.model.room) as market:
                await market.follower.advance()
                while steps:
                    step, *rest = steps.pop(0)
                    if step == "restart":
                        break
                    await getattr(self, step)(market, *rest)
                    await self.agree(market)

    async def agree(self, market) -> None:
        found = {}
        for order in POOL_OF_ORDERS:
            told = await market.status(order)
            if told is not None:
                found[str(hash_of(order))] = told
        assert found == self.model.book()

    async def publish(self, market, index) -> None:
        order = POOL_OF_ORDERS[index]
        answer, now = await market.send(order), self.clock[0]
        assert (answer.status_code == 200) is self.model.may_publish(order, now), answer.text
        if answer.status_code == 200:
            self.model.publish(order, now)
        self.before = None  # what people did is not undone: forks begin after it

    async def unpublish(self, market, index) -> None:
        order = POOL_OF_ORDERS[index]
        entry = self.model.entries.get(hash_of(order))
        answer = await market.unpublish(
            sort_of(order), SIGNERS[sort_of(order)], orderHash=str(hash_of(order))
        )
        assert (answer.status_code == 200) is (entry is not None and entry.status == "open")
        if answer.status_code == 200:
            self.model.unpublish(order)
        self.before = None

    async def block(self, market) -> None:
        await market.mine()
        self.model.orphans()

    def remember(self) -> None:
        self.before = deepcopy_of(self.model)

    async def match(self, market, index, count) -> None:
        order = POOL_OF_ORDERS[index]
        left = order.volume - self.model.used.get(hash_of(order), 0)
        if left <= 0:
            return
        self.remember()
        count = min(count, left)
        other = [hash_of(app_order()) for _ in range(3)]
        deal = self.any_deal(market, count)
        self.chain.match((hash_of(order), *other), deal)
        self.model.use(order, count)
        await self.block(market)

    def any_deal(self, market, count):
        deal = market.match(app_order(), pool_order(), request_order(volume=count), count)
        self.chain._waiting.pop()  # only its form is wanted
        return replace(deal)

    async def close(self, market, index) -> None:
        self.remember()
        order = POOL_OF_ORDERS[index]
        self.chain.close(sort_of(order), hash_of(order), order.volume)
        self.model.close(order)
        await self.block(market)

    async def withdraw(self, market, index, amount) -> None:
        wallet = WALLETS[index]
        amount = min(amount, self.model.stakes[wallet])
        if not amount:
            return
        self.remember()
        self.chain.withdraw(wallet.address, amount)
        self.model.stakes[wallet] -= amount
        self.model.poorer(wallet)
        await self.block(market)

    async def deposit(self, market, index, amount) -> None:
        self.remember()
        self.chain.deposit(WALLETS[index].address, amount)
        self.model.stakes[WALLETS[index]] += amount
        await self.block(market)

    async def give(self, market) -> None:
        self.remember()
        target = STRANGER if self.model.owner is SELLER else SELLER
        self.chain.give(APP, target.address)
        if self.model.owner is SELLER:
            self.model.given()
        self.model.owner = target
        await self.block(market)

    async def wait(self, _market) -> None:
        self.clock[0] += STANDS

    async def fork(self, market) -> None:
        if self.before is None:
            return
        self.chain.reorganise(1)
        self.model, self.before = self.before, None
        await market.mine()


def deepcopy_of(model: Model) -> Model:
    entries = {name: replace(each) for name, each in model.entries.items()}
    return Model(model.room, entries, dict(model.stakes), dict(model.used), model.owner)


PRELUDE = [("publish", index) for index in range(len(POOL_OF_ORDERS))]


@settings(max_examples=20, derandomize=True)
@given(st.sampled_from((1, 2, 3, 100)), st.lists(STEPS, min_size=8, max_size=25))
def test_whatever_happens_the_market_agrees_with_the_model(sqlite_file, room, steps):
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copyfile(sqlite_file, f"{folder}/market.db")
        asyncio.run(Life(f"sqlite:///{file}", room).run(PRELUDE + steps))
