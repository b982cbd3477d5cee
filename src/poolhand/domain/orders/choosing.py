"""The cheapest orders that make a deal, and of each that makes none the rule that it breaks.

The rules are the contract's (``matching.terms_unmet``), and two of the buyer's: enough tasks are
left, and one task does not cost too much. Owners, signatures and stakes are asked of the chain once
a choice is made: a market has looked at them before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, product
from operator import and_
from typing import Any, Final, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.orders import groups
from poolhand.domain.orders.groups import Membership
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
from poolhand.domain.tag import NO_TAG, Tag
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

    def combinations(self) -> list[Bundle]:
        """Return every combination, cheapest first."""
        every = product(self.apps, self.datasets, self.pools)
        return sorted((Bundle(*each) for each in every), key=lambda bundle: bundle.price)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Three orders that a request may be matched with."""

    app: Candidate
    dataset: Candidate
    pool: Candidate

    @property
    def parts(self) -> tuple[Candidate, Candidate, Candidate]:
        """All three."""
        return self.app, self.dataset, self.pool

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
        request: What is asked for.
        tasks: That every order must have left.
        most: What one task may cost in all (nRLC); None: anything.
        is_signed: Whether the prices in the request are what it pays; else they follow the bundle.
    """

    request: RequestOrder
    tasks: int
    most: NanoRlc | None = None
    is_signed: bool = False

    def asked(self, bundle: Bundle) -> RequestOrder:
        """Return the request as it would be matched with a bundle."""
        if self.is_signed:
            return self.request
        return replace(
            self.request,
            app_max_price=bundle.app.price,
            dataset_max_price=bundle.dataset.price,
            workerpool_max_price=bundle.pool.price,
        )


def shared_tag(wished: Tag, apps: Iterable[Candidate], datasets: Iterable[Candidate]) -> Tag:
    """Return what is in the tag of every deal that these orders can make with a request.

    A pool that lacks any of it serves none of them. Frameworks that a dataset asks for are left
    out: not every hub counts them (``matching.deal_tag``).

    Args:
        wished: The request's tag.
        apps: What it may be matched with.
        datasets: The same; ``WITHOUT_DATASET`` where it wants none.
    """
    masked = _in_all(each.signed.order.tag for each in datasets).without_frameworks()
    return wished.union(_in_all(each.signed.order.tag for each in apps), masked)


def _in_all(tags: Iterable[Tag]) -> Tag:
    bits = [tag.bits for tag in tags]
    return Tag(reduce(and_, bits).to_bytes(32, "big")) if bits else NO_TAG


WITHOUT_DATASET: Final = Candidate(Signed(NO_DATASET_ORDER, b""), 2**256)
"""Stands in the shelf where none is bought."""


def in_question(want: Want, shelf: Shelf) -> frozenset[Membership]:
    """Return on which memberships of groups it hangs what of a shelf fits."""
    every = (each.orders(Signed(want.asked(each), b"")) for each in shelf.combinations())
    return frozenset(asked for orders in every for asked in groups.in_question(orders))


def fitting(want: Want, shelf: Shelf, facts: Facts) -> Iterator[Bundle]:
    """Yield the bundles that fit, cheapest first."""
    for bundle in shelf.combinations():
        if next(broken(want, bundle, facts), None) is None:
            yield bundle


def broken(want: Want, bundle: Bundle, facts: Facts) -> Iterator[str]:
    """Yield the rules that a bundle breaks, as sentences: what is wrong, who must act and how."""
    for unmet in terms_unmet(bundle.orders(Signed(want.asked(bundle), b"")), facts):
        yield unmet.sentence
    for each in bundle.parts:
        if each.left < want.tasks:
            yield (
                f"its {each.kind} order has {each.left} tasks left of the {want.tasks} wanted: "
                "the requester must ask for fewer --tasks"
            )
    if want.most is not None and bundle.price > want.most:
        yield (
            f"one task costs {show_rlc(bundle.price)} RLC, over the limit of "
            f"{show_rlc(want.most)}: the requester must raise --max-price, or take a smaller "
            "category"
        )


@dataclass(frozen=True, slots=True)
class UnfitCandidate:
    """An order that is in no bundle that fits, and what hinders the best one that it is in."""

    candidate: Candidate
    why: tuple[str, ...]


def rejected(want: Want, shelf: Shelf, facts: Facts) -> tuple[UnfitCandidate, ...]:
    """Return the orders for sale that make no deal, each with the rules that it breaks.

    A rule that every bundle breaks alike is told of every order.
    """
    bundles = [(bundle, tuple(broken(want, bundle, facts))) for bundle in shelf.combinations()]
    found = []
    for each in chain(shelf.apps, shelf.datasets, shelf.pools):
        known = [why for bundle, why in bundles if each in bundle.parts]
        least = min(known, key=len, default=())
        if least and each is not WITHOUT_DATASET:
            found.append(UnfitCandidate(each, least))
    return tuple(found)
