"""The cheapest orders that make a deal, and of each that makes none the rule that it breaks.

The rules are the contract's (``matching.terms_unmet``), and two of the buyer's: enough tasks are
left, and one task does not cost too much. Owners, signatures and stakes are asked of the chain once
a choice is made: a market has looked at them before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Any, Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.orders.matching import Facts, terms_unmet
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    DatasetOrder,
    MatchOrders,
    RequestOrder,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.units import NanoRlc, show_rlc

AnySold: TypeAlias = Signed[AppOrder] | Signed[DatasetOrder] | Signed[WorkerpoolOrder]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that somebody sells by.

    Attributes:
        signed: The order; without a signature where its buyer is going to sign it himself.
        left: Tasks that it has left.
    """

    signed: AnySold
    left: int

    @property
    def price(self) -> NanoRlc:
        """Of one task (nRLC)."""
        return self.signed.order.price

    @property
    def resource(self) -> Address:
        """What is sold."""
        order = self.signed.order
        match order:
            case AppOrder():
                return order.app
            case DatasetOrder():
                return order.dataset
            case WorkerpoolOrder():
                return order.workerpool

    @property
    def kind(self) -> str:
        """``app``, ``dataset`` or ``pool``."""
        return _KINDS[type(self.signed.order)]


_KINDS: Final[dict[type, str]] = {AppOrder: "app", DatasetOrder: "dataset", WorkerpoolOrder: "pool"}


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is for sale: of each kind the orders that were found."""

    apps: tuple[Candidate, ...]
    datasets: tuple[Candidate, ...]
    pools: tuple[Candidate, ...]

    def combinations(self) -> list[Offer]:
        """Return every combination, cheapest first."""
        every = product(self.apps, self.datasets, self.pools)
        return sorted((Offer(*each) for each in every), key=lambda offer: offer.price)


@dataclass(frozen=True, slots=True)
class Offer:
    """Three orders that a request may be matched with."""

    app: Candidate
    dataset: Candidate
    pool: Candidate

    @property
    def price(self) -> NanoRlc:
        """What one task costs in all (nRLC)."""
        return NanoRlc(self.app.price + self.dataset.price + self.pool.price)

    def orders(self, request: Signed[RequestOrder]) -> MatchOrders:
        """Return the call that makes a deal of them."""
        app: Any = self.app.signed
        dataset: Any = self.dataset.signed
        pool: Any = self.pool.signed
        return MatchOrders(app, dataset, pool, request)


@dataclass(frozen=True, slots=True)
class Want:
    """What a buyer asks for.

    Attributes:
        request: Unsigned; its prices are not looked at.
        most: What one task may cost in all (nRLC); None: anything.
    """

    request: RequestOrder
    most: NanoRlc | None = None


NO_DATASET: Final = Candidate(Signed(NO_DATASET_ORDER, b""), 2**256)
"""Stands in the shelf where none is bought."""


def fitting(want: Want, shelf: Shelf, facts: Facts) -> Iterator[Offer]:
    """Yield the offers that fit, cheapest first."""
    for offer in shelf.combinations():
        if next(broken(want, offer, facts), None) is None:
            yield offer


def broken(want: Want, offer: Offer, facts: Facts) -> Iterator[str]:
    """Yield the rules that an offer breaks, as sentences: what is wrong, who must act and how."""
    asked = replace(
        want.request,
        app_max_price=offer.app.price,
        dataset_max_price=offer.dataset.price,
        workerpool_max_price=offer.pool.price,
    )
    for unmet in terms_unmet(offer.orders(Signed(asked, b"")), facts):
        yield unmet.sentence
    for each in (offer.app, offer.dataset, offer.pool):
        if each.left < asked.volume:
            yield (
                f"its {each.kind} order has {each.left} tasks left of the {asked.volume} wanted: "
                "the requester must ask for fewer --tasks"
            )
    if want.most is not None and offer.price > want.most:
        yield (
            f"one task costs {show_rlc(offer.price)} RLC, over the limit of "
            f"{show_rlc(want.most)}: the requester must raise --max-price, or take a smaller "
            "category"
        )


@dataclass(frozen=True, slots=True)
class UnfitCandidate:
    """An order that is in no offer that fits, and what hinders the best one that it is in."""

    candidate: Candidate
    why: tuple[str, ...]


def rejected(want: Want, shelf: Shelf, facts: Facts) -> tuple[UnfitCandidate, ...]:
    """Return the orders for sale that make no deal, each with the rules that it breaks.

    A rule that every offer breaks alike is told of every order.
    """
    offers = [(offer, tuple(broken(want, offer, facts))) for offer in shelf.combinations()]
    found = []
    for each in chain(shelf.apps, shelf.datasets, shelf.pools):
        known = [why for offer, why in offers if each in (offer.app, offer.dataset, offer.pool)]
        least = min(known, key=len, default=())
        if least and each is not NO_DATASET:
            found.append(UnfitCandidate(each, least))
    return tuple(found)
