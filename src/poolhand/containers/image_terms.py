"""What images ask of the sandbox: read from the engine once, and kept for those that ran lately."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from aiodocker import Docker

from poolhand.containers.sandbox import SandboxTerms

MOST_IMAGES_KNOWN: Final = 256
"""Images that are known at a time: a worker runs whatever strangers buy, each of another image."""


class ImageTerms:
    """The terms of the images that ran last; of any other the engine is asked again.

    Args:
        docker: The engine.
    """

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._known: OrderedDict[str, SandboxTerms] = OrderedDict()

    async def of(self, image: str) -> SandboxTerms:
        """Return an image's terms; raises DockerError."""
        known = self._known.get(image)
        if known is None:
            known = SandboxTerms.of(await self._docker.images.inspect(image), os.getuid())
        return self._keep(image, known)

    def give_up_copy(self, image: str, terms: SandboxTerms) -> None:
        """Let apps of an image have its working folder read-only: it is too large to copy."""
        self._keep(image, replace(terms, start=None))

    def _keep(self, image: str, terms: SandboxTerms) -> SandboxTerms:
        self._known[image] = terms
        self._known.move_to_end(image)
        while len(self._known) > MOST_IMAGES_KNOWN:
            self._known.popitem(last=False)
        return terms
