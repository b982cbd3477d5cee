"""An image registry over HTTP: what it has is read here, and what lets us in is found out.

A registry is whoever a name leads to, and so are the places that it sends us to: all that is read
is bounded, content is known by its digest, and logins go to their own registry alone, where nobody
reads them on the way.

Source: OCI distribution specification 1.1 (manifests, blobs), Docker's token authentication.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx

from poolhand.appimage.reference import (
    NAMED_DIGEST,
    ImageReference,
    NoSuchImage,
    RegistryDown,
    is_private_place,
)
from poolhand.domain.json_text import parse_json
from poolhand.domain.platforms import listed_platforms, platform_of
from poolhand.settings.registries import RegistryLogin
from poolhand.web.client import (
    AnswerTooLarge,
    Caps,
    GoesElsewhere,
    Incoming,
    NoAnswer,
    Visits,
    WebAnswer,
    opened,
)

FindLogin: TypeAlias = Callable[[str], Awaitable[RegistryLogin | None]]
"""Finds the login of a registry (``host:port``), if there is one."""
REGISTRY_REDIRECTS: Final = (301, 302, 303, 307, 308)
MOST_METADATA: Final = 4 * 1024**2
"""Bytes of a manifest or config that are read, as registries themselves limit them."""
MANIFEST_KINDS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
PULL: Final = "pull"
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


async def unread_by_others(url: str) -> bool:
    """Allow what is sent to where nobody reads it on the way."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a registry's word, which may be none
        return False
    return is_private_place(parts.scheme, parts.netloc)


async def nobody(registry: str) -> None:  # noqa: ARG001 - the shape of FindLogin
    """Know no login."""
    return


