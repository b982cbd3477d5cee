"""How long a replicate is counted on, and when others are put beside it.

Source: the owner's page, ``docs/how-to/who-gets-work.md``, says the same for people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import (
    awaits_enclave,
    is_open,
    is_working,
    replicates_missing,
)
from poolhand.domain.trust import Weight
from poolhand.domain.units import Seconds, UnixSeconds

NEWCOMERS_PART: Final = 4
"""A newcomer is counted on for this part of the time for which a proved worker is."""


AWAITS_CHAIN: Final = frozenset(
    {
        Status.COMPUTED,
        Status.RESULT_UPLOADING,
        Status.RESULT_UPLOADED,
        Status.CAN_CONTRIBUTE,
        Status.CONTRIBUTING,
    }
)
"""Statuses in which a worker has done its part, and waits for its turn on chain."""
LONGEST_CHAIN_DELAY: Final = Seconds(3600)
"""For which the chain may hold up what a proved worker has computed, beyond a period."""
LEFT_TO_OTHERS: Final = 2
"""Periods before the deadline in which others may still compute the task."""


def is_taken_up(attempt: Attempt) -> bool:
    """Whether its worker has said anything about a replicate."""
    return attempt.reports > 0


def is_counted_on(task: Task, attempt: Attempt, rules: PlacementRules) -> bool:
    """Whether a replicate that may still contribute is expected to."""
    if awaits_enclave(task):  # nobody is late with what could not be offered yet
        return True
    if not is_taken_up(attempt):
        return task.now < attempt.heard_at + rules.take_up
    if not attempt.proved:
        return task.now < attempt.log[0].at + task.facts.period // NEWCOMERS_PART
    return task.now < late_at(task, attempt)


def late_at(task: Task, attempt: Attempt) -> UnixSeconds:
    """Return from when a replicate is late: after a period, unless it is the chain that is.

    Behind the contributions of a large bag one that was computed in seconds waits for blocks, and
    so would that of anybody else; of this only a worker that has proved itself is believed.
    """
    period, begun = task.facts.period, attempt.log[0].at
    if not attempt.proved or attempt.status not in AWAITS_CHAIN:
        return UnixSeconds(begun + period)
    last = task.facts.contribution_deadline - LEFT_TO_OTHERS * period
    return UnixSeconds(max(begun + period, min(last, begun + period + LONGEST_CHAIN_DELAY)))


def is_vouched_for(task: Task, attempt: Attempt, rules: PlacementRules) -> bool:
    """Whether nobody need stand beside a replicate: its worker is proved, or has just begun."""
    fresh = task.now < attempt.log[0].at + rules.trial
    return is_counted_on(task, attempt, rules) and (attempt.proved or fresh)


Trusts: TypeAlias = Callable[[Task, Attempt, PlacementRules], bool]
"""``is_counted_on``: who is needed; ``is_vouched_for``: where idle workers may stand by as well."""


def replicates_wanted(
    task: Task, newcomer: Weight, rules: PlacementRules, trusts: Trusts = is_counted_on
) -> int:
    """Count the further workers of a weight that a task needs, those not trusted left out."""
    return missing(task, newcomer, rules, trusts) if is_open(task) else 0


def missing(
    task: Task, newcomer: Weight, rules: PlacementRules, trusts: Trusts = is_counted_on
) -> int:
    """Count the same for a task that is known to be open."""
    return replicates_missing(task, newcomer, lambda each: trusts(task, each, rules))


def doubles(task: Task, rules: PlacementRules, trusts: Trusts = is_counted_on) -> int:
    """Count how many more than needed are asked, once more are needed: one per disappointment.

    So 1, 2 and 4 are asked in turn, and nine who keep silent hold a task up for seconds only.
    """
    working = [each for each in task.attempts if is_working(task, each)]
    doubted = sum(not trusts(task, each, rules) for each in working)
    return min(doubted, max(rules.most_backups - doubted, 0))


def next_doubt(task: Task, rules: PlacementRules) -> UnixSeconds | None:
    """Return the next block time at which somebody at work may be counted on no longer.

    Until then a task that does not change needs the same workers.
    """
    moments = [moment for each in task.attempts for moment in _doubts(task, each, rules)]
    later = [moment for moment in moments if moment > task.now]
    return UnixSeconds(min(later)) if later else None


def _doubts(task: Task, attempt: Attempt, rules: PlacementRules) -> tuple[int, ...]:
    begun, period = attempt.log[0].at, task.facts.period
    trusted = (begun + period, begun + period // NEWCOMERS_PART)
    told = begun + rules.trial, attempt.heard_at + rules.take_up
    return (*trusted, *told, late_at(task, attempt))
