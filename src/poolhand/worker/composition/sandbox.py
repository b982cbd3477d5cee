"""Where apps are computed: on the machine's container engine and disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poolhand.domain.ids import Address
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerRuntime
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine, labels_of
from poolhand.worker.disk_watch import DiskRoom
from poolhand.worker.stages.download import ImagePull
from poolhand.worker.task_folders import TaskFolders
from poolhand.worker.task_rules import Rules


@dataclass(frozen=True, slots=True)
class SandboxParts:
    """Images, containers and files.

    Attributes:
        engine: Runs containers that are this worker's own, by name and label.
        pull: Brings images from where it may.
        folders: Where each task's files lie.
        room: How much there is on their disk.
    """

    engine: AppEngine
    pull: ImagePull
    folders: TaskFolders
    room: DiskRoom

    @classmethod
    def of(
        cls,
        address: Address,
        name: str,
        base: Path,
        rules: Rules,
        places: AllowedPlaces,
        runtime: ContainerRuntime,
        clock: Clock,
    ) -> SandboxParts:
        """Make them."""
        engine = AppEngine(runtime, name, labels_of(address, base), clock)
        pull = ImagePull(engine, places, rules)
        return cls(engine, pull, TaskFolders(base), DiskRoom(base, clock))
