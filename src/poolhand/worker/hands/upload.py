"""Handing the result to the pool's results service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import structlog

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.bench import Bench

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to reach the results service."""
LONG_PAUSE: Final = 8.0
"""Seconds between further tries, where there are any."""

log = structlog.get_logger()


async def upload(bench: Bench, replicate: Replicate) -> Finished:
    """Upload the archive; tries again while the service is away."""
    offer = replicate.offer
    archive = str(bench.folder(offer.task_id).archive)
    failure = ""
    for number, pause in enumerate(_pauses(offer.flow)):
        try:
            link = await (await bench.results()).upload(offer, archive)
        except Unavailable as fault:
            failure = str(fault)
        except (Refused, OSError) as fault:
            failure = str(fault)
            break
        else:
            return Finished(bench.clock.now(), Action.UPLOAD, Status.RESULT_UPLOADED, link=link)
        if number == len(PAUSES):
            log.warning("results_awaited", task_id=str(offer.task_id), cause=failure)
        if pause is None:
            break
        await bench.clock.sleep(pause)
    return Finished(bench.clock.now(), Action.UPLOAD, Status.RESULT_UPLOAD_FAILED, failure)


def _pauses(flow: Flow) -> Iterator[float | None]:
    """Yield how long to wait after each try (seconds); None after the last.

    Who has proved its result soon says that it cannot upload, so that another worker is asked. A
    worker that uploads first has computed a result that nobody else has: it waits for the service
    until the chain ends the replicate, rather than have every worker compute in vain.
    """
    yield from PAUSES
    if flow is Flow.STANDARD:
        yield None
    while True:
        yield LONG_PAUSE
