"""The endpoint that shows what the pool has for sale in markets."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from poolhand.domain.orders.for_sale import OrderForSale, Ware
from poolhand.scheduler.market_sale import MarketSale
from poolhand.scheduler.market_stall import MarketStall
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_orders import MarketOfPool, OrderOnSale, OrdersOnSale

NOT_YET = "no market shows it yet"


def order_routes(sale: MarketSale) -> APIRouter:
    """Return the endpoint."""
    router = service_router()

    @router.get("/v1/orders")
    async def orders() -> OrdersOnSale:
        """List the orders that the pool signed for markets, and why each is or is not for sale."""
        return OrdersOnSale(
            markets=tuple(_market(sale, each) for each in sale.stalls),
            orders=tuple(_order(sale, each) for each in sale.book.orders),
            lacks=_by_category(sale.plan.lacks),
        )

    return router


def _by_category(lacks: Mapping[Ware, str]) -> Mapping[int, str]:
    """Tell by category what is lacking, first of tasks that demand nothing."""
    told: dict[int, str] = {}
    for (category, tag), why in sorted(lacks.items()):
        told.setdefault(category, f"with the tag {','.join(tag.names)}: {why}" if any(tag) else why)
    return told


def _market(sale: MarketSale, stall: MarketStall) -> MarketOfPool:
    others = sorted(name for name in stall.listed if not sale.is_own(name))
    return MarketOfPool(
        url=stall.url,
        trouble=stall.trouble or None,
        unregistered=stall.unregistered or None,
        others=tuple(others),
    )


def _order(sale: MarketSale, known: OrderForSale) -> OrderOnSale:
    name, order = known.order_hash, known.signed.order
    verdict = sale.verdict(name)
    shows = tuple(stall.url for stall in sale.stalls if name in stall.listed)
    return OrderOnSale(
        order_hash=name,
        category=order.category,
        price=order.price,
        trust=order.trust,
        volume=order.volume,
        remaining=known.remaining,
        signed_at=known.since,
        for_sale=verdict.why is None and bool(shows),
        why_not=verdict.why or (None if shows else NOT_YET),
        closes=verdict.closes,
        markets=shows,
        tag=order.tag.names,
        refused={stall.url: stall.refused[name] for stall in sale.stalls if name in stall.refused},
    )
