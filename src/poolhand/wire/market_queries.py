"""What can be asked of lists: each parameter once, for the reader and for the OpenAPI document.

Source: market API 7, services-api.md 2.4 and services-api-2.md A.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import LARGEST_SAFE_NUMBER
from poolhand.domain.market.filters import (
    LEAST_PAGE_SIZE,
    MOST_PAGE_SIZE,
    Allowed,
    BookFilter,
    Slice,
    restricted_to,
)
from poolhand.domain.market.refusals import BadParameter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.wire import market_forms as forms
from poolhand.wire.json_models import Schema
from poolhand.wire.market_schemas import (
    ADDRESS_OR_ANY,
    FLAG_SCHEMA,
    TEXT_SCHEMA,
    WORD_SCHEMA,
    whole_schema,
)

AskedParameters: TypeAlias = Mapping[str, str]
"""A query as it came; unknown names are passed over."""
DEFAULT_SIZE: Final = 20
MOST_SKIP: Final = 2**62
"""No list is so long; a larger number is none for a database."""


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One parameter, for the OpenAPI document: its name, what it means, and its form."""

    name: str
    meaning: str
    form: Schema = field(default_factory=lambda: TEXT_SCHEMA)
    required: bool = False

    def described(self) -> dict[str, Any]:
        """Return it as OpenAPI has it; an empty one is none, for forms of pages send those."""
        return {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "allowEmptyValue": not self.required,
            "description": self.meaning,
            "schema": self.form,
        }


def _restriction(name: str) -> tuple[QueryParameter, ...]:
    strict = f"is{name.capitalize()}Strict"
    told = (
        f"orders that this {name} can use; `any`: whatever their restriction; absent: only orders "
        "without one"
    )
    return (
        QueryParameter(name, told, ADDRESS_OR_ANY),
        QueryParameter(strict, f"only orders restricted to `{name}`", FLAG_SCHEMA),
    )


CHAIN_ID_PARAMETER: Final = QueryParameter(
    "chainId", "the chain; this market has one", required=True
)


def paging(most: int = MOST_PAGE_SIZE) -> tuple[QueryParameter, ...]:
    """Return the parameters of a list of which a page has ``most`` rows at most."""
    return (
        QueryParameter("pageIndex", "which page, from 0", whole_schema()),
        QueryParameter(
            "pageSize", "rows of a page, default 20", whole_schema(LEAST_PAGE_SIZE, most)
        ),
        QueryParameter("page", "rows to pass over: the `nextPage` of an answer", whole_schema()),
    )


PAGING: Final = paging()
_TAGS: Final = (
    QueryParameter("minTag", "bits that an order's tag must have", WORD_SCHEMA),
    QueryParameter("maxTag", "bits that it may have", WORD_SCHEMA),
)
_VOLUME: Final = QueryParameter("minVolume", "tasks that must remain", whole_schema(1))
_SIGNER: Final = "who signed the orders; `any`: whoever"
_CATEGORY: Final = QueryParameter("category", "number of the category", whole_schema())

RESTRICTIONS: Final[Mapping[OrderSort, tuple[str, ...]]] = {
    OrderSort.APP: ("dataset", "workerpool", "requester"),
    OrderSort.DATASET: ("app", "workerpool", "requester"),
    OrderSort.WORKERPOOL: ("app", "dataset", "requester"),
    OrderSort.REQUEST: ("workerpool",),
}
EQUALS: Final[Mapping[OrderSort, tuple[str, ...]]] = {
    OrderSort.APP: ("app",),
    OrderSort.DATASET: ("dataset",),
    OrderSort.WORKERPOOL: ("workerpool",),
    OrderSort.REQUEST: ("app", "dataset", "requester", "beneficiary"),
}
LIST_PARAMETERS: Final[Mapping[OrderSort, tuple[QueryParameter, ...]]] = {
    sort: (
        CHAIN_ID_PARAMETER,
        *(
            QueryParameter(name, f"the {name}; `any`: whichever", ADDRESS_OR_ANY)
            for name in EQUALS[sort]
        ),
        *(
            ()
            if sort is OrderSort.REQUEST
            else (QueryParameter(f"{sort.value}Owner", _SIGNER, ADDRESS_OR_ANY),)
        ),
        *(each for name in RESTRICTIONS[sort] for each in _restriction(name)),
        *_TAGS,
        _VOLUME,
        *{
            OrderSort.APP: (),
            OrderSort.DATASET: (
                QueryParameter("bulkOnly", "free ones without limit", FLAG_SCHEMA),
            ),
            OrderSort.WORKERPOOL: (
                _CATEGORY,
                QueryParameter("minTrust", "trust, or more", whole_schema()),
            ),
            OrderSort.REQUEST: (
                _CATEGORY,
                QueryParameter("maxTrust", "trust, or less", whole_schema()),
            ),
        }[sort],
        *PAGING,
    )
    for sort in OrderSort
}
"""What each collection can be asked for."""


