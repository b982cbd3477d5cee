"""Where apps are computed: on the machine's container engine and disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.domain.gpu import Gpu
from poolhand.domain.ids import Address, TaskId
from poolhand.ports.clock import Clock
from poolhand.ports.images import EngineImages
from poolhand.ports.runtime import ContainerRuntime
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine, labels_of
from poolhand.worker.dataset_cache import DatasetCache
from poolhand.worker.disk_watch import DiskRoom
from poolhand.worker.gpus import WorkerGpus
from poolhand.worker.image_cache import ImageCache
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.stages.download import ImagePull
from poolhand.worker.task_folders import TaskFolders
from poolhand.worker.task_rules import Rules

IMAGES_FILE: Final = "images.json"
DATASETS_FOLDER: Final = "datasets"


@dataclass(frozen=True, slots=True)
class SandboxParts:
    """Images, containers and files.

    Attributes:
        engine: Runs containers that are this worker's own, by name and label.
        pull: Brings images from where it may.
        folders: Where each task's files lie.
        room: How much there is on their disk.
        images: Which of them this worker has pulled, and lets go of.
        datasets: Kept for tasks to come.
    """

    engine: AppEngine
    pull: ImagePull
    folders: TaskFolders
    room: DiskRoom
    images: ImageCache
    datasets: DatasetCache

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
        live: LiveSettings,
        images: EngineImages,
        kept: Path | None,
        held: Callable[[], Collection[TaskId]],
        gpus: Sequence[Gpu],
    ) -> SandboxParts:
        """Make them; ``kept`` is the folder for what outlives tasks, ``held`` tells these."""
        labels = labels_of(address, base)
        engine = AppEngine(runtime, name, labels, clock, WorkerGpus(gpus, clock))
        file = None if kept is None else kept / IMAGES_FILE
        cache = ImageCache(images, file, live, held, clock)
        pull = ImagePull(engine, places, rules, cache)
        room = DiskRoom(base, clock, least=lambda: live.now.least_free_disk)
        folder = None if kept is None else kept / DATASETS_FOLDER
        datasets = DatasetCache(folder, live, clock.now)
        return cls(engine, pull, TaskFolders(base), room, cache, datasets)
