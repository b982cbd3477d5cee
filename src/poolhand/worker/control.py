"""What the operator may tell a running worker: pause, resume, drain, stop.

A pause is written down and outlives the program: nobody's restart undoes it, and one with an end
ends then, whether the program ran meanwhile or not. A drain is not: it ends with the program, and a
program that is started again is meant to work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from poolhand.domain.availability.pause import Pause
from poolhand.domain.release import Release
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.transport.plumbing import first_of
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold

PAUSE_STREAM: Final = "pause"
"""In the operator's section of the journal; there while the worker is paused."""
PAUSE_BETWEEN_DRAIN_LOOKS: Final = 1.0
"""Seconds between two looks at what a drain still waits for."""
LONGEST_PAUSE_BETWEEN_CLOCK_LOOKS: Final = 30.0
"""Seconds at most between two looks whether a pause is over: somebody may set the clock."""
LONGEST_WORKER_FAREWELL: Final = 10
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
        self._stirred, self._paused_anew = asyncio.Event(), asyncio.Event()
        self._stopping = False
        self._pause: Pause | None = None
        self._successor: Release | None = None

    @property
    def now(self) -> UnixSeconds:
        """The moment, by the clock that pauses end by."""
        return self._clock.now()

    @property
    def is_draining(self) -> bool:
        """Whether the program ends once nothing is held."""
        return Hold.DRAIN in self._member.standing.holds

    @property
    def successor(self) -> Release | None:
        """The version that takes over once nothing is held; None: the program just ends."""
        return self._successor if self.is_draining and not self._stopping else None

    @property
    def pause_reason(self) -> str | None:
        """The operator's reason for a pause; None when there is none."""
        return None if self._pause is None else self._pause.reason

    @property
    def paused_until(self) -> UnixSeconds | None:
        """When the operator's pause ends by itself; None when it does not, or there is none."""
        return None if self._pause is None else self._pause.until

    def recover(self) -> None:
        """Pause again if that is how the last run was left; the newest order holds."""
        for stream, event in self._journal.read():
            if stream == PAUSE_STREAM:
                self._hold(Pause.of(event))
        self._end_in_time()

    def pause(self, reason: str, until: UnixSeconds | None = None) -> None:
        """Take nothing new, over restarts, until a moment or ``resume``; repeatable.

        Raises:
            JournalFull: It would not outlive a restart; what was ordered before still holds.
        """
        pause = Pause(reason, until)
        if pause != self._pause:
            self._journal.append(PAUSE_STREAM, {**pause.record(), "at": self._clock.now()})
        self._hold(pause)
        log.info("worker_paused", cause=reason, until=until)

    def resume(self) -> None:
        """Take tasks again; ends a pause and a drain; repeatable."""
        self._end_pause()
        self._successor = None
        self._member.hold(Hold.DRAIN, None)
        log.info("worker_resumed")

    async def keep_time(self) -> None:
        """End each pause when its time is over, for ever."""
        while True:
            self._paused_anew.clear()
            self._end_in_time()
            if self.paused_until is None:
                await self._paused_anew.wait()
            else:
                left = self.paused_until - self._clock.now()
                await first_of(
                    self._clock.sleep(min(left, LONGEST_PAUSE_BETWEEN_CLOCK_LOOKS)), self._paused()
                )

    async def _paused(self) -> None:
        await self._paused_anew.wait()

    def _hold(self, pause: Pause) -> None:
        self._pause = pause
        self._member.pause(pause.sentence, pause.until)
        self._paused_anew.set()

    def _end_in_time(self) -> None:
        if self._pause is not None and self._pause.is_over(self._clock.now()):
            log.info("worker_pause_over", cause=self._pause.reason, until=self._pause.until)
            self._end_pause()

    def _end_pause(self) -> None:
        self._journal.forget(PAUSE_STREAM)
        self._pause = None
        self._member.pause(None)

    def hand_over(self, release: Release) -> None:
        """Drain for a version that takes over then; any other order takes that back."""
        self._successor = release
        sentence = f"the worker finishes what it holds, then version {release.version} takes over"
        self._member.hold(Hold.DRAIN, sentence)
        log.info("worker_hands_over", version=release.version, held=len(self._member.held()))
        self._stirred.set()

    def drain(self) -> None:
        """Take nothing new, finish what is held, then end; repeatable."""
        self._successor = None
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
                if self._is_told() or now >= done_at + LONGEST_WORKER_FAREWELL:
                    return True
            await first_of(self._clock.sleep(PAUSE_BETWEEN_DRAIN_LOOKS), self._order())
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
