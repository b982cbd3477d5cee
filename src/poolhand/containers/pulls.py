"""Pulling images by digest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiodocker import Docker, DockerError

from poolhand.containers.engine import GONE, answering, working
from poolhand.containers.errors import ImageNotFound, ImagePullFailed
from poolhand.containers.image_name import HUB, ImageName
from poolhand.containers.sharing import Shared
from poolhand.domain.units import Seconds
from poolhand.settings.worker import RegistryLogin

HUB_SERVER: Final = "https://index.docker.io/v1/"
_UNKNOWN: Final = ("manifest unknown", "not found", "does not exist", "name unknown")
_DENIED: Final = ("unauthorized", "denied", "no basic auth", "incorrect username")

log = structlog.get_logger()


class Puller:
    """Makes images present; two that ask for one image share one pull."""

    def __init__(self, docker: Docker, url: str, logins: Mapping[str, RegistryLogin]) -> None:
        self._docker, self._url, self._logins = docker, url, logins
        self._pulls = Shared[None]()

    async def pull(self, image: str, digest: str, timeout: Seconds) -> str:
        """Implement ``ContainerRuntime.pull``."""
        name = ImageName.parse(image)
        reference = name.at(digest)
        if not await self._is_present(reference):
            await self._pull_within(name, reference, timeout)
        return reference

    async def _is_present(self, reference: str) -> bool:
        with working(self._url):
            try:
                await self._docker.images.inspect(reference)
            except DockerError as fault:
                if fault.status != GONE:
                    raise
                return False
        return True

    async def _pull_within(self, name: ImageName, reference: str, timeout: Seconds) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._pulls.do(reference, lambda: self._pull(name, reference))
        except TimeoutError as fault:
            raise ImagePullFailed(reference, f"not complete after {timeout} s") from fault
        if not await self._is_present(reference):
            raise ImagePullFailed(reference, "it ended before the image was complete")

    async def _pull(self, name: ImageName, reference: str) -> None:
        log.info("image_pull_started", image=reference)
        login = self._logins.get(name.registry)
        try:
            await self._fetch(reference, _credentials(login) if login else None)
        except DockerError as fault:
            if login is None or not _says(fault, _DENIED):
                raise _diagnose(reference, fault) from fault
            log.warning("registry_login_refused", registry=name.registry, cause=fault.message)
            await self._fetch_anonymously(reference)
        log.info("image_pulled", image=reference)

    async def _fetch_anonymously(self, reference: str) -> None:
        try:
            await self._fetch(reference, None)
        except DockerError as fault:
            raise _diagnose(reference, fault) from fault

    async def _fetch(self, reference: str, credentials: dict[str, str] | None) -> None:
        with answering(self._url):
            progress = self._docker.images.pull(reference, auth=credentials, stream=True)
            async for step in progress:
                _show(reference, step)


def _credentials(login: RegistryLogin) -> dict[str, str]:
    server = HUB_SERVER if login.address == HUB else login.address
    return {
        "username": login.username,
        "password": login.password,
        "serveraddress": server,
    }


def _show(reference: str, step: dict[str, Any]) -> None:
    status = step.get("status", "")
    if status in ("Download complete", "Pull complete", "Already exists"):
        log.info("image_layer_advanced", image=reference, layer=step.get("id"), status=status)


def _says(fault: DockerError, words: tuple[str, ...]) -> bool:
    return any(word in fault.message.lower() for word in words)


def _diagnose(reference: str, fault: DockerError) -> ImageNotFound | ImagePullFailed:
    if fault.status == 404 or _says(fault, _UNKNOWN):
        return ImageNotFound(reference, fault.message)
    return ImagePullFailed(reference, fault.message)
