"""What a worker tells its pool that it offers."""

from __future__ import annotations

import psutil

from poolhand import __version__
from poolhand.domain.messages import Nonce
from poolhand.settings.worker import WorkerSettings
from poolhand.wire.messages import Capabilities


def capabilities_of(settings: WorkerSettings, instance: Nonce, gpus: int) -> Capabilities:
    """Return it.

    Args:
        settings: Of the worker.
        instance: Random for each start of the program.
        gpus: How many GPUs it has.
    """
    return Capabilities(
        name=settings.name,
        version=__version__,
        cpus=settings.cpus if settings.cluster else psutil.cpu_count() or 1,
        slots=settings.cpus,
        memory=psutil.virtual_memory().total,
        tee=tuple(each.value for each in settings.tee),
        gpu=gpus > 0,
        instance=instance,
    )
