"""What a client asks of a market's lists: the reverse of ``wire.market_queries``.

Source: market API 7, services-api.md 2.4.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.filters import Allowed, BookFilter
from poolhand.domain.market_events import OrderSort
from poolhand.wire.market_forms import ANY
from poolhand.wire.market_queries import EQUALS, RESTRICTIONS

QueryParameters = dict[str, str]


def asked_of(wanted: BookFilter) -> QueryParameters:
    """Return the query that a filter is asked for by: ``list_filter`` reads it back.

    An app or dataset list that names neither what is sold nor whose it is, is refused.
    """
    told = {**_parties(wanted), **_numbers(wanted)}
    if wanted.signer is not None:
        told[f"{wanted.sort.value}Owner"] = str(wanted.signer)
    if wanted.min_tag is not None:
        told["minTag"] = str(wanted.min_tag)
    if wanted.max_tag is not None:
        told["maxTag"] = str(wanted.max_tag)
    return {**told, "bulkOnly": "true"} if wanted.bulk_only else told


def _parties(wanted: BookFilter) -> QueryParameters:
    told: QueryParameters = {}
    for name in EQUALS[wanted.sort]:
        if name in wanted.parties:
            told[name] = str(wanted.parties[name][0])
    for name in RESTRICTIONS[wanted.sort]:
        told |= _restriction(name, wanted.parties.get(name))
    return told


def _restriction(name: str, allowed: Allowed | None) -> QueryParameters:
    if allowed is None:
        return {name: ANY}
    named = _named(allowed)
    if named is None:
        return {}
    strict = {} if ZERO_ADDRESS in allowed else {f"is{name.capitalize()}Strict": "true"}
    return {name: str(named), **strict}


def _named(allowed: Allowed) -> Address | None:
    return next((each for each in allowed if not each.is_zero), None)


_NUMBERS: Final = {
    "category": "category",
    "minVolume": "min_volume",
    "minTrust": "min_trust",
    "maxTrust": "max_trust",
}


def _numbers(wanted: BookFilter) -> QueryParameters:
    found = {name: getattr(wanted, ours) for name, ours in _NUMBERS.items()}
    return {name: str(value) for name, value in found.items() if value is not None}


def path_of(sort: OrderSort) -> str:
    """Return where a collection is."""
    return f"/{sort.value}orders"
