"""Anvil with the PoCo contracts: deployed once per session, a fresh copy for every test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from poolhand.chain import Chain, connect
from poolhand.devnet.abi import call_data
from poolhand.devnet.accounts import DEPLOYER, derive
from poolhand.devnet.artifacts import DEFAULT_CACHE, Artifacts, ensure
from poolhand.devnet.contracts import DeployedContracts, deploy
from poolhand.devnet.node import Anvil
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.transactions import SetupStep, next_nonce, settle, sign
from poolhand.domain.units import NANO_PER_RLC
from poolhand.keys.wallet import Wallet
from poolhand.settings.chain import ChainSettings
from poolhand.store.memory import MemoryJournal

WALLETS = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
COIN = 10**18
FUNDS = 10_000 * NANO_PER_RLC


@dataclass
class DeployedChain:
    """A saved chain on which the contracts are and every wallet has RLC and coin."""

    artifacts: Artifacts
    contracts: DeployedContracts
    state: Path


@dataclass
class Node:
    """A fresh copy of the deployed chain."""

    anvil: Anvil
    contracts: DeployedContracts
    journals: dict = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.anvil.url

    @property
    def ws_url(self) -> str:
        return self.anvil.ws_url

    async def rpc(self, method: str, *params):
        return await self.anvil.rpc(method, *params)

    def settings(self, *urls: str, **changes) -> ChainSettings:
        known = {"chain_id": 31337, "poll_seconds": 0.05, **changes}
        return ChainSettings(urls or (self.ws_url,), self.contracts.hub, **known)

    def sender(self, chain: Chain, wallet: Wallet):
        return chain.sender(wallet, self.journals.setdefault(wallet.address, MemoryJournal()))

    async def advance(self, seconds: int) -> None:
        """Mine a block that many seconds after the newest one."""
        if seconds > 0:
            head = await self.rpc("eth_getBlockByNumber", "latest", False)
            await self.rpc("evm_setNextBlockTimestamp", int(head["timestamp"], 16) + seconds)
        await self.rpc("evm_mine")

    async def pooled(self, count: int) -> None:
        """Ask, at most 20 s, until so many transactions wait for a block."""
        async with asyncio.timeout(60):
            while int((await self.rpc("txpool_status"))["pending"], 16) < count:
                pass

    async def turn_back(self, depth: int) -> None:
        """Replace the last blocks by empty ones; from now on blocks come when asked for alone.

        A node that mines as transactions come does not always hear of those that a fork set free.
        """
        await self.rpc("evm_setAutomine", False)
        await self.rpc("anvil_reorg", depth, [])

    async def mine_again(self, count: int) -> None:
        """Mine so many transactions, once their senders have sent them again."""
        await self.pooled(count)
        await self.rpc("evm_mine")


@pytest.fixture(scope="session")
def deployed_chain(tmp_path_factory) -> DeployedChain:
    folder = tmp_path_factory.mktemp("deployed")
    with ThreadPoolExecutor(1) as thread:  # a test's event loop may be running here
        return thread.submit(lambda: asyncio.run(_deploy(folder))).result()


async def _deploy(folder: Path) -> DeployedChain:
    artifacts = ensure(DEFAULT_CACHE)
    async with Anvil(artifacts.anvil, folder, save_seconds=None) as node:
        deployer = derive(DEPLOYER)
        contracts = await deploy(node.url, artifacts, deployer)
        token = artifacts.token()
        async with NodeRpc(node.url) as rpc:
            steps = [
                SetupStep(
                    "fund", contracts.rlc, call_data(token, "transfer", wallet.address, FUNDS)
                )
                for wallet in WALLETS
            ]
            nonce = await next_nonce(rpc, deployer)
            await settle(rpc, steps, sign(deployer, steps, nonce, contracts.chain_id))
            for wallet in WALLETS:
                await rpc.call("anvil_setBalance", str(wallet.address), hex(100 * COIN))
        await node.save()
    return DeployedChain(artifacts, contracts, folder / "state.json")


def _copy(state: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(state, folder / "state.json")


@asynccontextmanager
async def fresh_node(deployed: DeployedChain, folder: Path, **options) -> AsyncIterator[Node]:
    await asyncio.to_thread(_copy, deployed.state, folder)
    options = {"save_seconds": None, **options}
    async with Anvil(deployed.artifacts.anvil, folder, **options) as node:
        yield Node(node, deployed.contracts)


@pytest.fixture
async def anvil(deployed_chain, tmp_path):
    async with fresh_node(deployed_chain, tmp_path / "anvil") as node:
        yield node


@pytest.fixture
def anvil_world(deployed_chain, tmp_path):
    @asynccontextmanager
    async def make():
        from hub_world import World

        async with (
            fresh_node(deployed_chain, tmp_path / "anvil") as node,
            connect(node.settings()) as chain,
        ):

            async def total() -> int:
                owners = [wallet.address for wallet in WALLETS]
                accounts = await chain.hub.accounts(owners)
                inside = sum(account.stake + account.locked for account in accounts.values())
                outside = await chain.hub.rlc_balances(owners)
                return inside + sum(outside.values()) + await chain.hub.kitty()

            def sender(wallet: Wallet):
                return node.sender(chain, wallet)

            async def hold() -> None:
                await node.rpc("evm_setAutomine", False)

            async def put(address, contract) -> None:
                await node.rpc("anvil_setCode", str(address), "0x" + contract.code.hex())

            wallets, advance = list(WALLETS), node.advance
            yield World(chain.hub, chain.watcher, wallets, sender, advance, total, hold, put)

    return make
