"""The image of the services before and after an app, for a devnet's registry: our Python and ours.

Its digest is what the secret management service of a devnet lets know secrets, by a simulated
quote; how it is started says which of the two services it is.
"""

from __future__ import annotations

import asyncio
import io
import platform
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.appimage.composing import BuiltImage, PublishedImage, RunTerms, compose
from poolhand.appimage.layers import LayerEntry, Streamed, write_layer
from poolhand.containers.vm.programs import libraries
from poolhand.devnet.artifacts import DEFAULT_CACHE
from poolhand.devnet.images import APP_USER, ENVIRONMENT, push_image
from poolhand.devnet.python_layer import python_layer
from poolhand.domain.platforms import linux_on
from poolhand.domain.tee.session import Service
from poolhand.ports.tee import TeeServiceProgram
from poolhand.worker.tee import post_compute, pre_compute
from poolhand.worker.tee.packing import STAGE_MODULES, module_bytes, packed_programs

STAGES: Final = "tee-stages"
STAGES_VERSION: Final = "1.0"
_PACKAGES: Final = "/opt/poolhand/packages"
STAGE_COMMANDS: Final = {
    Service.PRE_COMPUTE: (pre_compute.__name__,),
    Service.POST_COMPUTE: (post_compute.__name__,),
}
"""The words behind the image's own, by service."""


async def publish_stages(registry: str, *, cache: Path = DEFAULT_CACHE) -> PublishedImage:
    """Build the image and push it.

    Args:
        registry: ``host:port``, without TLS.
        cache: Where the layer of the interpreter is kept.

    Raises:
        NoImagesHere: This machine's Python cannot be packed.
        PushFailed: The registry does not answer, or refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = await asyncio.to_thread(_stages_image, Path(folder), cache)
        return await push_image(image, f"{registry}/poolhand/{STAGES}:{STAGES_VERSION}")


def stage_program(published: PublishedImage, service: Service) -> TeeServiceProgram:
    """Return how a service of a published image is run."""
    return TeeServiceProgram(published.reference, published.digest, STAGE_COMMANDS[service])


def _stages_image(folder: Path, cache: Path) -> BuiltImage:
    found = packed_programs(STAGE_MODULES)
    entries: dict[str, LayerEntry] = {}
    for place, path in found.packages.items():
        name, content = module_bytes(place, path)
        entries[f"{_PACKAGES}/{name}"] = _file(content)
    compiled = [each for each in found.packages.values() if each.suffix == ".so"]
    for place, content in libraries(compiled).items():
        entries[place] = _file(content, executable=True)
    layers = python_layer(cache), write_layer(folder / "stages.tar.gz", entries)
    environment = {**ENVIRONMENT, "PYTHONPATH": _PACKAGES}
    run = RunTerms(("python3", "-m"), "/", APP_USER, environment)
    return compose(layers, run, linux_on(platform.machine()))


def _file(content: bytes, *, executable: bool = False) -> Streamed:
    return Streamed(len(content), partial(io.BytesIO, content), executable=executable)
