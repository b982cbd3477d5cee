"""What a worker has taken: its replicates, what the chain says of them, and their files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.model import Replicate
from poolhand.wire.messages import Held
from poolhand.worker.chain_watch import ChainWatch
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.task_folders import TaskFolders


def slots_taken(replicates: Iterable[Replicate]) -> int:
    """Count the replicates that occupy a slot: what waits for others does not."""
    return sum(not (e.is_over or e.has_contributed or e.parked) for e in replicates)


@dataclass(frozen=True, slots=True)
class HeldReplicates:
    """The replicates of a worker, seen together.

    Attributes:
        shell: Has them.
        chain_watch: Looks at their tasks.
        folders: Have their files.
    """

    shell: ReplicateShell
    chain_watch: ChainWatch
    folders: TaskFolders

    def open(self) -> tuple[Held, ...]:
        """Return those that are not over, as the pool is told of them."""
        return tuple(
            Held(task_id, replicate.status)
            for task_id, replicate in self.shell.replicates.items()
            if not replicate.is_over
        )

    @property
    def working(self) -> int:
        """How many occupy a slot."""
        return slots_taken(self.shell.replicates.values())

    @property
    def has_stake(self) -> bool:
        """Whether a contribution is or may be on chain whose end is not known, or not for good."""
        replicates = self.shell.replicates.values()
        return any(
            each.has_contributed and (each.is_watched or not each.is_over) for each in replicates
        )

    def has_archive(self, task_id: TaskId) -> bool:
        """Whether the result of a task is packed; asks the disk."""
        return self.folders.of(task_id).archive.exists()
