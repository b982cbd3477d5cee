"""The example apps that ship with Poolhand, as images in a devnet's registry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import poolhand
from poolhand.appimage.composing import PublishedImage
from poolhand.devnet.images import publish, publish_base

WORD_STATISTICS: Final = "word-statistics"
FRACTAL: Final = "fractal"
EXAMPLE_VERSION: Final = "1.0"


def example_apps() -> Path:
    """Return the folder of the example apps: in the package, or beside it in the repository."""
    package = Path(poolhand.__file__).parent
    inside = package / "_apps"
    return inside if inside.exists() else package.parents[1] / "apps"


def example_image(registry: str, name: str) -> str:
    """Return the reference of an example's image in a registry."""
    return f"{registry}/poolhand/{name}:{EXAMPLE_VERSION}"


async def publish_examples(registry: str) -> tuple[PublishedImage, ...]:
    """Build and push every example; the same files give the same digests.

    With them goes the image with our Python, over which others are built.
    """
    apps = example_apps()
    pushed = (publish(apps / name, f"poolhand/{name}:{EXAMPLE_VERSION}", registry) for name in
              (WORD_STATISTICS, FRACTAL))  # fmt: skip
    base = publish_base(registry)
    return tuple(await asyncio.gather(base, *pushed))[1:]
