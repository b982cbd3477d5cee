"""An account: its stake and what locks it, what it earned and lost; and finding things by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.refusals import BadParameter
from poolhand.domain.market.standing_stakes import LockedStake
from poolhand.domain.market.task_story import StakeStep
from poolhand.domain.market_events import StakeChange
from poolhand.domain.units import DAY
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route
from poolhand.store.market import history, looks
from poolhand.store.market.database import BookConnection
from poolhand.transport.asgi import service_router
from poolhand.wire import market_forms as forms
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_looks import AccountAnswer, SearchAnswer
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, QueryParameter
from poolhand.wire.market_schemas import NAME_SCHEMA

MOST_EARNINGS: Final = 2_000
"""Rewards and losses that are looked at, the newest; days and sums are theirs."""
MOST_ACCOUNTS_TOLD: Final = 25
"""Of those, how many are told one by one."""
log = structlog.get_logger()


def account_routes(parts: MarketParts) -> APIRouter:
    """Return the routes."""
    router, route = service_router(), AccountRoutes(parts)
    name = QueryParameter("q", "an address, or a hash of 32 bytes", NAME_SCHEMA, required=True)
    add_route(router, "/accounts/{address}", route.account, AccountAnswer, (CHAIN_ID_PARAMETER,))
    add_route(router, "/search", route.search, SearchAnswer, (CHAIN_ID_PARAMETER, name))
    return router


class AccountRoutes:
    """The handlers."""

    def __init__(self, parts: MarketParts) -> None:
        self._parts = parts

    async def account(self, request: Request) -> Response:
        """Tell an account: its stake, which deals lock how much of it until when, its earnings.

        Locks are those of its newest 50 deals and contributions, earnings its newest 2,000
        rewards and losses. Stakes are null while the chain is out of reach.
        """
        self._parts.asked(request)
        owner = forms.address("address", request.path_params["address"])
        found = await self._parts.database.read(partial(_read_account, owner=owner))
        return good({"address": str(owner), **await self._stakes(owner), **found})

    async def _stakes(self, owner: Address) -> dict[str, int | None]:
        try:
            account = (await self._parts.registry.accounts([owner]))[owner]
        except ChainUnreachable as fault:
            log.warning("account_unread", account=str(owner), cause=str(fault))
            return {"stake": None, "locked": None}
        return {"stake": account.stake, "locked": account.locked}

    async def search(self, request: Request) -> Response:
        """Find what has a name: an account or asset by address, the rest by hash.

        A hash may be an order's, a deal's, a task's, or that of a transaction that made or moved
        some of these.
        """
        asked = self._parts.asked(request)
        name = _name(asked.get("q", "").strip())
        found = await self._parts.database.read(partial(looks.named, name=name))
        return good({"found": [{"kind": each.kind, "name": each.name} for each in found]})


def _name(text: str) -> Address | OrderHash:
    forms.required("q", text)
    if len(text) == 42:
        return forms.address("q", text)
    try:
        return forms.word(OrderHash, "q", text)
    except BadParameter:
        raise BadParameter(
            "q is neither an address (0x and 40 digits) nor a hash (0x and 64 digits)"
        ) from None


def _read_account(connection: BookConnection, owner: Address) -> dict[str, Any]:
    found = history.stakes_of(connection, owner, MOST_EARNINGS + 1)
    steps = found[:MOST_EARNINGS]
    tasks = history.newest_tasks(connection, MOST_ACCOUNTS_TOLD, owner)
    return {
        "locks": [_lock(each) for each in looks.locks_of(connection, owner)],
        "earned": _sum(steps, StakeChange.REWARDED),
        "lost": _sum(steps, StakeChange.SEIZED),
        "complete": len(found) <= MOST_EARNINGS,
        "days": _days(steps),
        "earnings": [_earning(each) for each in steps[:MOST_ACCOUNTS_TOLD]],
        "tasks": [{"taskid": str(task), "dealid": str(deal)} for task, deal in tasks],
    }


def _lock(each: LockedStake) -> dict[str, Any]:
    return {
        "role": each.role.value,
        "dealid": each.deal_id,
        "amount": each.amount,
        "tasks": each.tasks,
        "until": None if each.until is None else iso_moment(each.until * 1000),
    }


def _sum(steps: Iterable[StakeStep], change: StakeChange) -> int:
    return sum(each.amount for each in steps if each.change is change)


def _days(steps: Iterable[StakeStep]) -> list[dict[str, Any]]:
    """Sum up by day (UTC), oldest first."""
    days: dict[int, list[StakeStep]] = defaultdict(list)
    for each in steps:
        days[each.moment - each.moment % DAY].append(each)
    return [
        {
            "day": iso_moment(day * 1000)[:10],
            "earned": _sum(days[day], StakeChange.REWARDED),
            "lost": _sum(days[day], StakeChange.SEIZED),
        }
        for day in sorted(days)
    ]


def _earning(each: StakeStep) -> dict[str, Any]:
    return {
        "change": each.change.value.lower(),
        "amount": each.amount,
        "taskid": None if each.task_id is None else str(each.task_id),
        "timestamp": iso_moment(each.moment * 1000),
        "block": each.block,
        "transactionHash": str(each.tx_hash),
    }
