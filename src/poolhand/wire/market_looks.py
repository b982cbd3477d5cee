"""Answers of the market for people who look around: what happens now, tasks, accounts.

Beside iExec's routes (``market_api``), in the same form: ids 0x-hexadecimal, amounts in nRLC,
moments ISO 8601, durations seconds. Null is what is not known or does not apply.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, create_model

from poolhand.wire.json_models import Told
from poolhand.wire.market_api import DealRow


class BlockTold(Told):
    """A block of the chain."""

    number: int
    hash: str
    timestamp: str


class CategoryPrice(Told):
    """What a category costs per task (nRLC): cheapest open order for everybody, last deal."""

    category: int
    name: str
    workClockTimeRef: int = Field(description="seconds")  # noqa: N815 - as iExec spells it
    best: int | None
    last: int | None
    lastTimestamp: str | None  # noqa: N815


class OpenOrders(Told):
    """How many orders of each sort are open."""

    app: int
    dataset: int
    workerpool: int
    request: int


_OVERVIEW: Final[dict[str, Any]] = {
    "ok": (bool, True),
    "hub": (str, ...),
    "trouble": (str | None, Field(description="why the chain cannot be read at present")),
    "block": (BlockTold | None, Field(description="of which the book is")),
    "chainBlock": (int | None, Field(description="newest that the chain told of")),
    "orders": (OpenOrders, ...),
    "prices": (list[CategoryPrice], ...),
    "deals": (list[DealRow], Field(description="the newest, newest block first")),  # type: ignore[valid-type]
}
MarketOverview: Final = create_model("MarketOverview", __base__=Told, **_OVERVIEW)
