"""From a wish to a deal: orders gathered and signed, everything checked before money moves.

A purchase that a crash interrupted is finished by the same wish: its orders are journaled before
they are sent, so it is bought once however often the program dies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from poolhand.chain.errors import OrdersRefused
from poolhand.domain.deal import Deal
from poolhand.domain.errors import BrokenPrecondition, OutOfGas, Refused, Reverted
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import Address, DealId
from poolhand.domain.onchain import Deposit, Receipt
from poolhand.domain.orders.choosing import Bundle
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import MatchOrders, OrderT, Salt, Signed
from poolhand.domain.orders.reasons import Reason
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock, Entropy
from poolhand.requester.checking import (
    OrdersUnfit,
    PriceTooHigh,
    VolumeTooSmall,
    check,
    check_price,
    price_of,
    shortfall,
)
from poolhand.requester.handing_in import HandingIn, NobodySends, courier_of
from poolhand.requester.repeats import refuse_repeat
from poolhand.requester.sellers import ForeignPool, Sellers
from poolhand.requester.sending_terms import PricedBundle, with_fee
from poolhand.requester.simulated_tee import SimulatedTee, demand_enclaves
from poolhand.requester.sources import OrderSources
from poolhand.requester.spending_wallet import BegunPurchase, OpenWallet, SpendingWallet
from poolhand.requester.sponsoring import Payer
from poolhand.requester.whose_pool import PoolFinder
from poolhand.requester.wish import Wish, request_order
from poolhand.transport.pool_client import PoolDown, PoolRefused

_NO_SALE: Final = (PoolRefused, PoolDown, ForeignPool)
BUNDLES_TRIED: Final = 5
"""Bundles of a market that are tried: the book may be a block behind the chain."""
STALE: Final = 2
"""Times that others, no dearer, are looked for where one was used up between look and send."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """A deal bought.

    Attributes:
        deal: What was bought.
        receipt: None where we did not send it now: an earlier run did, or somebody else.
        resumed: Whether an earlier run had begun it.
        sent_by: URL of the pool that sent it, None where we did.
        why_not_by_pool: Why a pool that was asked to did not send it.
    """

    deal: Deal
    receipt: Receipt | None
    resumed: bool = False
    sent_by: str | None = None
    why_not_by_pool: str = ""


class Buyer:
    """Buys for one wallet.

    Args:
        wallet: Who signs and pays.
        entropy: For the salts of orders.
        clock: Paces looks at the chain.
        sellers: Asked for orders that a wish does not bring.
        finder: Finds the pool that is to send the purchase.
        offered: Told what one purchase would cost before anything is signed.
        sponsor: Pays and sends instead of the buyer; None: the buyer does.
    """

    def __init__(
        self,
        wallet: SpendingWallet,
        entropy: Entropy,
        clock: Clock,
        sellers: Sellers,
        finder: PoolFinder,
        offered: Callable[[Bundle, Wish], None] = lambda _offer, _wish: None,
        sponsor: SpendingWallet | None = None,
    ) -> None:
        self._wallet, self._entropy, self._clock = wallet, entropy, clock
        self._sellers, self._finder, self._offered = sellers, finder, offered
        self._payer = Payer(wallet.address, sponsor)

    async def buy(self, wish: Wish, *, deposit: bool = False, again: bool = True) -> Purchase:
        """Buy what is wished, once; a purchase that a crash interrupted is finished instead.

        Args:
            wish: What is wanted.
            deposit: Move what lacks from the wallet's RLC into its stake first.
            again: Also while the same purchase of this wallet is open.

        Raises:
            SamePurchaseOpen: It is open, and was not to be bought again.
            PayerChanged: It was begun, and somebody else was to pay.
            OrdersUnfit: The orders do not match; every reason is told.
            StakeTooLow: The stake does not cover the price, nor what may be deposited; says how
                much to deposit, or to send to the wallet.
            PriceTooHigh, VolumeTooSmall: The bundle is not good enough.
            NoSuchAsset, NoOrder, ForeignPool: The orders cannot be gathered.
            NothingFits: The market has no orders for it; says why not of each.
            PoolDown, PoolRefused, MarketDown: Nobody sells.
            NobodySends: The pool does not send it, and the wallet has no coin.
            SimulatedTee: A confidential task would run where nothing is kept secret.
        """
        async with self._wallet.open() as spending:
            resumed = await self._resume(wish, spending, deposit=deposit)
            if resumed:
                return resumed
            if not again:
                await refuse_repeat(spending.hub, wish, self._wallet.address, spending.deals)
            return await self._replacing(wish, spending, deposit=deposit)

    async def _replacing(self, wish: Wish, spending: OpenWallet, *, deposit: bool) -> Purchase:
        """Buy what fits; orders used up between look and send are replaced by some no dearer."""
        orders, unpaid = await self._orders(wish, spending.hub, deposit=deposit)
        for _ in range(STALE):
            try:
                return await self._begin(wish, orders, spending, deposit=deposit, unpaid=unpaid)
            except OrdersRefused as fault:  # nothing was bought
                if fault.number != Reason.USED_UP:
                    raise
                most = price_of(orders)
                orders, unpaid = await self._orders(wish, spending.hub, deposit=deposit)
                if price_of(orders) > most:
                    raise
        return await self._begin(wish, orders, spending, deposit=deposit, unpaid=unpaid)

    async def ask(self, wish: Wish, app: Address) -> None:
        """Ask whether somebody would sell what is wished, for an app that is yet to be registered.

        Raises:
            NoOrder, ForeignPool, NothingFits, PriceTooHigh, PoolDown, PoolRefused, MarketDown,
                SimulatedTee: As ``buy`` would.
        """
        faults: list[SimulatedTee] = []
        async with self._wallet.open() as spending:
            made = replace(wish, app=app)
            sources = self._sources(made, spending.hub, app_is_new=True)
            async with _beside(sources), aclosing(sources.bundles()) as bundles:
                async for bundle in bundles:
                    try:
                        await demand_enclaves(self._finder, made, bundle)
                    except SimulatedTee as fault:
                        faults.append(fault)
                        if len(faults) == BUNDLES_TRIED:
                            break
                        continue
                    self._offered(bundle, made)
                    check_price(made, bundle.price)
                    return
                if faults:
                    raise faults[0]

    def _sources(self, wish: Wish, hub: Hub, *, app_is_new: bool = False) -> OrderSources:
        buyer = self._wallet.address
        return OrderSources(wish, buyer, hub, self._entropy, self._sellers, app_is_new)

    async def _begin(
        self,
        wish: Wish,
        orders: MatchOrders,
        spending: OpenWallet,
        *,
        deposit: bool,
        unpaid: str = "",
    ) -> Purchase:
        """Decide who sends orders, write both down, and have them sent."""
        wanted = self._sellers.by_signature
        payer = self._payer
        asked = wanted if payer.sponsor is None else False  # a pool sends what the buyer pays
        courier = await courier_of(self._finder, orders, wanted=asked, unpaid=unpaid)
        sponsor = None if payer.sponsor is None else payer.address
        begun = BegunPurchase(orders, courier.pool.url if courier.pool else None, sponsor)
        spending.purchases.begin(wish.fingerprint, begun)
        try:
            bought = await self._settle(wish, begun, spending, deposit=deposit)
        except OutOfGas as fault:
            if not courier.why_not:
                raise
            raise NobodySends(courier.why_not, fault) from fault
        if courier.is_odd or wanted:
            return replace(bought, why_not_by_pool=courier.why_not or bought.why_not_by_pool)
        return bought

    async def _resume(self, wish: Wish, spending: OpenWallet, *, deposit: bool) -> Purchase | None:
        """Finish what an earlier run began, if it did and if that is still possible."""
        begun = spending.purchases.pending(wish.fingerprint)
        if begun is None:
            return None
        found = await spending.hub.deal(_deal_id(spending.hub, begun.orders))
        if found is not None:
            spending.deals.add(found.deal_id)
            spending.purchases.end(wish.fingerprint)
            return Purchase(found, None, resumed=True)
        self._payer.check_same(begun)
        check_price(wish, price_of(begun.orders))
        try:
            bought = await self._settle(wish, begun, spending, deposit=deposit)
        except Reverted:  # its orders went stale meanwhile: nothing was bought, so buy anew
            return None
        except OutOfGas:  # what we were to send: a pool may do it by now
            if begun.url is not None:
                raise
            bought = await self._begin(wish, begun.orders, spending, deposit=deposit)
        return replace(bought, resumed=True)

    async def _settle(
        self, wish: Wish, begun: BegunPurchase, spending: OpenWallet, *, deposit: bool
    ) -> Purchase:
        """Have orders sent that are in the journal, by the pool or by ourselves."""
        orders, name = begun.orders, _deal_id(spending.hub, begun.orders)
        try:
            async with self._payer.opened(spending) as paying:
                payer = self._payer.address
                missing = await shortfall(paying.hub, orders, payer) if deposit else NanoRlc(0)
                if missing:
                    await paying.sender.send(f"deposit:{name}", Deposit(missing))
                bought = await self._made(wish, begun, spending, paying)
        except Reverted:
            spending.purchases.end(wish.fingerprint)
            raise
        spending.deals.add(bought.deal.deal_id)
        spending.purchases.end(wish.fingerprint)
        return bought

    async def _made(
        self, wish: Wish, begun: BegunPurchase, spending: OpenWallet, paying: OpenWallet
    ) -> Purchase:
        """Have the deal made; that we send what a pool did not is journaled first, too."""
        if begun.url is None:
            return await self._sent(begun.orders, paying)
        pool = self._finder.at(begun.url, begun.orders.workerpool.order.workerpool)
        hub, watcher = spending.hub, spending.watcher
        handing_in = HandingIn(pool, hub, watcher, self._clock)
        found = await handing_in.hand_in(begun.orders, _deal_id(hub, begun.orders))
        if found.deal is not None:
            return Purchase(found.deal, None, sent_by=begun.url)
        spending.purchases.begin(wish.fingerprint, BegunPurchase(begun.orders))
        try:
            bought = await self._sent(begun.orders, spending)
        except OutOfGas as fault:
            raise NobodySends(found.why_not, fault) from fault
        return replace(bought, why_not_by_pool=found.why_not) if bought.receipt else bought

    async def _sent(self, orders: MatchOrders, paying: OpenWallet) -> Purchase:
        """Send the match by whoever pays; another who has the orders, too, may be quicker."""
        name = _deal_id(paying.hub, orders)
        try:
            receipt = await paying.sender.send(f"match:{name}", self._payer.match(orders))
        except Reverted:
            made = await paying.hub.deal(name)
            if made is None:
                raise
            return Purchase(made, None)
        deal = await paying.hub.deal(receipt.deals[0] if receipt.deals else name)
        if deal is None:
            raise BrokenPrecondition(f"transaction {receipt.tx_hash} made no deal")
        return Purchase(deal, receipt)

    async def _orders(self, wish: Wish, hub: Hub, *, deposit: bool) -> tuple[MatchOrders, str]:
        """Return the orders of the first bundle that the chain would match; sends nothing.

        Beside them stands why they pay no fee to the pool, where that was to send them.
        """
        faults: list[Refused] = []
        sources = self._sources(wish, hub)
        async with _beside(sources), aclosing(sources.bundles()) as bundles:
            async for bundle in bundles:
                try:
                    await demand_enclaves(self._finder, wish, bundle)
                    priced = await self._priced(wish, bundle)
                    self._offered(priced.bundle, wish)
                    whole = NanoRlc(priced.bundle.price * wish.tasks)
                    await self._payer.demand(hub, whole, deposits=deposit)
                    orders = self._signed(wish, priced.bundle, hub)
                    payer = self._payer.address
                    await check(hub, wish, orders, payer, ignore_stake=deposit)
                except (OrdersUnfit, VolumeTooSmall, SimulatedTee) as fault:
                    faults.append(fault)
                    if len(faults) == BUNDLES_TRIED:
                        break
                else:
                    return orders, priced.why_not
            raise faults[0]

    async def _priced(self, wish: Wish, bundle: Bundle) -> PricedBundle:
        """Have a bundle pay for its sending, where the buyer has agreed to that."""
        if not self._sellers.by_signature:
            return PricedBundle(bundle)
        return await with_fee(self._finder, wish, bundle, self._wallet.address)

    def _signed(self, wish: Wish, bundle: Bundle, hub: Hub) -> MatchOrders:
        """Sign our request, and orders of what is our own."""
        request = request_order(wish, self._wallet.address, Salt(self._entropy.bytes(32)), bundle)
        made = bundle.orders(self._sign(request, hub))
        app, dataset = made.app, made.dataset
        if not app.signature and wish.app_order is None:
            app = self._sign(app.order, hub)
        if not (dataset.signature or dataset.order.dataset.is_zero) and wish.dataset_order is None:
            dataset = self._sign(dataset.order, hub)
        return replace(made, app=app, dataset=dataset)

    def _sign(self, order: OrderT, hub: Hub) -> Signed[OrderT]:
        return Signed(order, self._wallet.signer.sign_order(hub.facts.domain, order))


@asynccontextmanager
async def _beside(sources: OrderSources) -> AsyncIterator[None]:
    """Note beside a known pool's refusal what the market has instead."""
    try:
        yield
    except (*_NO_SALE, OrdersUnfit, PriceTooHigh, VolumeTooSmall) as fault:
        if told := await sources.elsewhere():
            fault.add_note(told)
        raise


def _deal_id(hub: Hub, orders: MatchOrders) -> DealId:
    """Name the deal of a request order that is matched once, as ours are."""
    return deal_id(order_hash(hub.facts.domain, orders.request.order), 0)
