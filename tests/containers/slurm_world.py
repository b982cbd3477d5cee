"""What a test needs of a Slurm cluster: one of its own, with the tiny image unpacked."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

from container_world import World
from tiny_image import ENV, NAME, layer

from poolhand.containers.slurm.images import make_targets
from poolhand.containers.slurm.layers import Layers


def lay_image(shared: Path, content: bytes, config: dict[str, object], digest: str) -> str:
    """Unpack an image as a pull would leave it; returns its reference."""
    place = shared / "images" / digest
    (place / "rootfs").mkdir(parents=True)
    Layers(place / "rootfs").add(
        io.BytesIO(content), f"sha256:{hashlib.sha256(content).hexdigest()}"
    )
    make_targets(place / "rootfs", config)
    (place / "image.json").write_text(json.dumps({"Config": config}))
    return f"docker.io/{NAME}@sha256:{digest}"


def lay_images(shared: Path, variants: dict[str, dict[str, object]]) -> dict[str, str]:
    """Unpack the tiny image in its variants; returns their references by name."""
    made = dict[str, str]()
    first: Path | None = None
    for name, config in variants.items():
        digest = hashlib.sha256(name.encode()).hexdigest()
        place = shared / "images" / digest
        made[name] = f"docker.io/{NAME}@sha256:{digest}"
        full = {"Env": ENV, **config}
        if first is None:
            lay_image(shared, layer(), full, digest)
            first = place
            continue
        shutil.copytree(first, place, symlinks=True, copy_function=os.link)
        (place / "image.json").unlink()
        (place / "image.json").write_text(json.dumps({"Config": full}))
    return made


class SlurmWorld(World):
    """A cluster, with the tiny image."""

    cpus = None
    """A job keeps the processors that it began with."""

    def __init__(self, runtime, folder: Path, images: dict[str, str]) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.runtime, self.images, self.image = runtime, images, images["plain"]

    def hold(self):
        (self.input / "go").unlink(missing_ok=True)

    def release(self):
        (self.input / "go").touch()

    async def python(self, code, **changes):
        return await self.runtime.run(self.spec("python3", "-c", code, **changes))

    async def node(self, attempt: int) -> str:
        """Return where an attempt of this world's run is or was."""
        async with asyncio.timeout(60):
            while True:
                for name, job in (await self.runtime.client.jobs()).items():
                    if name.startswith(f"{self.name}.{attempt}.") and job.node:
                        return job.node
                await asyncio.sleep(0.05)
