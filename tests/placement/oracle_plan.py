"""The oracle: who gets which task, planned anew from everything that there is.

This was the product's planner; it is slow and plain, and says what the planner of
``domain.placement`` has to come to. Two things differ from what it was: the order of tasks is an
argument (``order``), and what is asked of those put beside others is counted when it is given.

Never more replicates than are counted on for the consensus, never more than a worker has proved to
have slots and stake for, never two replicates of a task on one worker. Tasks that have begun come
first, then those whose deadline is nearest. Among workers those come first that have settled tasks,
then the least loaded, then whom chance names; who failed or kept silent waits while others are
there. What is left over stands by newcomers that have not finished (``domain.placement.reliance``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.params import hosts_of
from poolhand.domain.placement.planner import Assignment
from poolhand.domain.placement.reliance import (
    Trusts,
    doubles,
    is_counted_on,
    is_vouched_for,
    replicates_wanted,
)
from poolhand.domain.placement.room import COMPUTING, WAITING_PER_SLOT
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import is_open, is_working
from poolhand.domain.tee.framework import framework_of
from poolhand.domain.trust import Weight
from poolhand.domain.units import NanoRlc, UnixSeconds

_SOON: Final = frozenset({IdleReason.BUSY, IdleReason.TOO_MUCH_WAITS, IdleReason.GPUS_BUSY})
"""What keeps a worker from a task only for now."""


Idle = Mapping[Address, Mapping[str, int]]
"""Why each worker that got nothing got nothing: reasons counted by task, see ``IdleReason``."""


Order = Callable[[list[Task], Mapping[DealId, Deal], list[Assignment]], Iterator[Task]]
"""Yields tasks in turn; the list of what has been assigned grows meanwhile."""


@dataclass(slots=True)
class _Room:
    """What a worker can still take, and why it was not given what it was not given."""

    connected: ConnectedWorker
    usable: int
    slots: int
    gpus: int
    waiting: int
    stake: int
    is_resting: bool
    refused: Counter[IdleReason] = field(default_factory=Counter)
    missing: int | None = None


def plan(
    tasks: Iterable[Task],
    deals: Mapping[DealId, Deal],
    workers: Iterable[ConnectedWorker],
    unsure: Collection[TaskId] = (),
    *,
    now: UnixSeconds = UnixSeconds(0),
    can_initialize: bool = True,
    rules: PlacementRules = PlacementRules(),
    order: Order | None = None,
) -> tuple[tuple[Assignment, ...], Idle]:
    """Choose replicates to create.

    Args:
        tasks: All that are open.
        deals: Of the tasks.
        workers: Workers that are there; among equals the first is chosen.
        unsure: Tasks of which the chain is being asked: nobody is given them now.
        now: Block time, by which workers rest.
        can_initialize: Whether the pool can pay for putting further tasks on chain.
        rules: Of the pool's owner.
        order: In which tasks have their turn; the nearest deadline first unless told otherwise.

    Returns:
        The assignments, and for every worker that got none the reasons.
    """
    open_tasks = sorted(tasks, key=_urgency)
    rooms = _rooms(open_tasks, deals, workers, now, rules)
    made: list[Assignment] = []
    staffed: list[tuple[Task, Deal]] = []
    everybody: Counter[IdleReason] = Counter()
    for task in order(open_tasks, deals, made) if order else open_tasks:
        deal = deals.get(task.facts.deal_id)
        sure = deal is not None and task.facts.task_id not in unsure
        obstacle = _obstacle(task, rules, sure=sure, can_initialize=can_initialize)
        if obstacle is None and deal is not None:
            chosen, is_full = _staff(task, deal, rooms, rules)
            made += chosen
            obstacle = IdleReason.ENOUGH if is_full else None
        elif obstacle is IdleReason.ENOUGH and deal is not None:
            staffed.append((task, deal))
        if obstacle is not None:
            everybody[obstacle] += 1
    if order:
        by_id = {task.facts.task_id: (task, deal) for task, deal in staffed}
        turns = order([task for task, _ in staffed], deals, made)
        made = _stand_by((by_id[t.facts.task_id] for t in turns), rooms, rules, made)
    else:
        made = _stand_by(staffed, rooms, rules, made)
    busy = {assignment.worker for assignment in made}
    return tuple(made), {w: _told(r, everybody) for w, r in rooms.items() if w not in busy}


def _stand_by(
    staffed: Iterable[tuple[Task, Deal]],
    rooms: Mapping[Address, _Room],
    rules: PlacementRules,
    made: list[Assignment],
) -> list[Assignment]:
    """Put idle workers beside newcomers that have not finished."""
    for task, deal in staffed:
        if not any(room.slots > 0 for room in rooms.values()):
            break
        if replicates_wanted(task, Weight(2), rules, is_vouched_for):
            made += _staff(task, deal, rooms, rules, is_vouched_for, explain=False)[0]
    return made


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


def _obstacle(
    task: Task, rules: PlacementRules, *, sure: bool, can_initialize: bool
) -> IdleReason | None:
    """Say why nobody at all is given a task, None when somebody may be."""
    if not is_open(task):
        return IdleReason.CLOSED
    if not sure:
        return IdleReason.UNSURE
    if not replicates_wanted(task, Weight(2), rules):
        return IdleReason.ENOUGH
    if task.chain_status is ChainTaskStatus.UNSET and not can_initialize:
        return IdleReason.POOL_OUT_OF_GAS
    return None


def _rooms(
    tasks: Iterable[Task],
    deals: Mapping[DealId, Deal],
    workers: Iterable[ConnectedWorker],
    now: UnixSeconds,
    rules: PlacementRules,
) -> Mapping[Address, _Room]:
    rooms = {connected.worker: _room(connected, now, rules) for connected in workers}
    for task in tasks:
        for attempt in task.attempts:
            holder = rooms.get(attempt.worker)
            if holder is not None and is_working(task, attempt):
                _occupy(holder, task, attempt.status in COMPUTING, deals.get(task.facts.deal_id))
    return rooms


def _room(connected: ConnectedWorker, now: UnixSeconds, rules: PlacementRules) -> _Room:
    known = connected.reputation
    usable = known.slots(connected.slots, connected.cpus, rules.newcomers_slots)
    gpus, resting = connected.gpus, known.is_resting(now)
    return _Room(connected, usable, usable, gpus, 0, connected.stake, resting)


def _occupy(room: _Room, task: Task, computing: bool, deal: Deal | None) -> None:
    room.slots -= computing
    room.gpus -= computing and deal is not None and deal.tag.needs_gpu
    room.waiting += 1
    room.stake -= _locked(task, deal)


def _locked(task: Task, deal: Deal | None) -> NanoRlc:
    """Return what a contribution locks of its worker's stake."""
    if deal is None or task.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return NanoRlc(0)
    return deal.worker_stake


