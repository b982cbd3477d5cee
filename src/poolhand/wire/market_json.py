"""What the market stores and tells of deals and categories, in JSON as iExec's market has it.

Source: market API 7, services-api.md 2.5 and services-api-2.md A.3.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from poolhand.domain.deal import Resource
from poolhand.domain.errors import Malformed
from poolhand.domain.market.deals import MarketCategory, MarketDeal
from poolhand.domain.text import repaired, shown

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 253_402_300_799_000
"""The last second of the year 9999."""


def iso_moment(milliseconds: int) -> str:
    """Write a moment in ISO 8601 with exactly three decimals and ``Z``."""
    found = _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST))
    return f"{found:%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def moment_of(text: str) -> int:
    """Read what ``iso_moment`` wrote: milliseconds since 1970.

    Raises:
        Malformed: It is no moment.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found.replace(tzinfo=found.tzinfo or UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise Malformed(f"{shown(text, 60)} is no moment") from None


def deal_members(told: MarketDeal, chain_id: int) -> dict[str, Any]:
    """Return a deal's JSON."""
    deal, (app, dataset, pool, request) = told.deal, told.event.orders
    return {
        "dealid": str(deal.deal_id),
        "chainId": chain_id,
        "app": _resource(deal.app),
        "dataset": _resource(deal.dataset),
        "workerpool": _resource(deal.workerpool),
        "requester": str(deal.requester),
        "sponsor": str(deal.sponsor),
        "beneficiary": str(deal.beneficiary),
        "callback": str(deal.callback),
        "appHash": str(app),
        "datasetHash": str(dataset),
        "workerpoolHash": str(pool),
        "requestHash": str(request),
        "params": repaired(deal.params),
        "volume": told.event.volume,
        "category": deal.category,
        "tag": str(deal.tag),
        "trust": int(deal.trust),
        "startTime": deal.start_time,
        "botFirst": deal.bot_first,
        "botSize": deal.bot_size,
        "schedulerRewardRatio": deal.scheduler_percent,
        "workerStake": deal.worker_stake,
        "blockNumber": told.block,
        "blockTimestamp": iso_moment(told.moment * 1000),
        "transactionHash": str(told.tx_hash),
    }


def _resource(found: Resource) -> dict[str, Any]:
    return {"pointer": str(found.address), "price": found.price, "owner": str(found.owner)}


def category_members(told: MarketCategory, chain_id: int) -> dict[str, Any]:
    """Return a category's JSON."""
    event = told.event
    return {
        "catid": event.index,
        "chainId": chain_id,
        "name": repaired(event.name),
        "description": repaired(event.description),
        "workClockTimeRef": event.time_ref,
        "transactionHash": str(event.place.tx_hash),
        "blockNumber": event.place.block,
        "blockTimestamp": iso_moment(told.moment * 1000),
    }
