"""Any book and any chain: whatever people and blocks do, the market agrees with a simple model.

The model knows one rule for each status and no tables: it holds orders in a list and looks through
all of them each time. Forks are played by keeping what it knew after each block.

One file, for all that can happen to a book is one class: the model is asked after each of it.
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
    DATASET,
    PATHS,
    POOL,
    POOL_OWNER,
    SELLER,
    SIGNERS,
    STRANGER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    ready_chain,
    request_order,
)

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.book import sort_of
from poolhand.domain.market.room import STANDS
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
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
    owners: dict = field(default_factory=lambda: dict.fromkeys(ASSETS, SELLER))

    def cheapest(self, sort, request):
        """The lowest price of what a request can use of a sort."""
        fitting = [
            each.order.price
            for each in self.entries.values()
            if each.status == "open"
            and sort_of(each.order) is sort
            and is_usable(each.order, request)
        ]
        return min(fitting, default=None)

    def is_served(self, request):
        app = self.cheapest(OrderSort.APP, request)
        if app is None or app > request.app_max_price:
            return False
        if request.dataset == ZERO_ADDRESS:
            return True
        data = self.cheapest(OrderSort.DATASET, request)
        return data is not None and data <= request.dataset_max_price

    def covers(self, order, remaining):
        match sort_of(order):
            case OrderSort.WORKERPOOL:
                return self.stakes.get(POOL_OWNER, 0) >= order.price * 30 // 100 * remaining
            case OrderSort.REQUEST:
                return self.stakes.get(BUYER, 0) >= offer(order) * remaining
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
            if each.status != "open":
                continue
            is_old = now - each.published >= STANDS
            more = offer(order) - offer(each.order)
            if more < 0 or (more == 0 and not is_old):
                return None
        return going

    def may_publish(self, order, now):
        known = self.entries.get(hash_of(order))
        if known is not None and known.status != "dead":
            return False
        if self.owners.get(sort_of(order), SELLER) is not SELLER:
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

    def given(self, sort):
        for each in self.entries.values():
            if sort_of(each.order) is sort and each.status == "open":
                each.status = "dead"

    def listed(self, sort, shows):
        return {
            str(name)
            for name, each in self.entries.items()
            if each.status == "open" and sort_of(each.order) is sort and shows(each)
        }

    def book(self):
        return {str(name): (each.status, each.remaining) for name, each in self.entries.items()}


def is_usable(order, request):
    """Whether a request can use an app's or a dataset's order; what it costs is another matter."""
    if sort_of(order) is OrderSort.APP:
        lacks_enclave = bits(request.tag) >= TEE and not bits(order.tag) >= TEE
        other = order.dataset_restrict not in (ZERO_ADDRESS, request.dataset) or lacks_enclave
    else:
        other = order.app_restrict not in (ZERO_ADDRESS, request.app)
    return (
        not other
        and order.requester_restrict in (ZERO_ADDRESS, request.requester)
        and order.workerpool_restrict in (ZERO_ADDRESS, request.workerpool)
    )


def bits(tag):
    return {bit for bit in range(256) if int(str(tag), 16) >> bit & 1}


def offer(order):
    return order.app_max_price + order.dataset_max_price + order.workerpool_max_price


def rank(entry):
    is_dead = entry.status == "dead"
    return not is_dead, 0 if is_dead else offer(entry.order), entry.published


TEE = {0}
"""Bits of a tag that ask for an enclave of whatever kind."""
ENCLAVE, GPU = Tag.of(["tee", "scone"]), Tag.of(["gpu"])
ASSETS = (OrderSort.APP, OrderSort.DATASET)
"""What changes hands."""
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
    app_order(volume=2, price=NanoRlc(1), tag=ENCLAVE),
    app_order(volume=4, dataset_restrict=DATASET, workerpool_restrict=POOL),
    dataset_order(volume=3, price=NanoRlc(1)),
    dataset_order(volume=3, app_restrict=APP, tag=GPU),
    dataset_order(volume=3, app_restrict=STRANGER.address),
    pool_order(volume=3, category=1, trust=Trust(9), tag=GPU),
    pool_order(volume=2, category=1, price=NanoRlc(3)),
    request_order(volume=2, dataset=DATASET),
    request_order(volume=2, dataset=DATASET, dataset_max_price=NanoRlc(1), workerpool=POOL),
    request_order(volume=2, tag=ENCLAVE, app_max_price=NanoRlc(1)),
    request_order(volume=2, tag=ENCLAVE),  # pays what plain orders of the app cost
    app_order(volume=2, tag=Tag.of(["tee"])),
    request_order(volume=2, category=1, tag=GPU, trust=Trust(5)),
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
    st.tuples(st.just("give"), st.sampled_from(ASSETS)),
    st.tuples(st.just("wait")),
    st.tuples(st.just("fork")),
    st.tuples(st.just("fork")),
    st.tuples(st.just("restart")),
)
WALLETS = (POOL_OWNER, BUYER)
ANY_POOL = {"app": "any", "dataset": "any", "requester": "any"}
LISTS = (
    (OrderSort.WORKERPOOL, {"category": 1, **ANY_POOL}, lambda each: each.order.category == 1),
    (OrderSort.WORKERPOOL, {"minTag": GPU, **ANY_POOL}, lambda each: bits(each.order.tag) >= bits(GPU)),
    (OrderSort.WORKERPOOL, {"minTrust": 5, **ANY_POOL}, lambda each: each.order.trust >= 5),
    (OrderSort.DATASET, {"dataset": DATASET, "app": APP},
     lambda each: each.order.app_restrict in (ZERO_ADDRESS, APP)),
    (OrderSort.APP, {"app": APP, "maxTag": GPU, "dataset": "any", "workerpool": "any",
                     "requester": "any", "minVolume": 3},
     lambda each: bits(each.order.tag) <= bits(GPU) and each.remaining >= 3),
    (OrderSort.REQUEST, {"dataset": DATASET}, lambda each: each.order.dataset == DATASET
     and each.order.workerpool == ZERO_ADDRESS),
    (OrderSort.REQUEST, {"category": 0, "workerpool": POOL, "maxTrust": 4},
     lambda each: each.order.category == 0),
)  # fmt: skip
"""What lists are asked for, and what each is to show."""


class Life:
    """A market and its model, side by side."""

    def __init__(self, url: str, room: int) -> None:
        self.url, self.chain, self.model = url, ready_chain(), Model(room)
        self.clock = [1_700_000_000_000]
        self.before: Model | None = None
        self.asked = 0
        self.acts_since: list = []
        for wallet in WALLETS:
            self.chain.deposit(wallet.address, 40)
            self.model.stakes[wallet] = 40
        self.chain.create_category(1, "S", 1200)
        self.chain.mine()

    async def run(self, prelude, after) -> None:
        """Take all steps; market and model are to agree once the first are taken, from then on."""
        steps, agrees = [*prelude, *after], len(after)
        while steps:
            async with a_market(self.url, self.chain, self.clock, room=self.model.room) as market:
                await market.follower.advance()
                while steps:
                    step, *rest = steps.pop(0)
                    if step == "restart":
                        break
                    await getattr(self, step)(market, *rest)
                    if len(steps) <= agrees:
                        await self.agree(market)

    async def agree(self, market) -> None:
        found = {}
        for order in POOL_OF_ORDERS:
            told = await market.status(order)
            if told is not None:
                found[str(hash_of(order))] = told
        assert found == self.model.book()
        sort, asked, shows = LISTS[self.asked % len(LISTS)]  # one after the other: each costs time
        self.asked += 1
        told = await market.get(PATHS[sort], **{name: str(each) for name, each in asked.items()})
        hashes = {each["orderHash"] for each in told.json()["orders"]}
        assert hashes == self.model.listed(sort, shows), (sort, asked)

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

    async def give(self, market, sort) -> None:
        self.remember()
        owners = self.model.owners
        target = STRANGER if owners[sort] is SELLER else SELLER
        self.chain.give(APP if sort is OrderSort.APP else DATASET, target.address)
        if owners[sort] is SELLER:
            self.model.given(sort)
        owners[sort] = target
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
    return Model(model.room, entries, dict(model.stakes), dict(model.used), dict(model.owners))


PRELUDE = [("publish", index) for index in range(len(POOL_OF_ORDERS))]


@settings(max_examples=16, derandomize=True)
@given(st.sampled_from((1, 2, 3, 100)), st.lists(STEPS, min_size=8, max_size=25))
def test_whatever_happens_the_market_agrees_with_the_model(sqlite_file, room, steps):
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copyfile(sqlite_file, f"{folder}/market.db")
        asyncio.run(Life(f"sqlite:///{file}", room).run(PRELUDE, steps))
