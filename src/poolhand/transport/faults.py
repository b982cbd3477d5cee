"""Faults as every HTTP service of ours tells them: ``{"code", "message"}``, with their status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from poolhand.domain.errors import Bug, PoolhandError, Unavailable
from poolhand.domain.form_faults import form_fault
from poolhand.domain.text import shown
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire.json_models import ServiceFault

_log = structlog.get_logger()

MAX_MESSAGE: Final = 2_000
"""Characters of an error's message; it may quote what was asked."""
MOST_ERRORS: Final = 5
"""Of one form, that are told."""
RETRY_AFTER_UNAVAILABLE: Final = "5"
"""Seconds that a client of an unavailable service is asked to wait."""
ENDPOINT_FAULT_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": ServiceFault, "description": "What keeps it from being done."}
}
"""What every endpoint may answer instead, as FastAPI describes it."""


def install_faults(app: Starlette) -> None:
    """Let every error of an application leave as its clients know it."""
    app.add_exception_handler(PoolhandError, _tell_fault)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(ClientDisconnect, _tell_gone)
    app.add_exception_handler(Exception, _tell_crash)


def form_sentence(errors: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return what is wrong with a form, from names of values and pydantic's errors of them."""
    told = [form_fault(name or "the body", error) for name, error in errors]
    return "; ".join(told[:MOST_ERRORS])


def fault_response(fault: PoolhandError) -> JSONResponse:
    """Write an error as JSON; an invariant of ours that broke is not explained to strangers."""
    headers = {"Retry-After": RETRY_AFTER_UNAVAILABLE} if isinstance(fault, Unavailable) else None
    told = "the service has a fault of its own" if isinstance(fault, Bug) else str(fault)
    return fault_body(fault.http_status, fault.code, told, headers)


def fault_body(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Write an error of which only code and words are known."""
    told = {"code": code, "message": shown(message, MAX_MESSAGE, lines=True)}
    return JsonAnswer(told, status, headers)


async def _tell_fault(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, PoolhandError)
    if isinstance(fault, Bug):
        _log.error("request_crashed", path=request.url.path, exc_info=fault)
    return fault_response(fault)


async def _tell_http(_: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, HTTPException)
    code = "-".join(str(fault.detail).lower().split()) or "http"
    headers = dict(fault.headers) if fault.headers else None
    return fault_body(fault.status_code, code, str(fault.detail), headers)


async def _tell_gone(_: Request, __: Exception) -> JSONResponse:
    """Answer a client that left, or was cut, in the middle of its body: nobody is there to read."""
    return fault_body(400, "broken-off", "the request broke off: send it again")


async def _tell_crash(request: Request, fault: Exception) -> JSONResponse:
    _log.error("request_crashed", path=request.url.path, exc_info=fault)
    return fault_body(500, "internal", "the service has a fault of its own")
