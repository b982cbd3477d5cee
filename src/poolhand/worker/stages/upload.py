"""Handing the result to the pool's results service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.ports.files import ResultsClient
from poolhand.transport.again import again
from poolhand.worker.task_folders import TaskFolders

PAUSES_OF_UPLOADS: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to reach the results service."""
LONG_PAUSE: Final = 8.0
"""Seconds between further tries, where there are any."""

log = structlog.get_logger()


class UploadStage:
    """Uploads the archive; tries again while the service is away.

    Args:
        results: The service, once the pool has said where it is.
        folders: Of tasks.
        clock: For pauses.
    """

    def __init__(
        self, results: Callable[[], Awaitable[ResultsClient]], folders: TaskFolders, clock: Clock
    ) -> None:
        self._results, self._folders, self._clock = results, folders, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Upload."""
        offer, pauses = replicate.offer, _pauses(replicate.offer.flow)
        archive = str(self._folders.of(offer.task_id).archive)

        async def once() -> str:
            return await (await self._results()).upload(offer, archive)

        def next_pause(tries: int, fault: Unavailable) -> float | None:
            if tries == len(PAUSES_OF_UPLOADS) + 1:
                log.warning("results_awaited", task_id=str(offer.task_id), cause=str(fault))
            return next(pauses)

        try:
            link = await again(once, Unavailable, next_pause, self._clock.sleep)
        except EndsProgram:
            raise
        except (Refused, Unavailable, OSError) as fault:
            status, cause = Status.RESULT_UPLOAD_FAILED, str(fault)
            return Finished(self._clock.now(), Action.UPLOAD, status, cause)
        return Finished(self._clock.now(), Action.UPLOAD, Status.RESULT_UPLOADED, link=link)


def _pauses(flow: Flow) -> Iterator[float | None]:
    """Yield how long to wait after each try (seconds); None after the last.

    Who has proved its result soon says that it cannot upload, so that another worker is asked. A
    worker that uploads first has computed a result that nobody else has: it waits for the service
    until the chain ends the replicate, rather than have every worker compute for nothing.
    """
    yield from PAUSES_OF_UPLOADS
    if flow is Flow.STANDARD:
        yield None
    while True:
        yield LONG_PAUSE
