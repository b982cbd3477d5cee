"""Image names as people write them, read as the engine does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from poolhand.containers.errors import ImageNotFound

HUB: Final = "docker.io"
_HOST: Final = re.compile(
    r"(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d+)?"
)
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
MAX_IMAGE_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class ImageName:
    """``registry`` with its port, if any; ``path`` without tag or digest.

    Source: the grammar of github.com/distribution/reference.
    """

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; tag and digest behind it are dropped, for the chain names the digest.

        Raises:
            ImageNotFound: No image can have this name.
        """
        name = text.strip().partition("@")[0]
        head, slash, tail = name.partition("/")
        is_host = slash and ("." in head or ":" in head or head == "localhost")
        registry, rest = (head, tail) if is_host else (HUB, name)
        path = rest.partition(":")[0]
        registry = HUB if registry == "index.docker.io" else registry
        if registry == HUB and "/" not in path:
            path = f"library/{path}"
        valid = _HOST.fullmatch(registry) and _PATH.fullmatch(path)
        if not valid or len(registry) + len(path) > MAX_IMAGE_NAME:
            raise ImageNotFound(repr(text[:MAX_IMAGE_NAME]), "this is no image name")
        return cls(registry, path)

    def at(self, digest: str) -> str:
        """Return the reference of one exact image.

        Args:
            digest: 64 hexadecimal digits.

        Raises:
            ImageNotFound: Not a digest, or zero: the contract of the app names none.
        """
        if not _DIGEST.fullmatch(digest) or not int(digest, 16):
            raise ImageNotFound(str(self), f"the app's checksum {digest!r} is no image digest")
        return f"{self}@sha256:{digest}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"
