"""Tasks that wait for workers, in fair order: whose deal is served least comes next.

Between requesters the one with the fewest replicates at work has the turn, between the deals of one
requester likewise, and within a deal the nearest deadline. So a bag of ten thousand tasks takes
what others leave, and a single task never waits for it. It is a rule about the present alone:
nothing has to be remembered over a restart.

Tasks that nobody who is free can take are passed by without a look at each: requesters, and the
deals of one, stand in trees whose branches know who has had what is below them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeAlias

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.placement.had import Had, HadBy, WhoFits
from poolhand.domain.placement.rank_tree import RankTree
from poolhand.domain.ranking import Ranking, RankingKey

Path: TypeAlias = tuple[Address, DealId, Had]
"""Requester, deal, and who has had it already: tasks of one path fit the same workers."""

Urgency: TypeAlias = tuple[int, int, DealId]
"""Contribution deadline, index, deal: among tasks of equal turn the least is first."""

_Found: TypeAlias = tuple[RankingKey, TaskId]


class Served:
    """How many replicates at work each requester and each deal has."""

    def __init__(self) -> None:
        self.of: Counter[Hashable] = Counter()

    def add(self, who: Hashable, count: int) -> None:
        """Count more or fewer."""
        self.of[who] += count
        if not self.of[who]:
            del self.of[who]


def _tree() -> RankTree[Hashable, HadBy]:
    return RankTree(HadBy.join)


@dataclass(slots=True)
class _Branch:
    """Requesters, their deals, or the groups of a deal: ranked by how they are served."""

    ranks: RankTree[Hashable, HadBy] = field(default_factory=_tree)
    below: dict[Hashable, _Branch | _Alike] = field(default_factory=dict)

    @property
    def had(self) -> HadBy | None:
        """Who has had what is below; None where nothing is."""
        return self.ranks.sum

    def least(self) -> RankingKey | None:
        """Return the key of the task whose turn it would be if it fits somebody."""
        found: RankingKey | None = self.ranks.least()
        return found

    def first(self, who: WhoFits) -> _Found | None:
        """Return the task whose turn it is among those that fit somebody.

        A key here is that of the first task below, whether that one fits or not: so it is no more
        than the key of what is found there, and once it is more than the best, that is the first.
        """
        best: _Found | None = None
        for key, step in self.ranks.walk(who.may_take):
            if best is not None and best[0] < key:
                break
            found = self.below[step].first(who)
            if found is not None and (best is None or (key[0], *found[0]) < best[0]):
                best = (key[0], *found[0]), found[1]
                if best[0] == key:
                    break
        return best


@dataclass(slots=True)
class _Alike:
    """Tasks of one path."""

    had: HadBy
    tasks: Ranking[TaskId] = field(default_factory=Ranking)

    def least(self) -> RankingKey | None:
        return self.tasks.least()

    def first(self, _who: WhoFits) -> _Found | None:
        """Return the first of them: all fit the same workers."""
        key, task_id = self.tasks.least(), self.tasks.first()
        return None if key is None or task_id is None else (key, task_id)


class FairQueue:
    """Tasks that all ask the same of a worker."""

    def __init__(self, served: Served) -> None:
        self._served, self._root = served, _Branch()
        self._paths: dict[TaskId, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def put(self, task_id: TaskId, path: Path, urgency: Urgency) -> None:
        """Add a task, or move it."""
        if self._paths.get(task_id, path) != path:
            self.drop(task_id)
        self._paths[task_id] = path
        self._alike(path).tasks.put(task_id, urgency)
        self._rank(path)

    def drop(self, task_id: TaskId) -> None:
        """Remove a task; repeatable."""
        path = self._paths.pop(task_id, None)
        if path is not None:
            self._alike(path).tasks.drop(task_id)
            self._rank(path)

    def first(self, who: WhoFits) -> _Found | None:
        """Return the task whose turn it is among those that fit somebody, with its key."""
        return self._root.first(who)

    def served(self, requester: Address, deal: DealId) -> None:
        """Rank anew a deal of which more or fewer replicates are at work."""
        branch = self._root.below.get(requester)
        if isinstance(branch, _Branch):
            if deal in branch.below:
                self._place(branch, deal)
            self._place(self._root, requester)

    def _alike(self, path: Path) -> _Alike:
        """Return the group of a path; it is made where there is none."""
        requester, deal, had = path
        of_deal = _branch_of(_branch_of(self._root, requester), deal)
        found = of_deal.below.get(had)
        if not isinstance(found, _Alike):
            found = of_deal.below[had] = _Alike(HadBy.of(had))
        return found

    def _rank(self, path: Path) -> None:
        """Rank the steps of a path anew, from its end on as far as something changes."""
        requester, deal, had = path
        of_requester = _branch_of(self._root, requester)
        of_deal = _branch_of(of_requester, deal)
        for branch, step in ((of_deal, had), (of_requester, deal), (self._root, requester)):
            if not self._place(branch, step):
                return

    def _place(self, branch: _Branch, step: Hashable) -> bool:
        """Rank what is below a step; returns whether that has changed the branch."""
        below = branch.below[step]
        least, had = below.least(), below.had
        if least is None or had is None:
            del branch.below[step]
            return branch.ranks.drop(step)
        return branch.ranks.put(step, (self._served.of[step], *least), had)


def _branch_of(branch: _Branch, step: Hashable) -> _Branch:
    found = branch.below.get(step)
    if not isinstance(found, _Branch):
        found = branch.below[step] = _Branch()
    return found