class RegistryApi:
    """One registry, asked about one image; what lets us in is kept for the next question.

    Args:
        http: A client.
        image: Whose repository it is.
        login: For this registry, if there is one.
        allows: Whether a place that the registry names, of tokens or blobs, is visited.
        access: What is asked for, as tokens name it: ``pull`` or ``pull,push``.
        mounted: Other repositories of this registry that are read as well.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        image: ImageReference,
        login: RegistryLogin | None,
        allows: Visits = unread_by_others,
        access: str = PULL,
        mounted: tuple[str, ...] = (),
    ) -> None:
        self._http, self.image, self._login, self._allows = http, image, login, allows
        self._access, self._mounted = access, mounted
        self._headers: dict[str, str] = {}

    def url(self, path: str) -> str:
        """Return the URL of something in the image's repository."""
        return f"{self.image.api}/v2/{self.image.repository}/{path}"

    async def manifest(self, method: str, name: str) -> WebAnswer:
        """Return a manifest, by tag or digest; raises NoSuchImage, RegistryDown."""
        return await self._read(method, f"manifests/{name}", {"Accept": MANIFEST_KINDS})

    async def metadata(self, digest: str) -> WebAnswer:
        """Return a small blob, such as a config, not checked; raises as ``manifest``."""
        return await self._read("GET", f"blobs/{digest}", {})

    async def platforms(self, digest: str) -> tuple[str, ...]:
        """Return what an image is built for; nothing where it does not say."""
        members = members_of((await self.manifest("GET", digest)).content)
        listed = listed_platforms(members)
        if listed is not None:
            return listed
        told = platform_of(await self._config_of(members))
        return (told,) if told else ()

    async def config(self, name: str) -> dict[str, Any]:
        """Return what an image says of itself, by tag or digest; of several, the first one's."""
        members = members_of((await self.manifest("GET", name)).content)
        listed = members.get("manifests")
        first = listed[0] if isinstance(listed, list) and listed else None
        if isinstance(first, dict) and NAMED_DIGEST.fullmatch(str(first.get("digest"))):
            members = members_of((await self.manifest("GET", str(first["digest"]))).content)
        return await self._config_of(members)

    async def _config_of(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        config = manifest.get("config")
        name = config.get("digest") if isinstance(config, dict) else None
        if not isinstance(name, str) or not NAMED_DIGEST.fullmatch(name):
            return {}
        return members_of((await self.metadata(name)).content)

    async def _read(self, method: str, path: str, headers: dict[str, str]) -> WebAnswer:
        caps = Caps(MOST_METADATA, self._http.timeout.read)
        async with self._opened(method, path, caps, headers) as answer:
            content = await self._whole(answer)
        return WebAnswer(answer.status, answer.headers, content, answer.url)

    async def _whole(self, answer: Incoming) -> bytes:
        try:
            return await answer.content()
        except AnswerTooLarge as fault:
            raise RegistryDown(
                f"the registry of {self.image} sends more than a manifest can have: "
                "correct the name"
            ) from fault

    @asynccontextmanager
    async def blob(self, digest: str, most: int, seconds: float) -> AsyncIterator[Incoming]:
        """Open a blob, which is not checked against its digest here.

        Args:
            digest: ``sha256:…``.
            most: Bytes that it may have.
            seconds: For all of it.

        Raises:
            NoSuchImage, RegistryDown: As ``manifest``; NoAnswer, too, where it breaks off.
        """
        async with self._opened("GET", f"blobs/{digest}", Caps(most, seconds), {}) as answer:
            yield answer

    @asynccontextmanager
    async def _opened(
        self, method: str, path: str, caps: Caps, headers: Mapping[str, str]
    ) -> AsyncIterator[Incoming]:
        """Ask, let in where that is demanded, and sent on once where a blob lies elsewhere."""
        url, sent, demanded, elsewhere = self.url(path), self._headers, False, False
        while True:
            async with self.asked(method, url, caps, {**headers, **sent}) as answer:
                blob_elsewhere = answer.status in REGISTRY_REDIRECTS and path.startswith("blobs/")
                if elsewhere or not (blob_elsewhere or (answer.status == 401 and not demanded)):
                    self._demand_found(answer)
                    yield answer
                    return
            if blob_elsewhere:
                location = answer.headers.get("location", "")
                url, sent, elsewhere = await self.elsewhere(answer.url, location), {}, True
            else:  # also where a token has become too old
                sent = await self.let_in(answer.headers.get("www-authenticate", ""))
                demanded = True

    @asynccontextmanager
    async def asked(
        self, method: str, url: str, caps: Caps, headers: Mapping[str, str], **request: Any
    ) -> AsyncIterator[Incoming]:
        """Ask once; raises RegistryDown where nobody answers."""
        try:
            async with opened(self._http, method, url, caps, headers=headers, **request) as answer:
                yield answer
        except (NoAnswer, GoesElsewhere) as fault:
            raise RegistryDown(
                f"the registry of {self.image} does not answer ({fault}): "
                "start it, or correct the name"
            ) from fault

    @property
    def headers(self) -> Mapping[str, str]:
        """What lets us in, as far as it is known."""
        return self._headers

    async def let_in(self, challenge: str) -> dict[str, str]:
        """Find out what lets us in, and keep it; raises NoSuchImage where nothing does."""
        self._headers = {"Authorization": await self._authorization(challenge)}
        return self._headers

    async def elsewhere(self, url: str, location: str) -> str:
        """Return where a registry says that something lies; what lets us in is not sent there."""
        there = str(urljoin(url, location))
        if not await self._allows(there):
            raise RegistryDown(f"the registry of {self.image} sends us where we do not go")
        return there

    def _demand_found(self, answer: Incoming) -> None:
        if answer.status in (401, 403, 404):
            raise self._missing(answer.status)
        if not answer.is_success:
            raise self.unwell(answer.status)

    def _missing(self, status: int) -> NoSuchImage:
        why = "no such name or tag" if status == 404 else "it is private, or not there"
        return NoSuchImage(
            f"image {self.image} does not exist in the registry: {why}. "
            "Push it there first (docker push), correct the name, or log in "
            f"(docker login {self.image.registry})"
        )

    def unwell(self, status: int) -> RegistryDown:
        """Return what is raised where a registry answers that it cannot."""
        return RegistryDown(f"the registry of {self.image} answers HTTP {status}: try again later")

    async def _authorization(self, challenge: str) -> str:
        """Return what lets us in: our login, or the token that lets anybody pull."""
        told = dict(_CHALLENGE.findall(challenge))
        scheme = challenge.partition(" ")[0].lower()
        own = urlsplit(self.image.api)
        if scheme == "basic" and self._login and is_private_place(own.scheme, own.netloc):
            return _basic(self._login)
        if scheme != "bearer" or not await self._allows(told.get("realm", "")):
            raise NoSuchImage(
                f"image {self.image} is not public: its registry asks for a login. Log in "
                f"(docker login {self.image.registry}), publish it, or name its digest "
                "(name@sha256:…)"
            )
        return f"Bearer {await self._token(told)}"

    async def _token(self, told: dict[str, str]) -> str:
        usual = f"repository:{self.image.repository}:{self._access}"
        scopes = [usual, *(f"repository:{each}:{PULL}" for each in self._mounted)]
        if self._access == PULL:
            scopes = [told.get("scope", usual)]
        asked = [("service", told.get("service", "")), *(("scope", each) for each in scopes)]
        headers = {"Authorization": _basic(self._login)} if self._login else {}
        caps = Caps(MOST_METADATA, self._http.timeout.read)
        async with self.asked("GET", told["realm"], caps, headers, params=asked) as answer:
            if answer.status in (401, 403) and self._login:
                raise NoSuchImage(
                    f"the registry of {self.image} does not accept your login: log in again "
                    f"(docker login {self.image.registry})"
                )
            if not answer.is_success:
                raise self.unwell(answer.status)
            members = members_of(await self._whole(answer))
        token = members.get("token") or members.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryDown(f"the registry of {self.image} gave no token: try again later")
        return token


def members_of(content: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; none where it is no such thing."""
    try:
        found = parse_json(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _basic(login: RegistryLogin) -> str:
    pair = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
