"""What the operator may tell a running worker: pause, resume, drain, stop.

A pause is written down and outlives the program: nobody's restart undoes it. A drain is not: it
ends with the program, and a program that is started again is meant to work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.transport.plumbing import first_of
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold

STREAM: Final = "pause"
"""In the operator's section of the journal; there while the worker is paused."""
TICK: Final = 1.0
"""Seconds between two looks at what a drain still waits for."""
FAREWELL: Final = 10
"""Seconds that a drained worker gives the pool to acknowledge its last reports."""

log = structlog.get_logger()


async def _nobody() -> None:
    """Say goodbye to nobody."""


class Control:
    """Carries out the operator's orders; ``ended`` says when the program is to end.

    Args:
        journal: Of the operator's orders.
        clock: For pauses between looks.
        farewell: Called once everything is done, to tell the pool.
    """

    def __init__(
        self,
        member: PoolMember,
        journal: Journal,
        clock: Clock,
        farewell: Callable[[], Awaitable[None]] = _nobody,
    ) -> None:
        self._member, self._journal, self._clock = member, journal, clock
        self._farewell = farewell
        self._stirred = asyncio.Event()
        self._stopping = False

    @property
    def is_draining(self) -> bool:
        """Whether the program ends once nothing is held."""
        return Hold.DRAIN in self._member.standing.holds

    @property
    def pause_reason(self) -> str | None:
        """The operator's reason for a pause; None when there is none."""
        return self._member.standing.holds.get(Hold.OPERATOR)

    def recover(self) -> None:
        """Pause again if that is how the last run was left; the newest reason holds."""
        for stream, event in self._journal.read():
            if stream == STREAM:
                self._member.pause(str(event["reason"]))

    def pause(self, reason: str) -> None:
        """Take nothing new, over restarts, until ``resume``; repeatable.

        Raises:
            JournalFull: It would not outlive a restart; what was ordered before still holds.
        """
        if reason != self.pause_reason:
            self._journal.append(STREAM, {"reason": reason, "at": self._clock.now()})
        self._member.pause(reason)
        log.info("worker_paused", cause=reason)

    def resume(self) -> None:
        """Take tasks again; ends a pause and a drain; repeatable."""
        self._journal.forget(STREAM)
        self._member.pause(None)
        self._member.hold(Hold.DRAIN, None)
        log.info("worker_resumed")

    def drain(self) -> None:
        """Take nothing new, finish what is held, then end; repeatable."""
        self._member.hold(Hold.DRAIN, "the worker finishes what it holds and then stops")
        log.info("worker_draining", held=len(self._member.held()))
        self._stirred.set()

    def stop(self) -> None:
        """End at once; the journal keeps everything."""
        self._stopping = True
        self._stirred.set()

    async def ended(self) -> None:
        """Return when the program is to end: told to stop, or drained."""
        while not self._stopping:
            await self._stirred.wait()
            self._stirred.clear()
            if self.is_draining and await self._drained():
                log.info("worker_drained")
                await self._farewell()
                return

    async def _drained(self) -> bool:
        """Wait until nothing is held and told; False when another order comes first."""
        done_at: int | None = None
        while self.is_draining and not self._stopping:
            if self._is_done():
                now = self._clock.steady()
                done_at = now if done_at is None else done_at
                if self._is_told() or now >= done_at + FAREWELL:
                    return True
            await first_of(self._clock.sleep(TICK), self._order())
        return False

    async def _order(self) -> None:
        await self._stirred.wait()
        self._stirred.clear()

    def _is_done(self) -> bool:
        replicates = self._member.shell.replicates.values()
        return not self._member.is_taking and all(
            each.is_over and each.cleaned and not each.is_watched for each in replicates
        )

    def _is_told(self) -> bool:
        """Whether the pool knows all, or cannot be told: then it is told after a restart."""
        return not self._member.shell.replicates or not self._member.standing.connected
