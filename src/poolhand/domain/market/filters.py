"""Which orders a list shows, in which order: filters with iExec's exact meaning.

A filter says of each address what it may be; what a parameter that is absent, ``any`` or strict
means is decided once, by ``restricted_to``. The store asks a database the same (a property test
holds both against each other).

Source: market API 7, services-api.md 2.4 and services-api-2.md A.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.book import BookOrder, BookStatus, Traits, traits_of
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag

Allowed: TypeAlias = tuple[Address, ...]
"""What an address of an order may be."""

FILTER_PARTIES: Final = ("app", "dataset", "workerpool", "requester", "beneficiary")
"""The addresses of an order by which lists are narrowed."""
OWN_PARTIES: Final[Mapping[OrderSort, tuple[str, ...]]] = {
    OrderSort.APP: ("app", "beneficiary"),
    OrderSort.DATASET: ("dataset", "beneficiary"),
    OrderSort.WORKERPOOL: ("workerpool", "beneficiary"),
    OrderSort.REQUEST: ("requester", "beneficiary"),
}
"""The parties that tell orders of one kind apart: lists of one of them are short."""
LEAST_PAGE_SIZE: Final = 10
MOST_PAGE_SIZE: Final = 1000
"""Rows of one page of a list."""


def usable_by(address: Address) -> Allowed:
    """Return what a restriction may be for somebody to be let through it."""
    return (ZERO_ADDRESS,) if address.is_zero else (ZERO_ADDRESS, address)


@dataclass(frozen=True, slots=True)
class BookFilter:
    """Narrows a list; what is left at its default does not.

    Attributes:
        parties: By name of ``FILTER_PARTIES``: what that address of the order may be.
        signer: Whose orders.
        min_tag: All of these bits are set in the order's tag.
        max_tag: No others are.
        min_volume: At least so many tasks remain.
        bulk_only: Free dataset orders without limit.
    """

    sort: OrderSort
    parties: Mapping[str, Allowed] = field(default_factory=dict)
    signer: Address | None = None
    category: int | None = None
    min_tag: Tag | None = None
    max_tag: Tag | None = None
    min_volume: int | None = None
    min_trust: int | None = None
    max_trust: int | None = None
    bulk_only: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a list: ``size`` rows after the first ``skip``."""

    skip: int
    size: int

    def next(self, found: int) -> int | None:
        """Return where the next part begins, None when this one was not full.

        The last of several full parts announces one more, which is empty: iExec's does.
        """
        return self.skip + self.size if found == self.size else None


def restricted_to(address: Address | None, *, strict: bool) -> Allowed:
    """Return what a restriction may be where a list is asked for orders that ``address`` can use.

    Args:
        address: For whom; None: for nobody in particular, so only orders without restriction.
        strict: Leave out those without restriction; ignored where nobody is named.
    """
    if address is None:
        return (ZERO_ADDRESS,)
    return (address,) if strict else (ZERO_ADDRESS, address)


def asks_by_kind(wanted: BookFilter) -> bool:
    """Whether a filter names nobody whose orders are shown: their kinds tell all that it asks."""
    return wanted.signer is None and not any(
        name in wanted.parties for name in OWN_PARTIES[wanted.sort]
    )


def shows(wanted: BookFilter, entry: BookOrder) -> bool:
    """Whether a list with this filter shows an order."""
    traits = traits_of(entry.order)
    return (
        entry.status is BookStatus.OPEN
        and traits.sort is wanted.sort
        and all(getattr(traits, name) in allowed for name, allowed in wanted.parties.items())
        and wanted.signer in (None, entry.signer)
        and wanted.category in (None, traits.category)
        and _has_tag(wanted, traits.tag_unnamed if asks_by_kind(wanted) else traits.tag)
        and _has_amounts(wanted, traits, entry.remaining)
    )


def _has_tag(wanted: BookFilter, tag: Tag) -> bool:
    has_all = wanted.min_tag is None or tag.covers(wanted.min_tag)
    return has_all and (wanted.max_tag is None or wanted.max_tag.covers(tag))


def _has_amounts(wanted: BookFilter, traits: Traits, remaining: int) -> bool:
    return (
        (wanted.min_volume is None or remaining >= wanted.min_volume)
        and (wanted.min_trust is None or traits.trust >= wanted.min_trust)
        and (wanted.max_trust is None or traits.trust <= wanted.max_trust)
        and (traits.is_bulk or not wanted.bulk_only)
    )
