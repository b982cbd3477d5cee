"""An image registry as a requester asks it: for a digest, and for the processors of an image.

Source: OCI distribution specification 1.1 (manifests, blobs), Docker's token authentication.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import httpx

from poolhand.appimage.reference import (
    NAMED_DIGEST,
    ImageReference,
    NoSuchImage,
    RegistryDown,
    ResolvedImage,
)
from poolhand.appimage.registry_api import FindLogin, RegistryApi, nobody, unread_by_others
from poolhand.domain import multiaddr
from poolhand.domain.deal import App
from poolhand.domain.errors import Refused
from poolhand.domain.platforms import linux_on, runs_on
from poolhand.web.client import Visits


class WrongPlatform(Refused):
    """No worker could run the image."""

    def __init__(self, image: str, built_for: Iterable[str], wanted: Iterable[str]) -> None:
        need = " or ".join(wanted)
        super().__init__(
            f"image {image} is built for {', '.join(built_for)}, and workers run {need}: build it "
            f"for that (docker buildx build --platform {need} --push), then deploy it again; for "
            "workers of another kind set POOLHAND_PLATFORMS"
        )


async def resolve(
    http: httpx.AsyncClient, text: str, login_of: FindLogin = nobody
) -> ResolvedImage:
    """Find the digest of an image; of a multi-platform one the index's, as Docker does.

    A reference with a digest is taken at its word, without contact.

    Raises:
        BadImageName: Not a reference.
        NoSuchImage: The registry does not know it.
        RegistryDown: The registry does not answer.
    """
    image = ImageReference.parse(text)
    if image.digest is not None:
        return ResolvedImage(str(image), image.digest)
    registry = RegistryApi(http, image, await login_of(image.registry))
    told = await registry.manifest("HEAD", image.tag)
    found = NAMED_DIGEST.fullmatch(told.headers.get("docker-content-digest", ""))
    if found:
        return ResolvedImage(str(image), bytes.fromhex(found[1]))
    answer = await registry.manifest("GET", image.tag)
    return ResolvedImage(str(image), sha256(answer.content).digest())


async def image_config(
    http: httpx.AsyncClient, text: str, login_of: FindLogin = nobody, allows: Visits | None = None
) -> dict[str, Any]:
    """Return what an image says of itself (OCI image specification, "config").

    Raises:
        BadImageName: Not a reference.
        NoSuchImage: The registry does not know it.
        RegistryDown: The registry does not answer.
    """
    image = ImageReference.parse(text)
    login = await login_of(image.registry)
    registry = RegistryApi(http, image, login, allows or unread_by_others)
    pinned = f"sha256:{image.digest.hex()}" if image.digest else image.tag
    return await registry.config(pinned)


async def demand_platform(
    http: httpx.AsyncClient,
    image: ResolvedImage,
    platforms: Iterable[str],
    login_of: FindLogin = nobody,
    allows: Visits = unread_by_others,
) -> None:
    """Refuse an image that surely runs on no worker; one that cannot be looked at may.

    Args:
        http: A client.
        image: Its name and digest.
        platforms: What workers run. Of an image in a registry of this machine's own it is what this
            machine runs: no other could pull it.
        login_of: Finds logins.
        allows: Whether a place that the registry names, of tokens or blobs, is visited.

    Raises:
        WrongPlatform: It is built for other processors.
    """
    name = ImageReference.parse(image.name)
    wanted = (linux_on(platform.machine()),) if name.is_local else tuple(platforms)
    try:
        registry = RegistryApi(http, name, await login_of(name.registry), allows)
        built_for = await registry.platforms(f"sha256:{image.digest.hex()}")
    except (NoSuchImage, RegistryDown):
        return
    if not runs_on(built_for, wanted):
        raise WrongPlatform(str(name), built_for, wanted)


async def demand_runnable(
    http: httpx.AsyncClient,
    app: App,
    platforms: Iterable[str],
    login_of: FindLogin,
    allows: Visits,
) -> None:
    """Refuse an app on chain whose image surely runs on no worker; see ``demand_platform``.

    Args:
        http: A client.
        app: Anybody's: its registry is asked only where ``allows`` says so.
        platforms: What workers run.
        login_of: Finds logins.
        allows: Whether a URL may be visited.
    """
    try:
        name = ImageReference.parse(multiaddr.decode(app.multiaddr))
    except Refused:
        return
    if app.type == "DOCKER" and any(app.checksum) and await allows(name.api):
        await demand_platform(
            http, ResolvedImage(str(name), app.checksum), platforms, login_of, allows
        )
