"""Handing the result to the pool's results service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import (
    BrokenPrecondition,
    EndsProgram,
    PeerFault,
    Refused,
    Unavailable,
)
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.ports.files import ResultsClient
from poolhand.transport.again import again
from poolhand.worker.beneficiary_keys import BeneficiaryKeys
from poolhand.worker.briefs import Briefs
from poolhand.worker.task_folders import TaskFolders

PAUSES_OF_UPLOADS: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to reach the results service."""
LONG_PAUSE: Final = 8.0
"""Seconds between further tries, where there are any."""

log = structlog.get_logger()


class UploadStage:
    """Uploads the archive; tries again while the service is away.

    Args:
        briefs: Of the deals, which may ask for encryption.
        results: The service, once the pool has said where it is.
        keys: Of beneficiaries.
        folders: Of tasks.
        clock: For pauses.
    """

    def __init__(
        self,
        briefs: Briefs,
        results: Callable[[], Awaitable[ResultsClient]],
        keys: BeneficiaryKeys,
        folders: TaskFolders,
        clock: Clock,
    ) -> None:
        self._briefs, self._keys = briefs, keys
        self._results, self._folders, self._clock = results, folders, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Upload."""
        offer, pauses = replicate.offer, _pauses(replicate.offer.flow)

        async def once() -> str:
            archive = await self._archive(replicate)
            return await (await self._results()).upload(offer, str(archive))

        def next_pause(tries: int, fault: Unavailable) -> float | None:
            if tries == len(PAUSES_OF_UPLOADS) + 1:
                log.warning("results_awaited", task_id=str(offer.task_id), cause=str(fault))
            return next(pauses)

        try:
            link = await again(once, Unavailable, next_pause, self._clock.sleep)
        except EndsProgram:
            raise
        except (Refused, Unavailable, PeerFault, OSError) as fault:
            status, cause = Status.RESULT_UPLOAD_FAILED, str(fault)
            return Finished(self._clock.now(), Action.UPLOAD, status, cause)
        return Finished(self._clock.now(), Action.UPLOAD, Status.RESULT_UPLOADED, link=link)

    async def _archive(self, replicate: Replicate) -> Path:
        """Return what is uploaded: the archive, encrypted once and for all where it is to be.

        Raises:
            UnfitResultKey, ResultTooLargeToEncrypt: It cannot be.
            Unavailable: The key is not there, or cannot be asked for, now.
        """
        offer = replicate.offer
        folder, brief = self._folders.of(offer.task_id), await self._briefs.of(offer)
        if not brief.params.result_encryption:
            return folder.archive
        if not folder.encrypted.exists():  # the same after a crash: it was made whole
            key = await self._keys.at_upload(brief)
            if key is None or replicate.digest is None:
                raise BrokenPrecondition("nothing is computed that could be encrypted")
            from poolhand.keys.result_encryption import encrypt_result  # noqa: PLC0415 - for few

            said = offer.task_id, replicate.digest
            await asyncio.to_thread(
                encrypt_result, folder.archive, folder.encrypted, key.pem, *said
            )
        return folder.encrypted


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
