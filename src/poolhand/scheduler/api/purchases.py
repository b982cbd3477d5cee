"""The endpoint of whoever buys by signature alone: the pool sends the purchase."""

from __future__ import annotations

from fastapi import APIRouter, Request

from poolhand.scheduler.api.selling import caller_of
from poolhand.scheduler.signed_purchases import SignedPurchases
from poolhand.transport.asgi import service_router
from poolhand.wire.order_json import decode_match
from poolhand.wire.purchase_api import SentPurchase, SignedPurchase


def purchase_routes(purchases: SignedPurchases) -> APIRouter:
    """Return the endpoint that takes purchases."""
    router = service_router()

    @router.post("/v1/purchases")
    async def hand_in(purchase: SignedPurchase, request: Request) -> SentPurchase:
        """Send a purchase that its requester only signed: match and initialization in one block.

        Repeatable: the same request is sent once. The answer comes when both are handed to the
        network; that the deal is made, the chain tells. A refusal means that nothing was sent now.
        """
        orders = decode_match(purchase.model_dump())
        name, tx = await purchases.hand_in(orders, caller_of(request))
        return SentPurchase(deal_id=name, tx=tx)

    return router
