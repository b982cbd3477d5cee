"""From layers to an image: its configuration and manifest, the same bytes for the same parts.

Source: OCI Image Specification 1.1 (config, manifest).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from poolhand.appimage.base import LAYER_KIND, BaseImage, BaseLayer
from poolhand.appimage.layers import Layer

EPOCH: Final = "1970-01-01T00:00:00Z"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_KEPT: Final = ("User", "Env", "WorkingDir", "Volumes", "Labels", "ExposedPorts", "StopSignal")
"""What an image takes over of how its base is run."""
OWN_LABELS: Final = "poolhand."
"""How labels begin by which an image tells the network what it does: its base's are not its own."""
_KEPT_OF_PLATFORM: Final = ("architecture", "os", "variant", "os.version", "os.features")


@dataclass(frozen=True, slots=True)
class RunTerms:
    """How an image is run.

    Attributes:
        command: Word by word; a task's arguments come behind it.
        folder: In which it starts; empty: as the base says.
        user: Empty: as the base says.
        environment: Variables, beside those of the base and before them.
        labels: What it tells of itself, beside what its base does and before it; what a base tells
            the network (``poolhand.…``) is left out, for this image runs something else.
    """

    command: tuple[str, ...] = ()
    folder: str = ""
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


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
    """An image ready to push: layers from the bottom, config and manifest as bytes.

    ``base`` is what lies below ``layers`` and is in its own registry; None: nothing.
    """

    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes
    base: BaseImage | None = None

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, in hexadecimal."""
        return hashlib.sha256(self.manifest).hexdigest()

    @property
    def base_layers(self) -> tuple[BaseLayer, ...]:
        """Layers below its own."""
        return self.base.layers if self.base else ()

    @property
    def size(self) -> int:
        """Bytes that a worker pulls which has nothing of it."""
        below = sum(each.size for each in self.base_layers)
        own = sum(each.size for each in self.layers)
        return below + own + len(self.config) + len(self.manifest)


def compose(
    layers: Sequence[Layer], run: RunTerms, platform: str, base: BaseImage | None = None
) -> BuiltImage:
    """Make an image of its layers.

    Args:
        layers: From the bottom, above those of the base.
        run: How it is run.
        platform: Such as ``linux/amd64``; a base has told its own.
        base: What is below.
    """
    config = json_bytes(_config(layers, run, platform, base))
    below = base.layers if base else ()
    listed = [
        *((each.kind, each.digest, each.size) for each in below),
        *((LAYER_KIND, each.digest, each.size) for each in layers),
    ]
    manifest = json_bytes(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _part(CONFIG_TYPE, blob_digest(config), len(config)),
            "layers": [_part(*each) for each in listed],
        }
    )
    return BuiltImage(tuple(layers), config, manifest, base)


def _config(
    layers: Sequence[Layer], run: RunTerms, platform: str, base: BaseImage | None
) -> dict[str, Any]:
    system, _, machine = platform.partition("/")
    below = base.config if base else {}
    kept = {each: below[each] for each in _KEPT_OF_PLATFORM if below.get(each)}
    ids = [*(each.diff_id for each in (base.layers if base else ()))]
    return {
        "os": system,
        "architecture": machine,
        **kept,
        "created": EPOCH,
        "config": _run_config(base.run_config if base else {}, run),
        "rootfs": {"type": "layers", "diff_ids": [*ids, *(each.diff_id for each in layers)]},
        "history": [{"created": EPOCH, "created_by": "poolhand"} for _ in (*ids, *layers)],
    }


def _run_config(base: Mapping[str, Any], run: RunTerms) -> dict[str, Any]:
    kept = {each: base[each] for each in _KEPT if base.get(each)}
    told = [each for each in kept.get("Env", ()) if each.partition("=")[0] not in run.environment]
    own = [f"{name}={value}" for name, value in run.environment.items()]
    if run.command:
        kept["Entrypoint"] = list(run.command)
    if run.user:
        kept["User"] = run.user
    if run.folder:
        kept["WorkingDir"] = run.folder
    below = kept.pop("Labels", {})
    labels = {name: text for name, text in below.items() if not name.startswith(OWN_LABELS)}
    if labels or run.labels:
        kept["Labels"] = {**labels, **run.labels}
    return {**kept, "Env": [*told, *own]}


def base_variable(base: BaseImage | None, name: str) -> str:
    """Return a variable of a base's environment; empty where it sets none."""
    for each in (base.run_config.get("Env") or ()) if base else ():
        found, _, value = each.partition("=")
        if found == name:
            return str(value)
    return ""


def _part(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def blob_digest(content: bytes) -> str:
    """Return the digest of a blob, as registries name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def json_bytes(members: Mapping[str, Any]) -> bytes:
    """Return JSON that is the same for the same members."""
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
