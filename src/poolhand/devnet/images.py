"""App images: our Python below, the app's source above, pushed to a registry.

Built without Docker, without root and without any image from elsewhere; the same files give the
same digest.
"""

from __future__ import annotations

import asyncio
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import structlog

from poolhand.appimage.composing import BuiltImage, PublishedImage, RunTerms, compose
from poolhand.appimage.layers import Copied, LayerEntry, write_layer
from poolhand.appimage.pushing import PUSH_AND_PULL, ImagePusher
from poolhand.appimage.reference import ImageReference
from poolhand.appimage.registry_api import RegistryApi
from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.python_layer import python_layer
from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.platforms import linux_on
from poolhand.web.trusted import trusted

ENTRY: Final = "main.py"
APP_HOME: Final = "/app"
APP_USER: Final = "65534:65534"
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - of the image
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
}
PUSH_SECONDS: Final = 60.0

log = structlog.get_logger()


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
class Manner:
    """How an image is run: its user and working folder (empty: none is named), its processor.

    ``machine`` is in the names of images (``amd64``); empty: this machine's. ``labels`` are what
    its config tells of it, by name. ``packages`` are folders of Python packages that lie beside
    the app.
    """

    user: str = APP_USER
    folder: str = APP_HOME
    machine: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    packages: tuple[Path, ...] = ()


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
        return await push_image(image, f"{registry}/{name}")


def build(app: Path, folder: Path, *, cache: Path, manner: Manner = USUAL) -> BuiltImage:
    """Build an app's image; its layer is written to ``folder``.

    Raises:
        NoSuchApp: There is no ``main.py``.
        NoImagesHere: This machine's Python cannot be packed.
    """
    if not (app / ENTRY).is_file():
        raise NoSuchApp(app)
    entries: dict[str, LayerEntry] = {
        f"{APP_HOME}/{path.relative_to(below)}": Copied(path)
        for root, below in ((app, app), *((each, each.parent) for each in manner.packages))
        for path in root.rglob("*.py")
        if "__pycache__" not in path.parts
    }
    layers = (python_layer(cache), write_layer(folder / "app.tar.gz", entries))
    command, labels = ("python3", f"{APP_HOME}/{ENTRY}"), dict(manner.labels)
    run = RunTerms(command, manner.folder, manner.user, ENVIRONMENT, labels)
    return compose(layers, run, _platform(manner))


def python_base(cache: Path = DEFAULT_CACHE) -> BuiltImage:
    """Return an image that has our Python and nothing else, for others to be built over.

    Raises:
        NoImagesHere: This machine's Python cannot be packed.
    """
    version = {"PYTHON_VERSION": platform.python_version()}
    run = RunTerms(("python3",), APP_HOME, APP_USER, {**ENVIRONMENT, **version})
    return compose((python_layer(cache),), run, _platform(USUAL))


def base_reference(registry: str, version: str) -> str:
    """Return the reference of a base with a version of Python in a devnet's registry."""
    return f"{registry}/poolhand/python:{version}"


def own_python() -> str:
    """Return the version of the Python that a devnet of this program has a base of."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


async def publish_base(registry: str, *, cache: Path = DEFAULT_CACHE) -> PublishedImage:
    """Push the base with our Python; raises as ``publish``."""
    image = await asyncio.to_thread(python_base, cache)
    return await push_image(image, base_reference(registry, own_python()))


def _platform(manner: Manner) -> str:
    return f"linux/{manner.machine}" if manner.machine else linux_on(platform.machine())


async def push_image(image: BuiltImage, to: str) -> PublishedImage:
    """Push an image to a registry without TLS; raises PushFailed."""
    target = ImageReference.parse(to)
    async with httpx.AsyncClient(timeout=PUSH_SECONDS, verify=trusted(), trust_env=False) as http:
        registry = RegistryApi(http, target, None, access=PUSH_AND_PULL)
        try:
            return await ImagePusher(registry, log.debug).push(image, None)
        except (Refused, PeerFault, Unavailable) as fault:
            raise PushFailed(target.registry, str(fault)) from fault
