"""How many bytes of an image have come, as an engine tells while it pulls: the layers together.

What an engine says of a layer's size is a registry's word: it is shown to people and decides
nothing. Layers that the engine has already are not told and do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MOST_LAYERS_COUNTED: Final = 512
MOST_OF_LAYER: Final = 2**50
"""Bytes: what an engine tells beyond that is no size."""


class PullTally:
    """Adds up the steps of one pull."""

    def __init__(self) -> None:
        self._layers: dict[str, int] = {}

    @property
    def bytes(self) -> int:
        """That have come, compressed as a registry has them."""
        return sum(self._layers.values())

    def take(self, step: Mapping[str, Any]) -> None:
        """Take a step; one that tells of no bytes changes nothing."""
        detail, layer = step.get("progressDetail"), step.get("id")
        if step.get("status") != "Downloading" or not isinstance(layer, str):
            return
        came = detail.get("current") if isinstance(detail, dict) else None
        if type(came) is not int or not 0 <= came <= MOST_OF_LAYER:
            return
        if layer in self._layers or len(self._layers) < MOST_LAYERS_COUNTED:
            self._layers[layer] = max(came, self._layers.get(layer, 0))
