"""``poolhand fleet page``: all workers of a fleet in a browser of this computer.

It listens on loopback, answers under its own names alone and to no foreign page
(``transport.guards``), and shows nothing without the token of the address that is printed: any
program of this machine may reach the port. It gives no orders.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from poolhand.cli.fleet_rows import COLUMNS, FleetRow, sums, told_sums
from poolhand.transport.asgi import application, hosts_of, serve
from poolhand.worker.status_page import HEADERS, page_of, table_of

HOST: Final = "127.0.0.1"
COOKIE: Final = "poolhand-fleet"
REFRESH: Final = 5
"""Seconds between two looks of a browser that stays."""
REFUSED: Final = "this page needs the token of the address that `poolhand fleet page` has printed"

Look = Callable[[], Awaitable[list[FleetRow]]]


def fleet_app(name: str, token: str, look: Look) -> ASGIApp:
    """Build the page.

    Args:
        name: Of the fleet.
        token: Whoever looks must have it.
        look: Returns how all workers stand.
    """

    async def front(request: Request) -> Response:
        if _is(request.query_params.get("token", ""), token):  # not to stay in the address
            led = RedirectResponse("/", 303, HEADERS)
            led.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return led
        if not _may(request, token):
            return HTMLResponse(page_of("Not shown", [f"<p>{REFUSED}</p>"]), 401, HEADERS)
        return HTMLResponse(_front(name, await look()), headers=HEADERS)

    async def told(request: Request) -> Response:
        if not _may(request, token):
            return JSONResponse({"code": "no-token", "message": REFUSED}, 401)
        rows = await look()
        return JSONResponse(members_of(name, rows), headers={"Cache-Control": "no-store"})

    routes = (Route("/", front), Route("/v1/fleet", told))
    return application(f"Fleet {name}", routes, hosts=hosts_of(HOST))


def _may(request: Request, token: str) -> bool:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return _is(request.cookies.get(COOKIE, ""), token) or _is(bearer, token)


def _is(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def members_of(name: str, rows: list[FleetRow]) -> Mapping[str, Any]:
    """Return all workers for programs."""
    return {"fleet": name, "workers": [each.members() for each in rows], "together": sums(rows)}


def _front(name: str, rows: list[FleetRow]) -> str:
    more = (
        '<p>For programs: <a href="/v1/fleet">/v1/fleet</a> (JSON). Orders are given with '
        "<code>poolhand fleet drain|resume|stop</code>.</p>"
    )
    parts = [
        table_of((), [("together", told_sums(rows))]),
        table_of(COLUMNS, (each.cells() for each in rows)),
        more,
    ]
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">'
    return page_of(f"Fleet {name}", parts, refresh)


async def serve_page(name: str, port: int, look: Look, ready: Callable[[str], None]) -> None:
    """Serve until cancelled.

    Args:
        name: Of the fleet.
        port: To listen at; 0: any free one.
        look: Returns how all workers stand.
        ready: Told the address once it is answered, its token in it.
    """
    token = secrets.token_urlsafe(24)
    await serve(
        fleet_app(name, token, look),
        HOST,
        port,
        lambda real: ready(f"http://{HOST}:{real}/?token={token}"),
    )
