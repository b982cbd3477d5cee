"""Why the market refuses: texts word for word those of iExec's market, which its clients know.

A person reads them through the SDK, and programs compare them: so they are not ours to better. How
each comes about, and what to do, is in ``docs/how-to/run-a-market.md``. Only ``BookFull`` is ours:
iExec's book has no such rule.

Source: iExec market API 7.1.2, as its own and the SDK's tests assert them.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc, Seconds


class BadParameter(Refused):
    """A parameter or a member of the body is missing or has another form."""


class MarketRule(Refused):
    """A rule of the book is broken; nothing was changed."""

    http_status = 403


class NotInMarket(Refused):
    """The market has no such order, deal or category."""

    http_status = 404

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")


class InvalidAuthorization(MarketRule):
    """The header is missing, or does not prove who asks: one text for every reason."""

    def __init__(self) -> None:
        super().__init__("invalid authorization")


class OrderAlreadyPublished(MarketRule):
    """It is in the book, open, filled or cancelled."""

    def __init__(self) -> None:
        super().__init__("order already published")


class ResourceNotDeployed(MarketRule):
    """No registry of this hub knows what is sold."""

    def __init__(self) -> None:
        super().__init__("Resource not deployed")


class NotOrderSigner(MarketRule):
    """Somebody else than the owner, or requester, acts."""

    def __init__(self, signer: Address, verb: str) -> None:
        super().__init__(f"only order signer {signer} can {verb} an order")


class InvalidSign(MarketRule):
    """The order's signature is not its signer's."""

    def __init__(self) -> None:
        super().__init__("invalid sign")


class TooManyOpenOrders(MarketRule):
    """The signer has as many open orders in this collection as one may have."""

    def __init__(self, most: int, sort: OrderSort, signer: Address) -> None:
        super().__init__(
            f"maximum of {most} published open {collection(sort)} has been reached for "
            f"wallet {signer}"
        )


class OrderConsumed(MarketRule):
    """Nothing is left of it on chain."""

    def __init__(self) -> None:
        super().__init__("order already consumed")


class PoolOwnerStakeTooLow(MarketRule):
    """The pool's owner could not lock what the remaining tasks need."""

    def __init__(self) -> None:
        super().__init__("workerpool owner's stake is too low to cover required workerpool lock")


class RequesterStakeTooLow(MarketRule):
    """The requester could not pay for the remaining tasks."""

    def __init__(self, needed: NanoRlc) -> None:
        super().__init__(
            "requester stake is too low to cover requestorder payment, "
            f"minimum stake required is {needed} nRLC"
        )


class NothingForRequest(MarketRule):
    """No open order sells what the request wants."""

    def __init__(self, sort: OrderSort, resource: Address, *, tee: bool) -> None:
        kind = f"tee enabled {collection(sort)}" if tee else collection(sort)
        super().__init__(f"No {kind} published for {sort.value} {resource}")


class MaxPriceTooLow(MarketRule):
    """The cheapest order that fits costs more than the request pays."""

    def __init__(self, sort: OrderSort, resource: Address, best: NanoRlc) -> None:
        super().__init__(
            f"{sort.value}maxprice for {sort.value} {resource} is too low, "
            f"actual best price is {best} nRLC"
        )


class BookFull(MarketRule):
    """The book holds as many requests as it may, and none of them gives way to this one.

    Args:
        most: How many that is.
        least: What the one that would go first offers for each task (nRLC).
        wait: Until it gives way to an offer as high as its own; None: it offers more.
    """

    def __init__(self, most: int, least: NanoRlc, wait: Seconds | None) -> None:
        later = "" if wait is None else f", try again in {wait} s"
        super().__init__(
            f"the book is full: it has room for {most} requests, and all of them offer "
            f"{least} nRLC per task or more (app, dataset and workerpool price together): "
            f"offer more{later}, or hand the request to its pool by signature"
        )


class OrderNotPublished(MarketRule):
    """There is no open order of this hash."""

    def __init__(self, sort: OrderSort, name: OrderHash) -> None:
        super().__init__(f"{collection(sort)} with orderHash {name} is not published")


class NothingToUnpublish(MarketRule):
    """The signer has no open order for the resource."""

    def __init__(self, sort: OrderSort, signer: Address, resource: Address) -> None:
        super().__init__(
            f"no open {collection(sort)} published by signer {signer} for "
            f"{RESOURCE[sort]} {resource}"
        )


RESOURCE: Final = {
    OrderSort.APP: "app",
    OrderSort.DATASET: "dataset",
    OrderSort.WORKERPOOL: "workerpool",
    OrderSort.REQUEST: "requester",
}
"""The member by which orders of a sort are unpublished together."""


def collection(sort: OrderSort) -> str:
    """Return what one order of a sort is called: ``apporder``."""
    return f"{sort.value}order"
