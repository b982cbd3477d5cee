"""What a market has for an open request: the cheapest orders that fit it and one another.

Orders that are restricted to somebody are passed over at first: mostly it is somebody else. Where
no others fit, the next look is at them, too: a restriction may name a group, a contract that says
who belongs to it, and so may a request of the workerpools that it is for. No look costs more than
another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.requests import (
    InUse,
    app_filter,
    dataset_filter,
    for_groups,
    pool_filter,
)
from poolhand.domain.orders.choosing import (
    Bundle,
    Candidate,
    Shelf,
    Want,
    fitting,
    in_question,
    shared_tag,
)
from poolhand.domain.orders.groups import among
from poolhand.domain.orders.matching import Facts
from poolhand.ports.chain import Hub
from poolhand.transport.market_client import MarketClient
from poolhand.transport.open_requests import cheapest

_Widened: TypeAlias = Callable[[BookFilter], BookFilter]


async def cheapest_fitting(
    hub: Hub, market: MarketClient, want: Want, rules: Facts, in_use: InUse, *, wide: bool
) -> Bundle | None:
    """Return the cheapest orders for what is left of a request; None: none were found.

    Args:
        hub: Asked which accounts belong to groups.
        market: Whose orders.
        want: The request, open.
        rules: What it hangs on whether they fit, but for groups.
        in_use: What is under way of orders that the market still shows.
        wide: Look at orders for groups, too.

    Raises:
        MarketDown, ChainUnreachable: It cannot be said.
    """
    if not wide:
        shelf = await _shelf(market, want, in_use, lambda wanted: wanted)
        return next(fitting(want, shelf, rules), None)
    named = want.request.workerpool
    is_pool = not named.is_zero and await hub.workerpool(named) is not None
    shelf = await _shelf(market, want, in_use, lambda one: for_groups(one, is_pool=is_pool))
    members = await hub.members(in_question(want, shelf))
    rules = replace(rules, is_member=among(members))
    return next(fitting(want, shelf, rules), None)


async def _shelf(market: MarketClient, want: Want, in_use: InUse, widened: _Widened) -> Shelf:
    request, tasks = want.request, want.tasks

    async def some(wanted: BookFilter | None) -> tuple[Candidate, ...]:
        asked = None if wanted is None else widened(wanted)
        return tuple(map(in_use.left, await cheapest(market, asked)))

    datasets = await some(dataset_filter(request, tasks))
    tag = shared_tag(request.tag, (), datasets)
    apps = await some(app_filter(request, tasks, tag))
    tag = shared_tag(tag, apps, ())
    return Shelf(apps, datasets, await some(pool_filter(request, tasks, tag)))
