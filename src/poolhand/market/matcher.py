"""Matches requests that were published with the cheapest orders that fit, and pays the gas.

A market limits how often it is asked, so a round that it breaks off matches what was found until
then. What a round sends stands in one block, so no more of anybody's stake is counted on than there
is: a match that fails there costs gas. A request that names a pool is left to that pool for some
blocks: it may send match and first tasks together.

Anybody can run one, for anybody may send ``matchOrders``. A match is one purpose of the wallet's
sender, named by the deal that it makes: journaled before it is sent, and after a crash found again,
never sent twice. The sender simulates it first, so a deal that somebody else has made meanwhile
costs nothing.

Source: onchain.md 13.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import structlog

from poolhand.domain.errors import (
    EndsProgram,
    Malformed,
    OutOfGas,
    Refused,
    Reverted,
    Unavailable,
)
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.requests import FreeStakes, InUse, MatchLocks, MatchQuota
from poolhand.domain.market.waits import Wait, matchers_wait
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.choosing import Bundle, Want
from poolhand.domain.orders.matching import Facts
from poolhand.domain.orders.model import RequestOrder, Signed
from poolhand.market.fitting_orders import cheapest_fitting
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Hub, TransactionSender
from poolhand.ports.clock import Clock
from poolhand.transport.market_client import MarketClient
from poolhand.transport.market_faults import MarketDown
from poolhand.transport.open_requests import OpenRequests

REQUESTS_MATCHED_AT_ONCE: Final = 50
"""Requests that are looked at in one round: those that pay their pool most, or as many others."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Ready:
    entry: BookOrder
    used: int
    tasks: int
    bundle: Bundle

    @property
    def name(self) -> OrderHash:
        """Of the request."""
        return self.entry.order_hash


