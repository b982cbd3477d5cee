"""One order in the book: what was signed, who signed it, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    Order,
    RequestOrder,
    WorkerpoolOrder,
)
from poolhand.domain.orders.simulated_tee import sells_simulated_enclaves
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc

LARGEST_SAFE_NUMBER: Final = 2**53 - 1
"""The largest number that JavaScript writes exactly; no order of the book has a larger one."""
BULK_VOLUME: Final = LARGEST_SAFE_NUMBER - 1
"""A dataset order that is free and so often for sale is one for bulks."""


class BookStatus(StrEnum):
    """How an order of the book stands.

    ``DEAD`` ones could not be matched when the chain was looked at; they may be published again.
    """

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    DEAD = "dead"


ORDER_CLASSES: Final[Mapping[OrderSort, type]] = {
    OrderSort.APP: AppOrder,
    OrderSort.DATASET: DatasetOrder,
    OrderSort.WORKERPOOL: WorkerpoolOrder,
    OrderSort.REQUEST: RequestOrder,
}
"""The class of each sort of order."""
_SORT_OF: Final = {kind: sort for sort, kind in ORDER_CLASSES.items()}


@dataclass(frozen=True, slots=True)
class Traits:
    """What an order is found and sorted by, named alike for all four sorts.

    Attributes:
        app, dataset, workerpool, requester: What is sold or wanted, or to what it is restricted;
            zero: to nothing.
        beneficiary: Of a request; else zero.
        price: Per task (nRLC); of a request what its pool may cost.
        rank: Lists begin with the lowest: the price, or of a request its negative.
        covered: What each remaining task needs of the signer's stake (nRLC).
        tag_unnamed: The tag by which a list shows it that names none of those whose it is.
    """

    sort: OrderSort
    app: Address
    dataset: Address
    workerpool: Address
    requester: Address
    beneficiary: Address
    price: NanoRlc
    rank: int
    covered: NanoRlc
    volume: int
    tag: Tag
    tag_unnamed: Tag
    category: int = 0
    trust: int = 0

    @property
    def resource(self) -> Address:
        """What is sold; of a request, who buys."""
        return {
            OrderSort.APP: self.app,
            OrderSort.DATASET: self.dataset,
            OrderSort.WORKERPOOL: self.workerpool,
            OrderSort.REQUEST: self.requester,
        }[self.sort]

    @property
    def is_bulk(self) -> bool:
        """Whether it is a dataset order that bulks can use."""
        is_free = self.price == 0 and self.volume >= BULK_VOLUME
        return self.sort is OrderSort.DATASET and is_free


@dataclass(frozen=True, slots=True)
class BookOrder:
    """An order as it stands in the book.

    Attributes:
        sign: The signature, as it came.
        published: Milliseconds since 1970; kept when a dead order is published again.
    """

    order_hash: OrderHash
    order: Order
    sign: bytes
    signer: Address
    status: BookStatus
    remaining: int
    published: int

    @property
    def sort(self) -> OrderSort:
        """Which of the four."""
        return sort_of(self.order)


def sort_of(order: Order) -> OrderSort:
    """Return which of the four an order is."""
    return _SORT_OF[type(order)]


def traits_of(order: Order) -> Traits:
    """Return what an order is found by."""
    match order:
        case AppOrder():
            return _sold(
                OrderSort.APP,
                order,
                app=order.app,
                dataset=order.dataset_restrict,
                workerpool=order.workerpool_restrict,
                requester=order.requester_restrict,
            )
        case DatasetOrder():
            return _sold(
                OrderSort.DATASET,
                order,
                app=order.app_restrict,
                dataset=order.dataset,
                workerpool=order.workerpool_restrict,
                requester=order.requester_restrict,
            )
        case WorkerpoolOrder():
            return _sold(
                OrderSort.WORKERPOOL,
                order,
                app=order.app_restrict,
                dataset=order.dataset_restrict,
                workerpool=order.workerpool,
                requester=order.requester_restrict,
            )
        case RequestOrder():
            return _wanted(order)


def _sold(
    sort: OrderSort, order: AppOrder | DatasetOrder | WorkerpoolOrder, **addresses: Address
) -> Traits:
    is_pool = isinstance(order, WorkerpoolOrder)
    is_simulated = sells_simulated_enclaves(order)
    return Traits(
        sort=sort,
        **addresses,
        beneficiary=ZERO_ADDRESS,
        price=order.price,
        rank=order.price,
        covered=scheduler_stake(order.price) if is_pool else NanoRlc(0),
        volume=order.volume,
        tag=order.tag,
        tag_unnamed=order.tag.without_enclaves() if is_simulated else order.tag,
        category=order.category if isinstance(order, WorkerpoolOrder) else 0,
        trust=order.trust if isinstance(order, WorkerpoolOrder) else 0,
    )


def _wanted(order: RequestOrder) -> Traits:
    price = order.app_max_price + order.dataset_max_price + order.workerpool_max_price
    return Traits(
        sort=OrderSort.REQUEST,
        app=order.app,
        dataset=order.dataset,
        workerpool=order.workerpool,
        requester=order.requester,
        beneficiary=order.beneficiary,
        price=order.workerpool_max_price,
        rank=-order.workerpool_max_price,
        covered=NanoRlc(price),
        volume=order.volume,
        tag=order.tag,
        tag_unnamed=order.tag,
        category=order.category,
        trust=order.trust,
    )


def stake_needed(order: Order, remaining: int) -> NanoRlc:
    """Return what the signer's free stake must be for all that remains (nRLC).

    Of a pool's order floor(price × 30 / 100) per task, then × remaining; of a request the sum of
    its three highest prices × remaining; of the others nothing.

    Source: market API 7, services-api-2.md A.5 and A.7.
    """
    return NanoRlc(traits_of(order).covered * remaining)
