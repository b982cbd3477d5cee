"""The workers that are there, by turn: who is free, and who soon will be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from poolhand.domain.ids import Address
from poolhand.domain.placement.had import Had
from poolhand.domain.placement.idle_counts import IdleCounts
from poolhand.domain.placement.need import Need
from poolhand.domain.placement.room import Load, Occupied, WorkerRoom
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.turns import Demand, Turn, WorkerTurns
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.ranking import Ranking
from poolhand.domain.units import NanoRlc, UnixSeconds


class Crew:
    """An index of workers.

    Args:
        rules: Of the pool's owner.
        draw: Draws a number that decides among equals, for who comes or has become free.

    Attributes:
        rooms: Of those that are there.
        loads: What workers hold, those that are away included.
        free: Who may be given something.
        soon: Who takes part, is not resting, and has no slot just now.
        soon_gpu: Likewise who has a slot, and no GPU of those that it has.
        idle: How many can take nothing, or nothing of what waits, and why.
    """

    def __init__(self, rules: PlacementRules, draw: Callable[[], float]) -> None:
        self._rules, self._draw, self._now = rules, draw, UnixSeconds(0)
        self.rooms: dict[Address, WorkerRoom] = {}
        self.loads: dict[Address, Load] = {}
        self.free, self.soon, self.soon_gpu = WorkerTurns(), WorkerTurns(), WorkerTurns()
        self._soon_from: Counter[str] = Counter()
        self.idle = IdleCounts()
        self._rests: Ranking[Address] = Ranking()
        self._resting: set[Address] = set()

    def join(self, worker: ConnectedWorker) -> None:
        """Add a worker, or what is known of it now."""
        name = worker.worker
        known = self.rooms.get(name)
        if worker.reputation.is_resting(self._now):
            self._rests.put(name, (worker.reputation.rests_until,))
        self._place(worker, self._draw() if known is None else known.chance)

    def leave(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        room = self.rooms.get(worker)
        if room is not None:
            self.idle.drop(room)
            self._unplace(worker)
            self._rests.drop(worker)
            del self.rooms[worker]

    def pass_time(self, now: UnixSeconds) -> None:
        """Let those come forward whose rest is over."""
        self._now = max(now, self._now)
        for worker in self._rests.due((self._now,)):
            room = self.rooms.get(worker)
            if room is not None:
                self._place(room.worker, room.chance)

    def hear(self, before: Need | None, after: Need | None) -> None:
        """Note what a task takes of workers instead of what it took."""
        had, have = _workers(before), _workers(after)
        waited, waits = before and before.queue, after and after.queue
        if had != have or waited != waits:
            for worker in have:
                self._load(worker).had[waits] += 1
            for worker in had:
                self._load(worker).lose(waited)
        old = before.holds if before else ()
        new = after.holds if after else ()
        if old != new:
            self._reload(old, new)
        if had != have:
            for worker in {*had} - {*have}:
                self._forget(worker)

    def others_soon(self, demand: Demand) -> bool:
        """Whether anybody who does not rest will soon have a slot for what is asked."""
        asked = replace(demand, stake=NanoRlc(0))
        return self.soon.has(asked) or (demand.gpu and self.soon_gpu.has(asked))

    def can_staff(self, demand: Demand, had: Had) -> bool:
        """Whether somebody is given a task now that asks this, which some have had."""
        if not self.free.has(demand):
            return False
        return self.pick(demand, had, self.sources(had), others=False)[0] is not None

    def may_staff(self, demand: Demand, every: Had, most: int) -> bool:
        """Whether that may be so of one of several tasks.

        Who rests is given one only if those that will soon have a slot have all had it, or come
        from where somebody does who has: they, or their places, are no more than have had one.

        Args:
            demand: What they ask.
            every: Who has had all of them.
            most: How many have had one, at most.
        """
        found = self.free.first(demand, every)
        if found is None or not found[0][0]:
            return found is not None
        untold = self._soon_from[""]
        places = len(self._soon_from) - bool(untold) + untold
        return places <= most or demand.kind != 0

    def sources(self, workers: Collection[Address]) -> set[str]:
        """Return where those of some workers connect from that are there, as far as it is told."""
        rooms = (self.rooms.get(each) for each in workers)
        return {room.worker.source for room in rooms if room is not None} - {""}

    def pick(
        self, demand: Demand, but: Collection[Address], taken: Collection[str], *, others: bool
    ) -> tuple[WorkerRoom | None, bool]:
        """Return whose turn it is, and whether others will have a slot soon that do not rest.

        Who comes from where the task is already waits for all others. Who rests waits for those
        that will soon have a slot, too.

        Args:
            demand: What the task asks.
            but: Who has had the task.
            taken: Where these connect from.
            others: What the last pick for this task told.
        """
        found = self.free.first(demand, but, taken)
        others = others or self._waits(demand, but, taken, found)
        if found is None or (found[0][0] and others):
            found = self.free.first(demand, but)
            others = others or self._waits(demand, but, (), found)
            if found is None or (found[0][0] and others):
                return None, others
        return self.rooms[found[1]], others

    def _waits(
        self,
        demand: Demand,
        but: Collection[Address],
        taken: Collection[str],
        found: tuple[Turn, Address] | None,
    ) -> bool:
        """Whether somebody would come before the one found, had it a slot."""
        if not self._resting:
            return False
        asked = replace(demand, stake=NanoRlc(0))
        soon = (self.soon, self.soon_gpu) if demand.gpu else (self.soon,)
        firsts = (each.first(asked, but, taken) for each in soon)
        return any(first is not None and (found is None or first < found) for first in firsts)

    def _reload(self, old: Iterable[Occupied], new: Iterable[Occupied]) -> None:
        for hold in old:
            self._load(hold.worker).take(hold, -1)
        for hold in new:
            self._load(hold.worker).take(hold)
        for worker in {hold.worker: None for hold in (*old, *new)}:
            self._refresh(worker)

    def _load(self, worker: Address) -> Load:
        return self.loads.setdefault(worker, Load())

    def _forget(self, worker: Address) -> None:
        if worker in self.loads and self.loads[worker].is_nothing:
            del self.loads[worker]

    def _refresh(self, worker: Address) -> None:
        """Take account of what a worker holds now; who has more room than before draws again."""
        room = self.rooms.get(worker)
        if room is not None:
            more = self._load(worker).computing < room.computing
            self._place(room.worker, self._draw() if more else room.chance)

    def _place(self, worker: ConnectedWorker, chance: float) -> None:
        name = worker.worker
        load = self.loads.get(name) or Load()
        before = self.rooms.get(name)
        room = WorkerRoom.of(worker, load, self._rules, self._now, chance)
        if room == before:
            return
        self._unplace(name)
        if before is not None:
            self.idle.drop(before)
        self.idle.add(room)
        self.rooms[name] = room
        if room.is_free:
            self.free.put(name, room.turn, room.ability)
            if room.is_resting:
                self._resting.add(name)
        elif worker.takes_part and room.is_full and not room.is_resting:
            self.soon.put(name, room.turn, room.ability_soon)
            self._soon_from[worker.source] += 1
        if worker.takes_part and room.waits_for_gpu and not (room.is_full or room.is_resting):
            self.soon_gpu.put(name, room.turn, room.ability_soon)

    def _unplace(self, worker: Address) -> None:
        if worker in self.soon:
            source = self.rooms[worker].worker.source
            self._soon_from[source] -= 1
            if not self._soon_from[source]:
                del self._soon_from[source]
        self.free.drop(worker)
        self.soon.drop(worker)
        self.soon_gpu.drop(worker)
        self._resting.discard(worker)


def _workers(need: Need | None) -> tuple[Address, ...]:
    return tuple(a.worker for a in need.task.attempts) if need else ()
