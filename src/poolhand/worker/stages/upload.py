"""Handing the result to the pool's results service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import structlog

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.transport.again import again
from poolhand.worker.toolbox import Toolbox

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to reach the results service."""
LONG_PAUSE: Final = 8.0
"""Seconds between further tries, where there are any."""

log = structlog.get_logger()


async def upload(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Upload the archive; tries again while the service is away."""
    offer, pauses = replicate.offer, _pauses(replicate.offer.flow)
    archive = str(toolbox.folder(offer.task_id).archive)

    async def once() -> str:
        return await (await toolbox.results()).upload(offer, archive)

    def next_pause(tries: int, fault: Unavailable) -> float | None:
        if tries == len(PAUSES) + 1:
            log.warning("results_awaited", task_id=str(offer.task_id), cause=str(fault))
        return next(pauses)

    try:
        link = await again(once, Unavailable, next_pause, toolbox.clock.sleep)
    except (Refused, Unavailable, OSError) as fault:
        cause = str(fault)
        return Finished(toolbox.clock.now(), Action.UPLOAD, Status.RESULT_UPLOAD_FAILED, cause)
    return Finished(toolbox.clock.now(), Action.UPLOAD, Status.RESULT_UPLOADED, link=link)


def _pauses(flow: Flow) -> Iterator[float | None]:
    """Yield how long to wait after each try (seconds); None after the last.

    Who has proved its result soon says that it cannot upload, so that another worker is asked. A
    worker that uploads first has computed a result that nobody else has: it waits for the service
    until the chain ends the replicate, rather than have every worker compute for nothing.
    """
    yield from PAUSES
    if flow is Flow.STANDARD:
        yield None
    while True:
        yield LONG_PAUSE
