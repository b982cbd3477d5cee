"""Buying of a lone pool: bags on the real contracts, and stake for the light workers that do them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from bench.lone_pool import LonePool
from bench.orders import Market
from poolhand.chain import connect
from poolhand.devnet.abi import call_data
from poolhand.devnet.accounts import COIN, DEPLOYER, POOL_ACCOUNT, REQUESTER, derive
from poolhand.devnet.artifacts import DEFAULT_CACHE, Artifacts, ensure
from poolhand.devnet.contracts import HUB_INTERFACE
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.transactions import SetupStep, next_nonce, settle, sign
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import Address
from poolhand.domain.onchain import CreateApp, Receipt
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import TransactionSender
from poolhand.settings.chain import ChainSettings
from poolhand.store.memory import MemoryJournal

PRICE: Final = NanoRlc(NANO_PER_RLC)
CATEGORY: Final = 1
"""Of 20 minutes: the last of a bag of 10,000 waits as long for the chain."""
STAKE: Final = NanoRlc(1_000 * NANO_PER_RLC)
"""Of each worker: enough for all that it may hold."""
AT_ONCE: Final = 200
"""Deposits in one block."""


@dataclass
class LoneMarket:
    """A requester that has an app, and a way to the chain."""

    market: Market
    sender: TransactionSender
    bought: int = 0

    async def buy(self, tasks: int) -> Receipt:
        """Buy a bag of trust 1; the receipt names the deal and its block."""
        self.bought += 1
        call = self.market.bag(tasks, 1, self.bought)
        return await self.sender.send(f"bag:{self.bought}", call)


@asynccontextmanager
async def lone_market(pool: LonePool) -> AsyncIterator[LoneMarket]:
    """Register an app and yield who buys it of the pool."""
    hub, chain_id = pool.deployed.hub, pool.deployed.chain_id
    requester, owner = _wallet(REQUESTER), _wallet(POOL_ACCOUNT)
    async with connect(ChainSettings((pool.node.ws_url,), hub, chain_id)) as chain:
        sender = chain.sender(requester, MemoryJournal())
        made = CreateApp(owner.address, "noop", b"registry.test/noop:1", bytes([7] * 32))
        app = (await sender.send("app", made)).created
        assert app is not None
        domain = order_domain(chain_id, hub)
        workerpool = pool.funded.workerpool
        market = Market(domain, app, workerpool, owner, requester, PRICE, CATEGORY)
        yield LoneMarket(market, sender)


async def endow(pool: LonePool, workers: Sequence[Address]) -> None:
    """Give workers coin for gas, and stake; no block comes by itself meanwhile."""
    artifacts = ensure(DEFAULT_CACHE)
    async with NodeRpc(pool.node.url) as rpc, pool.node.without_blocks():
        for first in range(0, len(workers), AT_ONCE):
            some = workers[first : first + AT_ONCE]
            await rpc.batch([("anvil_setBalance", (str(each), hex(COIN))) for each in some])
            await _stake(rpc, artifacts, pool, some)


async def _stake(
    rpc: NodeRpc, artifacts: Artifacts, pool: LonePool, workers: Sequence[Address]
) -> None:
    hub, giver = pool.deployed.hub, derive(DEPLOYER)
    approve = call_data(artifacts.token(), "approve", hub, STAKE * len(workers))
    steps = [SetupStep("approve", pool.deployed.rlc, approve)]
    for each in workers:
        given = call_data(artifacts.contract(HUB_INTERFACE), "depositFor", STAKE, str(each))
        steps.append(SetupStep("depositFor", hub, given))
    raw = sign(giver, steps, await next_nonce(rpc, giver), pool.deployed.chain_id)
    await settle(rpc, steps, raw)


def _wallet(name: str) -> Wallet:
    return Wallet.from_key(bytes(derive(name).key))
