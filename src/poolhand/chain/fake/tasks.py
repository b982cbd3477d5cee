"""The life of a task on the fake hub: guarded changes of a state.

Source: PoCo 6.x, IexecPoco2Facet. Every function raises a ``Reverted`` leaf of ``guards`` before
it changes anything, or changes ``state`` and returns the logs.
"""

from __future__ import annotations

from dataclasses import replace

from poolhand.chain import guards
from poolhand.chain.errors import UnknownDeal
from poolhand.chain.fake.state import FakeTask, Log, State, unset_task
from poolhand.chain.guards import GuardFacts
from poolhand.domain.category import REVEAL_RATIO
from poolhand.domain.deal import Deal
from poolhand.domain.hashes import result_hash, result_seal, task_id
from poolhand.domain.ids import Address, DealId, ResultHash, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Claim,
    Contribute,
    ContributeAndFinalize,
    ContributionStatus,
    ContributionView,
    EventKind,
    Finalize,
    Initialize,
    Reopen,
    Reveal,
    TaskView,
)
from poolhand.domain.reward import KITTY, finalize_shares, scheduler_stake
from poolhand.domain.trust import Score, Weight, reaches_consensus, worker_weight
from poolhand.domain.units import UnixSeconds


def initialize(state: State, sender: Address, call: Initialize, now: UnixSeconds) -> list[Log]:
    """Put tasks on chain; all or none."""
    return [
        log for deal_id, index in call.tasks for log in _one(state, sender, deal_id, index, now)
    ]


def _one(state: State, sender: Address, deal_id: DealId, index: int, now: UnixSeconds) -> list[Log]:
    name, deal = task_id(deal_id, index), state.deals.get(deal_id)
    guards.initialize(GuardFacts(now, sender, deal, state.view(name)), index)
    if deal is None:
        raise UnknownDeal(f"no deal {deal_id}")
    category = state.categories[deal.category]
    view = replace(
        unset_task(name),
        status=ChainTaskStatus.ACTIVE,
        time_ref=category.time_ref,
        contribution_deadline=category.contribution_deadline(deal.start_time),
        final_deadline=category.final_deadline(deal.start_time),
    )
    state.tasks[name] = FakeTask(deal_id, view)
    return [Log(EventKind.TASK_INITIALIZE, task_id=name)]


def contribute(state: State, sender: Address, call: Contribute, now: UnixSeconds) -> list[Log]:
    """Record a contribution; lock its stake; declare consensus when it is reached."""
    facts = facts_of(state, call.task_id, sender, now)
    guards.contribute(facts, call)
    deal, task = _deal(facts), state.tasks[call.task_id]
    weight = worker_weight(state.scores.get(sender, Score(0)))
    before = task.groups.get(call.result_hash, 0)
    after = max(before, 1) * weight
    task = replace(
        task,
        total=task.total + after - before,
        groups={**task.groups, call.result_hash: after},
        weights={**task.weights, sender: weight},
        view=replace(task.view, contributors=(*task.view.contributors, sender)),
    )
    state.tasks[call.task_id] = task
    state.contributions[call.task_id, sender] = ContributionView(
        ContributionStatus.CONTRIBUTED, call.result_hash, call.seal, weight.bit_length() - 1
    )
    state.lock(sender, deal.worker_stake)
    hashed = call.result_hash
    logs = [Log(EventKind.TASK_CONTRIBUTE, task_id=call.task_id, worker=sender, result_hash=hashed)]
    if reaches_consensus(deal.trust, task.groups, call.result_hash):
        _declare(state, task, call.result_hash, now)
        logs.append(Log(EventKind.TASK_CONSENSUS, task_id=call.task_id, result_hash=hashed))
    return logs


def _declare(state: State, task: FakeTask, consensus: ResultHash, now: UnixSeconds) -> None:
    name = task.view.task_id
    winners = [
        worker
        for worker in task.view.contributors
        if (found := state.contributions[name, worker]).result_hash == consensus
        and found.status is ContributionStatus.CONTRIBUTED
    ]
    view = replace(
        task.view,
        status=ChainTaskStatus.REVEALING,
        consensus=consensus,
        reveal_deadline=_reveal_deadline(task, now),
        reveal_counter=0,
        winner_counter=len(winners),
    )
    state.tasks[name] = replace(task, view=view)


def _reveal_deadline(task: FakeTask, now: UnixSeconds) -> UnixSeconds:
    return UnixSeconds(now + REVEAL_RATIO * task.view.time_ref)


def reveal(state: State, sender: Address, call: Reveal, now: UnixSeconds) -> list[Log]:
    """Prove a contribution."""
    guards.reveal(facts_of(state, call.task_id, sender, now), call)
    state.set_status(call.task_id, sender, ContributionStatus.PROVED)
    view = state.view(call.task_id)
    _update(state, replace(view, reveal_counter=view.reveal_counter + 1, digest=call.digest))
    return [Log(EventKind.TASK_REVEAL, task_id=call.task_id, worker=sender)]


