"""Taking what the pool offers, if the chain confirms it; declining any other, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, PeerFault, Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import Accepted
from poolhand.domain.tee.framework import TeeFramework
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.wire import messages
from poolhand.wire.tee_messages import OfferConfidentialTask
from poolhand.worker.beneficiary_keys import BeneficiaryKeys
from poolhand.worker.brief import check_offer
from poolhand.worker.briefs import Briefs
from poolhand.worker.held_replicates import HeldReplicates
from poolhand.worker.reports import PoolReports
from poolhand.worker.standing import CHOSEN_HOLDS, WorkerStanding
from poolhand.worker.task_choice import TaskChoice, check_hosts
from poolhand.worker.working_hours import Unwanted

MOST_HELD_PER_SLOT: Final = 16
"""Replicates that the worker holds at once, per slot; more are declined."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """Which offers are this worker's: to whom, of which pool, for so many tasks at a time.

    ``has_gpu`` tells whether it gives apps GPUs, ``frameworks`` in which TEEs it runs them.
    """

    worker: Address
    pool: Address
    slots: int
    has_gpu: bool = False
    frameworks: frozenset[TeeFramework] = frozenset()


class OfferIntake:
    """Takes offers, and knows how the worker stands with those that it got.

    Args:
        terms: What an offer must be.
        briefs: Of the deals that are offered.
        held: Where what is taken goes.
        reports: Tells the pool what is declined.
        choice: Says what the operator wants.
        clock: For the events made here.
        boundary: Takes what an offer raises.
        keys: Of beneficiaries, for results that are to be encrypted.
    """

    def __init__(
        self,
        terms: OfferTerms,
        briefs: Briefs,
        held: HeldReplicates,
        reports: PoolReports,
        choice: TaskChoice,
        clock: Clock,
        boundary: FaultBoundary,
        keys: BeneficiaryKeys,
    ) -> None:
        self._keys = keys
        self._terms, self._briefs, self._held = terms, briefs, held
        self._reports, self._choice = reports, choice
        self._clock, self._boundary = clock, boundary
        self.standing = WorkerStanding()
        self._taking: set[TaskId] = set()

    @property
    def is_taking(self) -> bool:
        """Whether an offer is being looked at."""
        return bool(self._taking)

    def withdraw(self, task_id: TaskId) -> None:
        """Let go of an offer that the pool has taken back."""
        self._taking.discard(task_id)

    def none_here(self, task_id: TaskId, why: str) -> None:
        """Tell the pool that nothing is done for a task here, and why."""
        self._reports.none_here(task_id, self._clock.now(), why)

    async def take(self, message: messages.OfferTask | OfferConfidentialTask) -> None:
        """Accept an offer that the chain confirms; decline any other, with the reason."""
        task_id = message.task_id
        if task_id in self._taking:
            return
        self._taking.add(task_id)
        try:
            await self._accept(message)
        except EndsProgram:
            raise
        except Unwanted as fault:
            self._reports.chosen(task_id)
            self._decline(task_id, fault)
        except (PeerFault, Refused) as fault:
            self._decline(task_id, fault)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not the offer's
            words = self._boundary.take(fault, "offer", task_id=str(task_id))
            self._decline(task_id, OfferFaulted(words))
        finally:
            self._taking.discard(task_id)

    async def _accept(self, message: messages.OfferTask | OfferConfidentialTask) -> None:
        task_id = message.task_id
        offer = _offer_of(message)
        if task_id in self._held.shell.replicates:
            self._held.shell.offered_again(task_id, self._clock.now())
            return
        self.standing.offers.seen += 1
        self._check_unread(task_id)
        self._check_room()
        brief = await self._briefs.of(offer)
        terms = self._terms
        check_offer(
            offer,
            brief,
            terms.pool,
            terms.worker,
            has_gpu=terms.has_gpu,
            frameworks=terms.frameworks,
        )
        await self._keys.check(brief)
        if task_id not in self._taking:
            return  # the pool has taken the offer back meanwhile
        deadline = brief.category.contribution_deadline(brief.deal.start_time)
        self._check_holds()
        self._choice.check(brief, offer.flow)
        check_hosts(brief, self.standing.hosts)
        self._held.shell.accept(Accepted(self._clock.now(), offer, deadline))
        self.standing.offers.accepted += 1
        self.standing.idle = {}
        self._held.chain_watch.look(task_id)

    def _check_holds(self) -> None:
        if self.standing.paused is not None:
            by_choice = not CHOSEN_HOLDS.isdisjoint(self.standing.holds)
            raise (RestsByChoice if by_choice else NothingNew)(self.standing.paused)

    def _check_unread(self, task_id: TaskId) -> None:
        why = self._held.shell.unread.get(str(task_id))
        if why is not None:
            raise OfferFaulted(f"the worker's journal of this very task does not read: {why}")

    def _check_room(self) -> None:
        self._check_holds()
        count = len(self._held.open()) + len(self._taking)
        if count > self._terms.slots * MOST_HELD_PER_SLOT:
            raise Overloaded(count - 1)

    def _decline(self, task_id: TaskId, fault: PeerFault | Refused) -> None:
        self.standing.offers.declined[fault.code] += 1
        log.warning("offer_declined", task_id=str(task_id), cause=str(fault))
        self.none_here(task_id, str(fault))


def _offer_of(message: messages.OfferTask | OfferConfidentialTask) -> machine.Offer:
    told = message.task_id, message.deal_id, message.index, message.flow, message.authorization
    if isinstance(message, messages.OfferTask):
        return machine.Offer(*told)
    return machine.Offer(*told, message.enclave, message.secrets_url)


class OfferFaulted(Refused):
    """The worker cannot take this offer for a fault of its own, which is written down."""


class NothingNew(Refused):
    """The worker takes nothing new for now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the worker takes nothing new: {reason}")


class RestsByChoice(Unwanted):
    """It does not, for its operator has so decided: the offer was on its way meanwhile."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the worker takes nothing new: {reason}")


class Overloaded(Refused):
    """The pool offers more than this worker takes at once."""

    def __init__(self, held: int) -> None:
        super().__init__(f"the worker holds {held} replicates and takes no more for now")
