"""The market's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Final

import structlog

from poolhand.chain import connect
from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.domain.onchain import Head
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.market.follower import Follower
from poolhand.observe.outage_log import OutageLog
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.clock import Clock
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.asgi import bind, port_of, serve_on
from poolhand.transport.clock import SystemClock
from poolhand.transport.plumbing import first_of

PAUSE: Final = 0.5
"""Seconds before a look at the chain that failed is repeated."""
log = structlog.get_logger()


async def serve(settings: MarketSettings, ready: Callable[[str], None] | None = None) -> None:
    """Run the market until cancelled.

    Args:
        settings: Of the operator.
        ready: Told the URL once requests are answered.

    Raises:
        PortBusy, CannotListen: The port cannot be had.
        BookLocked, BookTooNew, BookOfAnotherChain, BookUnwritable: The database cannot be used.
        ChainUnreachable: No endpoint answers at the start.
    """
    guard_recursion()
    listener = bind(settings.host, settings.port)
    with listener, closing(MarketDatabase(settings.database)) as database:
        retry = ChainRetry(SystemClock(), chain_outage("the market"), lasts=False)
        async with connect(settings.chain, retry) as chain:
            database.claim(chain.facts.chain_id, chain.facts.hub)
            watcher = chain.watcher
            world = MarketWorld(chain.market, chain.facts, trouble=lambda: watcher.trouble)
            app, follower = assemble(world, database, settings)
            await follower.open()
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            url = f"http://{host}:{port_of(listener)}"

            def announce(_port: int) -> None:
                log.info("market_serving", url=url)
                if ready is not None:
                    ready(url)

            following = follow(follower, watcher.heads(), SystemClock())
            await first_of(serve_on(app, listener, announce), following)


async def follow(follower: Follower, heads: AsyncIterator[Head], clock: Clock) -> None:
    """Bring the book forward with every block, whatever fails meanwhile, for ever."""
    outage = OutageLog(
        "book_stands_still",
        "book_goes_on",
        acts="operator of the RPC endpoint or of the database",
        next_step="bring it back; the market goes on from the block where it stands",
    )
    async for _ in heads:
        while not await _brought_forward(follower, outage):
            await clock.sleep(PAUSE)


async def _brought_forward(follower: Follower, outage: OutageLog) -> bool:
    try:
        await follower.advance()
    except EndsProgram:
        raise
    except Unavailable as fault:
        outage.tell(fault)
        return False
    outage.over()
    return True
