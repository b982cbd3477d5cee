"""From a wish to a deal: orders gathered and signed, everything checked before money moves.

A purchase that a crash interrupted is finished by the same wish: its orders are journaled before
they are sent, so it is bought once however often the program dies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import BrokenPrecondition, Refused, Reverted
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import Address, DealId
from poolhand.domain.onchain import Deposit, Receipt
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    MatchOrders,
    OrderT,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Entropy
from poolhand.requester.checking import check, hub_domain, shortfall
from poolhand.requester.repeats import refuse_repeat
from poolhand.requester.spending_wallet import NOTHING, OpenWallet, SpendingWallet
from poolhand.requester.wish import (
    Wish,
    own_app_order,
    own_dataset_order,
    request_order,
)
from poolhand.transport.pool_client import PoolClient

_MINE: Final = "with the wallet that owns it, or give an order of its owner with"


class NoSuchAsset(Refused):
    """No app, dataset or workerpool is registered at this address."""


class NoOrder(Refused):
    """Something is wanted that belongs to somebody else, and no order of theirs is at hand."""


class ForeignPool(Refused):
    """The pool at this URL serves another chain or hub."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """A deal bought. ``receipt`` is None when an earlier run had bought it already."""

    deal: Deal
    receipt: Receipt | None
    resumed: bool = False


class Buyer:
    """Buys for one wallet.

    Args:
        wallet: Who signs and pays.
        entropy: For the salts of orders.
        pool: Sells workerpool orders; None when wishes bring their own.
    """

    def __init__(self, wallet: SpendingWallet, entropy: Entropy, pool: PoolClient | None) -> None:
        self._wallet, self._entropy, self._pool = wallet, entropy, pool

    async def buy(self, wish: Wish, *, deposit: bool = False, again: bool = True) -> Purchase:
        """Buy what is wished, once; a purchase that a crash interrupted is finished instead.

        Args:
            wish: What is wanted.
            deposit: Move what lacks from the wallet's RLC into its stake first.
            again: Also while the same purchase of this wallet is open.

        Raises:
            SamePurchaseOpen: It is open, and was not to be bought again.
            OrdersUnfit: The orders do not match; every reason is told.
            StakeTooLow: The stake does not cover the price; says how much to deposit.
            BalanceTooLow: There is not enough RLC to deposit.
            PriceTooHigh, VolumeTooSmall: The offer is not good enough.
            NoSuchAsset, NoOrder, ForeignPool: The orders cannot be gathered.
            PoolDown, PoolRefused: The pool does not sell.
        """
        async with self._wallet.open() as spending:
            resumed = await self._resume(wish, spending, deposit=deposit)
            if resumed:
                return resumed
            if not again:
                await refuse_repeat(spending.hub, wish, self._wallet.address, spending.deals)
            orders = await self._orders(wish, spending.hub)
            await check(spending.hub, wish, orders, ignore_stake=deposit)
            spending.purchases.begin(wish.fingerprint, orders)
            return await self._settle(wish, orders, spending, deposit=deposit)

    async def ask(self, wish: Wish, app: Address) -> None:
        """Ask the pool whether it would sell what is wished, for an app that may yet be registered.

        Raises:
            NoOrder, ForeignPool, PoolDown, PoolRefused: As ``buy`` would.
        """
        if wish.workerpool_order is None:
            async with self._wallet.open() as spending:
                await self._ask_pool(replace(wish, app=app), spending.hub)

    async def _resume(self, wish: Wish, spending: OpenWallet, *, deposit: bool) -> Purchase | None:
        """Finish what an earlier run began, if it did and if that is still possible."""
        orders = spending.purchases.pending(wish.fingerprint)
        if orders is None:
            return None
        found = await spending.hub.deal(_deal_id(spending.hub, orders))
        if found is not None:
            spending.deals.add(found.deal_id)
            spending.purchases.end(wish.fingerprint)
            return Purchase(found, None, resumed=True)
        try:
            bought = await self._settle(wish, orders, spending, deposit=deposit)
        except Reverted:  # its orders went stale meanwhile: nothing was bought, so buy anew
            return None
        return replace(bought, resumed=True)

    async def _settle(
        self, wish: Wish, orders: MatchOrders, spending: OpenWallet, *, deposit: bool
    ) -> Purchase:
        """Send orders that are in the journal."""
        name = _deal_id(spending.hub, orders)
        try:
            missing = await shortfall(spending.hub, orders) if deposit else NanoRlc(0)
            if missing:
                await spending.sender.send(f"deposit:{name}", Deposit(missing))
            receipt = await spending.sender.send(f"match:{name}", orders)
        except Reverted:
            spending.purchases.end(wish.fingerprint)
            raise
        deal = await spending.hub.deal(receipt.deals[0] if receipt.deals else name)
        if deal is None:
            raise BrokenPrecondition(f"transaction {receipt.tx_hash} made no deal")
        spending.deals.add(deal.deal_id)
        spending.purchases.end(wish.fingerprint)
        return Purchase(deal, receipt)

    async def _orders(self, wish: Wish, hub: Hub) -> MatchOrders:
        """Gather and sign the four orders of a wish; sends nothing."""
        app, dataset = await self._app_order(wish, hub), await self._dataset_order(wish, hub)
        pool = wish.workerpool_order or await self._ask_pool(wish, hub)
        request = request_order(
            wish, self._wallet.address, self._salt(), app.order, dataset.order, pool.order
        )
        return MatchOrders(app, dataset, pool, self._sign(request, hub))

    async def _app_order(self, wish: Wish, hub: Hub) -> Signed[AppOrder]:
        if wish.app_order:
            return wish.app_order
        app = await hub.app(wish.app)
        if app is None:
            raise NoSuchAsset(
                f"no app is registered at {wish.app}: correct the address, or give an image"
            )
        self._demand_ours("app", wish.app, app.owner)
        return self._sign(own_app_order(wish, app.owner, self._salt()), hub)

    async def _dataset_order(self, wish: Wish, hub: Hub) -> Signed[DatasetOrder]:
        if wish.dataset.is_zero:
            return NOTHING
        if wish.dataset_order:
            return wish.dataset_order
        dataset = await hub.dataset(wish.dataset)
        if dataset is None:
            raise NoSuchAsset(
                f"no dataset is registered at {wish.dataset}: correct the address, or deploy it "
                "with `poolhand dataset deploy`"
            )
        self._demand_ours("dataset", wish.dataset, dataset.owner)
        return self._sign(own_dataset_order(wish, dataset.owner, self._salt()), hub)

    def _demand_ours(self, what: str, address: Address, owner: Address) -> None:
        if owner != self._wallet.address:
            raise NoOrder(
                f"{what} {address} belongs to {owner}, not to {self._wallet.address}: buy {_MINE} "
                f"--{what}-order"
            )

    async def _ask_pool(self, wish: Wish, hub: Hub) -> Signed[WorkerpoolOrder]:
        if self._pool is None:
            raise NoOrder("no workerpool to buy from: give --pool-url, or --pool-order with a file")
        config, facts = await self._pool.config(), hub.facts
        if (config.chain_id, config.hub) != (facts.chain_id, facts.hub):
            raise ForeignPool(
                f"the workerpool at {self._pool.url} serves hub {config.hub} on chain "
                f"{config.chain_id}, not {facts.hub} on chain {facts.chain_id}: correct --pool-url"
            )
        return await self._pool.order(
            wish.category, wish.trust, wish.tag, wish.tasks, self._wallet.address, wish.app
        )

    def _sign(self, order: OrderT, hub: Hub) -> Signed[OrderT]:
        return Signed(order, self._wallet.signer.sign_order(hub_domain(hub), order))

    def _salt(self) -> Salt:
        return Salt(self._entropy.bytes(32))


def _deal_id(hub: Hub, orders: MatchOrders) -> DealId:
    """Name the deal of a request order that is matched once, as ours are."""
    return deal_id(order_hash(hub_domain(hub), orders.request.order), 0)
