"""Why a worker has nothing to do: worked out when somebody asks, from what is counted anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.placement.board import Board
from poolhand.domain.placement.crew import Crew
from poolhand.domain.placement.need import QueueKey
from poolhand.domain.placement.room import WorkerRoom
from poolhand.domain.task.idle import IdleReason

ONLY_FOR_NOW: Final = (IdleReason.BUSY, IdleReason.TOO_MUCH_WAITS, IdleReason.GPUS_BUSY)
"""What keeps a worker from a task until something that it computes has ended."""


def why_idle(
    board: Board, crew: Crew, worker: Address, *, can_initialize: bool
) -> Mapping[str, int]:
    """Count the open tasks by the reason why a worker is not given them, the commonest first.

    As much work as different stakes are asked: not as there are tasks, or as the worker has had.
    """
    room, reasons = crew.rooms.get(worker), Counter(board.obstacles)
    if room is None:
        return {}
    had, missing = _had(crew, worker), []
    for key, count in board.waiting():
        hers = had[key] if room.worker.takes_part else 0
        reason = _reason(key, room, crew, can_initialize=can_initialize)
        if reason is IdleReason.POOL_OUT_OF_GAS:
            hers = 0
        reasons[IdleReason.HAD_IT] += hers
        reasons[reason] += count - hers
        if reason is IdleReason.STAKE_TOO_LOW and count > hers:
            missing.append(room.missing(key.demand))
    told = {reason.value: count for reason, count in reasons.most_common() if count}
    if missing:
        told[IdleReason.STAKE_MISSING.value] = min(missing)
    return told or {IdleReason.NO_OPEN_TASK.value: 0}


def _had(crew: Crew, worker: Address) -> Counter[Hashable]:
    """Return how many of the tasks that wait a worker has had already, by queue."""
    load = crew.loads.get(worker)
    return Counter() if load is None else load.had


def _reason(key: QueueKey, room: WorkerRoom, crew: Crew, *, can_initialize: bool) -> IdleReason:
    """Say why a worker is not given tasks that ask this and that it has not had."""
    if key.is_unset and not can_initialize:
        return IdleReason.POOL_OUT_OF_GAS
    hindrance = room.hindrance(key.demand)
    may_wait = hindrance in (None, *ONLY_FOR_NOW)
    if room.is_resting and may_wait and crew.others_soon(key.demand):
        return IdleReason.RESTING
    return hindrance or IdleReason.UNSURE
