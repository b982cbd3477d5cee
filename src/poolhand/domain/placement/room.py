"""What a worker can still take: its slots, what waits for the chain, the stake that is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.turns import Ability, Demand, Turn
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import is_working
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

WAITING_PER_SLOT: Final = 8
"""Computed replicates per slot that may wait for the chain while the slot computes on."""

COMPUTING: Final = frozenset(
    {
        Status.CREATED,
        Status.RUNNING,
        Status.APP_DOWNLOADING,
        Status.APP_DOWNLOADED,
        Status.DATA_DOWNLOADING,
        Status.DATA_DOWNLOADED,
        Status.COMPUTING,
        Status.RECOVERING,
    }
)
"""Statuses in which a replicate fills a slot."""


@dataclass(frozen=True, slots=True)
class Occupied:
    """What one replicate takes of its worker; ``locks`` is the stake (nRLC) it will lock.

    While it ``computes`` it has a slot, and where it needs one (``gpu``) a GPU as well.
    """

    worker: Address
    computes: bool
    locks: NanoRlc
    gpu: bool = False


def is_too_long(longest: Seconds | None, time: Seconds) -> bool:
    """Whether a task may compute for longer than a worker takes one; None: it takes any."""
    return longest is not None and longest < time


def holds(task: Task, deal: Deal | None) -> Iterator[Occupied]:
    """Yield what the replicates that may still contribute take of their workers."""
    free = deal is None or task.flow is Flow.CONTRIBUTE_AND_FINALIZE
    locks = NanoRlc(0) if deal is None or free else deal.worker_stake
    for attempt in task.attempts:
        if is_working(task, attempt):
            computes = attempt.status in COMPUTING
            gpu = computes and deal is not None and deal.tag.needs_gpu
            yield Occupied(attempt.worker, computes, locks, gpu)


@dataclass(slots=True)
class Load:
    """Of one worker, there or away: what it holds, and the open tasks that it has had.

    ``had`` counts these by the queue in which they wait, None for those that wait for nobody.
    """

    computing: int = 0
    gpus: int = 0
    waiting: int = 0
    locks: int = 0
    had: Counter[Hashable] = field(default_factory=Counter)

    def take(self, hold: Occupied, sign: int = 1) -> None:
        """Count a hold, or with ``sign`` -1 one that has ended."""
        self.computing += sign * hold.computes
        self.gpus += sign * hold.gpu
        self.waiting += sign
        self.locks += sign * hold.locks

    def lose(self, queue: Hashable) -> None:
        """Count one less that it has had, of those that wait in a queue."""
        self.had[queue] -= 1
        if not self.had[queue]:
            del self.had[queue]

    @property
    def is_nothing(self) -> bool:
        """Whether it need not be remembered."""
        return not (self.waiting or self.had)


@dataclass(frozen=True, slots=True)
class WorkerRoom:
    """A worker as far as placement is concerned; ``chance`` decides among equals."""

    worker: ConnectedWorker
    usable: int
    free_gpus: int
    computing: int
    waiting: int
    stake: NanoRlc
    lacks: NanoRlc
    is_resting: bool
    chance: float

    @classmethod
    def of(
        cls,
        worker: ConnectedWorker,
        load: Load,
        rules: PlacementRules,
        now: UnixSeconds,
        chance: float,
    ) -> WorkerRoom:
        """Work out the room of a worker."""
        known = worker.reputation
        usable = known.slots(worker.slots, worker.cpus, rules.newcomers_slots)
        lacks = max(rules.least_stake - worker.stake - worker.locked, 0)
        stake = worker.stake - load.locks
        resting = known.is_resting(now)
        return cls(
            worker,
            usable,
            max(worker.gpus - load.gpus, 0),
            load.computing,
            load.waiting,
            NanoRlc(stake),
            NanoRlc(lacks),
            resting,
            chance,
        )

    @property
    def turn(self) -> Turn:
        """Its place among others."""
        load = self.computing / max(self.usable, 1)
        return self.is_resting, not self.worker.reputation.is_proved, load, self.chance

    @property
    def ability(self) -> Ability:
        """What it fits now."""
        known = self.worker
        return Ability(
            self.free_gpus > 0,
            frozenset(known.tee),
            self.stake,
            known.source,
            known.longest,
            known.least_reward,
            known.hosts,
        )

    @property
    def ability_soon(self) -> Ability:
        """What it fits once what it computes has ended, whatever stake that takes."""
        return replace(self.ability, gpu=self.worker.gpus > 0, stake=NanoRlc(0))

    @property
    def waits_for_gpu(self) -> bool:
        """Whether it has GPUs, and tasks on all of them."""
        return self.worker.gpus > 0 and not self.free_gpus

    @property
    def is_full(self) -> IdleReason | None:
        """Why it can take nothing for now; None when it can."""
        if self.computing >= self.usable:
            return IdleReason.BUSY
        if self.waiting >= self.usable * WAITING_PER_SLOT:
            return IdleReason.TOO_MUCH_WAITS
        return None

    @property
    def is_free(self) -> bool:
        """Whether it may be given something."""
        return self.worker.takes_part and self.is_full is None and not self.lacks

    def missing(self, demand: Demand) -> NanoRlc:
        """Return the stake (nRLC) that it lacks for a task."""
        return NanoRlc(max(demand.stake - self.stake, self.lacks, 0))

    def hindrance(self, demand: Demand) -> IdleReason | None:
        """Say why it cannot take tasks that ask this, None when it can."""
        worker = self.worker
        hindrances = (
            (worker.paused, IdleReason.PAUSED),
            (worker.drained, IdleReason.DRAINED),
            (demand.gpu and not worker.gpus, IdleReason.NEEDS_GPU),
            (demand.tee is not None and demand.tee not in worker.tee, IdleReason.NEEDS_TEE),
            (is_too_long(worker.longest, demand.time), IdleReason.TOO_LONG),
            (not demand.hosts <= worker.hosts, IdleReason.HOSTS_NOT_ALLOWED),
            (worker.least_reward > demand.reward, IdleReason.REWARD_TOO_LOW),
            (self.is_full is not None, self.is_full),
            (demand.gpu and not self.free_gpus, IdleReason.GPUS_BUSY),
            (self.missing(demand) > 0, IdleReason.STAKE_TOO_LOW),
        )
        return next((reason for holds_, reason in hindrances if holds_), None)
