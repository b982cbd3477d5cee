"""What a market answers, as its clients read it.

Nothing in it is believed that can be worked out here: the hash of an order is that of its members.

Source: market API 7, services-api.md 2.2 and 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Malformed
from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import order_hash
from poolhand.wire.json_models import (
    JsonAddress,
    JsonDealId,
    JsonOrderHash,
    JsonTxHash,
    Sentence,
    Told,
    Words,
    read_model,
)
from poolhand.wire.market_json import moment_of
from poolhand.wire.market_orders import read_market_order


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page of a list: best price first.

    Attributes:
        orders: The page.
        count: On all pages, as the market counts them.
    """

    orders: tuple[BookOrder, ...]
    count: int


class TradedResource(Told):
    """An app, a dataset or a pool of a deal, its owner and what it took per task (nRLC)."""

    pointer: JsonAddress
    price: int
    owner: JsonAddress


class TradedDeal(Told):
    """A deal, as a market tells it."""

    deal_id: JsonDealId = Field(alias="dealid")
    app: TradedResource
    dataset: TradedResource
    workerpool: TradedResource
    requester: JsonAddress
    beneficiary: JsonAddress
    category: int
    trust: int
    tag: Words
    volume: int
    start_time: int = Field(alias="startTime", description="Unix seconds")
    bot_first: int = Field(alias="botFirst")
    bot_size: int = Field(alias="botSize")
    block: int = Field(alias="blockNumber")
    moment: Sentence = Field(alias="blockTimestamp")
    tx_hash: JsonTxHash = Field(alias="transactionHash")

    @property
    def price(self) -> int:
        """What one task cost in all (nRLC)."""
        return self.app.price + self.dataset.price + self.workerpool.price


class DealPage(Told):
    """A page of deals, newest block first; ``count`` is of all pages."""

    deals: tuple[TradedDeal, ...]
    count: int


class ToldChallenge(Told):
    """``GET /challenge``: the text to sign. All else of the typed data is known here."""

    class Data(Told):
        """The typed data."""

        class Message(Told):
            """Its message."""

            challenge: Words

        message: Message

    data: Data


class TakenOut(Told):
    """``PUT``: hashes of the orders that left the book."""

    unpublished: tuple[JsonOrderHash, ...]


class MarketSaid(Told):
    """Any refusal or failure."""

    error: Sentence


class _Row(Told):
    name: JsonOrderHash = Field(alias="orderHash")
    order: Any
    remaining: int = Field(ge=0)
    status: BookStatus
    moment: Words = Field(alias="publicationTimestamp")
    signer: JsonAddress


class _Rows(Told):
    orders: tuple[Any, ...]
    count: int


def bounded(members: Any, name: str, most: int, who: str) -> Any:
    """Return an answer whose list ``name`` has no more rows than were asked for.

    Whoever reads it works on each of them.

    Raises:
        Malformed: It has more.
    """
    rows = members.get(name) if isinstance(members, dict) else None
    if isinstance(rows, list) and len(rows) > most:
        raise Malformed(f"{who} sent {len(rows)} rows where {most} were asked for")
    return members


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads one market's answers about orders.

    Every method raises Malformed, with the first member that has another form.

    Attributes:
        domain: Of the orders of the chain's hub.
        who: Answered, for messages.
    """

    domain: Domain
    who: str

    def page(self, sort: OrderSort, members: Any, most: int) -> OrderPage:
        """Read a list of which ``most`` rows were asked for."""
        rows = read_model(_Rows, bounded(members, "orders", most, self.who), self.who)
        return OrderPage(tuple(self.order(sort, each) for each in rows.orders), rows.count)

    def order(self, sort: OrderSort, members: Any) -> BookOrder:
        """Read an order and how it stands in the book."""
        row = read_model(_Row, members, self.who)
        order, sign = read_market_order(sort, row.order)
        name = order_hash(self.domain, order)
        if name != row.name:
            told = f"{self.who} tells an order under the hash of another: trust nothing it says"
            raise Malformed(told)
        moment = moment_of(row.moment)
        return BookOrder(name, order, sign, row.signer, row.status, row.remaining, moment)
