"""What a devnet is to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poolhand.devnet.adversaries.kinds import Kind, names_of
from poolhand.settings.home import at_home


@dataclass(frozen=True, slots=True)
class DevnetPlan:
    """What to start.

    Attributes:
        home: Folder of everything.
        workers: How many.
        block_time: Whole seconds between blocks.
        cache: Folder of Anvil and contracts, shared between devnets.
        environment: Added to that of every program (settings of pool and workers).
        adversaries: Simulated ones, to run beside the honest workers.
        restart: Whether a program that dies is started again.
        faults: Put lines between the programs, so that the world can misbehave.
        disks: Programs that get a disk of their own, to be filled; with ``faults``, for root.
        engine: Run a Docker engine of the devnet's own, to be killed; with ``faults``, for root.
        like: Name of a public chain whose chain id and hub address the devnet has; empty: of none,
            or of the one that the folder began with.
        tee: Confidential tasks: ``simulated``; empty: none are taken.
    """

    home: Path
    workers: int = 4
    block_time: int = 1
    cache: Path = field(default_factory=lambda: at_home("~/.cache/poolhand"))
    environment: Mapping[str, str] = field(default_factory=dict)
    adversaries: tuple[Kind, ...] = ()
    restart: bool = False
    faults: bool = False
    disks: tuple[str, ...] = ()
    engine: bool = False
    like: str = ""
    tee: str = ""

    @property
    def honest(self) -> tuple[str, ...]:
        """Names of the workers that are no adversaries."""
        return tuple(f"worker-{number}" for number in range(1, self.workers + 1))

    @property
    def named(self) -> Mapping[str, Kind]:
        """The adversaries by name."""
        return names_of(self.adversaries)
