"""Which offers this worker's operator wants: by hours, reward, and whose and what they are.

Looked at before a task is taken, so before it costs a computation, a stake or gas. The pool is told
what it can place by; who is offered something else declines it, and says that this is its choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from poolhand.containers.image_name import ImageName
from poolhand.domain.availability.choice import Proposal, told_reward, why_not
from poolhand.domain.availability.preferences import Preferences
from poolhand.domain.multiaddr import decode
from poolhand.domain.network_hosts import NetworkHost, missing_hosts
from poolhand.domain.replicate.events import Flow
from poolhand.domain.reward import worker_reward
from poolhand.domain.units import NanoRlc, Seconds, Wei
from poolhand.ports.clock import Clock
from poolhand.transport.plumbing import first_of
from poolhand.worker.brief import Brief
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.price_watch import PriceWatch
from poolhand.worker.working_hours import Holder, Unwanted, WorkingHours


class NotChosen(Unwanted):
    """A task that the operator's settings leave out; the message says which."""


class Chooser(Holder, Protocol):
    """Takes some tasks: ``worker.pool_member``."""

    def limit_reward(self, least: NanoRlc, /) -> None:
        """Take no task that brings less."""


class TaskChoice:
    """Checks what is offered, and has the pool told.

    Args:
        live: What the operator wants.
        hours: When.
        gas_price: Tells what a transaction would be offered now (wei per gas).
        prices: Tell what that is worth.
        clock: For pauses between looks.
    """

    def __init__(
        self,
        live: LiveSettings,
        hours: WorkingHours,
        gas_price: Callable[[], Wei],
        prices: PriceWatch,
        clock: Clock,
    ) -> None:
        self._live, self._hours, self._gas_price = live, hours, gas_price
        self._prices, self._clock = prices, clock
        self._stirred = asyncio.Event()
        hours.stirred.connect(self._stirred.set)
        prices.changed.connect(self._stirred.set)

    def check(self, brief: Brief, flow: Flow) -> None:
        """Check that a task is wanted.

        Raises:
            OutsideHours, NotChosen: It is not; the message says why.
        """
        self._hours.check(brief.category.time_ref)
        why = why_not(self._wanted(), proposal(brief, flow), self._gas_price())
        if why is not None:
            raise NotChosen(why)

    def look(self, worker: Chooser) -> float:
        """Tell a worker what it takes now; returns for how long that holds at most (seconds)."""
        worker.limit_reward(
            told_reward(self._wanted(), self._gas_price(), self._live.shortest or Seconds(0))
        )
        return self._hours.look(worker)

    async def keep_telling(self, worker: Chooser) -> None:
        """Do so whenever it changes, for ever."""
        while True:
            self._stirred.clear()
            rest = self.look(worker)
            await first_of(self._clock.sleep(rest), self._stir())

    def _wanted(self) -> Preferences:
        """Return what the operator wants, with the price of the coin that holds."""
        return replace(self._live.now, coin_price=self._prices.price)

    async def _stir(self) -> None:
        await self._stirred.wait()


def check_hosts(brief: Brief, allowed: Iterable[NetworkHost]) -> None:
    """Check that an app can reach all the hosts that its order asks for.

    Raises:
        NotChosen: One of them is not allowed here, or none can be reached now.
    """
    missing = missing_hosts(brief.params.hosts, allowed)
    if missing:
        raise NotChosen(f"its app is to reach {', '.join(missing)}, which is not allowed here")


def proposal(brief: Brief, flow: Flow) -> Proposal:
    """Return what an operator may choose a task by.

    Raises:
        ImageNotFound: No image can have the app's name.
    """
    deal = brief.deal
    return Proposal(
        deal.requester,
        deal.app.address,
        ImageName.parse(decode(brief.app.multiaddr)).registry.lower(),
        worker_reward(deal.workerpool.price, deal.scheduler_percent, deal.trust),
        flow,
        brief.category.time_ref,
    )
