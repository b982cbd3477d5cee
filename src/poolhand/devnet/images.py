"""App images: our Python below, the app's source above, pushed to a registry.

Built without Docker, without root and without any image from elsewhere; the same files give the
same digest. Source: OCI Image Specification 1.1 (config, manifest), OCI Distribution
Specification 1.1 ("Pushing blobs: single POST").
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from poolhand.appimage.layers import Copied, Layer, LayerEntry, write_layer
from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.python_layer import python_layer
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.platforms import GO_NAMES
from poolhand.web.trusted import trusted

ENTRY: Final = "main.py"
APP_HOME: Final = "/app"
APP_USER: Final = "65534:65534"
EPOCH: Final = "1970-01-01T00:00:00Z"
ENVIRONMENT: Final = (
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    "HOME=/tmp",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
    "PYTHONUTF8=1",
)
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
PUSH_SECONDS: Final = 60.0


class NoSuchApp(Refused):
    """The folder is no app."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is no app: it needs a {ENTRY}, which the container runs")


class PushFailed(Unavailable):
    """The registry did not take an image."""

    def __init__(self, registry: str, why: str) -> None:
        super().__init__(
            f"the registry at {registry} did not take the image ({why}): see that it runs "
            "(`poolhand devnet status`), then publish again"
        )


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """An image in a registry: what to pull, and the sha256 of its manifest (64 digits)."""

    reference: str
    digest: str

    @property
    def pinned(self) -> str:
        """The reference by digest: ``registry/name@sha256:…``."""
        return f"{self.reference.rpartition(':')[0]}@sha256:{self.digest}"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image ready to push: layers from the bottom, config and manifest as bytes."""

    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, in hexadecimal."""
        return hashlib.sha256(self.manifest).hexdigest()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an image is run: its user and working folder (empty: none is named), its processor.

    ``machine`` is in the names of images (``amd64``); empty: this machine's.
    """

    user: str = APP_USER
    folder: str = APP_HOME
    machine: str = ""


USUAL: Final = Manner()


async def publish(
    app: Path, name: str, registry: str, *, cache: Path = DEFAULT_CACHE, manner: Manner = USUAL
) -> PublishedImage:
    """Build an app's image and push it.

    Args:
        app: A folder with a ``main.py``; every Python file in it goes to ``/app``.
        name: Repository and tag, such as ``poolhand/word-statistics:1.0``.
        registry: ``host:port``, without TLS.
        cache: Where the layer of the interpreter is kept.
        manner: How it is run.

    Raises:
        NoSuchApp: There is no ``main.py``.
        NoImagesHere: This machine's Python cannot be packed.
        PushFailed: The registry does not answer, or refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = await asyncio.to_thread(build, app, Path(folder), cache=cache, manner=manner)
        await _push(image, name, registry)
    return PublishedImage(f"{registry}/{name}", image.digest)


def build(app: Path, folder: Path, *, cache: Path, manner: Manner = USUAL) -> BuiltImage:
    """Build an app's image; its layer is written to ``folder``.

    Raises:
        NoSuchApp: There is no ``main.py``.
        NoImagesHere: This machine's Python cannot be packed.
    """
    if not (app / ENTRY).is_file():
        raise NoSuchApp(app)
    sources = [path for path in app.rglob("*.py") if "__pycache__" not in path.parts]
    entries: dict[str, LayerEntry] = {
        f"{APP_HOME}/{p.relative_to(app)}": Copied(p) for p in sources
    }
    layers = (python_layer(cache), write_layer(folder / "app.tar.gz", entries))
    config = _config(layers, manner)
    return BuiltImage(layers, config, _manifest(layers, config))


def _config(layers: Sequence[Layer], manner: Manner) -> bytes:
    machine = platform.machine()
    return _json(
        {
            "created": EPOCH,
            "architecture": manner.machine or GO_NAMES.get(machine, machine),
            "os": "linux",
            "config": {
                "User": manner.user,
                "Env": list(ENVIRONMENT),
                "Entrypoint": ["python3", f"{APP_HOME}/{ENTRY}"],
                "WorkingDir": manner.folder,
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": EPOCH, "created_by": "poolhand"} for _ in layers],
        }
    )


def _manifest(layers: Sequence[Layer], config: bytes) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": _digest(config), "size": len(config)},
            "layers": [
                {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}
                for layer in layers
            ],
        }
    )


async def _push(image: BuiltImage, name: str, registry: str) -> None:
    repository, _, tag = name.partition(":")
    base = f"http://{registry}/v2/{repository}"
    async with httpx.AsyncClient(timeout=PUSH_SECONDS, verify=trusted(), trust_env=False) as http:
        try:
            for layer in image.layers:
                await _push_blob(http, base, layer.digest, layer.path)
            await _push_blob(http, base, _digest(image.config), image.config)
            answer = await http.put(
                f"{base}/manifests/{tag or 'latest'}",
                content=image.manifest,
                headers={"Content-Type": MANIFEST_TYPE},
            )
            answer.raise_for_status()
        except httpx.HTTPStatusError as fault:
            raise PushFailed(registry, fault.response.text[:200]) from fault
        except httpx.HTTPError as fault:
            raise PushFailed(registry, type(fault).__name__) from fault


async def _push_blob(
    http: httpx.AsyncClient, base: str, digest: str, content: Path | bytes
) -> None:
    if (await http.head(f"{base}/blobs/{digest}")).is_success:
        return
    whole = content if isinstance(content, bytes) else await asyncio.to_thread(content.read_bytes)
    answer = await http.post(
        f"{base}/blobs/uploads/",
        params={"digest": digest},
        content=whole,
        headers={"Content-Type": "application/octet-stream"},
    )
    answer.raise_for_status()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
