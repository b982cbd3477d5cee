"""Who pays for a purchase: the buyer's own stake, or a sponsor's, who then sends the match.

The request is the buyer's in either case, and so are beneficiary and result; what a failed task
gives back goes to whoever paid. Source: PoCo 6.x, ``sponsorMatchOrders``: the caller's stake pays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.orders.model import MatchOrders, SponsorMatch
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub
from poolhand.requester.checking import demand_free_stake
from poolhand.requester.spending_wallet import BegunPurchase, OpenWallet, SpendingWallet


class BadSponsor(Refused):
    """The sponsor cannot be the one that was named."""


class PayerChanged(Refused):
    """A purchase was begun that somebody else was to pay for."""

    def __init__(self, begun: Address, now: Address) -> None:
        super().__init__(
            f"this purchase was begun and {begun} was to pay for it, whose transaction may be "
            f"under way; now {now} would: run it with the same payer (--sponsor {begun}, or none "
            "where that is the buyer), or buy something else"
        )


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays and sends.

    Attributes:
        buyer: Signs the request.
        sponsor: Pays and sends; None: the buyer does.
    """

    buyer: Address
    sponsor: SpendingWallet | None = None

    def __post_init__(self) -> None:
        """Refuse a sponsor who is the buyer; raises BadSponsor."""
        if self.sponsor is not None and self.sponsor.address == self.buyer:
            raise BadSponsor(
                f"{self.buyer} buys and would sponsor: leave the sponsor out, for it pays anyway"
            )

    @property
    def address(self) -> Address:
        """Whose stake pays."""
        return self.buyer if self.sponsor is None else self.sponsor.address

    @asynccontextmanager
    async def opened(self, spending: OpenWallet) -> AsyncIterator[OpenWallet]:
        """Open the wallet that pays; the buyer's is open already.

        Raises:
            WalletInUse, JournalCorrupt, ChainUnreachable: The sponsor's cannot be opened.
        """
        if self.sponsor is None:
            yield spending
            return
        async with self.sponsor.open() as paying:
            yield paying

    def match(self, orders: MatchOrders) -> MatchOrders | SponsorMatch:
        """Return the call that makes the deal."""
        return orders if self.sponsor is None else SponsorMatch(orders)

    def check_same(self, begun: BegunPurchase) -> None:
        """Refuse to go on with what another was to pay for; raises PayerChanged."""
        before = begun.sponsor or self.buyer
        if before != self.address:
            raise PayerChanged(before, self.address)

    async def demand(self, hub: Hub, whole: NanoRlc, *, deposits: bool) -> None:
        """Refuse a sponsor who cannot pay, before anything is signed.

        Args:
            hub: Asked.
            whole: Price of all tasks (nRLC).
            deposits: What lacks is moved from its RLC into its stake first.

        Raises:
            StakeTooLow: Says how much to deposit, or to send.
        """
        if self.sponsor is not None:
            await demand_free_stake(hub, self.address, whole, deposits=deposits)
