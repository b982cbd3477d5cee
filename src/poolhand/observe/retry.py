"""Asking the chain until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from poolhand.domain.errors import ChainUnreachable
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock

T = TypeVar("T")
PAUSE_BETWEEN_RETRIES: Final = 1.0
"""Seconds between two tries to reach a chain that does not answer."""


def chain_outage(program: str) -> OutageLog:
    """Return what a program says when no endpoint of its chain answers.

    Args:
        program: What goes on by itself when one does, for a person.
    """
    return OutageLog(
        "chain_unreachable",
        "chain_reached",
        acts="operator of the RPC endpoint",
        next_step=f"bring it back; {program} goes on by itself",
    )


class ChainRetry:
    """Asks a chain again until it answers.

    Args:
        outage: Told when the chain is out of reach.
        pause: Seconds between two tries.
        lasts: Whether it asks more than once; else an outage is raised.
    """

    def __init__(
        self,
        clock: Clock,
        outage: OutageLog,
        pause: float = PAUSE_BETWEEN_RETRIES,
        *,
        lasts: bool = True,
    ) -> None:
        self._clock, self._outage, self._pause, self._lasts = clock, outage, pause, lasts

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Return the chain's answer, however long it takes.

        Raises:
            ChainUnreachable: It does not answer, and this asks once.
        """
        while True:
            try:
                answer = await question()
            except ChainUnreachable as fault:
                if not self._lasts:
                    raise
                await self.bear(fault)
            else:
                self.answered()
                return answer

    async def bear(self, fault: ChainUnreachable) -> None:
        """Tell of an outage, and wait a moment."""
        self._outage.tell(fault)
        await self.rest()

    async def rest(self) -> None:
        """Wait a moment."""
        await self._clock.sleep(self._pause)

    def answered(self) -> None:
        """Note that the chain is there."""
        self._outage.over()
