"""Image references: what an app contract says of an image, a name and a sha256 digest.

Source: OCI distribution specification 1.1 (manifests, tokens); Docker's rules for short names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from poolhand.domain.errors import Refused, Unavailable

_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(f"{_PART}(?:/{_PART})*")
_REGISTRY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
NAMED_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_LOOPBACK: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_DOCKER_HUB: Final = "docker.io"


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
class ImageReference:
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
        digest = NAMED_DIGEST.fullmatch(pinned)
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
    def is_local(self) -> bool:
        """Whether the registry is this machine's own."""
        return bool(_LOOPBACK.fullmatch(self.registry))

    @property
    def api(self) -> str:
        """Where the registry's API is; plain HTTP on loopback only, as with Docker."""
        if self.registry == _DOCKER_HUB:
            return "https://registry-1.docker.io"
        scheme = "http" if self.is_local else "https"
        return f"{scheme}://{self.registry}"


def is_private_place(scheme: str, netloc: str) -> bool:
    """Tell whether what is sent to a place is read by nobody on the way."""
    return scheme == "https" or bool(_LOOPBACK.fullmatch(netloc))


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
class ResolvedImage:
    """What goes on chain: the reference without digest, and the digest (32 bytes)."""

    name: str
    digest: bytes
