"""An image in one file: an OCI layout that ``docker load``, podman and skopeo read.

Engines before Docker 25 look for ``manifest.json``, newer ones and podman for ``index.json``: both
stand in it.

Source: OCI Image Specification 1.1, "Image Layout"; moby, image/tarexport (manifest.json).
"""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from poolhand.appimage.base import BaseLayer
from poolhand.appimage.composing import MANIFEST_TYPE, BuiltImage, blob_digest, json_bytes
from poolhand.appimage.pushing import CopiedLayer
from poolhand.appimage.registry_api import RegistryApi

_NAMED: Final = "org.opencontainers.image.ref.name"
_NAMED_BY_CONTAINERD: Final = "io.containerd.image.name"


async def fetch_layer(source: RegistryApi, layer: BaseLayer, folder: Path) -> Path:
    """Fetch a layer of a base into a folder; raises FalseRegistry where it is another one."""
    path = folder / layer.digest.partition(":")[2]
    with await asyncio.to_thread(path.open, "wb") as file:
        async for piece in CopiedLayer(source, layer).pieces():
            await asyncio.to_thread(file.write, piece)
    return path


def write_archive(file: Path, image: BuiltImage, layers: Mapping[str, Path], name: str) -> None:
    """Write an image into one file, whole or not at all.

    Args:
        file: Made anew.
        image: What is written.
        layers: Where the content of each layer is, by its digest.
        name: Under which an engine keeps it; empty: none.

    Raises:
        OSError: It cannot be written.
    """
    config = blob_digest(image.config)
    digests = [
        *(each.digest for each in image.base_layers),
        *(each.digest for each in image.layers),
    ]
    named = {_NAMED: name.rpartition(":")[2], _NAMED_BY_CONTAINERD: name} if name else {}
    entry: dict[str, Any] = {
        "mediaType": MANIFEST_TYPE,
        "digest": f"sha256:{image.digest}",
        "size": len(image.manifest),
        "annotations": named,
    }
    older = {"Config": _blob(config), "RepoTags": [name] if name else None}
    small = {
        "oci-layout": json_bytes({"imageLayoutVersion": "1.0.0"}),
        "index.json": json_bytes({"schemaVersion": 2, "manifests": [entry]}),
        "manifest.json": b"[" + json_bytes({**older, "Layers": [*map(_blob, digests)]}) + b"]",
        _blob(config): image.config,
        _blob(f"sha256:{image.digest}"): image.manifest,
    }
    draft = file.with_name(f".{file.name}.new")
    try:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as archive:
            for path, content in small.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for digest in dict.fromkeys(digests):
                info = tarfile.TarInfo(_blob(digest))
                with layers[digest].open("rb") as layer:
                    info.size = layers[digest].stat().st_size
                    archive.addfile(info, layer)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"
