"""Who else uses this computer, and what feeds it: as far as its system tells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.units import Seconds


@dataclass(frozen=True, slots=True)
class InputSeen:
    """When somebody last did something at this computer.

    Attributes:
        idle_for: Since then; 0 where somebody is at it.
        told_by: Who tells, for a person.
    """

    idle_for: Seconds
    told_by: str


@dataclass(frozen=True, slots=True)
class Power:
    """What feeds this computer.

    Attributes:
        on_battery: Whether its battery does; None where it has none, or nothing tells.
        charge: What is left of that (percent); None where nothing tells.
    """

    on_battery: bool | None = None
    charge: int | None = None


class MachineUse(Protocol):
    """This computer, beside our own work; nothing here raises: what cannot be told is None."""

    async def input(self) -> InputSeen | None:
        """Return when somebody did something last; None where nothing here tells."""

    def busy(self) -> float:
        """Return how many processors were at work since the last such look, ours included."""

    def power(self) -> Power:
        """Return what feeds it."""

    async def running(self, programs: Collection[str]) -> str | None:
        """Return one of these programs that runs outside of containers; None: none does.

        Args:
            programs: Names as the system's list of processes has them, in lower case.
        """

    def celsius(self) -> float | None:
        """Return how hot its processors are (°C); None where nothing tells."""
