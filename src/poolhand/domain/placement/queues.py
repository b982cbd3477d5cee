"""Tasks that wait for workers, in fair order: whose deal is served least comes next.

Between requesters the one with the fewest replicates at work has the turn, between the deals of one
requester likewise, and within a deal the nearest deadline. So a bag of ten thousand tasks takes
what others leave, and a single task never waits for it. It is a rule about the present alone:
nothing has to be remembered over a restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.placement.ranking import Ranking, RankingKey

Had: TypeAlias = frozenset[Address]
Path: TypeAlias = tuple[Address, DealId, Had]
"""Requester, deal, and who has had it already: tasks of one path fit the same workers."""

Urgency: TypeAlias = tuple[int, int, DealId]
"""Contribution deadline, index, deal: among tasks of equal turn the least is first."""


class Served:
    """How many replicates at work each requester and each deal has."""

    def __init__(self) -> None:
        self.of: Counter[Hashable] = Counter()

    def add(self, who: Hashable, count: int) -> None:
        """Count more or fewer."""
        self.of[who] += count
        if not self.of[who]:
            del self.of[who]


@dataclass(slots=True)
class _Branch:
    """Requesters, their deals, or the groups of a deal: ranked by how they are served."""

    ranks: Ranking[Hashable] = field(default_factory=Ranking)
    below: dict[Hashable, _Branch | _Alike] = field(default_factory=dict)

    def first(self) -> RankingKey | None:
        """Return the key of the task whose turn it is; None where none is to be had."""
        return self.ranks.least()

    @property
    def is_empty(self) -> bool:
        return not self.below


@dataclass(slots=True)
class _Alike:
    """Tasks of one path; a blocked group waits until somebody comes who can take one."""

    tasks: Ranking[TaskId] = field(default_factory=Ranking)
    is_blocked: bool = False

    def first(self) -> RankingKey | None:
        return None if self.is_blocked else self.tasks.least()

    @property
    def is_empty(self) -> bool:
        return not self.tasks


class FairQueue:
    """Tasks that all ask the same of a worker.

    Attributes:
        blocked: Paths of which nobody that is free can take a task.
    """

    def __init__(self, served: Served) -> None:
        self._served, self._root = served, _Branch()
        self.blocked: set[Path] = set()
        self._paths: dict[TaskId, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def put(self, task_id: TaskId, path: Path, urgency: Urgency) -> None:
        """Add a task."""
        branch = self._root
        for step in path[:-1]:
            found = branch.below.setdefault(step, _Branch())
            assert isinstance(found, _Branch)
            branch = found
        group = branch.below.setdefault(path[-1], _Alike())
        assert isinstance(group, _Alike)
        group.tasks.put(task_id, urgency)
        self._paths[task_id] = path
        self._rank(path)

    def drop(self, task_id: TaskId) -> None:
        """Remove a task; repeatable."""
        path = self._paths.pop(task_id, None)
        group = None if path is None else self._group(path)
        if path is not None and group is not None:
            group.tasks.drop(task_id)
            if not group.tasks:
                self.blocked.discard(path)
            self._rank(path)

    def first(self) -> tuple[RankingKey, Path, TaskId] | None:
        """Return the task whose turn it is with its key and path; None where none is to be had."""
        key, branch, path = self._root.ranks.least(), self._root, []
        while (step := branch.ranks.first()) is not None:
            path.append(step)
            found = branch.below[step]
            if isinstance(found, _Alike):
                task_id = found.tasks.first()
                assert key is not None
                assert task_id is not None
                return key, tuple(path), task_id  # type: ignore[return-value]
            branch = found
        return None

    def block(self, path: Path, *, blocked: bool = True) -> None:
        """Pass over the tasks of a path, or no longer; an unknown path is left alone."""
        group = self._group(path)
        if group is not None:
            group.is_blocked = blocked
            (self.blocked.add if blocked else self.blocked.discard)(path)
            self._rank(path)

    def served(self, requester: Address, deal: DealId) -> None:
        """Rank anew a deal of which more or fewer replicates are at work."""
        branch = self._root.below.get(requester)
        if isinstance(branch, _Branch):
            if deal in branch.below:
                self._place(branch, deal)
            self._place(self._root, requester)

    def _group(self, path: Path) -> _Alike | None:
        found: _Branch | _Alike | None = self._root
        for step in path:
            found = found.below.get(step) if isinstance(found, _Branch) else None
        return found if isinstance(found, _Alike) else None

    def _rank(self, path: Path) -> None:
        """Rank the steps of a path anew, from its end to its beginning."""
        requester, deal, had = path
        of_requester = self._root.below[requester]
        assert isinstance(of_requester, _Branch)
        of_deal = of_requester.below[deal]
        assert isinstance(of_deal, _Branch)
        for branch, step in ((of_deal, had), (of_requester, deal), (self._root, requester)):
            self._place(branch, step)

    def _place(self, branch: _Branch, step: Hashable) -> None:
        below = branch.below[step]
        first = below.first()
        if first is None:
            branch.ranks.drop(step)
        else:
            branch.ranks.put(step, (self._served.of[step], *first))
        if below.is_empty:
            del branch.below[step]
