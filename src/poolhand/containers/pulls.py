"""Pulling images by digest, for this machine's processor, from registries that may be asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import STATUS_NOT_FOUND, AnswerTooLong, answering, working
from poolhand.containers.engine_disk import SPARED, PullRoom
from poolhand.containers.errors import EngineFull, ImageNotFound, ImagePullFailed, ImageUnusable
from poolhand.containers.image_name import HUB, ImageName
from poolhand.containers.pull_causes import PullCause, cause_of
from poolhand.containers.pull_steps import pull_steps
from poolhand.containers.pull_tally import PullTally
from poolhand.containers.sharing import Shared
from poolhand.domain.text import shown
from poolhand.domain.units import Seconds
from poolhand.observe.outage_log import OutageLog
from poolhand.settings.registries import RegistryLogin

HUB_SERVER: Final = "https://index.docker.io/v1/"
MOST_ENGINE_WORDS: Final = 500
"""Characters kept in the log of what an engine says."""
MOST_PULL_STEPS: Final = 512
"""Steps of one pull in the log: an image has 127 layers at most, a manifest room for thousands."""
MOST_CONFIG: Final = 256 * 1024
"""Characters of an image's configuration: engines tell all of it at each look at a container."""

FindPullLogin: TypeAlias = Callable[[str], Awaitable[RegistryLogin | None]]
"""Finds the login of a registry (``host:port``), if there is one."""
RegistryRule: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether a registry (``host:port``) may be asked for an image."""
PullFailure: TypeAlias = ImageNotFound | ImageUnusable | ImagePullFailed

log = structlog.get_logger()


async def no_login(registry: str) -> None:  # noqa: ARG001 - the shape of FindPullLogin
    """Know no login."""
    return


async def any_registry(registry: str) -> bool:  # noqa: ARG001 - the shape of RegistryRule
    """Allow every registry."""
    return True


class Puller:
    """Makes images present; two that ask for one image share one pull.

    Args:
        docker: The engine.
        url: Where it is.
        login_of: Finds logins; asked at each pull, for people log in while a worker runs.
        may_ask: Decides which registries are asked at all.
    """

    def __init__(
        self,
        docker: Docker,
        url: str,
        login_of: FindPullLogin = no_login,
        may_ask: RegistryRule = any_registry,
    ) -> None:
        self._docker, self._url = docker, url
        self._login_of, self._may_ask = login_of, may_ask
        self._pulls = Shared[None]()
        self._tallies: dict[str, PullTally] = {}
        self._platform = ""
        self._full = OutageLog(
            "engine_full",
            "engine_has_room",
            acts="operator of the worker",
            next_step="free some space on the engine's disk; the worker goes on by itself",
        )

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Implement ``ContainerRuntime.pull``."""
        name = ImageName.parse(image)
        reference = name.at(digest)
        platform = await self._own_platform()
        found = await self._find(reference)
        if found is None:
            found = await self._pull_within(name, reference, timeout, platform)
        if await asyncio.to_thread(_has_large_config, found):
            raise ImageUnusable(reference, PullCause.CONFIG, platform)
        built_for = platform_of(found)
        if built_for not in ("", platform):
            raise ImageUnusable(reference, PullCause.PLATFORM, platform, built_for)
        return reference

    def pulling(self, reference: str) -> int | None:
        """Implement ``ContainerRuntime.pulling``."""
        tally = self._tallies.get(reference)
        return None if tally is None else tally.bytes

    async def _own_platform(self) -> str:
        if not self._platform:
            with working(self._url):
                self._platform = platform_of_engine(await self._docker.version())
        return self._platform

    async def _find(self, reference: str) -> dict[str, Any] | None:
        """Return the engine's account of an image; None: it is not present."""
        with working(self._url):
            try:
                return await self._docker.images.inspect(reference)
            except AnswerTooLong as fault:
                raise ImageUnusable(reference, PullCause.CONFIG, self._platform) from fault
            except DockerError as fault:
                if fault.status != STATUS_NOT_FOUND:
                    raise
                return None

    async def _pull_within(
        self, name: ImageName, reference: str, timeout: Seconds, platform: str
    ) -> dict[str, Any]:
        if not await self._may_ask(name.registry):
            raise ImageUnusable(reference, PullCause.FORBIDDEN, platform)
        try:
            async with asyncio.timeout(timeout):
                await self._pulls.do(reference, lambda: self._pull(name, reference, platform))
        except TimeoutError as fault:
            raise ImagePullFailed(reference, PullCause.TOO_SLOW, platform) from fault
        found = await self._find(reference)
        if found is None:  # it ended before the image was complete
            raise ImagePullFailed(reference, PullCause.NETWORK, platform)
        return found

    async def _pull(self, name: ImageName, reference: str, platform: str) -> None:
        log.info("image_pull_started", image=reference)
        login = await self._login_of(name.registry)
        room = await PullRoom.look(self._docker, self._url)
        self._tallies[reference] = PullTally()
        try:
            await _while_there_is(room, self._fetch_with(login, reference))
        except DockerError as fault:
            raise self._blame(_diagnose(reference, fault, platform, login), room) from fault
        except _RanShort as fault:
            log.warning("image_pull_ended", image=reference, least_bytes=SPARED)
            short = ImagePullFailed(reference, PullCause.NO_ROOM, platform)
            raise self._blame(short, room) from fault
        finally:
            del self._tallies[reference]
        self._full.over()
        log.info("image_pulled", image=reference)

    def _blame(self, failure: PullFailure, room: PullRoom) -> PullFailure | EngineFull:
        """Hold want of room against the worker where there was little before anything came."""
        if not _is_for_room(failure) or not room.was_little:
            return failure
        full = EngineFull(failure.image)
        self._full.tell(full)
        return full

    async def _fetch_with(self, login: RegistryLogin | None, reference: str) -> None:
        """Fetch with a login, and without one where that is refused: the image may be public."""
        if login is not None:
            try:
                await self._fetch(reference, _credentials(login))
            except DockerError as fault:
                if cause_of(fault.status, fault.message) not in _DENIED:
                    raise
                log.warning("registry_login_refused", registry=login.address)
            else:
                return
        await self._fetch(reference, None)

    async def _fetch(self, reference: str, credentials: dict[str, str] | None) -> None:
        told = 0
        with answering(self._url):
            async with aclosing(pull_steps(self._docker, reference, credentials)) as steps:
                async for step in steps:
                    self._tallies[reference].take(step)
                    told += told < MOST_PULL_STEPS and _show(reference, step)


