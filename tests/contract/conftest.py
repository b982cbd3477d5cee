"""Worlds for the suites that the fake chain and the real contracts share."""

from __future__ import annotations

import pytest
from hub_world import RLC, World

from chain_fixtures import anvil, anvil_world, deployed_chain  # noqa: F401 - fixtures
from poolhand.chain.fake import FakeChain
from poolhand.domain.units import NanoRlc
from poolhand.keys import Wallet


@pytest.fixture(params=["fake", pytest.param("anvil", marks=pytest.mark.chain)])
async def world(request):
    if request.param == "fake":
        yield fake_world()
        return
    async with request.getfixturevalue("anvil_world")() as made:
        yield made


def fake_world() -> World:
    chain = FakeChain()
    wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
    for wallet in wallets:
        chain.fund(wallet.address, rlc=NanoRlc(10_000 * RLC))

    async def advance(seconds: int) -> None:
        chain.mine(seconds)

    async def total() -> int:
        return chain.total_nrlc()

    return World(chain.hub, chain.watcher, wallets, chain.sender, advance, total)
