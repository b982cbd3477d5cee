"""Kinds of orders: what most lists ask for, without whose order it is.

Open orders that are alike in all that lists are narrowed by, but for who sells or buys and how much
remains, are of one kind; a book of very many orders has few. So how many orders a list shows is
the sum over the kinds that it shows, which the store counts as orders come and go.
"""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.domain.market.book import Traits
from poolhand.domain.market.filters import FILTER_PARTIES, OWN_PARTIES
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag


@dataclass(frozen=True, slots=True)
class OrderKind:
    """What some open orders have in common; None: the party tells them apart."""

    sort: OrderSort
    app: Address | None
    dataset: Address | None
    workerpool: Address | None
    requester: Address | None
    category: int
    trust: int
    tag: Tag
    is_bulk: bool


def kind_of(traits: Traits) -> OrderKind:
    """Return an order's kind."""
    own = OWN_PARTIES[traits.sort]
    parties = {
        name: None if name in own else getattr(traits, name)
        for name in FILTER_PARTIES
        if name != "beneficiary"
    }
    return OrderKind(
        traits.sort,
        **parties,
        category=traits.category,
        trust=traits.trust,
        tag=traits.tag_unnamed,
        is_bulk=traits.is_bulk,
    )
