"""Who gets which task: a pure plan from tasks and seats.

Never more replicates than can matter to the consensus, never more than a worker has slots and
stake for, never two replicates of a task on one worker. Tasks that have begun come first, then
those whose deadline is nearest; among workers, the one with the most free slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import is_working, replicates_needed
from poolhand.domain.trust import Weight
from poolhand.domain.units import NanoRlc
from poolhand.scheduler.roster import Seat

WAITING_PER_SLOT: Final = 8
"""Computed replicates per slot that may wait for the chain while the slot computes on."""

_COMPUTING: Final = frozenset(
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


@dataclass(frozen=True, slots=True)
class Assignment:
    """One replicate to create."""

    task_id: TaskId
    worker: Address
    weight: Weight


@dataclass(slots=True)
class _Room:
    """What a worker can still take."""

    seat: Seat
    slots: int
    waiting: int
    stake: int


def plan(
    tasks: Iterable[Task],
    deals: Mapping[DealId, Deal],
    seats: Iterable[Seat],
    unsure: Collection[TaskId] = (),
) -> tuple[tuple[Assignment, ...], Mapping[Address, Counter[str]]]:
    """Choose replicates to create.

    Args:
        tasks: All that are open.
        deals: Of the tasks.
        seats: Workers that are there.
        unsure: Tasks of which the chain is being asked: nobody is given them now.

    Returns:
        The assignments, and for every worker that got none the reasons, counted by task.
    """
    open_tasks = sorted(tasks, key=_urgency)
    rooms = {room.seat.worker: room for room in _rooms(open_tasks, deals, seats)}
    made: list[Assignment] = []
    reasons: dict[Address, Counter[str]] = {worker: Counter() for worker in rooms}
    for task in open_tasks:
        deal = deals.get(task.facts.deal_id)
        if deal is None or task.facts.task_id in unsure:
            continue
        if replicates_needed(task, Weight(2)):
            made += _staff(task, deal, rooms, reasons)
    busy = {assignment.worker for assignment in made}
    return tuple(made), {w: r for w, r in reasons.items() if w not in busy}


def _urgency(task: Task) -> tuple[bool, int, int]:
    fresh = task.chain_status is ChainTaskStatus.UNSET and not task.attempts
    return fresh, task.facts.contribution_deadline, task.facts.index


def _rooms(
    tasks: Iterable[Task], deals: Mapping[DealId, Deal], seats: Iterable[Seat]
) -> Iterable[_Room]:
    rooms = {seat.worker: _Room(seat, seat.slots, 0, seat.stake) for seat in seats}
    for task in tasks:
        for attempt in task.attempts:
            room = rooms.get(attempt.worker)
            if room is not None and is_working(task, attempt):
                _occupy(room, task, attempt.status in _COMPUTING, deals.get(task.facts.deal_id))
    return rooms.values()


def _occupy(room: _Room, task: Task, computing: bool, deal: Deal | None) -> None:
    room.slots -= computing
    room.waiting += 1
    room.stake -= _stake(task, deal)


def _stake(task: Task, deal: Deal | None) -> NanoRlc:
    if deal is None or task.facts.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return NanoRlc(0)
    return deal.worker_stake


def _staff(
    task: Task, deal: Deal, rooms: Mapping[Address, _Room], reasons: Mapping[Address, Counter[str]]
) -> list[Assignment]:
    made: list[Assignment] = []
    for room in sorted(rooms.values(), key=lambda r: -r.slots):
        seat = room.seat
        if not replicates_needed(_with(task, made), seat.weight):
            break
        hindrance = _hindrance(task, deal, room)
        if hindrance is not None:
            reasons[seat.worker][hindrance] += 1
            continue
        _occupy(room, task, computing=True, deal=deal)
        made.append(Assignment(task.facts.task_id, seat.worker, seat.weight))
    return made


def _with(task: Task, made: Iterable[Assignment]) -> Task:
    for each in made:
        created = (Entry(Status.CREATED, task.now),)
        task = task.with_attempt(Attempt(each.worker, each.weight, created))
    return task


def _hindrance(task: Task, deal: Deal, room: _Room) -> str | None:
    """Say why a worker cannot take a task, None when it can."""
    seat = room.seat
    hindrances = (
        (seat.paused, seat.reason or "paused"),
        (task.attempt(seat.worker) is not None, "has had a replicate of this task"),
        (deal.tag.needs_gpu and not seat.gpu, "task needs a GPU"),
        (deal.tag.needs_tee and not seat.tee, "task needs a TEE"),
        (room.slots <= 0, "all slots busy"),
        (room.waiting >= seat.slots * WAITING_PER_SLOT, "too many results wait for the chain"),
        (room.stake < _stake(task, deal), "stake too low"),
    )
    return next((reason for holds, reason in hindrances if holds), None)
