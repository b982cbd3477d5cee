"""Connecting to a chain: check it, read what is fixed about its hub, keep following it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from poolhand.chain import abi
from poolhand.chain.errors import NoHub, WrongMode
from poolhand.chain.gas import GasRule
from poolhand.chain.heads import follow_heads
from poolhand.chain.hub import PocoHub
from poolhand.chain.link import Query
from poolhand.chain.market_reader import MarketReader
from poolhand.chain.pace import Pace
from poolhand.chain.quote import Quotes
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import (
    LONGEST_WAIT_FOR_ENDPOINTS,
    PAUSES_FOR_ENDPOINTS,
    LinkTo,
    Rpc,
    busy_for,
    link_to,
)
from poolhand.chain.sender import WalletSender
from poolhand.chain.watcher import ChainWatcher
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub, HubFacts, PostingSender, Watcher
from poolhand.ports.journal import DurableLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.market_chain import MarketChain
from poolhand.ports.signer import TransactionSigner
from poolhand.settings.chain import ChainSettings

_ADDRESSES: Final = (
    "token()",
    "appregistry()",
    "datasetregistry()",
    "workerpoolregistry()",
)


@dataclass(slots=True)
class _Work:
    """Background tasks of one connection; one that breaks is told to everybody who waits."""

    watcher: ChainWatcher
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: bool = False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        fault = _fault(task)
        if fault is not None and not self.stopping:
            self.watcher.bell.crack(fault)

    async def stop(self) -> None:
        self.stopping = True
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.watcher.bell.crack(ChainUnreachable("the chain was disconnected: connect again"))


def _fault(task: asyncio.Task[None]) -> BaseException | None:
    if task.cancelled():
        return BrokenPrecondition(f"{task.get_coro()} was cancelled while the chain is followed")
    return task.exception()


@dataclass(slots=True)
class Chain:
    """A connected chain; ``chain.fake.FakeChain`` has the same attributes."""

    facts: HubFacts
    hub: Hub
    watcher: Watcher
    market: MarketChain
    _make: Callable[[TransactionSigner, DurableLog, Fence], WalletSender] = field(repr=False)
    _quotes: Callable[[Address], Quotes] = field(repr=False)
    _senders: dict[Address, WalletSender] = field(default_factory=dict, repr=False)

    async def means_of(self, owner: Address) -> Means:
        """Return what somebody has for gas, and what gas costs; raises ChainUnreachable."""
        return await self._quotes(owner).means()

    def sender(
        self, wallet: TransactionSigner, journal: DurableLog, fence: Fence = UNFENCED
    ) -> PostingSender:
        """Return the sender of a wallet; there is one, whoever asks.

        Raises:
            BrokenPrecondition: Asked for before with another journal.
        """
        known = self._senders.get(wallet.address)
        if known is None:
            known = self._senders[wallet.address] = self._make(wallet, journal, fence)
        if known.journal is not journal:
            raise BrokenPrecondition(f"wallet {wallet.address} has a sender with another journal")
        return known


@asynccontextmanager
async def connect(
    settings: ChainSettings,
    retry: ChainRetry | None = None,
    link: LinkTo = link_to,
    pace: Pace | None = None,
) -> AsyncIterator[Chain]:
    """Connect to a chain and its hub, and follow them until the end of the context.

    Args:
        settings: Where they are.
        retry: Of a program that waits for its chain; None: it must be there.
        link: Opens the way to an endpoint.
        pace: Time between requests; the event loop's, if None.

    Raises:
        WrongChain: An endpoint is of another chain than ``settings.chain_id``, or than the first
            that answered.
        NoHub: There is no PoCo hub at ``settings.hub``.
        WrongMode: The hub is native and the settings say token, or the other way round.
        ChainUnreachable: No endpoint answers, and nobody asks again.
    """
    rule = GasRule(
        settings.gas_price_multiplier,
        settings.gas_price_cap,
        settings.native,
        settings.gas_tip_multiplier,
    )
    rpc = Rpc(settings.rpc_urls, settings.chain_id, link, pace)
    try:
        meet = partial(_meet, rpc, settings)
        facts = await (retry.ask(meet) if retry else meet())
        async with _follow(rpc, facts, rule, settings) as chain:
            yield chain
    finally:
        await rpc.close()


@asynccontextmanager
async def _follow(
    rpc: Rpc, facts: HubFacts, rule: GasRule, settings: ChainSettings
) -> AsyncIterator[Chain]:
    hub = PocoHub(rpc, facts)
    watcher = ChainWatcher(rpc, facts.hub, hub.forget_deals, settings.confirmations)
    work = _Work(watcher)

    def make(wallet: TransactionSigner, journal: DurableLog, fence: Fence) -> WalletSender:
        limits = settings.confirmations, settings.most_under_way
        made = WalletSender(rpc, hub, watcher, wallet, journal, rule, *limits, fence)
        work.start(made.run())
        return made

    def quotes(owner: Address) -> Quotes:
        return Quotes(rpc, hub, rule, owner, lambda: watcher.window.tip)

    chain = Chain(facts, hub, watcher, MarketReader(rpc, facts), make, quotes)
    for endpoint in rpc.endpoints:
        work.start(follow_heads(rpc, endpoint, settings.poll_seconds))
    work.start(watcher.run())
    try:
        yield chain
    finally:
        await work.stop()
        for sender in chain._senders.values():  # noqa: SLF001 - this module's own
            await sender.close()


async def _meet(rpc: Rpc, settings: ChainSettings) -> HubFacts:
    """Check the endpoints, and read what is fixed about the hub."""
    await _check_endpoints(rpc)
    return await _read_facts(rpc, settings)


async def _check_endpoints(rpc: Rpc) -> None:
    """Check every endpoint that answers; at least one must, be it after a while."""
    waited = 0.0
    for pause in (*PAUSES_FOR_ENDPOINTS, math.inf):
        silent = await _silent(rpc)
        if len(silent) < len(rpc.endpoints):
            return
        wait = busy_for(silent, pause)
        if waited + wait > LONGEST_WAIT_FOR_ENDPOINTS:
            break
        waited += wait
        await rpc.bide(wait, silent)
    told = "; ".join(map(str, silent))
    raise ChainUnreachable(told or "no RPC endpoint is named: give one")


async def _silent(rpc: Rpc) -> list[EndpointDown]:
    """Ask every endpoint for its chain; returns why some did not answer."""
    told = await asyncio.gather(*map(rpc.admit, rpc.endpoints), return_exceptions=True)
    silent = []
    for endpoint, fault in zip(rpc.endpoints, told, strict=True):
        if isinstance(fault, EndpointDown):
            rpc.fail(endpoint, fault)
            silent.append(fault)
        elif fault is not None:
            raise fault
    return silent


async def _read_facts(rpc: Rpc, settings: ChainSettings) -> HubFacts:
    hub = settings.hub
    queries: list[Query[Any]] = [_view(hub, name, abi.address) for name in _ADDRESSES]
    queries.append(_view(hub, "callbackgas()", abi.word))
    found: list[Any] = []
    for answer in await rpc.ask_all(queries):
        if isinstance(answer, NodeRefusal):
            raise NoHub(hub, f"another contract: {answer.text}")
        if answer is None:
            raise NoHub(hub, "no contract")
        found.append(answer)
    token, apps, datasets, pools, callback_gas = found
    if apps.is_zero:
        raise NoHub(hub, "it is not configured")
    if token.is_zero != settings.native:
        raise WrongMode(hub, native=settings.native)
    assert rpc.chain_id is not None
    rlc = None if token.is_zero else token
    return HubFacts(rpc.chain_id, hub, rlc, apps, datasets, pools, callback_gas)


def _view(hub: Address, signature: str, read: Any) -> Query[Any]:
    call = {"from": str(hub), "to": str(hub), "data": abi.calldata(signature)}
    return Query("eth_call", (call, "latest"), abi.optional(read))
