"""Answers of the market: ``{"ok": true, …}``, and every fault as ``{"ok": false, "error": …}``.

Source: market API 7, services-api.md 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from poolhand.domain.errors import Bug, PoolhandError, Unavailable
from poolhand.domain.market.refusals import MarketRule
from poolhand.domain.text import shown
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire.market_api import MarketFault

RETRY_LATER: Final = "Something went wrong, you should retry later."
INTERNAL: Final = "Internal error"
RATED: Final = "Rate limit exceeded"
MOST_FAULT_TEXT: Final = 2_000
"""Characters of a fault's text."""
log = structlog.get_logger()

_TOLD: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/MarketFault"}}}
MARKET_FAULT_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": MarketFault, "description": "a parameter is missing or has another form"},
    403: {"content": _TOLD, "description": "no authorization, or a rule of the book"},
    404: {"content": _TOLD, "description": "there is no such thing"},
    413: {"content": _TOLD, "description": "the request is too large"},
    429: {"content": _TOLD, "description": "too many requests of this client"},
    431: {"content": _TOLD, "description": "line and headers of the request are too long"},
    500: {"content": _TOLD, "description": "chain or database do not answer"},
    503: {"content": _TOLD, "description": "too many requests of all clients at once"},
}
"""What every route may answer besides; the first names the form, FastAPI makes it by the name."""


def good(told: Mapping[str, Any]) -> JSONResponse:
    """Answer."""
    return JsonAnswer({"ok": True, **told})


def refusal(_code: str, words: str) -> dict[str, Any]:
    """Return the members of a refusal as the market's clients know it: of words alone."""
    return {"ok": False, "error": words}


def fault(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Refuse, or tell that something failed."""
    return JsonAnswer(refusal("", shown(text, MOST_FAULT_TEXT, lines=True)), status, headers)


def install(app: FastAPI) -> None:
    """Let every error of an application leave as the market's clients know it."""
    app.add_exception_handler(PoolhandError, _tell)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(ClientDisconnect, _tell_gone)
    app.add_exception_handler(Exception, _tell_crash)


async def _tell(request: Request, found: Exception) -> JSONResponse:
    assert isinstance(found, PoolhandError)
    if isinstance(found, Bug):
        return await _tell_crash(request, found)
    if isinstance(found, Unavailable):
        log.warning("request_failed", path=request.url.path, cause=str(found))
        return fault(500, RETRY_LATER)
    if isinstance(found, MarketRule):
        log.info("order_refused", path=request.url.path, code=found.code)
    return fault(found.http_status, str(found))


async def _tell_http(_: Request, found: Exception) -> JSONResponse:
    assert isinstance(found, HTTPException)
    headers = dict(found.headers) if found.headers else None
    return fault(found.status_code, str(found.detail), headers)


async def _tell_gone(_: Request, __: Exception) -> JSONResponse:
    """Answer a client that left in the middle of its body: nobody is there to read."""
    return fault(400, "the request broke off: send it again")


async def _tell_crash(request: Request, found: Exception) -> JSONResponse:
    log.error("request_crashed", path=request.url.path, exc_info=found)
    return fault(500, INTERNAL)
