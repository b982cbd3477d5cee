"""An image registry as a requester asks it: for a digest, and for the processors of an image.

Source: OCI distribution specification 1.1 (manifests, blobs), Docker's token authentication.
"""

from __future__ import annotations

import base64
import platform
import re
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx

from poolhand.appimage.reference import (
    NAMED_DIGEST,
    ImageReference,
    NoSuchImage,
    RegistryDown,
    ResolvedImage,
    is_private_place,
)
from poolhand.domain import multiaddr
from poolhand.domain.deal import App
from poolhand.domain.errors import Refused
from poolhand.domain.json_text import parse_json
from poolhand.domain.platforms import linux_on, listed_platforms, platform_of, runs_on
from poolhand.settings.registries import RegistryLogin
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, Visits, WebAnswer, ask

FindLogin: TypeAlias = Callable[[str], Awaitable[RegistryLogin | None]]
"""Finds the login of a registry (``host:port``), if there is one."""
REGISTRY_REDIRECTS: Final = (301, 302, 303, 307, 308)
MOST_METADATA: Final = 4 * 1024**2
"""Bytes of a manifest or config that are read, as registries themselves limit them."""
_MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class WrongPlatform(Refused):
    """No worker could run the image."""

    def __init__(self, image: str, built_for: Iterable[str], wanted: Iterable[str]) -> None:
        need = " or ".join(wanted)
        super().__init__(
            f"image {image} is built for {', '.join(built_for)}, and workers run {need}: build it "
            f"for that (docker buildx build --platform {need} --push), then deploy it again; for "
            "workers of another kind set POOLHAND_PLATFORMS"
        )


async def unread_by_others(url: str) -> bool:
    """Allow what is sent to where nobody reads it on the way."""
    try:
        place = urlsplit(url)
    except ValueError:  # a registry's word, which may be none
        return False
    return is_private_place(place.scheme, place.netloc)


async def nobody(registry: str) -> None:  # noqa: ARG001 - the shape of FindLogin
    """Know no login."""
    return


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
    registry = _Registry(http, image, await login_of(image.registry))
    told = await registry.manifest("HEAD", image.tag)
    found = NAMED_DIGEST.fullmatch(told.headers.get("docker-content-digest", ""))
    if found:
        return ResolvedImage(str(image), bytes.fromhex(found[1]))
    answer = await registry.manifest("GET", image.tag)
    return ResolvedImage(str(image), sha256(answer.content).digest())


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
        registry = _Registry(http, name, await login_of(name.registry), allows)
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


class _Registry:
    """One registry, asked about one image; what lets us in is kept for the next question."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        image: ImageReference,
        login: RegistryLogin | None,
        allows: Visits = unread_by_others,
    ) -> None:
        self._http, self._image, self._login, self._allows = http, image, login, allows
        self._headers: dict[str, str] = {}

    async def manifest(self, method: str, name: str) -> WebAnswer:
        """Return a manifest, by tag or digest."""
        return await self._read(method, f"manifests/{name}", {"Accept": _MANIFESTS})

    async def platforms(self, digest: str) -> tuple[str, ...]:
        """Return what an image is built for; nothing where it does not say."""
        members = _members((await self.manifest("GET", digest)).content)
        listed = listed_platforms(members)
        if listed is not None:
            return listed
        config = members.get("config")
        name = config.get("digest") if isinstance(config, dict) else None
        if not isinstance(name, str) or not NAMED_DIGEST.fullmatch(name):
            return ()
        told = platform_of(_members((await self._read("GET", f"blobs/{name}", {})).content))
        return (told,) if told else ()

    async def _read(self, method: str, path: str, headers: dict[str, str]) -> WebAnswer:
        url = f"{self._image.api}/v2/{self._image.repository}/{path}"
        answer = await self._ask(method, url, {**headers, **self._headers})
        if answer.status == 401 and not self._headers:
            challenge = answer.headers.get("www-authenticate", "")
            self._headers = {"Authorization": await self._authorization(challenge)}
            answer = await self._ask(method, url, {**headers, **self._headers})
        if answer.status in REGISTRY_REDIRECTS and path.startswith("blobs/"):
            answer = await self._ask(method, await self._elsewhere(answer), headers)
        if answer.status in (401, 403, 404):
            raise self._missing(answer.status)
        return self._succeeded(answer)

    async def _elsewhere(self, answer: WebAnswer) -> str:
        """Return where a registry says that a blob lies; what lets us in is not sent there."""
        url = str(urljoin(answer.url, answer.headers.get("location", "")))
        if not await self._allows(url):
            raise RegistryDown(f"the registry of {self._image} sends us where we do not go")
        return url

    def _missing(self, status: int) -> NoSuchImage:
        why = "no such name or tag" if status == 404 else "it is private, or not there"
        return NoSuchImage(
            f"image {self._image} does not exist in the registry: {why}. "
            "Push it there first (docker push), correct the name, or log in "
            f"(docker login {self._image.registry})"
        )

    async def _authorization(self, challenge: str) -> str:
        """Return what lets us in: our login, or the token that lets anybody pull."""
        told = dict(_CHALLENGE.findall(challenge))
        scheme = challenge.partition(" ")[0].lower()
        own = urlsplit(self._image.api)
        if scheme == "basic" and self._login and is_private_place(own.scheme, own.netloc):
            return _basic(self._login)
        if scheme != "bearer" or not await self._allows(told.get("realm", "")):
            raise NoSuchImage(
                f"image {self._image} is not public: its registry asks for a login. Log in "
                f"(docker login {self._image.registry}), publish it, or name its digest "
                "(name@sha256:…)"
            )
        return f"Bearer {await self._token(told)}"

    async def _token(self, told: dict[str, str]) -> str:
        asked = {
            "service": told.get("service", ""),
            "scope": told.get("scope", f"repository:{self._image.repository}:pull"),
        }
        headers = {"Authorization": _basic(self._login)} if self._login else {}
        answer = await self._ask("GET", told["realm"], headers, asked)
        if answer.status in (401, 403) and self._login:
            raise NoSuchImage(
                f"the registry of {self._image} does not accept your login: log in again "
                f"(docker login {self._image.registry})"
            )
        members = _members(self._succeeded(answer).content)
        token = members.get("token") or members.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryDown(f"the registry of {self._image} gave no token: try again later")
        return token

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], asked: dict[str, str] | None = None
    ) -> WebAnswer:
        """Ask; a registry that dribbles holds a buyer no longer than one that is silent."""
        caps = Caps(MOST_METADATA, self._http.timeout.read)
        try:
            return await ask(self._http, method, url, caps, headers=headers, params=asked)
        except NoAnswer as fault:
            raise RegistryDown(
                f"the registry of {self._image} does not answer ({fault}): "
                "start it, or correct the name"
            ) from fault
        except AnswerTooLarge as fault:
            raise RegistryDown(
                f"the registry of {self._image} sends more than a manifest can have: "
                "correct the name"
            ) from fault

    def _succeeded(self, answer: WebAnswer) -> WebAnswer:
        if not answer.is_success:
            raise RegistryDown(
                f"the registry of {self._image} answers HTTP {answer.status}: try again later"
            )
        return answer


def _members(content: bytes) -> dict[str, Any]:
    try:
        found = parse_json(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _basic(login: RegistryLogin) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
