"""Who is given what, and when tasks are woken, checked and forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.files import ResultsShelf
from poolhand.scheduler.chain_feed import SHALLOW
from poolhand.scheduler.check_queue import CheckQueue
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.composition.sending import SendingParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.deadlines import Deadlines
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.ended_replicates import EndedReplicates
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.idle_news import IdleNews
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.result_check import ResultCheck
from poolhand.scheduler.retiring import Retiring
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class PlacingParts:
    """The life of a task in the pool, from its first offer to its end.

    Attributes:
        metrics: Count what is given, among other things.
        placement: Which task goes to which free slot.
        deadlines: Wake tasks that time alone may change.
        retiring: Tasks that have settled leave memory.
        check_queue: Whether results are where workers say, before that goes on chain.
    """

    metrics: Metrics
    placement: Placement
    deadlines: Deadlines
    retiring: Retiring
    check_queue: CheckQueue

    @classmethod
    def of(
        cls,
        settings: PoolSettings,
        common: CommonParts,
        gas_budget: GasBudget,
        proved: ReputationParts,
        sending: SendingParts,
        sessions: SessionParts,
        deals: Deals,
        clock: Clock,
        entropy: Entropy,
        shelf: ResultsShelf | None,
    ) -> PlacingParts:
        """Make them, in the order in which they hear of a task's change."""
        engine, time, rules = common.engine, common.time, settings.placement
        metrics = Metrics(engine, common.directory, gas_budget, common.settled)
        placement = Placement(
            engine,
            deals,
            EndedReplicates(sending.looks.look),
            common.directory,
            metrics,
            proved.assessor,
            rules,
            Random(entropy.bytes(16)),  # noqa: S311 - chance among equals keeps no secret
            time.now,
            time.until_now,
            lambda: not gas_budget.is_short,
            IdleNews(time.now, sessions.mail.tell, sessions.appraisal.read_soon),
            common.due,
        )
        deadlines = Deadlines(engine, rules, common.due, proved.self_watch.is_sure)
        deadlines.woken.connect(placement.touched)
        deadlines.woken.connect(sending.looks.woken)
        retiring = Retiring(engine, SHALLOW, time.block, sending.transactions.is_busy)
        checks = CheckQueue(engine, ResultCheck(common.known_deals, shelf, clock), time.now)
        return cls(metrics, placement, deadlines, retiring, checks)
