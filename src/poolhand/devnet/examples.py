"""The apps that ship with Poolhand, as images in a devnet's registry: examples, and functions'."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import poolhand
from poolhand.appimage.composing import PublishedImage
from poolhand.devnet.images import Manner, publish, publish_base
from poolhand.domain.function_image import FUNCTIONS_LABEL, FunctionImage

WORD_STATISTICS: Final = "word-statistics"
FRACTAL: Final = "fractal"
FUNCTIONS: Final = "functions"
EXAMPLE_VERSION: Final = "1.0"
FUNCTION_APP: Final = Path(__file__).parent / "function_app"
"""The app that runs functions of Python programs; also by hand, as ``client.check`` does."""


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
    pushed = [
        publish(apps / name, f"poolhand/{name}:{EXAMPLE_VERSION}", registry)
        for name in (WORD_STATISTICS, FRACTAL)
    ]
    if (cloudpickle := find_spec("cloudpickle")) and cloudpickle.origin:
        manner = function_manner(Path(cloudpickle.origin).parent)
        name = f"poolhand/{FUNCTIONS}:{EXAMPLE_VERSION}"
        pushed.append(publish(FUNCTION_APP, name, registry, manner=manner))
    base = publish_base(registry)
    return tuple(await asyncio.gather(base, *pushed))[1:]


def function_manner(*packages: Path) -> Manner:
    """Return how an image runs functions, with these packages beside the standard library."""
    about = FunctionImage(sys.version_info[:2], tuple(sorted(each.name for each in packages)))
    return Manner(labels=((FUNCTIONS_LABEL, about.dump()),), packages=packages)
