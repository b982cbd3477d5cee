"""The doctor on the page of a worker that runs: how what it needs stands now.

``GET /v1/doctor`` has the members of ``poolhand worker doctor --json``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from poolhand import __version__
from poolhand.domain.doctor.findings import Examination
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.transport.described import DescribedRoute
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire.doctor_json import encode_examination
from poolhand.worker.status_page import STATUS_PAGE_HEADERS, doctor_page

LASTS: Final = 60
"""Seconds for which what was found is told again: looking asks engine, node and pool."""
Examine: TypeAlias = Callable[[], Awaitable[Examination]]


class LastingExamination:
    """Looks when somebody asks, once a minute at most, whoever asks how often.

    Args:
        examine: Carries out the checks.
        clock: Tells how old what was found is.
    """

    def __init__(self, examine: Examine, clock: Clock) -> None:
        self._examine, self._clock = examine, clock
        self._looking = asyncio.Lock()
        self._found: tuple[UnixSeconds, Examination] | None = None

    async def __call__(self) -> Examination:
        """Return what was found, a minute ago at most."""
        async with self._looking:
            now = self._clock.steady()
            if self._found is None or now - self._found[0] >= LASTS:
                self._found = now, await self._examine()
            return self._found[1]


async def nothing_examined() -> Examination:
    """Find nothing: of a worker whose surroundings nobody looks at."""
    return Examination(())


def doctor_routes(examine: Examine) -> tuple[BaseRoute, ...]:
    """Return the endpoints; they change nothing."""

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(doctor_page(await told()), headers=STATUS_PAGE_HEADERS)

    async def doctor(_: Request) -> JsonAnswer:
        """Tell how what the worker needs stands: checks, each with what would fix it."""
        return JsonAnswer(await told())

    async def told() -> dict[str, Any]:
        return encode_examination(await examine(), __version__)

    answers = {"response_model": dict[str, Any], "responses": ENDPOINT_FAULT_ANSWERS}
    return Route("/doctor", page), DescribedRoute("/v1/doctor", doctor, "GET", lambda: answers)
