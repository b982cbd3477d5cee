"""The market's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, closing
from typing import Final

import httpx
import structlog

from poolhand.chain import connect
from poolhand.domain.errors import EndsProgram, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.market.requests import MatchQuota
from poolhand.domain.onchain import Head
from poolhand.keys.keystore import open_wallet
from poolhand.keys.lock import WalletLock
from poolhand.market.assembly import MarketWorld, assemble, pool_register, serve_market
from poolhand.market.follower import Follower
from poolhand.market.loss_rounds import LossRounds
from poolhand.market.matcher import Matcher
from poolhand.market.retention import MarketRetention
from poolhand.observe.outage_log import OutageLog
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock
from poolhand.settings.home import at_home
from poolhand.settings.market import MarketSettings
from poolhand.settings.matcher import MatcherSettings
from poolhand.settings.wallets import DEFAULT_KEYSTORE
from poolhand.store.file import FileJournal
from poolhand.store.market.database import MarketDatabase
from poolhand.store.section import Section
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.clock import SystemClock
from poolhand.transport.market_client import MarketClient
from poolhand.transport.plumbing import first_of
from poolhand.web.trusted import trusted

MARKET_TIMEOUT: Final = 30.0
"""Seconds for an answer of another's market to begin."""
PAUSE_BETWEEN_MARKET_CHAIN_TRIES: Final = 0.5
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
            world = MarketWorld(
                chain.market, chain.facts, chain.hub, trouble=lambda: watcher.trouble
            )
            register = pool_register(world, database, settings)
            app, follower = assemble(world, database, settings, register)
            await follower.open()
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            url = f"http://{host}:{port_of(listener)}"

            def announce(_port: int) -> None:
                log.info("market_serving", url=url)
                if ready is not None:
                    ready(url)

            following = follow(follower, watcher.heads(), SystemClock())
            asking = register.keep_asking(SystemClock()), register.words.keep_asking()
            looking = LossRounds(follower, database).keep_looking(SystemClock())
            forgetting = MarketRetention(database, settings.retention).keep_forgetting(
                SystemClock()
            )
            serving = serve_market(app, listener, announce)
            await first_of(serving, following, looking, forgetting, *asking)


async def match(settings: MatcherSettings, ready: Callable[[str], None] | None = None) -> None:
    """Match the requests of a market until cancelled.

    Args:
        settings: Of whoever pays the gas.
        ready: Told the market's URL once requests are looked at.

    Raises:
        WrongPassword, WalletInUse, JournalCorrupt: The wallet cannot be used.
        ChainUnreachable: No endpoint answers at the start.
    """
    guard_recursion()
    wallet = await asyncio.to_thread(
        open_wallet, settings.wallet, DEFAULT_KEYSTORE, settings.password
    )
    lock = WalletLock(settings.locks, wallet.address)
    async with AsyncExitStack() as stack:
        stack.callback(lock.release)
        lock.acquire()
        after = stack.enter_context(ExitStack())  # the journal outlives the connection
        chain = await stack.enter_async_context(connect(settings.chain))
        http = await stack.enter_async_context(
            httpx.AsyncClient(timeout=MARKET_TIMEOUT, verify=trusted(environment=True))
        )
        journal = after.enter_context(closing(_journal(settings, chain.facts, wallet.address)))
        matcher = Matcher(
            chain.hub,
            MarketClient(http, settings.market, chain.facts.domain),
            chain.sender(wallet, Section(journal, "tx")),
            MatchQuota(settings.most_matches, settings.match_window),
            SystemClock(),
        )
        log.info("matcher_started", market=settings.market, wallet=str(wallet.address))
        if ready is not None:
            ready(settings.market)
        await matcher.run()


def _journal(settings: MatcherSettings, facts: HubFacts, wallet: Address) -> FileJournal:
    home = at_home(settings.state) / f"{facts.chain_id}-{facts.hub}"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileJournal(home / f"{wallet}.journal")


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
            await clock.sleep(PAUSE_BETWEEN_MARKET_CHAIN_TRIES)


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