def _missing(room: _Room, deal: Deal, rules: PlacementRules) -> int:
    """Return the stake (nRLC) that a worker lacks for a task, whether that locks any or not."""
    owned = room.connected.stake + room.connected.locked
    return max(deal.worker_stake - room.stake, rules.least_stake - owned)


def _turn(room: _Room) -> tuple[bool, bool, float]:
    load = (room.usable - room.slots) / max(room.usable, 1)
    return room.is_resting, not room.connected.reputation.is_proved, load


def _queue(task: Task, rooms: Mapping[Address, _Room], made: list[Assignment]) -> Iterator[_Room]:
    """Yield workers in turn; who comes from where the task is already waits for all others.

    ``made`` is what this task has been given, and grows meanwhile.
    """
    taken = {rooms[a.worker].connected.source for a in task.attempts if a.worker in rooms}
    later = []
    for room in sorted(rooms.values(), key=_turn):
        taken.update(rooms[each.worker].connected.source for each in made[-1:])
        if room.connected.source and room.connected.source in taken:
            later.append(room)
        else:
            yield room
    yield from later


def _staff(
    task: Task,
    deal: Deal,
    rooms: Mapping[Address, _Room],
    rules: PlacementRules,
    trusts: Trusts = is_counted_on,
    *,
    explain: bool = True,
) -> tuple[list[Assignment], bool]:
    """Choose workers for a task; returns them, and whether no more are needed."""
    made: list[Assignment] = []
    refused: list[tuple[_Room, IdleReason]] = []
    extra = doubles(task, rules, trusts)
    others = False
    for room in _queue(task, rooms, made):
        connected = room.connected
        wanted = replicates_wanted(_with(task, made), connected.weight, rules, trusts)
        if not wanted and not (made and extra):
            return made, True
        hindrance = _hindrance(task, deal, room, rules)
        others |= hindrance in _SOON and not room.is_resting
        if room.is_resting and others and hindrance in (None, *_SOON):
            hindrance = IdleReason.RESTING  # the turn goes to one that will have room
        if hindrance is not None:
            refused.append((room, hindrance))
            continue
        extra -= not wanted
        _occupy(room, task, computing=True, deal=deal)
        proved = connected.reputation.is_proved
        made.append(Assignment(task.facts.task_id, connected.worker, connected.weight, proved))
    for room, hindrance in refused if explain else ():
        _note(room, hindrance, deal, rules)
    return made, False


