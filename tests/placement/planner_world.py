"""Deals, tasks and workers of a plan."""

from __future__ import annotations

from dataclasses import replace

from poolhand.domain.deal import Deal, Resource
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultDigest, ResultHash
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.placement.planner import Planner
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.reputation import VOUCHED
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task import machine
from poolhand.domain.task.machine import Assigned, Received, Viewed
from poolhand.domain.task.model import TaskFacts
from poolhand.domain.trust import Score, Trust
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds

NOW, T = UnixSeconds(1_700_000_000), 300

STAKE = NanoRlc(30)

RIGHT = ResultDigest(bytes([9] * 32))


def deal_of(number=1, *, trust=1, size=1, tag=NO_TAG, stake=STAKE) -> Deal:
    nobody = Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0))
    a = ZERO_ADDRESS
    return Deal(
        DealId(bytes([number] * 32)), nobody, nobody, nobody, Trust(trust), 0, tag, a, a, a, "",
        NOW, 0, size, stake, 1, a,
    )  # fmt: skip


def tasks_of(deal, flow=None, deadline=NOW + 7 * T):
    quick = deal.trust == 1 if flow is None else flow is Flow.CONTRIBUTE_AND_FINALIZE
    way = Flow.CONTRIBUTE_AND_FINALIZE if quick else Flow.STANDARD
    final = UnixSeconds(deadline + 3 * T)
    return [
        machine.receive(
            Received(
                NOW,
                TaskFacts(
                    name,
                    deal.deal_id,
                    index,
                    deal.trust,
                    way,
                    deal.tag,
                    UnixSeconds(deadline),
                    final,
                ),
            )
        )
        for index, name in deal.tasks()
    ]


def connected(number, *, slots=1, stake=1000, score=0, **changes) -> ConnectedWorker:
    """Return a worker that is believed to have the slots it tells of."""
    made = ConnectedWorker(Address(bytes([number] * 20)), f"w{number}", "1", 16, slots, 0, ())
    changes.setdefault("reputation", VOUCHED)
    return replace(made, stake=NanoRlc(stake), score=Score(score), **changes)


def plan(tasks, deals, workers, unsure=(), *, now=NOW, can_initialize=True, rules=PlacementRules()):
    """Tell a planner of all there is; return its plan, and why who gets nothing gets nothing."""
    ranks = iter(range(len(workers)))
    planner = Planner(rules, lambda: float(next(ranks)))
    planner.can_initialize = can_initialize
    planner.pass_time(now)
    for each in workers:
        planner.join(each)
    for task in tasks:
        name = task.facts.task_id
        planner.hear(task, deals.get(task.facts.deal_id), sure=name not in unsure)
    made = planner.plan()
    given = {each.worker for each in made}
    return made, {s.worker: planner.why_idle(s.worker) for s in workers if s.worker not in given}


def planned(tasks, deals, workers, unsure=()):
    made, idle = plan(tasks, {deal.deal_id: deal for deal in deals}, workers, unsure)
    return made, idle


def assigned(task, *workers):
    for each in workers:
        task, _ = machine.step(task, Assigned(NOW, each.worker, each.weight))
    return task


def viewed(task, contributions, status=ChainTaskStatus.ACTIVE, now=NOW):
    view = TaskView(
        task.facts.task_id, BlockNumber(1), now, status, Seconds(T),
        task.facts.contribution_deadline, UnixSeconds(0), task.facts.final_deadline,
        ResultHash(bytes(32)), 0, 0, tuple(contributions), ResultDigest(bytes(32)), b"",
        contributions,
    )  # fmt: skip
    return machine.step(task, Viewed(now, view))[0]


def contribution(task, worker, digest=RIGHT):
    name = task.facts.task_id
    return ContributionView(
        ContributionStatus.CONTRIBUTED,
        result_hash(name, digest),
        result_seal(worker, name, digest),
        1,
    )
