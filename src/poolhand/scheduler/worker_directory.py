"""The workers that are connected, and what they can take."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from poolhand.domain.deal import Account
from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.reputation import Reputation
from poolhand.domain.signal import Signal
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.trust import Score
from poolhand.domain.units import NanoRlc, Seconds


class WorkerDirectory:
    """The workers that are there, by address.

    Attributes:
        changed: Tells of a worker that came, went, or of which something else is known now.
    """

    def __init__(self) -> None:
        self._workers: dict[Address, ConnectedWorker] = {}
        self._order: list[Address] = []
        self.changed: Signal[[Address]] = Signal()
        self._proved: Counter[TeeFramework] = Counter()
        self._simulated: Counter[TeeFramework] = Counter()

    def __len__(self) -> int:
        return len(self._workers)

    def join(self, worker: ConnectedWorker) -> None:
        """Add or replace a worker."""
        known = self._workers.get(worker.worker)
        if known != worker:
            if known is None:
                insort(self._order, worker.worker)
            self._count(known, -1)
            self._count(worker, 1)
            self._workers[worker.worker] = worker
            self.changed(worker.worker)

    def leave(self, worker: Address) -> None:
        """Remove a worker; repeatable."""
        known = self._workers.pop(worker, None)
        if known is not None:
            self._count(known, -1)
            del self._order[bisect_left(self._order, worker)]
            self.changed(worker)

    def get(self, worker: Address) -> ConnectedWorker | None:
        """Return a connected worker."""
        return self._workers.get(worker)

    def has(self, worker: Address) -> bool:
        """Whether a worker is connected."""
        return worker in self._workers

    def pause(self, worker: Address, *, paused: bool, reason: str | None) -> bool:
        """Note that a worker takes nothing, or again takes something; True when that is news."""
        known = self._workers.get(worker)
        if known is None or (known.paused, known.reason) == (paused, reason):
            return False
        self.join(replace(known, paused=paused, reason=reason))
        return True

    def tells(self, worker: Address, sandbox: str, gpus: int) -> None:
        """Note in what a worker says that its apps run, and how many GPUs it has for them."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, sandbox=sandbox, gpus=gpus))

    def proves(self, worker: Address, proofs: Collection[ProvedFramework]) -> None:
        """Note which frameworks of a TEE a worker has proved: these, and no others."""
        known = self._workers.get(worker)
        if known is not None:
            told = tuple(sorted(proofs, key=lambda each: each.framework.value))
            named = tuple(each.framework.value for each in told)
            simulated = any(each.is_simulated for each in told)
            self.join(replace(known, tee=named, tee_simulated=simulated, tee_proofs=told))

    @property
    def proved(self) -> Mapping[TeeFramework, tuple[int, int]]:
        """How many workers have proved each framework, and how many of these in a simulation."""
        return {each: (n, self._simulated[each]) for each, n in self._proved.items() if n}

    def _count(self, worker: ConnectedWorker | None, change: int) -> None:
        """Count what a worker has proved, or count it no more."""
        for each in worker.tee_proofs if worker is not None else ():
            self._proved[each.framework] += change
            self._simulated[each.framework] += change * each.is_simulated

    def drain(self, worker: Address, *, drained: bool) -> None:
        """Note that the pool's owner gives a worker nothing new, or tasks again."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, drained=drained))

    def agree(
        self,
        worker: Address,
        longest: Seconds | None,
        least_reward: NanoRlc,
        hosts: Collection[NetworkHost] = (),
    ) -> None:
        """Note which tasks a worker takes: how long, for what reward, and what apps can reach."""
        known = self._workers.get(worker)
        if known is not None:
            named = frozenset(hosts)
            changed = replace(known, longest=longest, least_reward=least_reward, hosts=named)
            self.join(changed)

    def appraise(self, worker: Address, score: Score, account: Account) -> None:
        """Note what the chain says of a worker."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, score=score, stake=account.stake, locked=account.locked))

    def judged(self, worker: Address, reputation: Reputation) -> None:
        """Note what the pool now thinks of a worker."""
        known = self._workers.get(worker)
        if known is not None:
            self.join(replace(known, reputation=reputation))

    def page(self, after: Address | None, most: int) -> Sequence[ConnectedWorker]:
        """Return some workers, in order of their addresses.

        Args:
            after: Those that come after this address, whether it is here or not; None: the first.
            most: How many at most.
        """
        first = 0 if after is None else bisect_right(self._order, after)
        return [self._workers[each] for each in self._order[first : first + most]]
