"""Handing the result to the pool's results service."""

from __future__ import annotations

from typing import Final

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.bench import Bench

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to reach the results service."""


async def upload(bench: Bench, replicate: Replicate) -> Finished:
    """Upload the archive; tries again while the service is away."""
    offer = replicate.offer
    archive = str(bench.folder(offer.task_id).archive)
    failure = ""
    for pause in (*PAUSES, None):
        try:
            link = await (await bench.results()).upload(offer, archive)
        except Unavailable as fault:
            failure = str(fault)
        except (Refused, OSError) as fault:
            failure = str(fault)
            break
        else:
            return Finished(bench.clock.now(), Action.UPLOAD, Status.RESULT_UPLOADED, link=link)
        if pause is not None:
            await bench.clock.sleep(pause)
    return Finished(bench.clock.now(), Action.UPLOAD, Status.RESULT_UPLOAD_FAILED, failure)
