"""The image below an app's: found in its registry, checked, and never unpacked here.

A base is a stranger's. Its manifest and configuration are known by their digests, bounded and of
the shape that engines make sure of; its layers are named only, and copied as they are when the
image is pushed.

Source: OCI Image Specification 1.1 (index, manifest, config); Docker's manifest v2 has the same
form under other media types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from poolhand.appimage.reference import NAMED_DIGEST, ImageReference
from poolhand.appimage.registry_api import RegistryApi, members_of
from poolhand.domain.errors import PeerFault, Refused
from poolhand.domain.platforms import platform_of
from poolhand.domain.text import shown

MOST_BASE_LAYERS: Final = 120
"""Layers of a base, so that with ours an image has at most the 127 that engines stack."""
LARGEST_APP_IMAGE: Final = 8 * 1024**3
"""Of all layers of an image, packed: workers pull no larger one."""
LAYER_KIND: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD_KIND: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
_KINDS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_KIND,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.oci.image.layer.v1.tar",
    LAYER_KIND: LAYER_KIND,
    ZSTD_KIND: ZSTD_KIND,
}
"""Media types of layers, as they are called in an OCI manifest."""
_PYTHON: Final = re.compile(r"PYTHON_VERSION=(\d{1,3}(?:\.\d{1,3}){1,2})\w*")


class UnfitBase(Refused):
    """The image that was to be the base cannot be one; it says why and what to do."""

    def __init__(self, base: ImageReference, why: str) -> None:
        super().__init__(f"{base} cannot be the base of an image: {why}")


class FalseRegistry(PeerFault):
    """What a registry delivered is not what its digest says."""

    def __init__(self, image: ImageReference) -> None:
        super().__init__(
            f"the registry of {image} delivers content of another digest than it names: its "
            "operator must repair it, or whoever owns the image push it again"
        )


@dataclass(frozen=True, slots=True)
class BaseLayer:
    """A layer of a base: ``digest`` and ``size`` of what its registry has, ``kind`` in OCI's words.

    ``diff_id`` is the digest of the layer out of its compression; both are ``sha256:…``.
    """

    digest: str
    size: int
    kind: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base.

    Attributes:
        name: Where it is, with the digest (32 bytes) that its manifest has for the platform.
        config: Its configuration, checked as far as an image over it needs.
        layers: From the bottom.
    """

    name: ImageReference
    config: Mapping[str, Any]
    layers: tuple[BaseLayer, ...]

    @property
    def python_version(self) -> str | None:
        """The Python that it says to have (``3.12.4``), as images of Python do; None: silent."""
        for each in self.run_config.get("Env") or ():
            found = _PYTHON.fullmatch(each)
            if found:
                return found[1]
        return None

    @property
    def run_config(self) -> Mapping[str, Any]:
        """What it says of how it is run."""
        found: Mapping[str, Any] = self.config.get("config") or {}
        return found


async def read_base(registry: RegistryApi, platform: str) -> BaseImage:
    """Find a base in its registry.

    Args:
        registry: Asked about the base; a digest in its name is what counts, before the tag.
        platform: Such as ``linux/amd64``.

    Raises:
        NoSuchImage, RegistryDown: It cannot be had.
        UnfitBase: It is not built for the platform, or is no image that could be built upon.
        FalseRegistry: The registry delivers something else.
    """
    name = registry.image
    reference = f"sha256:{name.digest.hex()}" if name.digest else name.tag
    members, digest = await _manifest(registry, reference)
    if isinstance(members.get("manifests"), list):
        members, digest = await _manifest(registry, _of_platform(name, members, platform))
    named = ImageReference(name.registry, name.repository, name.tag, bytes.fromhex(digest))
    return await _image(registry, named, members, platform)


