"""Who has had a task already, of many tasks together; and whether anybody who is free fits one."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, Protocol, TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.placement.turns import Demand

Had: TypeAlias = frozenset[Address]
"""Who has had a task: tasks that ask the same and have one of these fit the same workers."""

FEW_KINDS: Final = 8
"""Different ones of which a branch keeps account."""


class HadBy(NamedTuple):
    """Of several tasks: who has had them.

    Attributes:
        kinds: All that differ; None where these are many.
        every: Who has had every one of the tasks.
        most: How many have had the one that most have had.
    """

    kinds: frozenset[Had] | None
    every: Had
    most: int

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(had: Had) -> HadBy:
        """Return what is known of tasks that the same workers have had."""
        return HadBy(frozenset((had,)), had, len(had))

    def join(self, other: HadBy) -> HadBy:
        """Return what is known of these tasks and others together."""
        if self is other or self == other:
            return self
        kinds = self.kinds
        if kinds is not None:
            kinds = None if other.kinds is None else kinds | other.kinds
            kinds = kinds if kinds is None or len(kinds) <= FEW_KINDS else None
        return HadBy(kinds, self.every & other.every, max(self.most, other.most))


class FreeWorkers(Protocol):
    """Those who may be given something: ``placement.crew``."""

    def can_staff(self, demand: Demand, had: Had) -> bool:
        """Whether somebody is given a task now that asks this, which some have had."""

    def may_staff(self, demand: Demand, every: Had, most: int) -> bool:
        """Whether that may be so of one of several tasks.

        Args:
            demand: What they ask.
            every: Who has had all of them.
            most: How many have had one, at most.
        """


class WhoFits:
    """Whether somebody who is free fits tasks that ask the same; good until anything changes."""

    def __init__(self, workers: FreeWorkers, demand: Demand) -> None:
        self._workers, self._demand = workers, demand
        self._known: dict[Had, bool] = {}

    def may_take(self, had: HadBy) -> bool:
        """Whether somebody may fit one of several tasks; of tasks that are alike: does."""
        if had.kinds is None:
            return self._workers.may_staff(self._demand, had.every, had.most)
        return any(map(self._takes, had.kinds))

    def _takes(self, had: Had) -> bool:
        known = self._known.get(had)
        if known is None:
            known = self._known[had] = self._workers.can_staff(self._demand, had)
        return known
