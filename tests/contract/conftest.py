"""Worlds for the suites that the fake chain and the real contracts share."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from hub_world import RLC, Group, Market, World

from chain_fixtures import anvil, anvil_world, deployed_chain  # noqa: F401 - fixtures
from memory_node import MemoryLink, MemoryNode, linked
from poolhand.chain.fake import FakeChain
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal
from postgres_fixtures import postgres, postgres_server  # noqa: F401 - fixtures


@pytest.fixture(params=["fake", "memory", pytest.param("anvil", marks=pytest.mark.chain)])
async def world(request):
    if request.param == "fake":
        yield fake_world()
        return
    if request.param == "memory":
        async with memory_world() as made:
            yield made
        return
    async with request.getfixturevalue("anvil_world")() as made:
        yield made


@asynccontextmanager
async def memory_world():
    """The real adapter over a node in memory: no socket, no process."""
    node = MemoryNode()
    wallets, journals = funded(node.chain), {}

    async def advance(seconds: int) -> None:
        node.mine(seconds)

    async def total() -> int:
        return node.chain.total_nrlc()

    async def hold() -> None:
        node.automine = False

    async with linked(MemoryLink(node)) as chain:

        def sender(wallet):
            return chain.sender(wallet, journals.setdefault(wallet.address, MemoryJournal()))

        put = putting(node.chain)
        yield World(chain.hub, chain.watcher, wallets, sender, advance, total, hold, put)


def putting(chain: FakeChain):
    """Return what makes an address of a fake chain a contract."""

    async def put(address, contract) -> None:
        if isinstance(contract, Group):
            chain.form_group(address, [contract.member])
        else:
            chain.deploy(address, lambda digest, _sign: digest == contract.digest)

    return put


def funded(chain: FakeChain) -> list[Wallet]:
    wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
    for wallet in wallets:
        chain.fund(wallet.address, rlc=NanoRlc(10_000 * RLC), coin=Wei(100 * 10**18))
    return wallets


def fake_world() -> World:
    chain = FakeChain()
    wallets = funded(chain)

    async def advance(seconds: int) -> None:
        chain.mine(seconds)

    async def total() -> int:
        return chain.total_nrlc()

    async def hold() -> None:
        chain.automine = False

    put = putting(chain)
    return World(chain.hub, chain.watcher, wallets, chain.sender, advance, total, hold, put)


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", POSTGRES])
def database(request, tmp_path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/pool.db"
    return request.getfixturevalue("postgres")


@pytest.fixture
async def market(world: World):
    before = await world.total()
    opened = await Market.open(world)
    yield opened
    assert await world.total() == before
