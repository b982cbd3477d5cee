"""What the app of a task prints and uses while it runs: for the worker's operator alone.

The page answers a line of JSON for each line that the app prints, and now and then one with what
the container uses. It needs the token, as an order does: what a stranger's app prints may be its
buyer's secret. Nothing of it is kept here; the engine keeps it, bounded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from poolhand.domain.errors import Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.text import shown
from poolhand.ports.runtime import MOST_APP_LINE, ContainerRuntime, ContainerUse, LogLine
from poolhand.transport.described import DescribedRoute, query_told
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.plain import read_query

USAGE_TOLD_AFTER: Final = 5.0
"""Seconds without a line after which the usage is told again."""
MOST_LINES: Final = 10_000
"""Of what was printed before, at most."""


class NoAppRuns(Refused):
    """No container of this task runs here now."""

    http_status = 404

    def __init__(self, task_id: TaskId) -> None:
        super().__init__(
            f"no app of task {task_id} runs here now: look at `poolhand worker status`; what an "
            "app printed that has ended is in its result, as stdout.txt and stderr.txt"
        )


class OutputQuery(BaseModel):
    """What of an app's output is asked for."""

    follow: bool = False
    tail: Annotated[int, Field(ge=0, le=MOST_LINES)] = 100


def output_route(
    runtime: ContainerRuntime,
    container: Callable[[TaskId], str],
) -> DescribedRoute:
    """Return the endpoint that tells what a running app prints, to be put behind the token.

    Args:
        runtime: Has the containers.
        container: Names that of a task.
    """

    async def output(request: Request) -> StreamingResponse:
        """Tell the last lines that a running app printed, and with ``follow`` those to come.

        Each line of the answer is a JSON object: ``{"stream", "text"}`` for a line of the app,
        ``{"memory", "cpu_seconds", "processes"}`` for what its container uses (bytes, seconds).
        """
        asked = read_query(request, OutputQuery)
        name = TaskId.parse(request.path_params["task_id"])
        place = container(name)
        use = await runtime.usage(place)
        if use is None:
            raise NoAppRuns(name)
        told = output_of(runtime, place, use, asked.tail, live=asked.follow)
        return StreamingResponse(told, media_type="application/x-ndjson")

    def told() -> dict[str, Any]:
        task = {"name": "task_id", "in": "path", "required": True, "schema": {"type": "string"}}
        extra = {"parameters": [task, *query_told(OutputQuery)]}
        return {"responses": ENDPOINT_FAULT_ANSWERS, "openapi_extra": extra}

    return DescribedRoute("/v1/tasks/{task_id}/output", output, "GET", told)


async def output_of(
    runtime: ContainerRuntime, container: str, use: ContainerUse, tail: int, *, live: bool
) -> AsyncIterator[bytes]:
    """Yield lines of JSON until the app has ended, or all that it has printed is told."""
    yield _line(use_members(use))
    async with aclosing(runtime.follow(container, tail, live=live)) as lines:  # type: ignore[type-var]
        while True:
            coming = asyncio.ensure_future(anext(lines, None))
            try:
                async for now in _meanwhile(runtime, container, coming):
                    yield _line(use_members(now))
                line = await coming
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            if line is None:
                return
            yield _line(line_members(line))


async def _meanwhile(
    runtime: ContainerRuntime, container: str, coming: asyncio.Future[LogLine | None]
) -> AsyncIterator[ContainerUse]:
    """Yield what the container uses, every ``USAGE_TOLD_AFTER`` seconds until a line comes."""
    while not (await asyncio.wait({coming}, timeout=USAGE_TOLD_AFTER))[0]:
        now = await runtime.usage(container)
        if now is not None:
            yield now


def line_members(line: LogLine) -> dict[str, Any]:
    """Return a line of an app's, fit for a person."""
    text = shown(line.text.decode(errors="replace"), MOST_APP_LINE, lines=True)
    return {"stream": "stderr" if line.is_error else "stdout", "text": text}


def use_members(use: ContainerUse) -> dict[str, Any]:
    """Return what a container uses (bytes, seconds)."""
    return {
        "memory": use.memory,
        "cpu_seconds": round(use.cpu_seconds, 3),
        "processes": use.processes,
    }


def _line(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode(errors="replace") + b"\n"