def list_filter(sort: OrderSort, asked: AskedParameters) -> BookFilter:
    """Read the filter of a list.

    Raises:
        BadParameter: The first parameter that cannot be read.
    """
    whose = f"{sort.value}Owner"
    if sort in (OrderSort.APP, OrderSort.DATASET) and not (
        asked.get(sort.value) or asked.get(whose)
    ):
        raise BadParameter(f"{sort.value} or {whose} is required")
    least_tag, least_trust = _tag(asked, "minTag"), _whole(asked, "minTrust")
    is_pool, is_request = sort is OrderSort.WORKERPOOL, sort is OrderSort.REQUEST
    return BookFilter(
        sort=sort,
        parties={**_equal(sort, asked), **_restricted(sort, asked)},
        signer=None if is_request else _signer(asked, whose),
        category=_whole(asked, "category") if is_pool or is_request else None,
        min_tag=None if least_tag == NO_TAG else least_tag,
        max_tag=_tag(asked, "maxTag"),
        min_volume=_whole(asked, "minVolume", 1),
        min_trust=least_trust if is_pool and least_trust and least_trust > 1 else None,
        max_trust=_whole(asked, "maxTrust") if is_request else None,
        bulk_only=sort is OrderSort.DATASET and bool(_flag(asked, "bulkOnly")),
    )


def _equal(sort: OrderSort, asked: AskedParameters) -> dict[str, Allowed]:
    found = {
        name: forms.address_or_any(name, asked[name]) for name in EQUALS[sort] if asked.get(name)
    }
    return {name: (each,) for name, each in found.items() if each is not None}


def _restricted(sort: OrderSort, asked: AskedParameters) -> dict[str, Allowed]:
    found: dict[str, Allowed] = {}
    for name in RESTRICTIONS[sort]:
        strict = bool(_flag(asked, f"is{name.capitalize()}Strict"))
        text = asked.get(name)
        if text != forms.ANY:
            given = forms.address_or_any(name, text) if text else None
            found[name] = restricted_to(given, strict=strict)
    return found


def page(asked: AskedParameters, most: int = MOST_PAGE_SIZE) -> Slice:
    """Read which part of a list is wanted, ``most`` rows at most.

    Raises:
        BadParameter: A number that cannot be read, or is none of a page.
    """
    index, size = _whole(asked, "pageIndex"), _whole(asked, "pageSize", LEAST_PAGE_SIZE, most)
    if index is None and size is None:
        return Slice(min(_whole(asked, "page") or 0, MOST_SKIP), DEFAULT_SIZE)
    rows = size or DEFAULT_SIZE
    return Slice(min((index or 0) * rows, MOST_SKIP), rows)


DEAL_ADDRESSES: Final[Mapping[str, str]] = {
    "requester": "requester",
    "beneficiary": "beneficiary",
    "app": "app",
    "dataset": "dataset",
    "workerpool": "workerpool",
    "appOwner": "app_owner",
    "datasetOwner": "dataset_owner",
    "workerpoolOwner": "workerpool_owner",
}
DEAL_HASHES: Final[Mapping[str, str]] = {
    "apporderHash": "app_order",
    "datasetorderHash": "dataset_order",
    "workerpoolorderHash": "workerpool_order",
    "requestorderHash": "request_order",
}
DEAL_PARAMETERS: Final = (
    CHAIN_ID_PARAMETER,
    _CATEGORY,
    *(QueryParameter(name, "an address of the deal", ADDRESS_OR_ANY) for name in DEAL_ADDRESSES),
    *(
        QueryParameter(name, "hash of an order that was matched", WORD_SCHEMA)
        for name in DEAL_HASHES
    ),
    *PAGING,
)
CATEGORY_PARAMETERS: Final = (
    CHAIN_ID_PARAMETER,
    QueryParameter(
        "minWorkClockTimeRef", "least reference time, itself included (seconds)", whole_schema()
    ),
    QueryParameter("maxWorkClockTimeRef", "most, itself included (seconds)", whole_schema()),
    *PAGING,
)


def deal_filter(asked: AskedParameters) -> dict[str, str | int]:
    """Read which deals are wanted: what they must have, by column.

    Raises:
        BadParameter: The first parameter that cannot be read.
    """
    found: dict[str, str | int] = {}
    for name, column in DEAL_ADDRESSES.items():
        if asked.get(name):
            given = forms.address_or_any(name, asked[name])
            found |= {} if given is None else {column: "0x" + given.hex()}
    for name, column in DEAL_HASHES.items():
        if asked.get(name):
            found[column] = "0x" + forms.word(OrderHash, name, asked[name]).hex()
    category = _whole(asked, "category")
    return found if category is None else {**found, "category": category}


def time_bounds(asked: AskedParameters) -> tuple[int | None, int | None]:
    """Read the bounds of categories (seconds).

    Raises:
        BadParameter: One is no number.
    """
    return _whole(asked, "minWorkClockTimeRef"), _whole(asked, "maxWorkClockTimeRef")


def _signer(asked: AskedParameters, name: str) -> Address | None:
    text = asked.get(name)
    return forms.address(name, text) if text and text != forms.ANY else None


def _whole(
    asked: AskedParameters, name: str, least: int = 0, most: int = LARGEST_SAFE_NUMBER
) -> int | None:
    text = asked.get(name)
    return forms.whole(name, text, least, most) if text else None


def _tag(asked: AskedParameters, name: str) -> Tag | None:
    text = asked.get(name)
    return forms.word(Tag, name, text) if text else None


def _flag(asked: AskedParameters, name: str) -> bool | None:
    text = asked.get(name)
    return forms.flag(name, text) if text else None
