"""``poolhand fleet page``: all workers of a fleet in a browser of this computer.

It listens on loopback, answers under its own names alone and to no foreign page
(``transport.guards``), and tells and does nothing without the token, which stands in the fragment
of the address that is printed (ADR 0098): any program of this machine may reach the port.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from poolhand.cli.fleet.orders import OrderTold
from poolhand.cli.fleet.sections import FLEET_SECTIONS, sections, title
from poolhand.cli.worker_page import page_address
from poolhand.domain.errors import Refused, Unavailable
from poolhand.transport.bearer import bearer_guard, behind_token
from poolhand.transport.guards import hosts_of
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.listen import serve
from poolhand.transport.page.live_feed import LiveFeed
from poolhand.transport.page.live_page import OPEN_PAGE_PATHS, LivePage, PageOrder
from poolhand.transport.plain import plain_application

_HOST: Final = "127.0.0.1"
_PAUSE_BETWEEN_FLEET_LOOKS: Final = 2.0
"""Seconds between two looks while somebody watches."""
FLEET_PAGE: Final = LivePage(
    what="fleet",
    verb="poolhand fleet page",
    lost="This address is no longer valid: the page has a new one each time that it is opened. "
    "Type poolhand fleet page for it.",
    parts=tuple(FLEET_SECTIONS),
    orders=(
        PageOrder("resume", "Resume all", "All take tasks; those that did not run are started."),
        PageOrder(
            "drain", "Finish, then stop",
            "All finish what they hold, then they stop. Resume takes that back.",
        ),
    ),
    footer="A worker’s name leads to its own page. For programs: <code>/v1/fleet</code> (JSON, "
    "with the token), as <code>poolhand fleet list --json</code> tells.",
)  # fmt: skip

FleetLooks = Callable[[], Awaitable[dict[str, Any]]]
FleetOrders = Mapping[str, Callable[[], Sequence[OrderTold]]]


class NoFleetToken(Refused):
    """A request without the token."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "this needs the token of the address that `poolhand fleet page` has printed"
        )


class NotAllTold(Unavailable):
    """Some workers did not take an order; the others did."""

    def __init__(self, told: Sequence[OrderTold]) -> None:
        lost = [each for each in told if each.trouble]
        super().__init__(
            f"{len(told) - len(lost)} of {len(told)} workers took it; {lost[0].member.name}: "
            f"{lost[0].trouble}"
        )


def fleet_app(token: str, look: FleetLooks, orders: FleetOrders) -> ASGIApp:
    """Build the page.

    Args:
        token: Whoever looks must have it.
        look: Tells how all workers stand.
        orders: Gives an order to all workers, by its verb; they may take seconds.
    """

    async def fleet(_: Request) -> JsonAnswer:
        return JsonAnswer(await look())

    def given(verb: str) -> Route:
        async def order(_: Request) -> JsonAnswer:
            told = await asyncio.to_thread(orders[verb])
            if any(each.trouble for each in told):
                raise NotAllTold(told)
            return JsonAnswer({"workers": [each.members() for each in told]})

        return Route(f"/v1/{verb}", order, methods=["POST"])

    feed = LiveFeed(look, asyncio.sleep, _PAUSE_BETWEEN_FLEET_LOOKS)
    routes = (
        *FLEET_PAGE.routes(feed, sections, title),
        Route("/v1/fleet", fleet),
        *map(given, orders),
    )
    guarded = behind_token(routes, bearer_guard(token, NoFleetToken), OPEN_PAGE_PATHS)
    return plain_application("Poolhand fleet", guarded, hosts=hosts_of(_HOST))


async def serve_page(
    port: int, look: FleetLooks, orders: FleetOrders, ready: Callable[[str], None]
) -> None:
    """Serve until cancelled.

    Args:
        port: To listen at; 0: any free one.
        look: Tells how all workers stand.
        orders: Gives an order to all workers, by its verb.
        ready: Told the address once it is answered, its token in it.
    """
    token = secrets.token_urlsafe(24)
    app = fleet_app(token, look, orders)
    await serve(app, _HOST, port, lambda real: ready(page_address(f"http://{_HOST}:{real}", token)))