class Matcher:
    """Matches the requests of one market.

    Args:
        hub: Of the chain.
        market: Whose requests are matched.
        sender: Sends, and pays.
        quota: Of each requester.
        clock: Time.
        pause: Seconds between two rounds.
        at_once: Requests that are looked at in one.
    """

    def __init__(
        self,
        hub: Hub,
        market: MarketClient,
        sender: TransactionSender,
        quota: MatchQuota,
        clock: Clock,
        pause: float = 1.0,
        at_once: int = REQUESTS_MATCHED_AT_ONCE,
    ) -> None:
        self._hub, self._market, self._sender = hub, market, sender
        self._quota, self._clock, self._pause = quota, clock, pause
        self._requests = OpenRequests(market, at_once)
        self._backoff = self._requests.backoff
        self._domain = hub.facts.domain
        self._outage = OutageLog(
            "matching_stands_still",
            "matching_goes_on",
            acts="operator of the matcher",
            next_step="see that market and chain answer and the wallet has coin",
        )

    async def run(self) -> NoReturn:
        """Match for ever, whatever fails meanwhile; without its journal it ends."""
        while True:
            try:
                await self.round()
            except EndsProgram:
                raise
            except (Unavailable, OutOfGas, Malformed, Refused) as fault:
                self._outage.tell(fault)
            else:
                self._outage.over()
            await self._clock.sleep(self._pause)

    async def round(self) -> int:
        """Look once at the open requests and match what can be; returns how many were matched.

        Raises:
            MarketDown, ChainUnreachable: Nothing more can be done now.
            OutOfGas: The wallet cannot pay.
        """
        now = self._clock.steady()
        found = await self._offered(await self._requests.due(BookFilter(OrderSort.REQUEST), now))
        if not found:
            return 0
        ready = await self._payable(found)
        sent = await asyncio.gather(*map(self._match, ready), return_exceptions=True)
        for each in sent:
            if isinstance(each, BaseException):
                raise each
        return sum(map(bool, sent))

    async def _offered(self, entries: list[BookOrder]) -> list[_Ready]:
        """Return the requests that something fits, each with the cheapest bundle left.

        Raises:
            MarketDown, ChainUnreachable: Nothing can be looked at, and nothing was found before.
        """
        now, due = self._clock.steady(), await self._waited_for(entries)
        if not due:
            return []
        used = await self._hub.consumed([each.order_hash for each in due])
        rules = Facts(self._domain, len(await self._hub.categories()), None, None, None)
        in_use, found = InUse(), list[_Ready]()
        for entry in due:
            try:
                ready = await self._offer(entry, used[entry.order_hash], rules, in_use)
            except MarketDown:
                if found:
                    break
                raise
            if ready is None:
                self._backoff.put_off(entry.order_hash, now)
            else:
                found.append(ready)
        return found

    async def _waited_for(self, entries: list[BookOrder]) -> list[BookOrder]:
        """Return the requests that are not left to others now; raises ChainUnreachable."""
        if not entries:
            return []
        head, seen = await self._hub.head(), self._requests.first_seen
        return [each for each in entries if seen.has_waited(each.order_hash, _wait(each), head)]

    async def _payable(self, found: list[_Ready]) -> list[_Ready]:
        """Return those that can all be paid and staked for, within quotas; others come later."""
        names = {each.bundle.pool.resource for each in found}
        pools = await asyncio.gather(*map(self._hub.workerpool, names))
        owners = {pool.address: pool.owner for pool in pools if pool is not None}
        known = [each for each in found if each.bundle.pool.resource in owners]
        locks = [_locks(each, owners[each.bundle.pool.resource]) for each in known]
        accounts = await self._hub.accounts({owner for each in locks for owner in each.locks})
        stakes = FreeStakes({owner: account.stake for owner, account in accounts.items()})
        both = zip(known, locks, strict=True)
        ready = [each for each, match in both if self._admits(each, match, stakes)]
        for name in {each.name for each in found} - {each.name for each in ready}:
            self._backoff.put_off(name, self._clock.steady())
        return ready

    def _admits(self, ready: _Ready, match: MatchLocks, stakes: FreeStakes) -> bool:
        """Count one more match, if its requester has quota and everybody stake for it."""
        request: Any = ready.entry.order
        payer, now = request.requester, self._clock.steady()
        if not self._quota.admits(payer, now) or not stakes.take(match):
            return False
        self._quota.count(payer, now)
        return True

    async def _offer(
        self, entry: BookOrder, used: int, rules: Facts, in_use: InUse
    ) -> _Ready | None:
        request: Any = entry.order
        assert isinstance(request, RequestOrder)
        tasks = request.volume - used
        if tasks <= 0:
            return None
        want = Want(request, tasks, is_signed=True)
        wide = self._backoff.times(entry.order_hash) % 2 == 1
        found = cheapest_fitting(self._hub, self._market, want, rules, in_use, wide=wide)
        bundle = await found
        for each in bundle.parts if bundle else ():
            in_use.take(each, tasks)
        return _Ready(entry, used, tasks, bundle) if bundle else None

    async def _match(self, ready: _Ready) -> bool:
        """Send one match; whether it made a deal."""
        entry, now = ready.entry, self._clock.steady()
        request: Any = entry.order
        name = deal_id(entry.order_hash, ready.used)
        orders = ready.bundle.orders(Signed(request, entry.sign))
        try:
            receipt = await self._sender.send(f"match:{name}", orders)
        except Reverted as fault:
            log.info("match_refused", deal=str(name), cause=str(fault))
            self._backoff.put_off(entry.order_hash, now)
            return False
        log.info("request_matched", deal=str(name), tx=str(receipt.tx_hash))
        return True


def _wait(entry: BookOrder) -> Wait:
    request: Any = entry.order
    return matchers_wait(request)


def _locks(ready: _Ready, pool_owner: Address) -> MatchLocks:
    request: Any = ready.entry.order
    return MatchLocks.of(ready.bundle, ready.tasks, request.requester, pool_owner)
