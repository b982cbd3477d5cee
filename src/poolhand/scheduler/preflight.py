"""Before an order is signed: can what is asked for be done here, and is it not too much?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.params import DealParams, hosts_of
from poolhand.domain.reputation import Reputation
from poolhand.domain.reward import scheduler_stake, worker_reward
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds, show_rlc
from poolhand.scheduler.assessor import Memory
from poolhand.scheduler.open_tasks import OpenTasks
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.takers import Takers
from poolhand.settings.pool import PoolSettings

MOST_CALLERS: Final = 4096
"""Callers whose orders are counted."""
CALLER_ORDERS_COUNTED_FOR: Final = 60
"""Seconds over which the orders of one caller are counted."""


class TooManyOpenTasks(Refused):
    """The requester has as many tasks open here as one may have."""

    http_status = 429


class TooManyOrders(Unavailable):
    """One caller has asked for more orders in a minute than are signed for one."""

    http_status = 429


class AppFailsHere(Refused):
    """The app has failed here for who asks, or for several buyers, and has not run since."""

    http_status = 409


class RequestsFailHere(Refused):
    """What this requester bought has failed time and again, and the app has not run here."""

    http_status = 409


class PoolStakeTooLow(Unavailable):
    """The pool's owner cannot stake for what is asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order is asked for.

    Attributes:
        category, trust, tag, volume: As in the order.
        requester, app: To whom the order is restricted; the zero address: anybody, any app.
        params: Of the request, where they are told.
        caller: From where it is asked for.
        by_signature: Whether the pool is to send the purchase.
    """

    category: int
    trust: Trust
    tag: Tag = NO_TAG
    volume: int = 1
    requester: Address = ZERO_ADDRESS
    app: Address = ZERO_ADDRESS
    params: str | None = None
    caller: str = ""
    by_signature: bool = False


class Preflight:
    """Refuses what is known to fail, before anybody has paid.

    Args:
        owner: Whose stake the hub locks with each task.
        takers: The workers that would take tasks.
        now: The chain's time.
    """

    def __init__(
        self,
        settings: PoolSettings,
        reads: OrderReads,
        owner: Address,
        takers: Takers,
        memory: Memory,
        open_tasks: OpenTasks,
        now: Callable[[], UnixSeconds],
    ) -> None:
        self._settings, self._reads, self._owner, self._now = settings, reads, owner, now
        self.takers, self._memory, self._open = takers, memory, open_tasks
        self._callers: OrderedDict[str, tuple[UnixSeconds, int]] = OrderedDict()

    async def check(self, asked: Asked, price: NanoRlc) -> None:
        """Check what an order is asked for.

        Raises:
            UnfitParams: No worker could read the params.
            NoWorkerForIt, TrustOutOfReach: The workers that are there cannot do it.
            AppFailsHere, RequestsFailHere, TooManyOpenTasks: Others come first.
            PoolStakeTooLow: The pool's owner has to deposit.
        """
        hosts = () if asked.params is None else DealParams.parse(asked.params).hosts
        self._check_quota(asked)
        if not self._settings.preflight:
            return
        self._check_record(asked)
        stake, reward = await self._terms(price, asked.trust)
        time = Seconds(0)
        if self.takers.now().limits_time:
            time = await self._reads.category_time(asked.category)
        self.takers.now().check(
            asked.trust,
            asked.tag,
            stake,
            self._settings.spare_workers,
            time=time,
            reward=reward,
            hosts=hosts,
        )
        await self._check_owners_stake(asked, price)

    def obstacle(self, deal: Deal, had: Collection[Address] = ()) -> str | None:
        """Say why the workers that are there cannot do what was bought; None if they can.

        Its order may have been signed when others were there; who claims a GPU is tried, and so is
        who has lost its turn for a while.

        Args:
            deal: What was bought.
            had: Workers that are not given a task of it again.
        """
        trust = Trust(1) if had else deal.trust
        try:
            hosts = hosts_of(deal.params)
            self.takers.tried.check(trust, deal.tag, deal.worker_stake, without=had, hosts=hosts)
        except EndsProgram:
            raise
        except Refused as fault:
            return str(fault).partition(": ")[0]  # what would be sold instead is too late
        return None

    @property
    def nobody(self) -> str | None:
        """Why nothing at all could be done now; None where a worker could, or that is not asked."""
        if not self._settings.preflight or len(self.takers.now()):
            return None
        return "no worker is connected that takes tasks: nothing is sold until one does"

    @property
    def highest_trust(self) -> Trust:
        """What the workers that are there can reach, within what the owner sells."""
        able = self.takers.now()
        reach = able.reach(self._settings.spare_workers)
        least = Trust(1) if len(able) else Trust(0)
        return Trust(min(max(reach, least), self._settings.highest_trust))

    async def trust_at(self, price: NanoRlc, tee: TeeFramework | None = None) -> Trust:
        """Return the highest trust that the workers reach who have the stake for such a task.

        One worker that may fail counts where it is alone. Where ``tee`` is named, those count who
        have proved it; raises ChainUnreachable.
        """
        able, stake = self.takers.now(), await self._stake(price)
        reach = able.reach(self._settings.spare_workers, stake, tee)
        least = min(able.reach(0, stake, tee), Trust(1))
        return Trust(min(max(reach, least), self._settings.highest_trust))

    async def _stake(self, price: NanoRlc) -> NanoRlc:
        """Return the stake that the deal would ask of each worker."""
        return (await self._terms(price, Trust(1)))[0]

    async def _terms(self, price: NanoRlc, trust: Trust) -> tuple[NanoRlc, NanoRlc]:
        """Return the stake that a deal would ask of each worker, and the reward that it brings."""
        pool = await self._reads.workerpool(self._settings.workerpool)
        if pool is None:
            return NanoRlc(0), price
        stake = NanoRlc(price * pool.worker_stake_percent // 100)
        return stake, worker_reward(price, pool.scheduler_percent, trust)

    async def _check_owners_stake(self, asked: Asked, price: NanoRlc) -> None:
        needed = scheduler_stake(price) * asked.volume
        free = (await self._reads.account(self._owner)).stake
        if free < needed:
            lacks = show_rlc(NanoRlc(needed - free))
            raise PoolStakeTooLow(
                f"the owner of this pool has to stake {show_rlc(NanoRlc(needed))} RLC for that and "
                f"lacks {lacks}: the owner deposits it (`poolhand account deposit {lacks}`); buy "
                "less meanwhile, or from another workerpool"
            )

    def _check_quota(self, asked: Asked) -> None:
        most = self._settings.tasks_per_requester
        has = 0 if asked.requester.is_zero else self._open.of(asked.requester)
        if has + asked.volume > most:
            raise TooManyOpenTasks(
                f"{asked.requester} has {has} task(s) open at this pool, and one may have {most}: "
                f"wait until some have ended, or ask for {max(most - has, 0)} or fewer"
            )

    def _check_record(self, asked: Asked) -> None:
        if not asked.app.is_zero:
            self._check_app(asked)
        known, now = self._memory.requesters.of(asked.requester), self._now()
        is_resting = not asked.requester.is_zero and known.is_resting(now)
        if is_resting and not self._memory.apps.works_for(asked.app, asked.requester):
            raise RequestsFailHere(
                f"what {asked.requester} bought here {_failed(known, now)}: read the logs of "
                "those tasks (`poolhand task logs`) and ask again then, or buy an app that has run "
                "here before"
            )

    def _check_app(self, asked: Asked) -> None:
        """Refuse what failed for who asks; and what failed for several, unless it runs for it."""
        app, now = self._memory.apps.of(asked.app), self._now()
        own = self._memory.apps.for_buyer(asked.app, asked.requester)
        if not asked.requester.is_zero and own.is_resting(now):
            raise AppFailsHere(
                f"what {asked.requester} bought here of app {asked.app} {_failed(own, now)}: read "
                "the logs (`poolhand task logs`), fix the app, its arguments or its data, and ask "
                "again then"
            )
        if app.is_resting(now) and not own.is_proved:
            raise AppFailsHere(
                f"app {asked.app} failed for {len(app.doubters)} buyers in a row and is sold again "
                f"in {app.rests_until - now} s: ask its owner to fix it, and ask again then"
            )

    def count(self, caller: str) -> None:
        """Count one order that is signed for a caller.

        Raises:
            TooManyOrders: It has to wait.
        """
        now, most = self._now(), self._settings.orders_per_minute
        since, count = self._callers.get(caller, (now, 0))
        if now >= since + CALLER_ORDERS_COUNTED_FOR:
            since, count = now, 0
        if count >= most:
            raise TooManyOrders(
                f"{most} orders were signed for you within a minute: ask again in "
                f"{since + CALLER_ORDERS_COUNTED_FOR - now} s, or for more tasks at once"
            )
        self._callers[caller] = since, count + 1
        self._callers.move_to_end(caller)
        while len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)


def _failed(known: Reputation, now: UnixSeconds) -> str:
    wait = known.rests_until - now
    return f"failed {known.faults} time(s) in a row and is sold again in {wait} s"
