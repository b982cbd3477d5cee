"""Telling a worker's owner wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from poolhand.domain.notices import WorkerNotice


class Notifier(Protocol):
    """Brings notices; what cannot be brought is told, never raised."""

    async def bring(self, notice: WorkerNotice) -> Mapping[str, str | None]:
        """Bring a notice to every target; returns why not, by target; None: it was brought."""
