"""What has changed between two looks at tasks, a line each, so that nothing is told twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from poolhand.domain.text import shown
from poolhand.requester.causes import causes, nobody_left

if TYPE_CHECKING:
    from poolhand.domain.deal import Deal
    from poolhand.requester.watching import Progress, TaskProgress


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is so now and was not before; ``str()`` is a line for a person.

    Attributes:
        task: The task as it stands now.
        told: The line; what a stranger's text would command or hide is escaped.
        is_bad: Whether it tells of a failure, or that no worker is left.
    """

    task: TaskProgress
    told: str
    is_bad: bool = False

    def __str__(self) -> str:
        return self.told


@dataclass(slots=True)
class Changes:
    """Remembers what was told; ``deal`` is whose tasks they are, where that is known."""

    deal: Deal | None = None
    _told: set[str] = field(default_factory=set)

    def of(self, progress: Progress) -> tuple[Change, ...]:
        """Return what was not told yet: first how tasks and workers stand, then what is bad."""
        tasks = progress.tasks
        found = [each for task in tasks for each in _standings(task)]
        found += [each for task in tasks for each in self._bad_news(task)]
        return tuple(self._new(found))

    def _new(self, found: list[Change]) -> Iterator[Change]:
        for each in found:
            if each.told not in self._told:
                self._told.add(each.told)
                yield each

    def _bad_news(self, task: TaskProgress) -> Iterator[Change]:
        for cause in causes(task):
            for worker in cause.workers:
                why = f"task {task.index}: worker {worker.short} {cause.status}: {cause.why}"
                line = shown(f"{why} (next: {cause.acts}: {cause.next_step})")
                yield Change(task, line, is_bad=True)
        if task.nobody_left:
            yield Change(task, nobody_left(task, self.deal), is_bad=True)


def _standings(task: TaskProgress) -> Iterator[Change]:
    for each in task.news.replicates if task.news else ():
        yield Change(task, f"task {task.index}: worker {each.worker.short} {each.status}")
    yield Change(task, f"task {task.index}: {task.status}")
