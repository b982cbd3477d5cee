"""What a task needs of workers now: how urgent, of which kind, and who has had it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from poolhand.domain.deal import Deal
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.params import hosts_of
from poolhand.domain.placement.queues import Path, Urgency
from poolhand.domain.placement.reliance import is_vouched_for, missing
from poolhand.domain.placement.room import Occupied, holds
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.turns import Demand
from poolhand.domain.reward import worker_reward
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import is_open
from poolhand.domain.tee.framework import NoOneFramework, TeeFramework, framework_of
from poolhand.domain.trust import Weight


class Level(IntEnum):
    """Which need comes first."""

    BEGUN = 0
    FRESH = 1
    STANDBY = 2
    """Workers are at it, none of which is sure: only who has nothing else to do stands by."""


@dataclass(frozen=True, slots=True)
class QueueKey:
    """Which queue a task waits in; ``is_unset``: it would have to be put on chain first."""

    level: Level
    demand: Demand
    is_unset: bool


@dataclass(frozen=True, slots=True)
class Need:
    """One task as placement sees it.

    Attributes:
        task, deal: The task, and its deal as far as that is known.
        holds: What its replicates take of their workers.
        queue: Where it waits; None where nobody is wanted.
        obstacle: Why nobody at all is given it; None where somebody may be.
    """

    task: Task
    deal: Deal | None
    holds: tuple[Occupied, ...]
    queue: QueueKey | None
    obstacle: IdleReason | None

    @property
    def path(self) -> Path:
        """Who bought it, and who has had it."""
        deal = self.deal
        assert deal is not None
        return deal.requester, deal.deal_id, frozenset(a.worker for a in self.task.attempts)

    @property
    def urgency(self) -> Urgency:
        """Among tasks of equal turn."""
        facts = self.task.facts
        return facts.contribution_deadline, facts.index, facts.deal_id


def need_of(task: Task, deal: Deal | None, rules: PlacementRules, *, sure: bool) -> Need:
    """Work out what a task needs.

    Args:
        task: It.
        deal: Its deal, None while that is not known.
        rules: Of the pool's owner.
        sure: Whether all is known of it: the chain is not being asked, and it has no trouble.
    """
    sure = sure and deal is not None
    framework, has_one = _framework(deal)
    obstacle = _obstacle(task, rules, sure=sure) or (None if has_one else IdleReason.NEEDS_TEE)
    level = _level(task, rules, obstacle) if sure else None
    queue = None
    if level is not None and deal is not None:
        reward = worker_reward(deal.workerpool.price, deal.scheduler_percent, deal.trust)
        period = task.facts.period
        demand = Demand(
            deal.tag.needs_gpu,
            framework,
            deal.worker_stake,
            period,
            reward,
            frozenset(hosts_of(deal.params)),
        )
        queue = QueueKey(level, demand, task.chain_status is ChainTaskStatus.UNSET)
    return Need(task, deal, tuple(holds(task, deal)), queue, obstacle)


def _framework(deal: Deal | None) -> tuple[TeeFramework | None, bool]:
    """Return the framework that a deal asks for; False behind it where no machine can have it."""
    try:
        return framework_of(deal.tag) if deal is not None else None, True
    except NoOneFramework:
        return None, False


def _obstacle(task: Task, rules: PlacementRules, *, sure: bool) -> IdleReason | None:
    if not is_open(task):
        return IdleReason.CLOSED
    if not sure:
        return IdleReason.UNSURE
    return None if missing(task, Weight(2), rules) else IdleReason.ENOUGH


def _level(task: Task, rules: PlacementRules, obstacle: IdleReason | None) -> Level | None:
    if obstacle is IdleReason.ENOUGH:
        if all(attempt.proved for attempt in task.attempts):
            return None  # a proved worker that is counted on is vouched for, too
        doubted = missing(task, Weight(2), rules, is_vouched_for)
        return Level.STANDBY if doubted else None
    if obstacle is not None:
        return None
    fresh = task.chain_status is ChainTaskStatus.UNSET and not task.attempts
    return Level.FRESH if fresh else Level.BEGUN
