"""Resolving an image reference to what an app contract says: a name and a sha256 digest.

Source: OCI distribution specification 1.1 (manifests, tokens); Docker's rules for short names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.json_text import parse_json
from poolhand.transport.errors import HTTP_FAULTS

_MANIFESTS: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(f"{_PART}(?:/{_PART})*")
_REGISTRY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_LOOPBACK: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_DOCKER_HUB: Final = "docker.io"
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class BadImageName(Refused):
    """Not an image reference."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"'{text}' is not an image name: write registry/owner/name:tag, "
            "such as docker.io/owner/app:1.0"
        )


class NoSuchImage(Refused):
    """The registry has no such image, or does not show it."""


class RegistryDown(Unavailable):
    """The registry does not answer, or not now."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """A reference with nothing implied: registry, repository, and a tag or a digest or both."""

    registry: str
    repository: str
    tag: str
    digest: bytes | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as Docker does: ``app``, ``owner/app:tag``, ``host:5000/app@sha256:…``.

        Raises:
            BadImageName: The text has another form.
        """
        rest, _, pinned = text.strip().partition("@")
        digest = _DIGEST.fullmatch(pinned)
        rest, tag = _split_tag(rest)
        registry, repository = _split_registry(rest)
        sound = _REGISTRY.fullmatch(registry) and _REPOSITORY.fullmatch(repository)
        if not sound or not _TAG.fullmatch(tag or "latest") or (pinned and not digest):
            raise BadImageName(text)
        implied = "" if pinned else "latest"
        sha = bytes.fromhex(digest[1]) if digest else None
        return cls(registry, repository, tag or implied, sha)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + (f":{self.tag}" if self.tag else "")

    @property
    def api(self) -> str:
        """Where the registry's API is; plain HTTP on loopback only, as with Docker."""
        if self.registry == _DOCKER_HUB:
            return "https://registry-1.docker.io"
        scheme = "http" if _LOOPBACK.fullmatch(self.registry) else "https"
        return f"{scheme}://{self.registry}"


def _split_tag(text: str) -> tuple[str, str]:
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and tail and "/" not in tail else (text, "")


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if slash and (set(first) & {".", ":"} or first == "localhost"):
        short = first == _DOCKER_HUB and "/" not in rest
        return first, f"library/{rest}" if short else rest
    return _DOCKER_HUB, text if slash else f"library/{text}"


@dataclass(frozen=True, slots=True)
class Image:
    """What goes on chain: the reference without digest, and the digest (32 bytes)."""

    name: str
    digest: bytes


async def resolve(http: httpx.AsyncClient, text: str) -> Image:
    """Find the digest of an image; of a multi-platform one the index's, as Docker does.

    A reference with a digest is taken at its word, without contact.

    Raises:
        BadImageName: Not a reference.
        NoSuchImage: The registry does not know it.
        RegistryDown: The registry does not answer.
    """
    image = ImageName.parse(text)
    if image.digest is not None:
        return Image(str(image), image.digest)
    answer = await _manifest(http, "HEAD", image)
    found = _DIGEST.fullmatch(answer.headers.get("docker-content-digest", ""))
    if found:
        return Image(str(image), bytes.fromhex(found[1]))
    answer = await _manifest(http, "GET", image)
    return Image(str(image), sha256(answer.content).digest())


async def _manifest(http: httpx.AsyncClient, method: str, image: ImageName) -> httpx.Response:
    url = f"{image.api}/v2/{image.repository}/manifests/{image.tag}"
    headers = {"Accept": _MANIFESTS}
    answer = await _ask(http, method, url, image, headers)
    if answer.status_code == 401:
        token = await _token(http, answer.headers.get("www-authenticate", ""), image)
        headers["Authorization"] = f"Bearer {token}"
        answer = await _ask(http, method, url, image, headers)
    if answer.status_code in (401, 403, 404):
        why = "no such name or tag" if answer.status_code == 404 else "it is private, or not there"
        raise NoSuchImage(
            f"image {image} does not exist in the registry: {why}. "
            "Push it there first (docker push), or correct the name"
        )
    return _succeeded(answer, image)


async def _token(http: httpx.AsyncClient, challenge: str, image: ImageName) -> str:
    """Fetch the token that lets anybody pull."""
    told = dict(_CHALLENGE.findall(challenge))
    realm = urlsplit(told.get("realm", ""))
    safe = realm.scheme == "https" or _LOOPBACK.fullmatch(realm.netloc)
    if not challenge.lower().startswith("bearer ") or not safe:
        raise NoSuchImage(
            f"image {image} is not public: its registry asks for a login. Publish it, or name "
            "its digest (name@sha256:…)"
        )
    asked = {
        "service": told.get("service", ""),
        "scope": told.get("scope", f"repository:{image.repository}:pull"),
    }
    answer = await _ask(http, "GET", told["realm"], image, {}, asked)
    try:
        members = parse_json(_succeeded(answer, image).content)
        return str(members.get("token") or members["access_token"])
    except (ValueError, KeyError, AttributeError) as fault:
        raise RegistryDown(f"the registry of {image} gave no token: try again later") from fault


async def _ask(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    image: ImageName,
    headers: dict[str, str],
    asked: dict[str, str] | None = None,
) -> httpx.Response:
    try:
        return await http.request(method, url, headers=headers, params=asked)
    except HTTP_FAULTS as fault:
        raise RegistryDown(
            f"the registry of {image} does not answer ({fault or type(fault).__name__}): start "
            "it, or correct the name"
        ) from fault


def _succeeded(answer: httpx.Response, image: ImageName) -> httpx.Response:
    if not answer.is_success:
        raise RegistryDown(
            f"the registry of {image} answers HTTP {answer.status_code}: try again later"
        )
    return answer