def finalize(state: State, sender: Address, call: Finalize, now: UnixSeconds) -> list[Log]:
    """End a task well: pay everybody."""
    facts = facts_of(state, call.task_id, sender, now)
    guards.finalize(facts, call)
    deal, task = _deal(facts), state.tasks[call.task_id]
    proved, losers = _split(state, task)
    _pay(state, call.task_id, deal, proved, len(losers))
    for worker in proved:
        state.unlock(worker, deal.worker_stake)
    for worker in losers:
        state.seize(worker, deal.worker_stake, call.task_id)
        state.scores[worker] = Score(state.scores.get(worker, 0) * 2 // 3)
    if len(task.view.contributors) > 1:
        for worker in proved:
            state.scores[worker] = Score(state.scores.get(worker, 0) + 1)
    _update(state, replace(task.view, status=ChainTaskStatus.COMPLETED, results=call.results))
    return [Log(EventKind.TASK_FINALIZE, task_id=call.task_id)]


def _split(state: State, task: FakeTask) -> tuple[dict[Address, Weight], list[Address]]:
    proved: dict[Address, Weight] = {}
    losers: list[Address] = []
    for worker in task.view.contributors:
        status = state.contributions[task.view.task_id, worker].status
        if status is ContributionStatus.PROVED:
            proved[worker] = task.weights[worker]
        else:
            losers.append(worker)
    return proved, losers


def _pay(
    state: State, name: TaskId, deal: Deal, proved: dict[Address, Weight], losers: int
) -> None:
    """Seize the payer's price and pay app, dataset, workers and scheduler."""
    owner = deal.workerpool.owner
    shares = finalize_shares(
        deal.workerpool.price,
        deal.worker_stake,
        deal.scheduler_percent,
        proved,
        losers,
        state.locked_of(KITTY),
    )
    state.seize(deal.sponsor, deal.price, name)
    state.reward(deal.app.owner, deal.app.price, name)
    state.reward(deal.dataset.owner, deal.dataset.price, name)
    state.unlock(owner, scheduler_stake(deal.workerpool.price))
    state.seize(KITTY, shares.kitty, name)
    for worker, amount in shares.workers.items():
        state.reward(worker, amount, name)
    state.reward(owner, shares.scheduler, name)


def contribute_and_finalize(
    state: State, sender: Address, call: ContributeAndFinalize, now: UnixSeconds
) -> list[Log]:
    """Begin and end a trust-1 task; no worker stake is locked."""
    facts = facts_of(state, call.task_id, sender, now)
    guards.contribute_and_finalize(facts, call)
    deal, task = _deal(facts), state.tasks[call.task_id]
    weight = worker_weight(state.scores.get(sender, Score(0)))
    hashed = result_hash(call.task_id, call.digest)
    state.contributions[call.task_id, sender] = ContributionView(
        ContributionStatus.PROVED, hashed, result_seal(sender, call.task_id, call.digest), 0
    )
    view = replace(
        task.view,
        status=ChainTaskStatus.COMPLETED,
        consensus=hashed,
        reveal_deadline=_reveal_deadline(task, now),
        reveal_counter=1,
        winner_counter=1,
        contributors=(sender,),
        digest=call.digest,
        results=call.results,
    )
    state.tasks[call.task_id] = replace(task, view=view, weights={sender: weight})
    _pay(state, call.task_id, deal, {sender: weight}, losers=0)
    told: tuple[tuple[EventKind, Address | None, ResultHash | None], ...] = (
        (EventKind.TASK_CONTRIBUTE, sender, hashed),
        (EventKind.TASK_CONSENSUS, None, hashed),
        (EventKind.TASK_REVEAL, sender, None),
        (EventKind.TASK_FINALIZE, None, None),
    )
    return [
        Log(kind, task_id=call.task_id, worker=worker, result_hash=result)
        for kind, worker, result in told
    ]


def reopen(state: State, sender: Address, call: Reopen, now: UnixSeconds) -> list[Log]:
    """Reject the consensus nobody revealed; open the task again."""
    guards.reopen(facts_of(state, call.task_id, sender, now))
    task = state.tasks[call.task_id]
    failed = task.view.consensus
    for worker in task.view.contributors:
        if state.contributions[call.task_id, worker].result_hash == failed:
            state.set_status(call.task_id, worker, ContributionStatus.REJECTED)
    groups = dict(task.groups)
    total = task.total - groups.pop(failed)
    view = replace(
        task.view,
        status=ChainTaskStatus.ACTIVE,
        consensus=ResultHash(bytes(32)),
        reveal_deadline=UnixSeconds(0),
        winner_counter=0,
    )
    state.tasks[call.task_id] = replace(task, view=view, groups=groups, total=total)
    return [Log(EventKind.TASK_REOPEN, task_id=call.task_id)]


def claim(state: State, sender: Address, call: Claim, now: UnixSeconds) -> list[Log]:
    """End tasks as failed: refund payer and contributors; the scheduler pays the kitty."""
    for name in call.tasks:
        facts = facts_of(state, name, sender, now)
        guards.claim(facts)
        deal, view = _deal(facts), facts.task
        stake = scheduler_stake(deal.workerpool.price)
        state.unlock(deal.sponsor, deal.price)
        state.seize(deal.workerpool.owner, stake, name)
        state.reward(KITTY, stake, name)
        state.lock(KITTY, stake)
        for worker in view.contributors:
            state.unlock(worker, deal.worker_stake)
        _update(state, replace(view, status=ChainTaskStatus.FAILED, contributions={}))
    return [Log(EventKind.TASK_CLAIMED, task_id=name) for name in call.tasks]


def facts_of(state: State, name: TaskId, sender: Address, now: UnixSeconds) -> GuardFacts:
    """Gather what the guards look at."""
    known = state.tasks.get(name)
    own = state.contribution(name, sender)
    view = replace(state.view(name), contributions={sender: own} if own else {})
    deal = state.deals[known.deal_id] if known else None
    return GuardFacts(now, sender, deal, view, state.stake_of(sender))


def _update(state: State, view: TaskView) -> None:
    state.tasks[view.task_id] = replace(state.tasks[view.task_id], view=view)


def _deal(facts: GuardFacts) -> Deal:
    if facts.deal is None:
        raise UnknownDeal(f"{facts.name} is not initialised")
    return facts.deal
