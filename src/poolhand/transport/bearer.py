"""Orders that carry a token: refused before their bodies are looked at, where it is another."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Iterable
from copy import copy
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from poolhand.domain.errors import BrokenPrecondition, Refused

_READS: Final = frozenset({"GET", "HEAD"})
"""What changes nothing."""


Authorize: TypeAlias = Callable[[Request], Awaitable[None] | None]
"""Raises where somebody may not ask."""


def given_token(request: Request) -> str:
    """Return the token that a request carries; empty where it carries none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind == "Bearer" else ""


def bearer_guard(token: str, refusal: Callable[[], Refused]) -> Callable[[Request], None]:
    """Return what raises ``refusal()`` where a request lacks the token."""

    def authorize(request: Request) -> None:
        given = request.headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise refusal()

    return authorize


def behind_token(
    routes: Iterable[BaseRoute],
    authorize: Authorize,
    open_to_all: Collection[str],
) -> tuple[BaseRoute, ...]:
    """Return routes whose handlers see no request that has not passed ``authorize``.

    No handler asks for the token by itself, so none can forget it.

    Args:
        routes: Of a service.
        authorize: Refuses who may not ask, see ``bearer_guard``.
        open_to_all: The paths that need no token, as their routes spell them: such as only tell.

    Raises:
        BrokenPrecondition: An open path is no route's, or changes something.
    """
    found = tuple(routes)
    paths = {each.path for each in found if isinstance(each, Route)}
    if unknown := set(open_to_all) - paths:
        raise BrokenPrecondition(f"no route answers at the open path {min(unknown)}")
    return tuple(
        _open(each) if isinstance(each, Route) and each.path in open_to_all
        else _guarded(each, authorize)
        for each in found
    )  # fmt: skip


def _open(route: Route) -> Route:
    if not route.methods or not route.methods <= _READS:
        raise BrokenPrecondition(f"{route.path} takes orders and asks for no token")
    return route


def _guarded(route: BaseRoute, authorize: Authorize) -> Route:
    if not isinstance(route, Route):
        raise BrokenPrecondition(f"a token is asked for before a plain route only, not {route}")
    guarded = copy(route)
    guarded.app = _asked_first(route.app, authorize)
    return guarded


def _asked_first(app: ASGIApp, authorize: Authorize) -> ASGIApp:
    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        looking = authorize(Request(scope))
        if looking is not None:
            await looking
        await app(scope, receive, send)

    return asked
