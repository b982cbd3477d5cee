"""Runs that are being begun: each to its end, whoever is cancelled meanwhile, and for its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from poolhand.containers.errors import check_owner
from poolhand.ports.runtime import ContainerSpec

T = TypeVar("T")
log = structlog.get_logger()


class _Birth(NamedTuple):
    labels: Mapping[str, str]
    task: asyncio.Task[Any]


class Births(Generic[T]):
    """Those of one engine.

    An engine carries out a request whose sender has hung up; a removal must not overtake it.
    """

    def __init__(self) -> None:
        self._all: dict[str, _Birth] = {}

    async def begin(self, spec: ContainerSpec, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Begin a run, or wait with who is about it; returns what ``begin`` does.

        Raises:
            ContainerRefused: A stranger is beginning one of this name.
        """
        birth = self._all.get(spec.name)
        if birth is None:
            birth = _Birth(spec.labels, asyncio.create_task(begin()))
            self._all[spec.name] = birth
            birth.task.add_done_callback(lambda done: self._forget(spec.name, done))
        check_owner(spec, birth.labels)
        found: T = await asyncio.shield(birth.task)
        return found

    async def over(self, name: str) -> None:
        """Wait until a run is begun, or could not be; none of this name is fine."""
        if name in self._all:
            await asyncio.wait([self._all[name].task])

    async def all_over(self) -> None:
        """Do so for all."""
        await asyncio.gather(*(each.task for each in self._all.values()), return_exceptions=True)

    def _forget(self, name: str, birth: asyncio.Task[Any]) -> None:
        del self._all[name]
        if not birth.cancelled() and birth.exception() is not None:
            log.info("container_not_begun", container=name, cause=str(birth.exception()))
