"""How a container of an engine ended, read before it is removed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from aiodocker import Docker, DockerError

from poolhand.containers.engine import (
    CONFLICT,
    STATUS_NOT_FOUND,
    inspect,
    ran_out_of_memory,
    read_logs,
)
from poolhand.containers.errors import ContainerRemoved
from poolhand.containers.run_clock import RunClock, seconds_of
from poolhand.containers.written import is_too_large
from poolhand.ports.runtime import ContainerOutcome, ContainerSpec

REMOVED: Final = ("removing", "dead")
"""States of a container that is about to vanish."""


class ContainerEnds:
    """Those of one engine.

    Args:
        docker: The engine.
        clock: Knows how long containers have run.
        kernel_log: Of this machine, where it tells of an app that ran out of memory.
    """

    def __init__(self, docker: Docker, clock: RunClock, kernel_log: Path) -> None:
        self._docker, self._clock, self._kernel_log = docker, clock, kernel_log

    async def read(
        self, container: str, spec: ContainerSpec, late: bool | None
    ) -> ContainerOutcome:
        """Read how one ended; where nobody saw whether it was ``late`` (None), time stamps tell.

        Raises:
            ContainerRemoved: It is gone.
            DockerError: The engine does not tell.
        """
        found = await inspect(self._docker, container)
        if found is None or found["State"]["Status"] in REMOVED:
            raise ContainerRemoved(spec.name)
        try:
            out, err = await read_logs(self._docker, container, spec.limits.log)
        except DockerError as fault:
            if fault.status not in (STATUS_NOT_FOUND, CONFLICT):
                raise
            raise ContainerRemoved(spec.name) from fault
        state = found["State"]
        if late is None:
            late = self._clock.was_late(spec.name, state, spec.timeout)
        return ContainerOutcome(
            exit_code=state["ExitCode"],
            timed_out=late,
            out_of_memory=await ran_out_of_memory(found, self._kernel_log),
            output_too_large=await asyncio.to_thread(is_too_large, spec),
            stdout=out,
            stderr=err,
            seconds=seconds_of(state),
        )
