"""A market in one process whose pool does every task that is bought, at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

from bargains import LINK, compute
from test_results import archive

from poolhand.domain.onchain import Initialize
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.transport.clock import SystemClock
from requester_market import Market, open_market

RLC = NANO_PER_RLC
PRICE = NanoRlc(2 * RLC)
"""Of one task."""
NAMED = {"rpc": "http://chain.test", "hub": "0x" + "11" * 20}
"""A chain that no client of these tests reads, for the market is in its process."""


class Bazaar:
    """Opens requesters; the market itself begins with the first, in whichever loop that is.

    Attributes:
        market: What it is.
        opened, closed: How many requesters were opened and closed.
        lazy: Deals are left undone.
        fails_to_open: Raised by the next opening, once.
        wallet: False opens requesters that only read.
        does: Does the tasks of a deal otherwise than ``do``.
    """

    def __init__(self, folder) -> None:
        self._folder = folder
        self.market: Market
        self.opened = self.closed = 0
        self.lazy = False
        self.fails_to_open: Exception | None = None
        self.wallet = None
        self.does = None
        self.settings = []
        self.all_closed = asyncio.Event()
        self._has_begun = False
        self._done = set()

    @asynccontextmanager
    async def open(self, settings):
        if self.fails_to_open is not None:
            fault, self.fails_to_open = self.fails_to_open, None
            raise fault
        self.settings.append(settings)
        if not self._has_begun:
            self._has_begun = True
            self.market = await open_market(self._folder)
            self.market.clock = SystemClock()
        work = asyncio.create_task(self._work())
        self.opened += 1
        try:
            yield self.market.requester(self.wallet)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            self.closed += 1
            if self.closed == self.opened:
                self.all_closed.set()

    async def _work(self):
        await self._do_all()
        async for _ in self.market.chain.watcher.heads():
            await self._do_all()

    async def _do_all(self):
        for deal in tuple(self.market.chain.state.deals.values()):
            if not self.lazy and deal.deal_id not in self._done:
                self._done.add(deal.deal_id)
                await (self.does or do)(self.market, deal)


async def put_on_chain(market, deal):
    calls = Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    await market.chain.sender(market.pool.owner).send(f"init:{deal.deal_id}", calls)


async def do(market, deal):
    """Do all tasks of a deal, as a pool and its workers would."""
    await put_on_chain(market, deal)
    for _, task_id in deal.tasks():
        market.results.archives[task_id] = archive()
        await compute(market, task_id, link=LINK)
