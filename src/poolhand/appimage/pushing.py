"""An image brought to its registry: what is there already is not sent again.

The order is that of the specification: layers, configuration, and the manifest last, so that a
push that breaks off leaves no image that is half there, and the next one goes on from it.

Source: OCI Distribution Specification 1.1, "Pushing blobs" (POST then PUT; mounting) and "Pushing
manifests".
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from poolhand.appimage.base import BaseLayer, FalseRegistry
from poolhand.appimage.composing import MANIFEST_TYPE, BuiltImage, PublishedImage, blob_digest
from poolhand.appimage.reference import ImageReference, NoSuchImage
from poolhand.appimage.registry_api import MOST_METADATA, REGISTRY_REDIRECTS, RegistryApi
from poolhand.domain.doctor.machine import show_bytes
from poolhand.domain.errors import Refused
from poolhand.domain.text import shown
from poolhand.web.client import AnswerTooLarge, Caps, Incoming, NoAnswer

LONGEST_TRANSFER: Final = 6 * 3600.0
"""Seconds for one layer to come or go; a registry that is silent is given up long before."""
PROGRESS_STEP: Final = 64 * 1024**2
"""Bytes of a layer after which it is told how far it is."""
PUSH_AND_PULL: Final = "pull,push"
_PIECE: Final = 1024**2
_BINARY: Final = "application/octet-stream"

TellStep = Callable[[str], None]
"""Is told in a line what is done now."""


class PushRefused(Refused):
    """A registry does not take an image from us; it says who must act."""


class ImagePusher:
    """Brings images to one repository.

    Args:
        registry: Asked about the name under which images are pushed, with access to push.
        told: Of what is done.
    """

    def __init__(self, registry: RegistryApi, told: TellStep) -> None:
        self._registry, self._told = registry, told

    @property
    def _target(self) -> ImageReference:
        return self._registry.image

    async def demand_writable(self) -> None:
        """See to it that the repository takes images, before one is built for it.

        Raises:
            PushRefused: It does not, or not from us.
            RegistryDown: Nobody answers.
        """
        async with self._asked("POST", self._registry.url("blobs/uploads/")) as answer:
            self._demand(answer, 202)
            location = answer.headers.get("location", "")
        place = await self._registry.elsewhere(answer.url, location)
        async with self._asked("DELETE", place):
            pass  # a registry that cannot drop an upload forgets it by itself

    async def push(self, image: BuiltImage, source: RegistryApi | None) -> PublishedImage:
        """Push an image, under the tag of the name.

        Args:
            image: What is pushed.
            source: The registry of its base.

        Raises:
            PushRefused, NoSuchImage, RegistryDown, FalseRegistry: It was not pushed; the same
                again goes on.
        """
        count = len(image.base_layers) + len(image.layers)
        for number, below in enumerate(image.base_layers, 1):
            assert source is not None, "a base has a registry"
            await self._push_base_layer(below, source, f"layer {number} of {count}")
        for number, layer in enumerate(image.layers, len(image.base_layers) + 1):
            what = f"layer {number} of {count}"
            if not await self._has(layer.digest, what):
                self._told(f"{what}: pushing {show_bytes(layer.size)}")
                await self._send_layer(what, layer.digest, layer.size, partial(_pieces, layer.path))
        config, digest = image.config, blob_digest(image.config)
        if not await self._has(digest, ""):
            await self._send(digest, len(config), lambda: _once(config))
        await self._put_manifest(image.manifest)
        return PublishedImage(str(self._target), image.digest)

    async def _push_base_layer(self, layer: BaseLayer, source: RegistryApi, what: str) -> None:
        if await self._has(layer.digest, what) or await self._mounted(layer, source.image, what):
            return
        self._told(f"{what}: copying {show_bytes(layer.size)} from {source.image.registry}")
        await self._send_layer(what, layer.digest, layer.size, CopiedLayer(source, layer).pieces)

    async def _has(self, digest: str, what: str) -> bool:
        async with self._asked("HEAD", self._registry.url(f"blobs/{digest}")) as answer:
            if answer.status == 404:
                return False
            if answer.status not in REGISTRY_REDIRECTS:  # which lead to where it is
                self._demand(answer, 200)
        if what:
            self._told(f"{what}: there already")
        return True

    async def _mounted(self, layer: BaseLayer, base: ImageReference, what: str) -> bool:
        """Have the registry take a layer over from another of its repositories."""
        if base.registry != self._target.registry:
            return False
        asked = {"mount": layer.digest, "from": base.repository}
        url = self._registry.url("blobs/uploads/")
        async with self._asked("POST", url, params=asked) as answer:
            if answer.status == 201:
                self._told(f"{what}: taken over from {base.repository}")
            return answer.status == 201

    async def _send_layer(
        self, what: str, digest: str, size: int, pieces: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        """Send a layer, and tell now and then how much of it has gone."""

        async def told() -> AsyncIterator[bytes]:
            gone, next_step = 0, PROGRESS_STEP
            async for piece in pieces():
                if gone >= next_step:
                    self._told(f"{what}: {show_bytes(gone)} of {show_bytes(size)}")
                    next_step += PROGRESS_STEP
                gone += len(piece)
                yield piece

        await self._send(digest, size, told)

    async def _send(
        self, digest: str, size: int, pieces: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        async with self._asked("POST", self._registry.url("blobs/uploads/")) as answer:
            self._demand(answer, 202)
            location = answer.headers.get("location", "")
        place = await self._registry.elsewhere(answer.url, location)
        mark = "&" if urlsplit(place).query else "?"
        headers = {"Content-Type": _BINARY, "Content-Length": str(size)}
        url = f"{place}{mark}digest={digest}"
        async with self._asked("PUT", url, headers, pieces) as answer:
            self._demand(answer, 201)

    async def _put_manifest(self, manifest: bytes) -> None:
        self._told(f"manifest: pushing {self._target}")
        url = self._registry.url(f"manifests/{self._target.tag}")
        headers = {"Content-Type": MANIFEST_TYPE, "Content-Length": str(len(manifest))}
        async with self._asked("PUT", url, headers, lambda: _once(manifest)) as answer:
            self._demand(answer, 201)
            told = answer.headers.get("docker-content-digest", blob_digest(manifest))
        if told != blob_digest(manifest):
            raise FalseRegistry(self._target)

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: Callable[[], AsyncIterator[bytes]] | None = None,
        **request: Any,
    ) -> AsyncIterator[_Answered]:
        """Ask, and once more when let in; what lets us in goes to the registry alone."""
        caps = Caps(MOST_METADATA, LONGEST_TRANSFER if content else 60.0)
        own = urlsplit(url).netloc == urlsplit(self._registry.url("")).netloc
        demanded = False
        while True:
            sent = {**(headers or {}), **(self._registry.headers if own else {})}
            body = {"content": content()} if content else {}
            async with self._registry.asked(method, url, caps, sent, **body, **request) as answer:
                if answer.status != 401 or demanded or not own:
                    yield _Answered(answer, await _words(answer))
                    return
                challenge = answer.headers.get("www-authenticate", "")
            try:
                await self._registry.let_in(challenge)
            except NoSuchImage as fault:
                raise self._closed() from fault
            demanded = True

    def _demand(self, answer: _Answered, wanted: int) -> None:
        """Raise what an answer means that is not the wanted one."""
        status = answer.status
        if status == wanted or (200 <= status < 300):
            return
        if status in (401, 403):
            raise self._closed()
        if status in (429, 500, 502, 503, 504):
            raise self._registry.unwell(status)
        repository = f"{self._target.registry}/{self._target.repository}"
        if status == 413:
            raise PushRefused(
                f"the registry does not take so large a layer into {repository}: leave out "
                "what the app does not need, or push to another registry"
            )
        if status == 404:
            raise PushRefused(
                f"the registry has no repository {repository} and makes none: create it there, "
                "or correct the name"
            )
        raise PushRefused(
            f"the registry did not take the image into {repository} (HTTP {status}: "
            f"{shown(answer.words, 200)}): correct the name, or push to another registry"
        )

    def _closed(self) -> PushRefused:
        registry = self._target.registry
        return PushRefused(
            f"the registry does not let you push to {registry}/{self._target.repository}: log in "
            f"as somebody who may (docker login {registry}), or name a repository of yours"
        )


class _Answered:
    """An answer, with what the registry says of an error."""

    def __init__(self, answer: Incoming, words: str) -> None:
        self.status, self.headers, self.url = answer.status, answer.headers, answer.url
        self.words = words


async def _words(answer: Incoming) -> str:
    try:
        return (await answer.content(64 * 1024)).decode(errors="replace")
    except AnswerTooLarge:
        return ""


class CopiedLayer:
    """A layer of a base on its way from its registry to another, or to a file."""

    def __init__(self, source: RegistryApi, layer: BaseLayer) -> None:
        self._source, self._layer = source, layer

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield its bytes; raises FalseRegistry where they are others, before the last of them."""
        held, size, digest = b"", 0, hashlib.sha256()
        layer, source = self._layer, self._source
        try:
            async with source.blob(layer.digest, layer.size, LONGEST_TRANSFER) as incoming:
                async for piece in incoming.pieces(_PIECE):
                    if held:
                        yield held
                    held, size = piece, size + len(piece)
                    digest.update(piece)
        except (AnswerTooLarge, NoAnswer) as fault:
            raise FalseRegistry(source.image) from fault
        if size != layer.size or f"sha256:{digest.hexdigest()}" != layer.digest:
            raise FalseRegistry(source.image)
        yield held


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(_read, file):
            yield piece


def _read(file: IO[bytes]) -> bytes:
    return file.read(_PIECE)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
