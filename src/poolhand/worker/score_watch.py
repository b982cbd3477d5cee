"""The worker's score on chain, looked at when its earnings are: tasks that pay change both."""

from __future__ import annotations

from poolhand.domain.ids import Address
from poolhand.domain.trust import Score
from poolhand.ports.chain import Hub


class ScoreWatch:
    """Reads it.

    Attributes:
        score: As last seen; None before the first look.
    """

    def __init__(self, worker: Address, hub: Hub) -> None:
        self._worker, self._hub = worker, hub
        self.score: Score | None = None

    async def look(self) -> None:
        """Read it; raises ChainUnreachable."""
        self.score = (await self._hub.scores([self._worker]))[self._worker]
