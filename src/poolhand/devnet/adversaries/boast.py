"""*Simulated*: a worker that tells of itself what is not so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from poolhand.wire.messages import Capabilities

MOST_SLOTS_TOLD: Final = 65_535
"""The largest number of slots and processors that a login can tell."""


def boast(can: Capabilities) -> Capabilities:
    """Return the most that can be claimed."""
    return replace(can, cpus=MOST_SLOTS_TOLD, slots=MOST_SLOTS_TOLD, memory=1 << 50, gpu=True)