async def _manifest(registry: RegistryApi, reference: str) -> tuple[dict[str, Any], str]:
    """Return a manifest's members and digest (64 digits)."""
    answer = await registry.manifest("GET", reference)
    digest = sha256(answer.content).hexdigest()
    if NAMED_DIGEST.fullmatch(reference) and reference != f"sha256:{digest}":
        raise FalseRegistry(registry.image)
    return members_of(answer.content), digest


def _of_platform(name: ImageReference, index: Mapping[str, Any], platform: str) -> str:
    """Return the digest of the image in an index that is for a platform."""
    for each in index["manifests"]:
        told = each.get("platform") if isinstance(each, dict) else None
        if isinstance(told, dict) and platform_of(told) == platform:
            digest = each.get("digest")
            if isinstance(digest, str) and NAMED_DIGEST.fullmatch(digest):
                return digest
    raise UnfitBase(name, f"it is not built for {platform}: name one that is (--from)")


async def _image(
    registry: RegistryApi, name: ImageReference, manifest: Mapping[str, Any], platform: str
) -> BaseImage:
    named = manifest.get("config")
    digest = named.get("digest") if isinstance(named, dict) else None
    if not isinstance(digest, str) or not NAMED_DIGEST.fullmatch(digest):
        raise UnfitBase(name, "it is no image of a form that is known here: name another (--from)")
    content = (await registry.metadata(digest)).content
    if f"sha256:{sha256(content).hexdigest()}" != digest:
        raise FalseRegistry(name)
    config = members_of(content)
    found = platform_of(config)
    if found not in ("", platform):
        why = f"it is built for {shown(found, 40)}, and {platform} is wanted"
        raise UnfitBase(name, f"{why}: name one that is for it (--from)")
    fault = _fault(config)
    if fault:
        raise UnfitBase(name, f"{fault}, as no engine would run it: name another (--from)")
    return BaseImage(name, config, _layers(name, manifest, config))


def _fault(config: Mapping[str, Any]) -> str | None:
    """Say what of a configuration has another shape than engines write."""
    inner, rootfs = config.get("config") or {}, config.get("rootfs")
    if not isinstance(inner, dict) or not isinstance(rootfs, dict):
        return "its configuration says nothing of how it is run, or of its layers"
    if not all(isinstance(inner.get(each) or "", str) for each in ("User", "WorkingDir")):
        return "its user or its folder is no text"
    for told in (rootfs.get("diff_ids"), inner.get("Env") or []):
        if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
            return "its layers or its environment are no list of texts"
    return None


def _layers(
    name: ImageReference, manifest: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[BaseLayer, ...]:
    listed, ids = manifest.get("layers"), config["rootfs"]["diff_ids"]
    if not isinstance(listed, list) or len(listed) != len(ids) or len(ids) > MOST_BASE_LAYERS:
        raise UnfitBase(
            name,
            f"its layers are not those of its configuration, or over {MOST_BASE_LAYERS}: name "
            "another (--from)",
        )
    layers = tuple(_layer(name, each, diff) for each, diff in zip(listed, ids, strict=True))
    if sum(each.size for each in layers) > LARGEST_APP_IMAGE:
        raise UnfitBase(
            name, "it has over 8 GiB, and workers pull no larger image: take a slim one"
        )
    return layers


def _layer(name: ImageReference, told: object, diff_id: str) -> BaseLayer:
    members = told if isinstance(told, dict) else {}
    kind, digest, size = (members.get(each) for each in ("mediaType", "digest", "size"))
    if (
        not isinstance(digest, str)
        or not isinstance(size, int)
        or isinstance(size, bool)
        or not isinstance(kind, str)
        or kind not in _KINDS
        or "urls" in members
        or size < 0
        or not NAMED_DIGEST.fullmatch(digest)
        or not NAMED_DIGEST.fullmatch(diff_id)
    ):
        raise UnfitBase(
            name, "a layer of it lies elsewhere or has a form that is not known: name another"
        )
    return BaseLayer(digest, size, _KINDS[kind], diff_id)
