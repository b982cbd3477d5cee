"""A pool begins only with the wallet that owns it, and only where nobody else uses that wallet."""

from __future__ import annotations

import pytest
from started_pool import Started

from memory_node import MemoryNode, RpcError
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.scheduler.main import NotThePoolsOwner


async def test_the_pools_owner_may_serve_it(tmp_path):
    started = Started(tmp_path)
    await started.serve()
    assert len(started.urls) == 1


async def test_another_wallet_may_not_serve_a_pool(tmp_path):
    started = Started(tmp_path, key=1)
    with pytest.raises(NotThePoolsOwner, match="give the keystore of the pool's owner"):
        await started.serve()
    assert not started.urls


async def test_a_pool_that_is_not_on_the_chain_is_not_served(tmp_path):
    started = Started(tmp_path, workerpool=Address(b"\x77" * 20))
    with pytest.raises(NotThePoolsOwner, match="no workerpool"):
        await started.serve()
    assert not started.urls


async def test_a_wallet_that_another_program_uses_serves_no_pool(tmp_path):
    started = Started(tmp_path)
    owner = started.world.owner.address
    with WalletLock(started.settings.locks, owner):
        with pytest.raises(WalletInUse):
            await started.serve()
        assert not started.urls
    await started.serve()
    assert len(started.urls) == 1


@pytest.mark.case("B1")
async def test_a_pool_that_cannot_read_the_history_is_not_called_ready(tmp_path):
    started = Started(tmp_path)
    started.node = MemoryNode(started.world.chain)

    def refuse(method, _params):
        if method == "eth_getLogs":
            raise RpcError(-32005, "block range limit exceeded")

    started.node.refuse = refuse
    with pytest.raises(ChainUnreachable, match="tells no logs of block"):
        await started.serve()
    assert not started.urls
    started.node.refuse = lambda _method, _params: None
    await started.serve()
    assert len(started.urls) == 1
