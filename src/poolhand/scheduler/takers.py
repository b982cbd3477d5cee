"""Which of the connected workers would take tasks, kept as they change: for what is sold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush

from poolhand.domain.ids import Address
from poolhand.domain.orders.able_workers import Able, AbleWorkers
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.scheduler.worker_directory import WorkerDirectory


class Takers:
    """Follows the directory; who has lost its turn for a while counts where there is nobody else.

    Args:
        rules: Of the pool's owner.
        now: The chain's time.

    Attributes:
        tried: All that are there, each with the GPU that it claims.
        slots: Of all that would take tasks, together.
    """

    def __init__(
        self, directory: WorkerDirectory, rules: PlacementRules, now: Callable[[], UnixSeconds]
    ) -> None:
        self._directory, self._rules, self._now = directory, rules, now
        self.tried = AbleWorkers()
        self._present, self._fresh = AbleWorkers(), AbleWorkers()
        self._awake: set[Address] = set()
        self._slots: dict[Address, int] = {}
        self.slots = 0
        self._resting: list[tuple[UnixSeconds, Address]] = []
        self._queued: set[tuple[UnixSeconds, Address]] = set()
        directory.changed.connect(self.changed)

    def changed(self, worker: Address) -> None:
        """Take note of a worker that came, went, or of which something else is known now."""
        known = self._directory.get(worker)
        here = known if known is not None and known.takes_part else None
        able = None if here is None else self._able(here)
        self._count_slots(worker, here if able is not None else None)
        claims = able if able is None or here is None else replace(able, gpu=here.gpus > 0)
        rests = here is not None and here.reputation.is_resting(self._now())
        self.tried.put(worker, claims)
        self._present.put(worker, able)
        self._fresh.put(worker, None if rests else able)
        (self._awake.discard if rests or here is None else self._awake.add)(worker)
        if here is not None and rests:
            self._look_again(here.reputation.rests_until, worker)

    def _count_slots(self, worker: Address, here: ConnectedWorker | None) -> None:
        before, now = self._slots.pop(worker, 0), 0 if here is None else self._slots_of(here)
        if now:
            self._slots[worker] = now
        self.slots += now - before

    def _slots_of(self, here: ConnectedWorker) -> int:
        return here.reputation.slots(here.slots, here.cpus, self._rules.newcomers_slots)

    def _look_again(self, then: UnixSeconds, worker: Address) -> None:
        """Look at a worker when its rest ends; once, however often it changes until then."""
        if (then, worker) not in self._queued:
            self._queued.add((then, worker))
            heappush(self._resting, (then, worker))

    def now(self) -> AbleWorkers:
        """Return those that would take tasks now."""
        while self._resting and self._resting[0][0] <= self._now():
            ended = heappop(self._resting)
            self._queued.discard(ended)
            self.changed(ended[1])
        return self._fresh if self._awake else self._present

    def _able(self, connected: ConnectedWorker) -> Able | None:
        """Return what a worker can do; its word that it has a GPU counts once it is proved.

        By plain tasks, for it is sold no other before. An enclave is proved at its login.
        """
        rules = self._rules
        slots = self._slots_of(connected)
        stake = NanoRlc(connected.stake + connected.locked)
        if slots <= 0 or stake < rules.least_stake:
            return None
        gpu = connected.gpus > 0 and connected.reputation.is_proved
        longest, least_reward = connected.longest, connected.least_reward
        hosts, tee = connected.hosts, frozenset(connected.tee)
        return Able(connected.weight, stake, gpu, longest, least_reward, hosts, tee)
