"""Selling: orders signed, published, taken back, cancelled, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from poolhand.domain.errors import Refused
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.advice import is_not_deployed
from poolhand.domain.market.book import BookOrder, BookStatus, sort_of
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.standing import UNTIL_CANCELLED, in_words
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import Receipt
from poolhand.domain.orders.model import (
    AppOrder,
    CloseOrder,
    DatasetOrder,
    Order,
    OrderT,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Entropy
from poolhand.requester.checking import OrderState, order_state
from poolhand.requester.sellers import NoSuchAsset, demanded
from poolhand.requester.spending_wallet import SpendingWallet
from poolhand.requester.wish import Wish, asked_by
from poolhand.transport.again import Sleep, again
from poolhand.transport.market_client import MarketClient
from poolhand.transport.market_faults import MarketRefused
from poolhand.wire.market_queries import EQUALS

MOST_LOOKS_FOR_NEW: Final = 30
"""How often a market is asked to take an order for what was registered just now."""
PAUSE_BEFORE_NEW_IS_SEEN: Final = 1.0
"""Seconds between two of these: blocks come every few."""
MOST_OWN: Final = 1000
"""Orders of one owner that are listed; a market lets nobody have so many."""


class UnknownOrder(Refused):
    """The market has no order of this hash: it never had one, or it was taken out."""


@dataclass(frozen=True, slots=True)
class SaleTerms:
    """What an order says besides what is sold.

    Attributes:
        price: Of one task (nRLC).
        volume: How many tasks.
        only: Who alone may use it, by ``app``, ``dataset``, ``workerpool``, ``requester``.
        category, trust: Of a workerpool's order.
    """

    price: NanoRlc = NanoRlc(0)
    volume: int = 1
    tag: Tag = NO_TAG
    only: Mapping[str, Address] | None = None
    category: int = 0
    trust: Trust = Trust(1)

    def limit(self, name: str) -> Address:
        """Return who alone may use it, zero for anybody."""
        return (self.only or {}).get(name, ZERO_ADDRESS)


@dataclass(frozen=True, slots=True)
class MaxPrices:
    """The most that one task of a request may cost (nRLC), by what is paid for."""

    app: NanoRlc = NanoRlc(0)
    dataset: NanoRlc = NanoRlc(0)
    pool: NanoRlc = NanoRlc(0)


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """How an order stands on chain and in the market.

    Attributes:
        signed: The order.
        state: On chain.
        entry: In the market; None: it is not there.
        asked: Whether a market was asked: where none is named, the chain alone tells.
    """

    signed: Signed[Any]
    state: OrderState
    entry: BookOrder | None
    asked: bool = True

    @property
    def status(self) -> BookStatus | None:
        """In the market."""
        return self.entry.status if self.entry else None

    @property
    def words(self) -> str:
        """For a person."""
        left, volume = self.state.left, self.signed.order.volume
        return in_words(self.status, left, volume, asked=self.asked)


def sold(sort: OrderSort, resource: Address, terms: SaleTerms, salt: Salt) -> Order:
    """Return an order that sells an app, a dataset or a workerpool."""
    head = resource, terms.price, terms.volume, terms.tag
    app, data, pool, who = map(terms.limit, ("app", "dataset", "workerpool", "requester"))
    match sort:
        case OrderSort.APP:
            return AppOrder(*head, data, pool, who, salt)
        case OrderSort.DATASET:
            return DatasetOrder(*head, app, pool, who, salt)
        case _:
            return WorkerpoolOrder(*head, terms.category, terms.trust, app, data, who, salt)


class Selling:
    """What one wallet sells.

    Args:
        hub: Asked whose things are.
        wallet: Signs, and pays for cancelling.
        entropy: For the salts of orders.
    """

    def __init__(self, hub: Hub, wallet: SpendingWallet, entropy: Entropy) -> None:
        self._hub, self._wallet, self._entropy = hub, wallet, entropy

    @property
    def salt(self) -> Salt:
        """One that was never used."""
        return Salt(self._entropy.bytes(32))

    async def offer(self, sort: OrderSort, resource: Address, terms: SaleTerms) -> Signed[Any]:
        """Sign an order for what is ours.

        Raises:
            NoSuchAsset: It is not registered, or is somebody else's.
        """
        signed = self.signed(sold(sort, resource, terms, self.salt))  # type: ignore[type-var]
        owner = (await order_state(self._hub, signed)).owner
        if owner != self._wallet.address:
            whose = f"is {owner}'s, not {self._wallet.address}'s" if owner else "is not registered"
            raise NoSuchAsset(
                f"{sort.value} {resource} {whose}: correct the address, or use its owner's wallet"
            )
        return signed

    def request(self, wish: Wish, most: MaxPrices) -> Signed[RequestOrder]:
        """Sign a request that anybody may match; nothing is published or sent."""
        asked = replace(
            asked_by(self._wallet.address, wish, self.salt),
            app_max_price=most.app,
            dataset_max_price=most.dataset,
            workerpool_max_price=most.pool,
        )
        return self.signed(asked)

    def signed(self, order: OrderT) -> Signed[OrderT]:
        """Sign an order."""
        return Signed(order, self._wallet.signer.sign_order(self._hub.facts.domain, order))

    async def publish(self, signed: Signed[OrderT], market: MarketClient) -> BookOrder:
        """Put an order into a market; raises MarketRefused, MarketDown."""
        return await market.publish(signed, self._wallet.signer)

    async def publish_new(
        self, signed: Signed[OrderT], market: MarketClient, pause: Sleep
    ) -> BookOrder:
        """Put an order into a market for what was just registered: as soon as the market sees it.

        Args:
            signed: The order.
            market: Where.
            pause: Lets seconds pass.

        Raises:
            MarketRefused, MarketDown: As ``publish``; also where the market does not see it in
                half a minute.
        """
        return await again(
            lambda: self.publish(signed, market), MarketRefused, _until_it_is_seen, pause
        )

    async def unpublish(self, standing: OrderStanding, market: MarketClient) -> OrderHash:
        """Take one order out of a market; on chain it stays valid; raises as ``publish``."""
        name = standing.state.order_hash
        return await market.unpublish(sort_of(standing.signed.order), name, self._wallet.signer)

    async def unpublish_of(
        self, sort: OrderSort, resource: Address, market: MarketClient, *, every: bool
    ) -> tuple[OrderHash, ...]:
        """Take the newest, or every, order of ours for a resource out of a market."""
        take = market.unpublish_all if every else market.unpublish_last
        return await take(sort, resource, self._wallet.signer)

    async def cancel(self, order: Order, left: int) -> Receipt | None:
        """Cancel an order on chain, for good; the same again is the one that was begun.

        Args:
            order: Ours.
            left: Tasks that it has left on chain; without any nothing is sent, and None returned.

        Raises:
            NotOwner: It is somebody else's.
        """
        call = CloseOrder(order)
        async with self._wallet.open() as spending:
            if left <= 0 and not spending.intentions.has_begun("cancel", call):
                return None
            return await spending.intentions.carry_out("cancel", call, self._entropy.bytes(8))


def _until_it_is_seen(tries: int, fault: MarketRefused) -> float | None:
    seen = tries > MOST_LOOKS_FOR_NEW or not is_not_deployed(fault.said)
    return None if seen else PAUSE_BEFORE_NEW_IS_SEEN


async def standing(
    hub: Hub, order: Signed[Any] | OrderHash, market: MarketClient | None
) -> OrderStanding:
    """Look up how an order stands; one that is named by its hash is found in the market.

    Raises:
        UnknownOrder: It is not there.
        NoMarketNamed: A hash was given, and no market.
    """
    if isinstance(order, OrderHash):
        return await _by_hash(hub, order, demanded(market))
    state = await order_state(hub, order)
    entry = await market.find(sort_of(order.order), state.order_hash) if market else None
    return OrderStanding(order, state, entry, market is not None)


async def _by_hash(hub: Hub, name: OrderHash, market: MarketClient) -> OrderStanding:
    for sort in OrderSort:
        entry = await market.find(sort, name)
        if entry is not None:
            signed: Signed[Any] = Signed(entry.order, entry.sign)
            return OrderStanding(signed, await order_state(hub, signed), entry)
    raise UnknownOrder(
        f"the market at {market.url} has no order {name}: the hash is wrong, or the order was "
        f"taken out (then it is {UNTIL_CANCELLED}): whoever has its file asks the chain, with "
        "`poolhand order check FILE`"
    )


async def open_orders_of(market: MarketClient, owner: Address) -> tuple[BookOrder, ...]:
    """Return every open order that an owner has in a market."""
    found: list[BookOrder] = []
    for sort in OrderSort:
        parties = {"requester": (owner,)} if "requester" in EQUALS[sort] else {}
        signer = None if parties else owner
        wanted = BookFilter(sort, parties, signer=signer)
        found += [each async for each in market.every_order(wanted, MOST_OWN)]
    return tuple(found)
