"""The endpoints of whoever buys: which pool this is, and a signed order."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from poolhand import __version__
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.orders.signed_purchase import MOST_SENT_PARAMS
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.ports.chain import HubFacts
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import Pricing
from poolhand.settings.pool import PoolSettings
from poolhand.transport.asgi import service_router
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.json_models import AddressText, TagText
from poolhand.wire.order_json import encode_order
from poolhand.wire.pool_api import PoolConfig, SoldOrder
from poolhand.wire.purchase_api import SendingTerms

MOST_PARAMS: Final = 16_384
"""Characters of params that are looked at before an order is signed."""


def pool_config(settings: PoolSettings, facts: HubFacts, owner: Address, url: str) -> PoolConfig:
    """Return what a pool says of itself before it leads."""
    return PoolConfig(
        version=__version__,
        chain_id=facts.chain_id,
        hub=facts.hub,
        workerpool=settings.workerpool,
        owner=owner,
        url=url,
        results_url=settings.results_url,
        sms_url=settings.sms_url,
        prices=dict(settings.prices),
        highest_trust=settings.highest_trust,
        by_signature=_terms(settings),
        by_invitation=bool(settings.allowed),
        simulated_tee=settings.simulated_tee is not None,
    )


def _terms(settings: PoolSettings) -> SendingTerms | None:
    if not settings.sends_purchases:
        return None
    return SendingTerms(fee=settings.purchase_fee, most_params=MOST_SENT_PARAMS)


def caller_of(request: Request) -> str:
    """Return from where a request comes, for quotas."""
    return neighbourhood(request.client.host) if request.client else ""


def selling_routes(config: PoolConfig, pricing: Pricing) -> APIRouter:
    """Return the endpoints of whoever buys.

    Args:
        config: What the pool says of itself; how high a trust it sells follows its workers.
        pricing: Makes the orders.
    """
    router = service_router()

    @router.get("/v1/config")
    async def told() -> PoolConfig:
        """Tell chain, hub and pool; a client checks them against its own settings."""
        return config.model_copy(update={"highest_trust": pricing.highest_trust})

    @router.get("/v1/order", response_model=SoldOrder)
    async def order(
        request: Request,
        category: Annotated[int, Query(ge=0)] = 0,
        trust: Annotated[int, Query(ge=0)] = 1,
        tag: TagText = str(NO_TAG),
        volume: Annotated[int, Query(ge=1)] = 1,
        requester: AddressText = str(ZERO_ADDRESS),
        app: AddressText = str(ZERO_ADDRESS),
        params: Annotated[str | None, Query(max_length=MOST_PARAMS)] = None,
        by_signature: Annotated[bool, Query()] = False,
    ) -> dict[str, Any]:
        """Sell: a signed workerpool order as the iExec SDK writes it.

        It is for ``requester`` and ``app`` only, where they are named, and for no more than
        ``volume`` tasks; ``params`` are looked at, so that what no worker could read is not sold.
        ``by_signature``: the pool is to send the purchase, which may cost a fee.
        """
        asked = Asked(
            category=category,
            trust=Trust(trust),
            tag=Tag.parse(tag),
            volume=volume,
            requester=Address.parse(requester),
            app=Address.parse(app),
            params=params,
            caller=caller_of(request),
            by_signature=by_signature,
        )
        return encode_order(await pricing.order(asked))

    return router
