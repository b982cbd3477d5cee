"""The computer beside our work: less is taken while somebody uses it, or it should rest.

Nothing is asked of the computer unless a setting depends on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from poolhand.domain.availability.preferences import Preferences
from poolhand.domain.availability.presence import (
    BY_LOAD,
    LoadSeen,
    Presence,
    is_hot,
    presence,
)
from poolhand.ports.clock import Clock
from poolhand.ports.machine_use import MachineUse, Power
from poolhand.transport.plumbing import first_of
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.standing import Hold

PAUSE_BETWEEN_PRESENCE_LOOKS: Final = 10.0
"""Seconds."""

log = structlog.get_logger()


class PresenceWatch:
    """Looks at the computer, and says what may be taken and used meanwhile.

    Args:
        live: What the operator wants.
        machine: The computer.
        cpus: Its processors.
        working: Tells how many slots are at work.
        hold: Told why nothing new is taken, and None when it is again.
        clock: For pauses between looks.
        limit: Gives the running tasks so many processors each.

    Attributes:
        seen: Whether somebody uses it; None while nobody wants to know.
        power: What feeds it, as seen last.
        program: Which of those runs for which the operator lets it rest, as seen last.
        celsius: How hot its processors are; None while nobody wants to know, or nothing tells.
    """

    def __init__(
        self,
        live: LiveSettings,
        machine: MachineUse,
        cpus: int,
        working: Callable[[], int],
        hold: Callable[[Hold, str | None], None],
        clock: Clock,
        limit: Callable[[float], Awaitable[None]],
    ) -> None:
        self._live, self._machine, self._cpus = live, machine, cpus
        self._working, self._hold, self._clock = working, hold, clock
        self._limit, self._limited = limit, live.now.task_cpus
        self._load = LoadSeen()
        self._stirred = asyncio.Event()
        live.changed.connect(self._stirred.set)
        self.seen: Presence | None = None
        self.power = Power()
        self.program: str | None = None
        self.celsius: float | None = None
        self._is_hot = False

    @property
    def task_cpus(self) -> float:
        """How many processors a task has now."""
        wanted, own = self._live.now, self._live.now.task_cpus
        less = wanted.in_use_cpus
        return min(own, less) if less is not None and self._is_in_use else own

    def slots_changed(self) -> None:
        """Judge anew because a task has begun or ended."""
        self._judge()

    async def keep_looking(self) -> None:
        """Look now and then while a setting depends on it, for ever."""
        while True:
            self._stirred.clear()
            await self.look()
            if self._live.now.watches_computer:
                await first_of(self._clock.sleep(PAUSE_BETWEEN_PRESENCE_LOOKS), self._stir())
            else:
                await self._stir()

    async def look(self) -> None:
        """Look once, and do what follows."""
        wanted = self._live.now
        self.seen = await self._presence(wanted) if wanted.watches_use else None
        self.power = self._machine.power() if wanted.pauses_on_battery else Power()
        named = wanted.rest_while
        self.program = await self._machine.running(named) if named else None
        self.celsius = None if wanted.hottest is None else self._machine.celsius()
        self._is_hot = is_hot(self.celsius, wanted.hottest, was_hot=self._is_hot)
        self._judge()
        if self.task_cpus != self._limited:
            self._limited = self.task_cpus
            log.info("task_cpus_changed", cpus=self._limited, in_use=self._is_in_use)
            await self._limit(self._limited)

    def show(self) -> dict[str, Any]:
        """Show what is seen, for the status; null where no setting depends on it."""
        seen = self.seen
        return {
            "in_use": None if seen is None else seen.in_use,
            "idle_seconds": None if seen is None else seen.idle_for,
            "told_by": None if seen is None else seen.told_by,
            "on_battery": self.power.on_battery,
            "charge_percent": self.power.charge,
            "program": self.program,
            "celsius": self.celsius,
        }

    @property
    def _is_in_use(self) -> bool:
        return self.seen is not None and self.seen.in_use

    async def _presence(self, wanted: Preferences) -> Presence:
        told, now = await self._machine.input(), self._clock.steady()
        ours = self._working() * self.task_cpus
        self._load = self._load.after(self._machine.busy(), ours, self._cpus, now)
        if told is not None:
            return presence(told.idle_for, told.told_by, wanted.idle_after)
        return presence(self._load.idle_for(now), BY_LOAD, wanted.idle_after)

    def _judge(self) -> None:
        wanted, reason = self._live.now, None
        most, working = wanted.in_use_slots, self._working()
        if self._is_in_use and most is not None and working >= most:
            assert self.seen is not None
            at_once = "nothing is begun" if not most else f"{most} at once is all that is done"
            reason = f"somebody uses this computer ({self.seen.told_by} tells): {at_once} meanwhile"
        self._hold(Hold.IN_USE, reason)
        battery = None
        if wanted.pauses_on_battery and self.power.on_battery:
            left = "" if self.power.charge is None else f" ({self.power.charge} % left)"
            battery = f"this computer is on its battery{left}"
        self._hold(Hold.BATTERY, battery)
        program = f"{self.program} runs on this computer" if self.program else None
        self._hold(Hold.PROGRAM, program)
        heat = None
        if self._is_hot and self.celsius is not None:
            heat = (
                f"the processors have {self.celsius:g} °C, and the operator lets nothing be begun "
                f"above {wanted.hottest:g} °C"
            )
        self._hold(Hold.HEAT, heat)

    async def _stir(self) -> None:
        await self._stirred.wait()
