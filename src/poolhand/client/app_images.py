"""Images that a client builds, pushes and deploys; the command line's, too.

A name that begins with ``devnet/`` stands for the registry of the devnet that runs here, which has
a base with its own Python; else bases are Docker's own images of Python.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import httpx

from poolhand.appimage.building import ImageBuilder, platform_for, silent, usual_base
from poolhand.appimage.composing import BuiltImage, PublishedImage
from poolhand.appimage.image import Image
from poolhand.client.context import ClientContext
from poolhand.containers.docker_logins import RegistryLogins
from poolhand.devnet.images import base_reference, own_python
from poolhand.devnet.info import DevnetInfo, NoDevnet
from poolhand.requester.assets import Deployed
from poolhand.settings.home import at_home
from poolhand.settings.registries import DOCKER_CONFIG
from poolhand.web.trusted import trusted

if TYPE_CHECKING:
    from poolhand.appimage.pushing import TellStep
    from poolhand.requester.requester import Requester

REGISTRY_TIMEOUT: Final = 30.0
"""Seconds for one answer of a registry to begin."""
_TAG_DIGITS: Final = 12


LoadArchive: TypeAlias = Callable[[Path], Awaitable[None]]
"""Has an engine take an image's archive."""


@dataclass(frozen=True, slots=True)
class DeployedImage:
    """An image that is in a registry and on chain: its name and digest, and the app."""

    image: PublishedImage
    app: Deployed


class ClientImages:
    """Builds images for a client.

    Args:
        context: What the client was told.
        told: What is done now, in a line.
    """

    def __init__(self, context: ClientContext, told: TellStep = silent) -> None:
        self._context, self._told = context, told

    async def build(self, image: Image, file: str | Path = "", name: str = "") -> BuiltImage:
        """Build an image, and write it into a file where one is named; raises as the builder."""
        async with self._opened(name) as (builder, folder):
            built = await builder.build(image, folder)
            if file:
                await builder.save(built, Path(file), folder, name)
            return built

    async def load(self, image: Image, name: str, load: LoadArchive) -> BuiltImage:
        """Build an image and hand it to an engine of this machine; raises as ``build``.

        Args:
            image: What is wanted.
            name: Under which the engine keeps it.
            load: Has the engine take an archive.
        """
        whole = self.target(image, name)
        async with self._opened("") as (builder, folder):  # it goes to no registry
            built, file = await builder.build(image, folder), folder / "image.tar"
            await builder.save(built, file, folder, whole)
            await load(file)
        return built

    async def push(self, image: Image, to: str) -> PublishedImage:
        """Build an image and push it.

        Args:
            image: What is wanted.
            to: ``registry/owner/name:tag``; without a tag it is named by its content.

        Raises:
            PushRefused, BadImageName: The registry does not take it; nothing was built.
            UnfitImage, UnfitBase, MissingWheel, UnfitWheel, NoPip: It cannot be built.
            NoSuchImage, RegistryDown, IndexDown, FalseRegistry: Something cannot be had now.
        """
        target = self.target(image, to)
        async with self._opened(target) as (builder, folder):
            _ = image.runs  # refused before anybody is asked
            await builder.demand_writable(target)
            return await builder.push(await builder.build(image, folder), target)

    async def deploy(
        self, requester: Requester, image: Image, to: str, name: str = ""
    ) -> DeployedImage:
        """Build an image, push it, and register it as an app with its digest, once.

        Args:
            requester: Whose wallet registers it; asked for before anything is built.
            image: What is wanted.
            to: As for ``push``.
            name: On chain; empty: the image's.

        Raises:
            NoWallet: There is none; and as ``push``, and ``Requester.deploy_app``.
        """
        _ = requester.wallet
        published = await self.push(image, to)
        pinned = f"{published.reference}@sha256:{published.digest}"
        return DeployedImage(published, await requester.deploy_app(pinned, name))

    def target(self, image: Image, to: str) -> str:
        """Return the whole name of where an image goes; raises NoDevnet for the devnet's."""
        whole = self._context.image(to)
        tagged = ":" in whole.rpartition("/")[2]
        return whole if tagged else f"{whole}:{image.content_id[:_TAG_DIGITS]}"

    @asynccontextmanager
    async def _opened(self, to: str) -> AsyncIterator[tuple[ImageBuilder, Path]]:
        """Open a builder, and a folder that is gone afterwards."""
        found = self._context.found
        logins = RegistryLogins(config=at_home(found["docker-config"]) / DOCKER_CONFIG)
        with tempfile.TemporaryDirectory(prefix="poolhand-image-") as folder:
            async with httpx.AsyncClient(
                timeout=REGISTRY_TIMEOUT, verify=trusted(environment=True)
            ) as http:
                built_for = platform_for(to, found["platforms"])
                builder = ImageBuilder(
                    http, logins.of, built_for, partial(self._base, to), self._told
                )
                yield builder, Path(folder)

    def _base(self, to: str, image: Image) -> str:
        """Return the base of an image; in a devnet's registry the devnet's, of its own Python."""
        if image.base:
            return self._context.image(image.base)
        devnet = self._devnet
        if devnet is None or image.python_version != own_python():
            return usual_base(image)
        if to and not to.startswith(f"{devnet.registry}/"):
            return usual_base(image)
        return base_reference(devnet.registry, image.python_version)

    @property
    def _devnet(self) -> DevnetInfo | None:
        try:
            return self._context.devnet
        except NoDevnet:
            return None