def _note(room: _Room, hindrance: IdleReason, deal: Deal, rules: PlacementRules) -> None:
    room.refused[hindrance] += 1
    if hindrance is IdleReason.STAKE_TOO_LOW:
        missing = _missing(room, deal, rules)
        room.missing = missing if room.missing is None else min(missing, room.missing)


def _with(task: Task, made: Iterable[Assignment]) -> Task:
    for each in made:
        created = (Entry(Status.CREATED, task.now),)
        task = task.with_attempt(Attempt(each.worker, each.weight, created, heard_at=task.now))
    return task


def _hindrance(task: Task, deal: Deal, room: _Room, rules: PlacementRules) -> IdleReason | None:
    """Say why a worker cannot take a task, None when it can."""
    connected = room.connected
    hindrances = (
        (connected.paused, IdleReason.PAUSED),
        (task.attempt(connected.worker) is not None, IdleReason.HAD_IT),
        (deal.tag.needs_gpu and not connected.gpus, IdleReason.NEEDS_GPU),
        (framework_of(deal.tag) not in (None, *connected.tee), IdleReason.NEEDS_TEE),
        (_is_too_long(task, connected), IdleReason.TOO_LONG),
        (not {*hosts_of(deal.params)} <= connected.hosts, IdleReason.HOSTS_NOT_ALLOWED),
        (_reward(deal) < connected.least_reward, IdleReason.REWARD_TOO_LOW),
        (room.slots <= 0, IdleReason.BUSY),
        (room.waiting >= room.usable * WAITING_PER_SLOT, IdleReason.TOO_MUCH_WAITS),
        (deal.tag.needs_gpu and room.gpus <= 0, IdleReason.GPUS_BUSY),
        (_missing(room, deal, rules) > 0, IdleReason.STAKE_TOO_LOW),
    )
    return next((reason for holds, reason in hindrances if holds), None)


def _is_too_long(task: Task, connected: ConnectedWorker) -> bool:
    return connected.longest is not None and task.facts.period > connected.longest


def _reward(deal: Deal) -> int:
    """Return what a fresh worker gets where all agree: weights of 2 multiply to the trust."""
    workers = next(n for n in range(1, 64) if n and 2**n > deal.trust - 1)
    return deal.workerpool.price * (100 - deal.scheduler_percent) // 100 // workers


def fair_order(everything: Iterable[Task]) -> Order:
    """Return the order in which who is served least has the turn, worked out anew for each task."""
    known = {task.facts.task_id: task for task in everything}

    def order(
        tasks: list[Task], deals: Mapping[DealId, Deal], made: list[Assignment]
    ) -> Iterator[Task]:
        left = list(tasks)
        while left:
            served: Counter[object] = Counter()
            at_work = [t for t in known.values() for a in t.attempts if is_working(t, a)]
            at_work += [known[each.task_id] for each in made]
            for task in at_work:
                deal = deals.get(task.facts.deal_id)
                if deal is not None:
                    served.update((deal.requester, deal.deal_id))
            turn = min(left, key=lambda task: _turn_of(task, deals, served))
            left.remove(turn)
            yield turn

    return order


def _turn_of(
    task: Task, deals: Mapping[DealId, Deal], served: Counter[object]
) -> tuple[bool, int, int, int, int, DealId]:
    fresh, deadline, index = _urgency(task)
    deal = deals.get(task.facts.deal_id)
    owner = deal.requester if deal else None
    deal_id = task.facts.deal_id
    return fresh, served[owner], served[deal_id], deadline, index, deal_id
