"""The pool as a seller: signed workerpool orders, made when somebody asks."""

from __future__ import annotations

from collections.abc import Callable

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Salt, Signed, WorkerpoolOrder
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Entropy
from poolhand.ports.signer import Signer

VOLUME = 1000
"""Tasks that one order sells before a new one is signed."""


class NotSold(Refused):
    """The pool does not sell what was asked for."""


class PoolOutOfGas(Unavailable):
    """The pool could not pay for what it would have to put on chain."""


class PoolWithoutDeposit(Unavailable):
    """The pool's owner has not the stake that a deal would lock: no deal could be made."""


class Pricing:
    """Sells categories at fixed prices per task (nRLC).

    Args:
        prices: By category; what is missing is not sold.
        highest_trust: Of one task.
        obstacle: Says why nothing may be sold now, None when it may.
        lack: Says what the owner must deposit before anything can be sold, None when it may be.
    """

    def __init__(
        self,
        signer: Signer,
        domain: Domain,
        workerpool: Address,
        hub: Hub,
        entropy: Entropy,
        prices: dict[int, NanoRlc],
        highest_trust: Trust,
        obstacle: Callable[[], str | None] = lambda: None,
        lack: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._signer, self._domain, self._pool = signer, domain, workerpool
        self._hub, self._entropy = hub, entropy
        self._prices, self._highest, self._obstacle = prices, highest_trust, obstacle
        self._lack = lack
        self._orders: dict[tuple[int, Trust, Tag], Signed[WorkerpoolOrder]] = {}

    @property
    def prices(self) -> dict[int, NanoRlc]:
        """Price per task by category (nRLC)."""
        return dict(self._prices)

    @property
    def why_nothing(self) -> str | None:
        """Why nothing at all is sold now; None where something is."""
        if not self._prices:
            return "no category has a price: the pool's owner sets them with --prices"
        return self._obstacle() or self._lack()

    async def order(
        self, category: int, trust: Trust, tag: Tag, volume: int = 1
    ) -> Signed[WorkerpoolOrder]:
        """Return an order with at least ``volume`` tasks left.

        Raises:
            NotSold: Category, trust or tag is not offered.
            PoolOutOfGas: Nothing is sold until the pool's wallet is refilled.
            PoolWithoutDeposit: Nothing is sold until the pool's owner has deposited stake.
        """
        self._check(category, trust, tag, volume)
        if obstacle := self._obstacle():
            raise PoolOutOfGas(f"this pool sells nothing now: {obstacle}")
        if lack := self._lack():
            raise PoolWithoutDeposit(f"this pool sells nothing now: {lack}")
        key = (category, trust, tag)
        known = self._orders.get(key)
        if known is not None:
            name = order_hash(self._domain, known.order)
            used = (await self._hub.consumed([name]))[name]
            if known.order.volume - used >= volume:
                return known
        self._orders[key] = self._make(category, trust, tag)
        return self._orders[key]

    def _check(self, category: int, trust: Trust, tag: Tag, volume: int) -> None:
        if category not in self._prices:
            sold = ", ".join(str(each) for each in sorted(self._prices))
            raise NotSold(f"category {category} is not sold here; choose one of {sold}")
        if trust > self._highest:
            raise NotSold(f"trust {trust} is not sold here; the highest is {self._highest}")
        if tag.needs_tee:
            raise NotSold("this pool has no TEE workers; ask without the tag")
        if volume > VOLUME:
            raise NotSold(f"at most {VOLUME} tasks are sold in one order")

    def _make(self, category: int, trust: Trust, tag: Tag) -> Signed[WorkerpoolOrder]:
        order = WorkerpoolOrder(
            workerpool=self._pool,
            price=self._prices[category],
            volume=VOLUME,
            tag=tag,
            category=category,
            trust=trust,
            app_restrict=ZERO_ADDRESS,
            dataset_restrict=ZERO_ADDRESS,
            requester_restrict=ZERO_ADDRESS,
            salt=Salt(self._entropy.bytes(32)),
        )
        return Signed(order, self._signer.sign_order(self._domain, order))
