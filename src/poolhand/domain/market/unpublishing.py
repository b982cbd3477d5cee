"""Taking orders out of the book: one by its hash, a signer's newest for a resource, or all.

Source: market API 7, services-api.md 2.2 and services-api-2.md A.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.market.refusals import NothingToUnpublish, NotOrderSigner, OrderNotPublished
from poolhand.domain.market_events import OrderSort


class UnpublishTarget(StrEnum):
    """Which orders are meant."""

    ONE = "unpublish_orderHash"
    LAST = "unpublish_last"
    ALL = "unpublish_all"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What somebody who proved to be ``by`` wants out of the book.

    Attributes:
        order_hash: Of the one order; else None.
        resource: Of the last or all; else None.
    """

    sort: OrderSort
    target: UnpublishTarget
    by: Address
    order_hash: OrderHash | None = None
    resource: Address | None = None


def check_one(asked: Withdrawal, known: BookOrder | None) -> OrderHash:
    """Return the hash of the order to take out.

    Args:
        asked: With a hash.
        known: The order of that hash and sort, if it is in the book.

    Raises:
        OrderNotPublished: It is not, or is not open.
        NotOrderSigner: It is somebody else's.
    """
    assert asked.order_hash is not None
    if known is None or known.status is not BookStatus.OPEN:
        raise OrderNotPublished(asked.sort, asked.order_hash)
    if known.signer != asked.by:
        raise NotOrderSigner(known.signer, "unpublish")
    return known.order_hash


def check_several(asked: Withdrawal, newest_first: tuple[OrderHash, ...]) -> tuple[OrderHash, ...]:
    """Return the hashes of the orders to take out, newest first.

    Args:
        asked: With a resource.
        newest_first: The signer's open orders for it.

    Raises:
        NothingToUnpublish: There are none.
    """
    assert asked.resource is not None
    if not newest_first:
        raise NothingToUnpublish(asked.sort, asked.by, asked.resource)
    return newest_first[:1] if asked.target is UnpublishTarget.LAST else newest_first
