"""Fixtures of the tests of the chain."""

from __future__ import annotations

import asyncio

import pytest
from following import Followed
from wallet_world import funded

from chain_fixtures import WALLETS, anvil, anvil_world, deployed_chain  # noqa: F401 - fixtures
from memory_node import MemoryLink, MemoryNode, provider
from poolhand.chain.http_link import HttpLink
from poolhand.chain.socket_link import SocketLink
from poolhand.store.memory import MemoryJournal


@pytest.fixture
def wallet():
    return WALLETS[0]


@pytest.fixture
async def following():
    """Follow a stream into a list until the end of the test."""
    tasks: list[asyncio.Task] = []

    def follow(stream) -> Followed:
        found = Followed()
        tasks.append(asyncio.create_task(found.collect(stream)))
        return found

    yield follow
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def node():
    return funded(MemoryNode())


@pytest.fixture
def link(node):
    return MemoryLink(node)


@pytest.fixture
def journal():
    return MemoryJournal()


@pytest.fixture(params=["http", "ws"])
async def way(request):
    """A provider and a link to it."""
    async with provider() as served:
        link = HttpLink(served.url) if request.param == "http" else SocketLink(served.ws_url)
        yield served, link
        await link.close()


@pytest.fixture
async def http():
    async with provider() as served:
        link = HttpLink(served.url)
        yield served, link
        await link.close()
