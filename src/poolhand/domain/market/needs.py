"""What an open request needs of the book: an app order it can use, and a dataset order.

The pool it names needs none. Only the cheapest order that it can use is held against what it pays.

Source: market API 7, services-api-2.md A.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.market.filters import BookFilter, usable_by
from poolhand.domain.market.refusals import MaxPriceTooLow, NothingForRequest
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.tag import Tag
from poolhand.domain.units import NanoRlc

TEE: Final = Tag.of(["tee"])
BestPrice: TypeAlias = Callable[[BookFilter], NanoRlc | None]
"""Tells the lowest price of the open orders that a filter shows; None when it shows none."""


@dataclass(frozen=True, slots=True)
class RequestNeed:
    """Orders of which a request needs one, and what it pays for that."""

    usable: BookFilter
    resource: Address
    most: NanoRlc

    @property
    def sort(self) -> OrderSort:
        """App or dataset."""
        return self.usable.sort

    def check(self, best: NanoRlc | None) -> None:
        """Check the lowest price of the usable orders.

        Raises:
            NothingForRequest: There is none.
            MaxPriceTooLow: It costs too much.
        """
        if best is None:
            tee = self.usable.min_tag is not None
            raise NothingForRequest(self.sort, self.resource, tee=tee)
        if best > self.most:
            raise MaxPriceTooLow(self.sort, self.resource, best)


def app_tag(tag: Tag) -> Tag | None:
    """Return what an app's order must have in its tag to serve a request with this one.

    Without an enclave there is no deal of a request for one, whatever else fits.

    Source: onchain.md 12, 0x07.
    """
    return TEE if tag.needs_tee else None


def needs_of(request: RequestOrder) -> Iterator[RequestNeed]:
    """Yield what a request needs, the app first."""
    app = BookFilter(
        OrderSort.APP,
        {
            "app": (request.app,),
            "dataset": usable_by(request.dataset),
            "workerpool": usable_by(request.workerpool),
            "requester": usable_by(request.requester),
        },
        min_tag=app_tag(request.tag),
    )
    yield RequestNeed(app, request.app, request.app_max_price)
    if request.dataset.is_zero:
        return
    dataset = BookFilter(
        OrderSort.DATASET,
        {
            "dataset": (request.dataset,),
            "app": usable_by(request.app),
            "workerpool": usable_by(request.workerpool),
            "requester": usable_by(request.requester),
        },
    )
    yield RequestNeed(dataset, request.dataset, request.dataset_max_price)


def check_needs(request: RequestOrder, best: BestPrice) -> None:
    """Check that the book has what a request needs.

    Raises:
        NothingForRequest: It has not.
        MaxPriceTooLow: It has, for more than the request pays.
    """
    for need in needs_of(request):
        need.check(best(need.usable))