class _RanShort(Exception):
    """A pull was ended before it had filled the engine's disk."""


async def _while_there_is(room: PullRoom, fetching: Coroutine[Any, Any, None]) -> None:
    fetch, short = asyncio.create_task(fetching), asyncio.create_task(room.runs_short())
    try:
        await asyncio.wait({fetch, short}, return_when=asyncio.FIRST_COMPLETED)
        if not fetch.done():
            raise _RanShort
    finally:
        for each in (fetch, short):
            each.cancel()
        await asyncio.gather(fetch, short, return_exceptions=True)
    fetch.result()


_DENIED: Final = (PullCause.LOGIN, PullCause.LOGIN_REFUSED)


def platform_of_engine(version: Mapping[str, Any]) -> str:
    """Return ``os/architecture`` of an engine by its version; empty: it does not say."""
    return platform_of({"Os": version.get("Os"), "Architecture": version.get("Arch")})


def platform_of(image: dict[str, Any]) -> str:
    """Return ``os/architecture`` of an engine's answer; empty: it does not say.

    Variants (``v7``) are left out: an engine picks the right one, and tells its own nowhere.
    """
    system, machine = image.get("Os"), image.get("Architecture")
    return f"{system}/{machine}" if system and machine else ""


def _credentials(login: RegistryLogin) -> dict[str, str]:
    server = HUB_SERVER if login.address == HUB else login.address
    return {
        "username": login.username,
        "password": login.password,
        "serveraddress": server,
    }


def _has_large_config(image: dict[str, Any]) -> bool:
    """Tell whether an image's configuration is too large to be told with each of its containers."""
    return len(json.dumps(image.get("Config"))) > MOST_CONFIG


def _show(reference: str, step: dict[str, Any]) -> bool:
    """Log a step that matters; tells whether it did."""
    status = step.get("status", "")
    matters = status in ("Download complete", "Pull complete", "Already exists")
    if matters:
        log.info("image_layer_advanced", image=reference, layer=step.get("id"), status=status)
    return matters


def _diagnose(
    reference: str, fault: DockerError, platform: str, login: RegistryLogin | None
) -> PullFailure:
    """Return what an engine's words mean; they themselves go into the log alone."""
    log.warning("image_not_pulled", image=reference, engine=shown(fault.message, MOST_ENGINE_WORDS))
    cause = cause_of(fault.status, fault.message)
    if cause is PullCause.LOGIN and login is not None:
        cause = PullCause.LOGIN_REFUSED
    if cause is PullCause.NOT_FOUND:
        return ImageNotFound(reference, cause.happened)
    if cause.is_lasting:
        return ImageUnusable(reference, cause, platform)
    return ImagePullFailed(reference, cause, platform)


def _is_for_room(failure: Exception) -> bool:
    return isinstance(failure, ImagePullFailed) and failure.cause is PullCause.NO_ROOM
