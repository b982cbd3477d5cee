"""Where the orders of a purchase come from: files, the buyer himself, a pool, a market.

What a file holds is taken; what is the buyer's own he sells himself for nothing; everything else is
bought in the market. Of a pool that the buyer has named the order is the pool's own; one that is
only known is asked where the market has nothing that fits, or does not answer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.orders.choosing import (
    WITHOUT_DATASET,
    AnySold,
    Bundle,
    Candidate,
    Shelf,
    Want,
    fitting,
    in_question,
    rejected,
    shared_tag,
)
from poolhand.domain.orders.groups import among
from poolhand.domain.orders.matching import Facts
from poolhand.domain.orders.model import Salt, Signed, WorkerpoolOrder
from poolhand.domain.params import DealParams
from poolhand.domain.tag import Tag
from poolhand.domain.units import show_rlc
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Entropy
from poolhand.requester.market_shelf import MarketShelf
from poolhand.requester.sellers import ForeignPool, NoOrder, NoSuchAsset, NothingFits, Sellers
from poolhand.requester.sought_pool import demand_same_hub
from poolhand.requester.wish import Wish, asked_by, own_app_order, own_dataset_order
from poolhand.transport.market_faults import MarketDown
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.pool_api import PoolConfig

log = structlog.get_logger()


class PoolUnnamed(Refused):
    """What is wanted can only be asked of a pool, and none is named."""


@dataclass(frozen=True)
class OrderSources:
    """Gathers the orders of one purchase; signs and sends nothing.

    Attributes:
        wish: What is bought.
        buyer: Who buys.
        hub: Asked whose things are.
        entropy: For the salts of the buyer's own orders.
        sellers: Asked for what is not the buyer's.
        app_is_new: The app will be the buyer's, and is not registered yet.
    """

    wish: Wish
    buyer: Address
    hub: Hub
    entropy: Entropy = field(repr=False)
    sellers: Sellers
    app_is_new: bool = False

    async def bundles(self) -> AsyncGenerator[Bundle]:
        """Yield bundles, the market's cheapest first; the buyer's own orders in them are unsigned.

        Raises:
            NothingFits: The market has none; says why not of each order.
            NoSuchAsset, NoOrder, ForeignPool: The orders cannot be gathered.
            MarketDown, PoolDown, PoolRefused: Nobody sells.
            PoolUnnamed: Hosts are asked for, and no pool is known that could tell.
        """
        if self.wish.hosts and self.sellers.pool is None and self.wish.workerpool_order is None:
            raise PoolUnnamed(
                f"which workers let an app through to {', '.join(self.wish.hosts)}, their pool "
                "alone tells: name one that is to be asked (--pool-url)"
            )
        if self._asks_market:
            try:
                async for bundle in self._chosen(None):
                    yield bundle
            except (NothingFits, MarketDown) as fault:
                self._turn_to_known_pool(fault)
            if self.sellers.pool is None:
                return
        pool = self.wish.workerpool_order or await self._of_pool()
        async for bundle in self._chosen(_whole(pool)):
            yield bundle

    def _turn_to_known_pool(self, fault: NothingFits | MarketDown) -> None:
        """Say why it is asked; raises the market's fault where none is known."""
        if self.sellers.pool is None:
            if isinstance(fault, MarketDown):
                fault.add_note("or name a pool to buy from without a market: --pool-url URL")
            raise fault
        if isinstance(fault, MarketDown) and not self.app_is_new:
            log.warning("market_away_so_known_pool_asked", cause=str(fault))

    async def elsewhere(self) -> str:
        """Tell what the market has of what the known pool does not sell; empty without either.

        Asked where a purchase has failed, so what it takes is nobody's time else.
        """
        sellers, market = self.sellers, self.sellers.market
        if sellers.pool is None or market is None or self.wish.workerpool_order is not None:
            return ""
        try:
            async with aclosing(self._chosen(None)) as bundles:
                fits = await anext(bundles)
        except NothingFits as fault:
            return str(fault)
        except (Unavailable, Refused, PeerFault) as fault:
            return f"the market could not be asked: {fault}"
        if not sellers.pool_first:
            return ""  # it was tried, and the chain would refuse it
        return (
            f"the market at {market.url} has it for {show_rlc(fits.price)} RLC a task, from "
            f"workerpool {fits.pool.resource}: to buy there, name no pool (--pool-url, "
            "$POOLHAND_POOL_URL)"
        )

    @property
    def _asks_market(self) -> bool:
        named = self.sellers.pool is not None and self.sellers.pool_first
        may = not self.wish.hosts  # which hosts its workers allow, a pool alone tells
        return may and self._market is not None and not named and self.wish.workerpool_order is None

    @property
    def _market(self) -> MarketShelf | None:
        market = self.sellers.market
        return MarketShelf(market, self.buyer) if market else None

    async def _chosen(self, pool: Candidate | None) -> AsyncGenerator[Bundle]:
        """Yield what fits, of that pool or of any in the market; looks wider where nothing does."""
        shelf = await self._shelf(pool, wide=False)
        if pool is not None and len(shelf.combinations()) == 1:  # no choice: the check tells why
            yield shelf.combinations()[0]
            return
        want = await self._want()
        facts = await self._rules(want, shelf)
        found = list(fitting(want, shelf, facts))
        if not found:
            shelf = await self._shelf(pool, wide=True)
            facts = await self._rules(want, shelf)
            found = list(fitting(want, shelf, facts))
        for bundle in found:
            yield bundle
        if not found:
            assert self.sellers.market is not None
            why = rejected(want, shelf, facts)
            raise NothingFits(self.sellers.market.url, self._lacking(shelf), why)

    def _lacking(self, shelf: Shelf) -> str:
        pool = self.wish.workerpool
        names = (
            (shelf.apps, f"app {self.wish.app}"),
            (shelf.datasets, f"dataset {self.wish.dataset}"),
            (shelf.pools, "any workerpool" if pool.is_zero else f"workerpool {pool}"),
        )
        lacking = [name for some, name in names if not some]
        if not lacking:
            return "each order breaks a rule"
        what = f"it has no order for {', none for '.join(lacking)}"
        if shelf.pools or not pool.is_zero:
            return f"{what}: ask the owner to publish one"
        return f"{what}: wait until one is for sale, or name a pool with --pool-url"

    async def _shelf(self, pool: Candidate | None, *, wide: bool) -> Shelf:
        datasets = await self._datasets(wide=wide)
        tag = shared_tag(self.wish.tag, (), datasets)
        apps = await self._apps(tag, wide=wide)
        if pool is not None:
            return Shelf(apps, datasets, (pool,))
        assert self._market is not None
        tag = shared_tag(tag, apps, ())
        return Shelf(apps, datasets, await self._market.pools(self.wish, tag, wide=wide))

    async def _apps(self, tag: Tag, *, wide: bool) -> tuple[Candidate, ...]:
        wish = self.wish
        if wish.app_order:
            return (_whole(wish.app_order),)
        app = await self.hub.app(wish.app)
        if app is None and not self.app_is_new:
            raise NoSuchAsset(
                f"no app is registered at {wish.app}: correct the address, or give an image"
            )
        if app is None or app.owner == self.buyer:
            return (_whole(Signed(own_app_order(wish, self.buyer, self._salt()), b"")),)
        if self._market is None:
            raise NoOrder.of_owner("app", wish.app, app.owner, self.buyer)
        return await self._market.apps(wish, tag, wide=wide)

    async def _datasets(self, *, wide: bool) -> tuple[Candidate, ...]:
        wish = self.wish
        if wish.dataset.is_zero:
            return (WITHOUT_DATASET,)
        if wish.dataset_order:
            return (_whole(wish.dataset_order),)
        dataset = await self.hub.dataset(wish.dataset)
        if dataset is None:
            raise NoSuchAsset(
                f"no dataset is registered at {wish.dataset}: correct the address, or deploy it "
                "with `poolhand dataset deploy`"
            )
        if dataset.owner == self.buyer:
            return (_whole(Signed(own_dataset_order(wish, self.buyer, self._salt()), b"")),)
        if self._market is None:
            raise NoOrder.of_owner("dataset", wish.dataset, dataset.owner, self.buyer)
        return await self._market.datasets(wish, wide=wide)

    async def _of_pool(self) -> Signed[WorkerpoolOrder]:
        pool, wish = self.sellers.pool, self.wish
        if pool is None:
            raise NoOrder(
                "no workerpool to buy from: give --market or --pool-url, or --pool-order with a "
                "file"
            )
        sends = (await self._check_pool(pool)).by_signature
        terms = (wish.category, wish.trust, wish.tag, wish.tasks)
        asks = bool(self.sellers.by_signature and sends)
        params = DealParams(hosts=wish.hosts).dump() if wish.hosts else ""
        return await pool.order(*terms, self.buyer, wish.app, params=params, by_signature=asks)

    async def _check_pool(self, pool: PoolClient) -> PoolConfig:
        config, wanted = await pool.config(), self.wish.workerpool
        demand_same_hub(config, self.hub.facts, pool.url, "correct --pool-url")
        if not wanted.is_zero and config.workerpool != wanted:
            raise ForeignPool(
                f"the workerpool at {pool.url} is {config.workerpool}, not {wanted}: correct "
                "--pool or --pool-url"
            )
        return config

    async def _want(self) -> Want:
        request = asked_by(self.buyer, self.wish, self._salt())
        return Want(request, self.wish.tasks, self.wish.most_per_task)

    async def _rules(self, want: Want, shelf: Shelf) -> Facts:
        """Return what it hangs on whether the orders of a shelf fit; groups are asked at once."""
        categories = await self.hub.categories()
        members = await self.hub.members(in_question(want, shelf))
        is_member = among(members)
        domain = self.hub.facts.domain
        return Facts(domain, len(categories), None, None, None, is_member=is_member)

    def _salt(self) -> Salt:
        return Salt(self.entropy.bytes(32))


def _whole(signed: AnySold) -> Candidate:
    """Return an order that is not in a market; how much is left of it, the chain is asked."""
    return Candidate(signed, signed.order.volume)
