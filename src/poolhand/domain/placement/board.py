"""The tasks that are open, by what they need and by why nobody is given them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.placement.had import FreeWorkers, WhoFits
from poolhand.domain.placement.need import Level, Need, QueueKey
from poolhand.domain.placement.queues import FairQueue, Served
from poolhand.domain.placement.turns import Demand
from poolhand.domain.task.idle import IdleReason


class Board:
    """An index of needs.

    Attributes:
        needs: By task; all that are open.
        queues: Where they wait, by what they ask; there are as many as different stakes asked.
        obstacles: How many tasks nobody at all is given, by the reason.
    """

    def __init__(self) -> None:
        self.needs: dict[TaskId, Need] = {}
        self.queues: dict[QueueKey, FairQueue] = {}
        self.obstacles: Counter[IdleReason] = Counter()
        self._served = Served()

    def put(self, need: Need) -> None:
        """Add a task, or what it needs now."""
        task_id = need.task.facts.task_id
        before = self.needs.get(task_id)
        self.needs[task_id] = need
        self._serve(before, need)
        if before is not None:
            self._leave(before, need.queue)
        if need.obstacle is not None:
            self.obstacles[need.obstacle] += 1
        if need.queue is not None:
            queue = self.queues.get(need.queue)
            if queue is None:
                queue = self.queues[need.queue] = FairQueue(self._served)
            queue.put(task_id, need.path, need.urgency)

    def drop(self, task_id: TaskId) -> Need | None:
        """Remove a task, and return what was known of it; repeatable."""
        before = self.needs.pop(task_id, None)
        if before is not None:
            self._serve(before, None)
            self._leave(before, None)
        return before

    def first(self, workers: FreeWorkers, *, can_initialize: bool) -> Need | None:
        """Return the task whose turn it is among those that somebody who is free fits.

        Args:
            workers: Who is free.
            can_initialize: Whether further tasks may be put on chain.
        """
        asked: dict[Demand, WhoFits] = {}
        best = None
        for key, queue in self.queues.items():
            shut = key.is_unset and not can_initialize and key.level is not Level.STANDBY
            if shut or (best is not None and best[0][0] < key.level):
                continue
            who = asked.setdefault(key.demand, WhoFits(workers, key.demand))
            if (found := queue.first(who)) is not None:
                ranked = (key.level, *found[0])
                if best is None or ranked < best[0]:
                    best = ranked, found[1]
        return None if best is None else self.needs[best[1]]

    def waiting(self) -> Iterator[tuple[QueueKey, int]]:
        """Yield how many tasks wait for somebody who fits, by what they ask."""
        return ((k, len(q)) for k, q in self.queues.items() if k.level is not Level.STANDBY)

    def _leave(self, before: Need, following: QueueKey | None) -> None:
        if before.obstacle is not None:
            self.obstacles[before.obstacle] -= 1
            if not self.obstacles[before.obstacle]:
                del self.obstacles[before.obstacle]
        if before.queue is not None:
            queue = self.queues[before.queue]
            queue.drop(before.task.facts.task_id)
            if not queue and before.queue != following:
                del self.queues[before.queue]

    def _serve(self, before: Need | None, after: Need | None) -> None:
        """Count the replicates at work of those who bought the task."""
        changed: dict[tuple[Address, DealId], int] = {}
        for need, sign in ((before, -1), (after, 1)):
            if need is not None and need.deal is not None:
                who = need.deal.requester, need.deal.deal_id
                changed[who] = changed.get(who, 0) + sign * len(need.holds)
        for (requester, deal), count in changed.items():
            if count:
                self._served.add(requester, count)
                self._served.add(deal, count)
                for queue in self.queues.values():
                    queue.served(requester, deal)
