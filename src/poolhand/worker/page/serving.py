"""The worker's page over HTTP, and what is watched of it, for programs and for a browser."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute

from poolhand.transport.described import DescribedRoute
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.page.live_feed import LiveFeed
from poolhand.transport.page.live_page import LivePage, PageOrder, stream
from poolhand.worker.live import LiveTeller
from poolhand.worker.live_words import ORDERS_DONE
from poolhand.worker.page.sections import PAGE_SECTIONS, sections, title

WORKER_PAGE: Final = LivePage(
    what="worker",
    verb="poolhand worker page",
    lost="This address is no longer valid: the worker has a new one after each start. Type "
    "poolhand worker page for it.",
    parts=tuple(PAGE_SECTIONS),
    orders=(
        PageOrder("pause", "Pause", ORDERS_DONE["pause"], reason="paused on its page"),
        PageOrder("resume", "Resume", ORDERS_DONE["resume"]),
        PageOrder("drain", "Finish, then stop", ORDERS_DONE["drain"]),
    ),
    footer='<a href="/doctor">Is all there that it needs?</a> For programs: '
    '<a href="/docs">its API</a>, <a href="/metrics">metrics</a> (Prometheus). Times are UTC.',
)


def page_routes(teller: LiveTeller, feed: LiveFeed) -> tuple[BaseRoute, ...]:
    """Return the endpoints of the page and of what is watched; none changes anything.

    Args:
        teller: Tells what there is now.
        feed: Tells what changes.
    """

    async def live(_: Request) -> JsonAnswer:
        """Tell the worker's status, earnings, locked stake and what its apps print."""
        return JsonAnswer(await teller.show())

    async def events(_: Request) -> StreamingResponse:
        """Tell what ``/v1/live`` tells, again whenever it changes, as server-sent events."""
        return stream(feed, lambda told: told)

    answers = {"response_model": dict[str, Any], "responses": ENDPOINT_FAULT_ANSWERS}
    return (
        *WORKER_PAGE.routes(feed, sections, title),
        DescribedRoute("/v1/live", live, "GET", lambda: answers),
        DescribedRoute(
            "/v1/live/events", events, "GET", lambda: {"responses": ENDPOINT_FAULT_ANSWERS}
        ),
    )
