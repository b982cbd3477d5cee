"""*Simulated*: a worker that tells of itself what is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from poolhand.wire.messages import About, Capabilities, SchedulerBound
from poolhand.worker.reports import PoolLink

MOST_SLOTS_TOLD: Final = 65_535
"""The largest number of slots, processors or GPUs that a worker can tell."""


def boast(can: Capabilities) -> Capabilities:
    """Return the most that can be claimed."""
    return replace(can, cpus=MOST_SLOTS_TOLD, slots=MOST_SLOTS_TOLD, memory=1 << 50, gpu=True)


class BoastingLink:
    """The session to the pool, over which a worker tells of as many GPUs as can be told."""

    def __init__(self, link: PoolLink) -> None:
        self._link = link

    def send(self, message: SchedulerBound) -> None:
        """Send what the worker has to say, with more GPUs than it has."""
        if isinstance(message, About):
            message = replace(message, gpus=MOST_SLOTS_TOLD)
        self._link.send(message)
