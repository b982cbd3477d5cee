"""The market's public HTTP API, described once in models: what each answer holds.

Member names are iExec's, for its SDK reads them. Prices, volumes and stakes are numbers (nRLC and
tasks), ids 0x-hexadecimal, moments ISO 8601 in UTC with milliseconds. ``chainId`` is a number in
rows of lists and a text in answers to a single hash, as iExec's market has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, WithJsonSchema, create_model

from poolhand.domain.market.book import ORDER_CLASSES
from poolhand.domain.market.challenges import MOST_SIGN
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import STRUCTS
from poolhand.wire.json_models import Told
from poolhand.wire.market_schemas import whole_schema
from poolhand.wire.order_forms import MEMBER_FORMS, signature_form


def _models(base: str, **fields: Any) -> Mapping[OrderSort, type[BaseModel]]:
    return {
        sort: create_model(f"{kind.__name__}{base}", __base__=Told, **_typed(sort, fields))
        for sort, kind in ORDER_CLASSES.items()
    }


def _typed(sort: OrderSort, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: each[sort] if isinstance(each, Mapping) else each for name, each in fields.items()
    }


def several(model: type[BaseModel]) -> Any:
    """Return the definition of a list of models that were made here."""
    return (GenericAlias(list, (model,)), ...)


def _signed(kind: type) -> type[BaseModel]:
    members: dict[str, Any] = {
        name: (_member(solidity, name), ...) for solidity, name in STRUCTS[kind].members
    }
    sign = Annotated[str, WithJsonSchema(signature_form(MOST_SIGN))]
    return create_model(f"Signed{kind.__name__}", __base__=Told, **members, sign=(sign, ...))


def _member(solidity: str, name: str) -> Any:
    if solidity == "uint256":
        return Annotated[int, WithJsonSchema(whole_schema(1 if name == "volume" else 0))]
    return Annotated[str, WithJsonSchema(MEMBER_FORMS[solidity])]


class MarketFault(Told):
    """Any refusal or failure: ``error`` says what; a client compares its text."""

    ok: bool = False
    error: str


SIGNED: Final = {sort: _signed(kind) for sort, kind in ORDER_CLASSES.items()}
"""A signed order of each sort, as it is told."""
_STANDING: Final[dict[str, Any]] = {
    "orderHash": (str, ...),
    "order": {sort: (model, ...) for sort, model in SIGNED.items()},
    "remaining": (int, ...),
    "status": (str, Field(description="open, filled, canceled or dead")),
    "publicationTimestamp": (str, ...),
    "signer": (str, ...),
}
RECORDS: Final = _models("Record", chainId=(int, ...), bulk=(bool | None, None), **_STANDING)
ORDER_ANSWERS: Final = _models("Answer", ok=(bool, True), chainId=(str, ...), **_STANDING)
LIST_ANSWERS: Final = _models(
    "List",
    ok=(bool, True),
    orders={sort: several(model) for sort, model in RECORDS.items()},
    count=(int, Field(description="rows on all pages")),
    nextPage=(int | None, None),
)
PUBLISHED: Final = _models(
    "Published", ok=(bool, True), published={sort: (each, ...) for sort, each in RECORDS.items()}
)
PUBLISH_BODIES: Final = _models(
    "Publication", order={sort: (model, ...) for sort, model in SIGNED.items()}
)


class Unpublished(Told):
    """``PUT``: the hashes of the orders that left the book, newest first."""

    ok: bool = True
    unpublished: list[str]


ChallengeAnswer: Final = create_model(
    "ChallengeAnswer",
    __base__=Told,
    ok=(bool, True),
    data=(dict[str, Any], Field(description="EIP-712 typed data, to be signed as it is")),
)
DealResource: Final = create_model(
    "DealResource", __base__=Told, pointer=(str, ...), price=(int, ...), owner=(str, ...)
)
_DEAL: Final[dict[str, Any]] = {
    "dealid": (str, ...),
    "chainId": (int, ...),
    **dict.fromkeys(("app", "dataset", "workerpool"), (DealResource, ...)),
    **dict.fromkeys(("requester", "beneficiary", "callback"), (str, ...)),
    **dict.fromkeys(("appHash", "datasetHash", "workerpoolHash", "requestHash"), (str, ...)),
    "params": (str, ...),
    "volume": (int, ...),
    "category": (int, ...),
    "tag": (str, ...),
    **dict.fromkeys(("trust", "startTime", "botFirst", "botSize"), (int, ...)),
    **dict.fromkeys(("schedulerRewardRatio", "workerStake", "blockNumber"), (int, ...)),
    **dict.fromkeys(("blockTimestamp", "transactionHash"), (str, ...)),
}
PAGE_MEMBERS: Final[dict[str, Any]] = {"count": (int, ...), "nextPage": (int | None, None)}
OK: Final[dict[str, Any]] = {"ok": (bool, True)}
DealRow: Final = create_model("DealRow", __base__=Told, **_DEAL)
DealAnswer: Final = create_model("DealAnswer", __base__=Told, **OK, **_DEAL)
DealList: Final = create_model(
    "DealList", __base__=Told, **OK, deals=several(DealRow), **PAGE_MEMBERS
)
_CATEGORY: Final[dict[str, Any]] = {
    "catid": (int, ...),
    "name": (str, ...),
    "description": (str, ...),
    "workClockTimeRef": (int, Field(description="seconds")),
    "transactionHash": (str, ...),
    "blockNumber": (int, ...),
    "blockTimestamp": (str, ...),
}
CategoryRow: Final = create_model("CategoryRow", __base__=Told, chainId=(int, ...), **_CATEGORY)
CategoryAnswer: Final = create_model(
    "CategoryAnswer", __base__=Told, **OK, chainId=(str, ...), **_CATEGORY
)
CategoryList: Final = create_model(
    "CategoryList", __base__=Told, **OK, categories=several(CategoryRow), **PAGE_MEMBERS
)


class PriceHistory(Told):
    """``GET /ohlc``: moment, the pool's price per task (nRLC) and tasks of each deal."""

    ok: bool = True
    ohlc: list[tuple[str, int, int]]


class MarketVersion(Told):
    """``GET /version``."""

    ok: bool = True
    version: str


class MarketHealth(Told):
    """``GET /health``: whether chain and book are in reach; ``chain`` says why not."""

    ok: bool
    version: str
    hub: str
    chain: str | None
    block: int | None


_METRICS: Final[dict[str, Any]] = {
    "lastBlock": (int, Field(description="newest block that the chain told of")),
    "checkpointBlock": (int, Field(description="block of which the book is")),
    **dict.fromkeys(
        ("apporders", "datasetorders", "workerpoolorders", "requestorders"), (int, ...)
    ),
}
MarketMetrics: Final = create_model("MarketMetrics", __base__=Told, **OK, **_METRICS)
