"""A deposit while the pool runs: the pool itself sends it, for whoever may read its lock."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from started_pool import Started

from network.world import RLC
from poolhand.cli.held_wallet import HolderSilent, deposit_through
from poolhand.cli.worker_page import OrderRefused
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.scheduler.owner_orders import local_url


@pytest.fixture
async def started(tmp_path):
    made = Started(tmp_path)
    chain = made.world.chain
    chain.fund(made.world.owner.address, rlc=20 * RLC)
    made.sent = []

    def mine_soon(address, purpose, call):
        made.sent.append((address, purpose))
        asyncio.get_running_loop().call_soon(chain.mine)

    chain.after_send = mine_soon
    return made


def held(started):
    """Return what who asks for the pool's wallet is told."""
    with pytest.raises(WalletInUse) as caught:
        WalletLock(started.settings.locks, started.world.owner.address).acquire()
    return caught.value


async def deposits(started, amount):
    """Deposit as the command line does, from beside the pool."""
    with ThreadPoolExecutor(1) as beside:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(beside, deposit_through, held(started), amount)


def stake(started):
    return started.world.chain.state.stake_of(started.world.owner.address)


async def test_the_owner_deposits_while_the_pool_runs_and_the_pool_sends_it(started):
    before = stake(started)
    async with started.serving():
        receipt = await deposits(started, 5 * RLC)
    assert stake(started) == before + 5 * RLC
    assert receipt.succeeded
    assert [address for address, _ in started.sent] == [started.world.owner.address]


async def test_more_than_the_wallet_has_is_refused_in_the_chains_words(started):
    async with started.serving():
        with pytest.raises(OrderRefused, match="RLC"):
            await deposits(started, 21 * RLC)
    assert not started.sent


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer 00", "Basic x"])
async def test_whoever_has_not_the_token_orders_nothing(started, token):
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        url, body = held(started).orders.url, {"nrlc": RLC, "name": "order-0001"}
        given = {"Authorization": token} if token else {}
        for path in ("deposit", "drain"):
            for content in (json.dumps(body), '{"nrlc": "much"}', "no JSON"):
                sent = {"Content-Type": "application/json", **given}
                answer = await http.post(f"{url}/v1/{path}", content=content, headers=sent)
                assert (answer.status_code, answer.json()["code"]) == (401, "not-the-owner")
        assert "/v1/deposit" not in (await http.get(f"{url}/openapi.json")).json()["paths"]
    assert not started.sent


async def test_an_order_of_one_name_deposits_once(started):
    before = stake(started)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        for _ in range(2):
            answer = await http.post(
                f"{taken.url}/v1/deposit",
                json={"nrlc": RLC, "name": "order-0001"},
                headers={"Authorization": f"Bearer {taken.token}"},
            )
            assert answer.json()["stake_nrlc"] == before + RLC
    assert stake(started) == before + RLC


async def test_the_token_is_for_the_owner_alone_and_gone_with_the_pool(started):
    lock = started.settings.locks / f"{started.world.owner.address}.lock"
    async with started.serving():
        token = held(started).orders.token
        assert token in lock.read_text()
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        assert token not in repr(held(started).orders)
    with WalletLock(started.settings.locks, started.world.owner.address):
        assert token not in lock.read_text()


async def test_a_holder_that_does_not_answer_is_named(tmp_path, started):
    lock = WalletLock(tmp_path / "locks", started.world.owner.address)
    with lock, socket.create_server(("127.0.0.1", 0)) as gone:
        url = local_url(gone)
        gone.close()
        lock.take_orders(url, "token")
        with pytest.raises(HolderSilent, match=f"does not answer at {url}: wait until it is up"):
            deposit_through(held(started), RLC)


async def test_a_holder_that_takes_no_orders_is_told_as_it_is(tmp_path, started):
    lock = WalletLock(tmp_path / "locks", started.world.owner.address)
    with lock, pytest.raises(WalletInUse, match="stop that process"):
        deposit_through(held(started), RLC)


@pytest.mark.parametrize(
    ("bound", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_a_pool_that_listens_everywhere_is_reached_on_this_machine(bound, reached):
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.create_server((bound, 0), family=family) as listener:
        assert local_url(listener) == f"http://{reached}:{listener.getsockname()[1]}"
