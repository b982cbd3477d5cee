"""Images made in memory, honest or not, and put into a registry."""

from __future__ import annotations

import gzip
import json
import platform
from pathlib import Path

from archives import named

from poolhand.containers.slurm.images import platform_of_machine
from poolhand.devnet.registry_store import ImageStore

MACHINE = platform_of_machine(platform.machine()).partition("/")[2]
NAME = "owner/app"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Shelf:
    """A registry's folder into which images are put, before it is opened or while it serves."""

    def __init__(self, folder: Path) -> None:
        self._store = ImageStore(folder)

    def put(self, layers, config=None, *, machine=MACHINE, ids=None) -> str:
        """Put an image of plain layers; returns its digest (64 digits)."""
        packed = [gzip.compress(each, 1, mtime=0) for each in layers]
        image = {
            "architecture": machine,
            "os": "linux",
            "config": {} if config is None else config,
            "rootfs": {"type": "layers", "diff_ids": ids or [named(each) for each in layers]},
        }
        parts = [json.dumps(image).encode(), *packed]
        for each in parts:
            self._add(each)
        described = [
            {"mediaType": kind, "digest": named(each), "size": len(each)}
            for kind, each in zip([CONFIG, *[LAYER] * len(packed)], parts, strict=True)
        ]
        return self._add_manifest(
            MANIFEST, {"config": described[0], "layers": described[1:]}, machine
        )

    def put_index(self, images: dict[str, str]) -> str:
        """Put an index of images by their machine; returns its digest."""
        listed = [
            {
                "mediaType": MANIFEST,
                "digest": f"sha256:{digest}",
                "size": len(self._store.manifest(NAME, f"sha256:{digest}").content),
                "platform": {"os": "linux", "architecture": machine},
            }
            for machine, digest in images.items()
        ]
        return self._add_manifest(INDEX, {"manifests": listed}, "all")

    def _add(self, content: bytes) -> None:
        upload = self._store.start_upload(NAME)
        with self._store.open_upload(NAME, upload) as file:
            file.write(content)
        self._store.finish_upload(NAME, upload, named(content))

    def _add_manifest(self, kind: str, members: dict[str, object], tag: str) -> str:
        content = json.dumps({"schemaVersion": 2, "mediaType": kind, **members}).encode()
        return self._store.put_manifest(NAME, tag, kind, content).partition(":")[2]
