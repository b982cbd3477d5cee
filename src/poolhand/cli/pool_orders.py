"""What a pool has for sale in markets, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from poolhand.cli.render import pairs, rlc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from poolhand.wire.pool_orders import OrderOnSale, OrdersOnSale

VALID: str = "still valid on chain until it is used up or cancelled there"


def orders_report(found: OrdersOnSale) -> RenderableType:
    """Return the orders with why each is or is not for sale, and what is missing."""
    if not found.markets and not found.orders:
        return Text(
            "the pool is for sale in no market: its owner names one with --market (`poolhand pool "
            "serve`); whoever asks the pool itself is sold to"
        )
    parts: list[RenderableType] = []
    for each in found.orders:
        parts += [pairs(_rows(each)), Text()]
    parts += [Text(line) for line in _notes(found)]
    return Group(*parts)


def _rows(order: OrderOnSale) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("order", order.order_hash),
        ("sells", _sells(order)),
        ("left", f"{order.remaining} of {order.volume} tasks"),
        ("for sale", "yes, in " + ", ".join(order.markets) if order.for_sale else _why_not(order)),
    ]
    rows += [("refused by", f"{url}: {why}") for url, why in order.refused.items()]
    return rows


def _sells(order: OrderOnSale) -> str:
    demands = f", also with {','.join(order.tag)}" if order.tag else ""
    return f"category {order.category}, trust up to {order.trust}, {rlc(order.price)} each{demands}"


def _why_not(order: OrderOnSale) -> str:
    if not order.remaining:
        return f"no: {order.why_not}"
    closes = "; the pool is cancelling it on chain" if order.closes else ""
    return f"no: {order.why_not} ({VALID}{closes})"


def _notes(found: OrdersOnSale) -> Iterator[str]:
    for category, why in sorted(found.lacks.items()):
        yield f"no more of category {category} is offered: {why}"
    for market in found.markets:
        if market.trouble:
            yield f"{market.url} does not answer, and is asked again: {market.trouble}"
        if market.unregistered:
            yield f"{market.url} does not show the pool itself: {market.unregistered}"
        for other in market.others:
            yield (
                f"{market.url} shows order {other}, which the pool's program did not sign: it lets "
                "it be (`poolhand order unpublish`)"
            )
    if not found.orders and not found.lacks:
        yield "nothing was signed yet"
