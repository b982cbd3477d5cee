"""The endpoint that explains statuses; whoever stands by answers it, too."""

from __future__ import annotations

from fastapi import APIRouter

from poolhand.domain.replicate.status import EDGES, STATUS_ROWS
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_api import StatusMeaning


def status_routes() -> APIRouter:
    """Return the endpoint that explains statuses."""
    router = service_router()

    @router.get("/v1/statuses")
    async def statuses() -> list[StatusMeaning]:
        """Explain every replicate status and what may follow it."""
        return [
            StatusMeaning(
                status=row.status,
                meaning=row.meaning,
                cause=row.cause,
                by=row.by,
                acts=row.acts,
                next_step=row.next_step,
                next=tuple(sorted(EDGES[row.status])),
            )
            for row in STATUS_ROWS
        ]

    return router
