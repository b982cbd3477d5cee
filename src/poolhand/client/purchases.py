"""Purchases within a budget: one counts from the moment at which it may be made."""

from __future__ import annotations

from dataclasses import replace

from poolhand.domain.budget import SpendingBudget
from poolhand.domain.errors import Refused
from poolhand.domain.orders.choosing import Bundle
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.requester.buying import Purchase
from poolhand.requester.checking import price_of
from poolhand.requester.requester import Requester
from poolhand.requester.spending_wallet import BegunPurchase, Fingerprint
from poolhand.requester.wish import Wish


class BudgetedPurchases:
    """Buys for one client.

    Args:
        budget: What all purchases together may cost.
    """

    def __init__(self, budget: SpendingBudget) -> None:
        self.budget = budget
        self._buying: Fingerprint | None = None
        self._untold: dict[Fingerprint, Purchase] = {}

    def keep(self, name: Fingerprint, bought: Purchase) -> None:
        """Keep a purchase of which nobody was told: the same one is not made again but found."""
        self._untold[name] = bought

    async def buy(
        self,
        requester: Requester,
        wish: Wish,
        most: NanoRlc | None,
        *,
        deposit: bool,
        again: bool,
        sponsor: Wallet | None = None,
    ) -> Purchase:
        """Buy within the budget; raises as ``Buyer.buy``.

        Args:
            requester: Buys; its wallet is open, and nobody else's turn.
            wish: What.
            most: That this purchase may cost (nRLC); None: what the budget has left.
            deposit: As of ``Buyer.buy``.
            again: As of ``Buyer.buy``.
            sponsor: Pays instead of the requester's wallet.
        """
        name = wish.fingerprint
        if (untold := self._untold.pop(name, None)) is not None:
            return replace(untold, resumed=True)
        begun = await begun_purchase(requester, name)
        if begun is not None:
            self.budget.begin(name, NanoRlc(price_of(begun.orders) * wish.tasks))
        limit, self._buying = self.budget.left_for(name, most), name
        try:
            bought = await requester.buy(
                replace(wish, budget=limit),
                deposit=deposit,
                again=again,
                by_signature=None,
                sponsor=sponsor,
            )
        except Refused:
            if await begun_purchase(requester, name) is None:  # else its orders may still be sent
                self.budget.not_made(name)
            raise
        finally:
            self._buying = None
        self.budget.made(name, NanoRlc(bought.deal.price * bought.deal.bot_size))
        return bought

    def offered(self, offer: Bundle, wish: Wish) -> None:
        """Count what is about to be signed."""
        if self._buying is not None and wish.fingerprint == self._buying:
            self.budget.begin(self._buying, NanoRlc(offer.price * wish.tasks))


async def begun_purchase(requester: Requester, name: Fingerprint) -> BegunPurchase | None:
    """Return the orders of a purchase whose end the wallet's journal does not know."""
    async with requester.wallet.open() as spending:
        return spending.purchases.pending(name)
