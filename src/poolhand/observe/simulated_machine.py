"""A *simulated* computer: nobody is at it but whom a test puts there."""

from __future__ import annotations

from collections.abc import Collection

from poolhand.domain.units import Seconds
from poolhand.ports.machine_use import InputSeen, Power


class SimulatedMachine:
    """Implements ``ports.machine_use.MachineUse`` by what it was told.

    Attributes:
        seen: Who tells of input, and what.
        at_work: Processors at work, ours included.
        fed_by: What feeds it.
        programs: That run on it.
        heat: Of its processors (°C).
        looks: How often it was asked for input.
    """

    def __init__(self) -> None:
        self.seen: InputSeen | None = InputSeen(Seconds(1 << 20), "a simulation")
        self.at_work = 0.0
        self.fed_by = Power()
        self.programs = set[str]()
        self.heat: float | None = None
        self.looks = 0

    async def input(self) -> InputSeen | None:
        """Return what was told."""
        self.looks += 1
        return self.seen

    def busy(self) -> float:
        """Return what was told."""
        return self.at_work

    def power(self) -> Power:
        """Return what was told."""
        return self.fed_by

    async def running(self, programs: Collection[str]) -> str | None:
        """Return one of them that was said to run."""
        self.looks += 1
        return next((each for each in sorted(self.programs) if each in programs), None)

    def celsius(self) -> float | None:
        """Return how hot it was said to be."""
        self.looks += 1
        return self.heat
