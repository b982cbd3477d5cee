"""Who gets which task, and who gets none and why: a pure plan from tasks and seats.

Never more replicates than can matter to the consensus, never more than a worker has slots and
stake for, never two replicates of a task on one worker. Tasks that have begun come first, then
those whose deadline is nearest; among workers, the one with the most free slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import is_open, is_working, replicates_needed
from poolhand.domain.trust import Weight
from poolhand.domain.units import NanoRlc
from poolhand.scheduler.roster import Seat

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
class Assignment:
    """One replicate to create."""

    task_id: TaskId
    worker: Address
    weight: Weight


Idle = Mapping[Address, Mapping[str, int]]
"""Why each worker that got nothing got nothing: reasons counted by task, see ``IdleReason``."""


@dataclass(slots=True)
class _Room:
    """What a worker can still take, and why it was not given what it was not given."""

    seat: Seat
    slots: int
    waiting: int
    stake: int
    refused: Counter[IdleReason] = field(default_factory=Counter)
    missing: int | None = None


def plan(
    tasks: Iterable[Task],
    deals: Mapping[DealId, Deal],
    seats: Iterable[Seat],
    unsure: Collection[TaskId] = (),
    *,
    can_initialize: bool = True,
) -> tuple[tuple[Assignment, ...], Idle]:
    """Choose replicates to create.

    Args:
        tasks: All that are open.
        deals: Of the tasks.
        seats: Workers that are there.
        unsure: Tasks of which the chain is being asked: nobody is given them now.
        can_initialize: Whether the pool can pay for putting further tasks on chain.

    Returns:
        The assignments, and for every worker that got none the reasons.
    """
    open_tasks = sorted(tasks, key=_urgency)
    rooms = {room.seat.worker: room for room in _rooms(open_tasks, deals, seats)}
    made: list[Assignment] = []
    everybody: Counter[IdleReason] = Counter()
    for task in open_tasks:
        deal = deals.get(task.facts.deal_id)
        sure = deal is not None and task.facts.task_id not in unsure
        obstacle = _obstacle(task, sure=sure, can_initialize=can_initialize)
        if obstacle is None and deal is not None:
            chosen, is_full = _staff(task, deal, rooms)
            made += chosen
            obstacle = IdleReason.ENOUGH if is_full else None
        if obstacle is not None:
            everybody[obstacle] += 1
    busy = {assignment.worker for assignment in made}
    return tuple(made), {w: _told(r, everybody) for w, r in rooms.items() if w not in busy}


def _told(room: _Room, everybody: Counter[IdleReason]) -> Mapping[str, int]:
    counted = (room.refused + everybody).most_common()
    if not counted:
        return {IdleReason.NO_OPEN_TASK.value: 0}
    told = {reason.value: count for reason, count in counted}
    if room.missing is not None:
        told[IdleReason.STAKE_MISSING.value] = room.missing
    return told


def _urgency(task: Task) -> tuple[bool, int, int]:
    fresh = task.chain_status is ChainTaskStatus.UNSET and not task.attempts
    return fresh, task.facts.contribution_deadline, task.facts.index


def _obstacle(task: Task, *, sure: bool, can_initialize: bool) -> IdleReason | None:
    """Say why nobody at all is given a task, None when somebody may be."""
    if not is_open(task):
        return IdleReason.CLOSED
    if not sure:
        return IdleReason.UNSURE
    if not replicates_needed(task, Weight(2)):
        return IdleReason.ENOUGH
    if task.chain_status is ChainTaskStatus.UNSET and not can_initialize:
        return IdleReason.POOL_OUT_OF_GAS
    return None


def _rooms(
    tasks: Iterable[Task], deals: Mapping[DealId, Deal], seats: Iterable[Seat]
) -> Iterable[_Room]:
    rooms = {seat.worker: _Room(seat, seat.slots, 0, seat.stake) for seat in seats}
    for task in tasks:
        for attempt in task.attempts:
            room = rooms.get(attempt.worker)
            if room is not None and is_working(task, attempt):
                _occupy(room, task, attempt.status in COMPUTING, deals.get(task.facts.deal_id))
    return rooms.values()


def _occupy(room: _Room, task: Task, computing: bool, deal: Deal | None) -> None:
    room.slots -= computing
    room.waiting += 1
    room.stake -= _stake(task, deal)


def _stake(task: Task, deal: Deal | None) -> NanoRlc:
    if deal is None or task.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return NanoRlc(0)
    return deal.worker_stake


def _staff(task: Task, deal: Deal, rooms: Mapping[Address, _Room]) -> tuple[list[Assignment], bool]:
    """Choose workers for a task; returns them, and whether no more are needed."""
    made: list[Assignment] = []
    refused: list[tuple[_Room, IdleReason]] = []
    for room in sorted(rooms.values(), key=lambda r: -r.slots):
        seat = room.seat
        if not replicates_needed(_with(task, made), seat.weight):
            return made, True
        hindrance = _hindrance(task, deal, room)
        if hindrance is not None:
            refused.append((room, hindrance))
            continue
        _occupy(room, task, computing=True, deal=deal)
        made.append(Assignment(task.facts.task_id, seat.worker, seat.weight))
    for room, hindrance in refused:
        _note(room, hindrance, task, deal)
    return made, False


def _note(room: _Room, hindrance: IdleReason, task: Task, deal: Deal) -> None:
    room.refused[hindrance] += 1
    if hindrance is IdleReason.STAKE_TOO_LOW:
        missing = _stake(task, deal) - room.stake
        room.missing = missing if room.missing is None else min(missing, room.missing)


def _with(task: Task, made: Iterable[Assignment]) -> Task:
    for each in made:
        created = (Entry(Status.CREATED, task.now),)
        task = task.with_attempt(Attempt(each.worker, each.weight, created))
    return task


def _hindrance(task: Task, deal: Deal, room: _Room) -> IdleReason | None:
    """Say why a worker cannot take a task, None when it can."""
    seat = room.seat
    hindrances = (
        (seat.paused, IdleReason.PAUSED),
        (task.attempt(seat.worker) is not None, IdleReason.HAD_IT),
        (deal.tag.needs_gpu and not seat.gpu, IdleReason.NEEDS_GPU),
        (deal.tag.needs_tee and not seat.tee, IdleReason.NEEDS_TEE),
        (room.slots <= 0, IdleReason.BUSY),
        (room.waiting >= seat.slots * WAITING_PER_SLOT, IdleReason.TOO_MUCH_WAITS),
        (room.stake < _stake(task, deal), IdleReason.STAKE_TOO_LOW),
    )
    return next((reason for holds, reason in hindrances if holds), None)
