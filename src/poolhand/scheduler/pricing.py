"""The pool as a seller: signed workerpool orders, made when somebody asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Signed, WorkerpoolOrder
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.ports.clock import Entropy
from poolhand.ports.signer import Signer
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.preflight import Asked, Preflight

VOLUME: Final = 1000
"""Tasks that one order sells at most."""
ANYBODYS_VOLUME: Final = 10
"""Tasks of an order that names no requester: it stays valid for whoever gets hold of it."""
MOST_ORDERS_KEPT: Final = 1000
"""Orders that are handed out again while they are unused."""
ORDER_HANDED_OUT_FOR: Final = 600
"""Seconds in which an order is handed out again; the chain itself knows no expiry of orders."""
UNSEEN_FOR: Final = 30
"""Seconds in which a purchase may not have been seen by the node that is asked."""


class NotSold(Refused):
    """The pool does not sell what was asked for."""


class PoolOutOfGas(Unavailable):
    """The pool could not pay for what it would have to put on chain."""


class PoolDraining(Unavailable):
    """The pool's owner has it finish what is open: it sells nothing new."""


class PoolWithoutDeposit(Unavailable):
    """The pool's owner has not the stake that a deal would lock: no deal could be made."""


class Pricing:
    """Sells categories at fixed prices per task (nRLC).

    An order is for just what was asked for: so many tasks, this requester, this app. The same
    question gets the same order while that is unused, so that no more is promised than is bought;
    but a requester that asks again so soon may have bought already what we have not yet seen.

    Args:
        reads: Of the chain, for no more than its provider bears.
        prices: By category; what is missing is not sold.
        highest_trust: Of one task.
        preflight: Refuses what the pool cannot do.
        now: The chain's time.
        obstacle: Says why nothing may be sold now, None when it may.
        lack: Says what the owner must deposit before anything can be sold, None when it may be.
        drains: Says why the pool sells nothing new, None where it does.
        confidential: Says why tasks of a tag are not taken.
        fee: On a task's price where the pool sends the purchase (nRLC).
    """

    def __init__(
        self,
        signer: Signer,
        domain: Domain,
        workerpool: Address,
        reads: OrderReads,
        entropy: Entropy,
        prices: dict[int, NanoRlc],
        highest_trust: Trust,
        preflight: Preflight,
        now: Callable[[], UnixSeconds],
        confidential: ConfidentialSale,
        obstacle: Callable[[], str | None] = lambda: None,
        lack: Callable[[], str | None] = lambda: None,
        drains: Callable[[], str | None] = lambda: None,
        fee: NanoRlc = NanoRlc(0),
    ) -> None:
        self._signer, self._domain, self._pool = signer, domain, workerpool
        self._reads, self._entropy, self._now = reads, entropy, now
        self._prices, self._highest, self._obstacle = prices, highest_trust, obstacle
        self._lack, self._drains, self._fee = lack, drains, fee
        self._preflight, self._confidential = preflight, confidential
        self._kept: OrderedDict[Asked, tuple[UnixSeconds, Signed[WorkerpoolOrder]]] = OrderedDict()

    @property
    def prices(self) -> dict[int, NanoRlc]:
        """Price per task by category (nRLC)."""
        return dict(self._prices)

    @property
    def why_nothing(self) -> str | None:
        """Why nothing at all is sold now; None where something is."""
        if not self._prices:
            return "no category has a price: the pool's owner sets them with --prices"
        return self._drains() or self._obstacle() or self._lack() or self._preflight.nobody

    @property
    def highest_trust(self) -> Trust:
        """What can be sold now; 0 while nobody is there."""
        return self._preflight.highest_trust

    async def order(self, asked: Asked) -> Signed[WorkerpoolOrder]:
        """Return an order for what is asked for.

        Raises:
            NotSold: Category, trust or tag is not offered.
            PoolDraining: Nothing is sold until the pool's owner has it resume.
            PoolOutOfGas: Nothing is sold until the pool's wallet is refilled.
            PoolWithoutDeposit: Nothing is sold until the pool's owner has deposited stake.
            NoWorkerForIt, TrustOutOfReach, …: See ``Preflight.check``.
            TooManyOrders: The caller has to wait.
        """
        await self.admit(asked)
        key = replace(asked, params=None, caller="")
        known = await self._unused(key)
        if known is None:
            self._preflight.count(asked.caller)
            known = self._make(asked)
            self._keep(key, known)
        return known

    async def admit(self, asked: Asked) -> None:
        """Check that what is asked for would be sold now; raises as ``order``."""
        self._check(asked)
        if why := await self._confidential.refusal(asked.tag):
            raise NotSold(why)
        if drains := self._drains():
            raise PoolDraining(f"this pool sells nothing now: {drains}; buy from another one")
        if obstacle := self._obstacle():
            raise PoolOutOfGas(f"this pool sells nothing now: {obstacle}")
        if lack := self._lack():
            raise PoolWithoutDeposit(f"this pool sells nothing now: {lack}")
        await self._preflight.check(asked, self.price(asked))

    def price(self, asked: Asked) -> NanoRlc:
        """Return what one task of a category that is sold costs (nRLC)."""
        fee = self._fee if asked.by_signature else 0
        return NanoRlc(self._prices[asked.category] + fee)

    async def _unused(self, key: Asked) -> Signed[WorkerpoolOrder] | None:
        since, known = self._kept.get(key, (UnixSeconds(0), None))
        first = 0 if key.requester.is_zero else UNSEEN_FOR
        if known is None or not since + first <= self._now() < since + ORDER_HANDED_OUT_FOR:
            return None
        name = order_hash(self._domain, known.order)
        return None if await self._reads.is_used(name) else known

    def bought(self, deal: Deal) -> None:
        """Hand out again nothing that the requester of a deal may have bought with.

        The chain may take the deal back, and bring it again later with the same order.
        """
        for key in tuple(self._kept):
            if key.requester == deal.requester:
                del self._kept[key]

    def _keep(self, key: Asked, order: Signed[WorkerpoolOrder]) -> None:
        self._kept[key] = self._now(), order
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_ORDERS_KEPT:
            self._kept.popitem(last=False)

    def _check(self, asked: Asked) -> None:
        if asked.category not in self._prices:
            sold = ", ".join(str(each) for each in sorted(self._prices))
            raise NotSold(f"category {asked.category} is not sold here; choose one of {sold}")
        if asked.trust > self._highest:
            raise NotSold(f"trust {asked.trust} is not sold here; the highest is {self._highest}")
        if strange := asked.tag.unknown:
            raise NotSold(
                f"no worker knows what bit {strange[0]} of the tag asks for: leave it out"
            )
        if asked.volume > VOLUME:
            raise NotSold(f"at most {VOLUME} tasks are sold in one order")
        if asked.requester.is_zero and asked.volume > ANYBODYS_VOLUME:
            raise NotSold(
                f"an order for anybody sells at most {ANYBODYS_VOLUME} tasks: name the requester "
                "that will buy (&requester=0x…)"
            )

    def unsigned(self, asked: Asked) -> WorkerpoolOrder:
        """Return what would be signed for what is asked for, of a category that is sold."""
        return WorkerpoolOrder(
            workerpool=self._pool,
            price=self.price(asked),
            volume=asked.volume,
            tag=asked.tag,
            category=asked.category,
            trust=asked.trust,
            app_restrict=asked.app,
            dataset_restrict=ZERO_ADDRESS,
            requester_restrict=asked.requester,
            salt=self._confidential.salt(asked.tag, self._entropy),
        )

    def _make(self, asked: Asked) -> Signed[WorkerpoolOrder]:
        order = self.unsigned(asked)
        return Signed(order, self._signer.sign_order(self._domain, order))
