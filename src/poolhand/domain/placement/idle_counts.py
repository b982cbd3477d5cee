"""How many workers are idle for which reason: kept as workers change, nobody goes through all.

Each worker that is there counts once. Who can take nothing, whatever it is, counts under why. All
others count under what is nearest to a task among those that wait: between two plans nobody that
is free fits a task that waits, unless it has had it or rests.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.placement.board import Board
from poolhand.domain.placement.room import WorkerRoom
from poolhand.domain.placement.turns import Demand
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import NanoRlc, Seconds

MachineKind: TypeAlias = tuple[int, frozenset[str], int, int, frozenset[NetworkHost]]
"""Of a machine, or what a task needs: GPU, frameworks of a TEE, longest time, least reward, hosts.

A machine has no GPU, none that is free (``_GPUS_BUSY``), or one (``_GPU_FREE``), as a task asks.

Who takes a task for any time has ``ANY_TIME`` of it.
"""
ANY_TIME: Final = 1 << 62
_GPUS_BUSY, _GPU_FREE = 1, 2


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """What those that are free are measured by.

    Attributes:
        least: The least stake (nRLC) that tasks ask which wait and may be given, by kind; the time
            that these may take, and what they bring.
        unmet: Why who fits none of these is idle; None where that follows from what it lacks.
    """

    least: Mapping[MachineKind, NanoRlc]
    unmet: IdleReason | None

    @classmethod
    def on(cls, board: Board, *, can_initialize: bool) -> WaitingWork:
        """Sum up what waits: as much work as different stakes are asked."""
        least: dict[MachineKind, NanoRlc] = {}
        is_shut = False
        for key, _ in board.waiting():
            if key.is_unset and not can_initialize:
                is_shut = True
                continue
            asked = key.demand
            gpu = asked.gpu * _GPU_FREE
            kind = gpu, _one_of(asked.tee), asked.time, asked.reward, asked.hosts
            least[kind] = min(key.demand.stake, least.get(kind, key.demand.stake))
        if is_shut:
            return cls(least, IdleReason.POOL_OUT_OF_GAS)
        return cls(least, None if least else _commonest(board))


def _commonest(board: Board) -> IdleReason:
    """Return why most tasks are given to nobody, where none waits."""
    found = board.obstacles.most_common(1)
    return found[0][0] if found else IdleReason.NO_OPEN_TASK


class IdleCounts:
    """Workers by reason. A change moves one number in a sorted list, an answer counts by halving.

    Attributes:
        held: Who can take nothing at all, by why.
    """

    def __init__(self) -> None:
        self.held: Counter[IdleReason] = Counter()
        self._stakes: dict[tuple[MachineKind, bool], list[int]] = {}

    def add(self, room: WorkerRoom) -> None:
        """Count a worker."""
        reason = held_by(room)
        if reason is None:
            insort(self._stakes.setdefault(_class_of(room), []), room.stake)
        else:
            self.held[reason] += 1

    def drop(self, room: WorkerRoom) -> None:
        """Count a worker no more; ``room`` is as it was added."""
        reason = held_by(room)
        if reason is None:
            stakes = self._stakes[_class_of(room)]
            del stakes[bisect_left(stakes, room.stake)]
        else:
            self.held[reason] -= 1

    def reasons(
        self, work: WaitingWork, others_soon: Callable[[Demand], bool]
    ) -> Mapping[IdleReason, int]:
        """Count workers by reason, the commonest first.

        Args:
            work: What waits.
            others_soon: Whether somebody who does not rest will soon have a slot for a demand.
        """
        found = Counter(self.held)
        for (kind, is_resting), stakes in self._stakes.items():
            fitting = {each: stake for each, stake in work.least.items() if _runs(kind, each)}
            short = bisect_left(stakes, min(fitting.values())) if fitting else len(stakes)
            found[work.unmet or _lack(kind, work, has_any=bool(fitting))] += short
            waits = is_resting and all(others_soon(_demand(each)) for each in fitting)
            found[IdleReason.RESTING if waits else IdleReason.HAD_IT] += len(stakes) - short
        return {reason: count for reason, count in found.most_common() if count}


def held_by(room: WorkerRoom) -> IdleReason | None:
    """Say why a worker can take nothing at all, whatever waits; None where it can."""
    if room.worker.paused:
        return IdleReason.PAUSED
    if room.worker.drained:
        return IdleReason.DRAINED
    if room.is_full is None and room.lacks:
        return IdleReason.STAKE_TOO_LOW
    return room.is_full


def _class_of(room: WorkerRoom) -> tuple[MachineKind, bool]:
    known = room.worker
    longest = ANY_TIME if known.longest is None else known.longest
    gpu = _GPU_FREE if room.free_gpus else _GPUS_BUSY * bool(known.gpus)
    kind = gpu, frozenset(known.tee), longest, known.least_reward, known.hosts
    return kind, room.is_resting


def _one_of(framework: TeeFramework | None) -> frozenset[str]:
    return frozenset(() if framework is None else (framework,))


def _demand(asked: MachineKind) -> Demand:
    """Return what is asked, but for stake."""
    gpu, tee, time, reward, hosts = asked
    framework = next((TeeFramework(each) for each in tee), None)
    return Demand(bool(gpu), framework, NanoRlc(0), Seconds(time), NanoRlc(reward), hosts)


def _runs(machine: MachineKind, asked: MachineKind) -> bool:
    return _lacks(machine, asked) is None


def _lacks(machine: MachineKind, asked: MachineKind) -> IdleReason | None:
    """Say what a machine lacks for what is asked, None where it is only stake, if anything."""
    if asked[0] and not machine[0]:
        return IdleReason.NEEDS_GPU
    if not asked[1] <= machine[1]:
        return IdleReason.NEEDS_TEE
    if machine[2] < asked[2]:
        return IdleReason.TOO_LONG
    if not asked[4] <= machine[4]:
        return IdleReason.HOSTS_NOT_ALLOWED
    if machine[3] > asked[3]:
        return IdleReason.REWARD_TOO_LOW
    return IdleReason.GPUS_BUSY if machine[0] < asked[0] else None


_NEAREST: Final = (
    IdleReason.GPUS_BUSY,
    IdleReason.REWARD_TOO_LOW,
    IdleReason.HOSTS_NOT_ALLOWED,
    IdleReason.TOO_LONG,
    IdleReason.NEEDS_GPU,
    IdleReason.NEEDS_TEE,
)
"""What a machine lacks, the nearest to a task first: what ends by itself, then settings of its
operator, then its parts."""


def _lack(machine: MachineKind, work: WaitingWork, *, has_any: bool) -> IdleReason:
    """Say what a machine lacks for tasks that wait, none of which it is given."""
    if has_any:
        return IdleReason.STAKE_TOO_LOW
    lacks = {_lacks(machine, asked) for asked in work.least}
    return next(each for each in _NEAREST if each in lacks)
