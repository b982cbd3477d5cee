"""A node that lags, refuses, drops and forgets; and re-organisations of a real Anvil."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from poolhand.devnet.accounts import derive
from poolhand.devnet.faults.bad_node import BadNode
from poolhand.devnet.faults.blocks import keep_gas_dear, reorganise
from poolhand.devnet.faults.kinds import (
    DropTransactions,
    Lag,
    LoseAnswers,
    TooManyRequests,
)
from poolhand.devnet.faults.lagging import answered, asked, is_beyond
from poolhand.devnet.node import Anvil
from poolhand.devnet.rpc import NodeRefused, NodeRpc
from poolhand.domain.errors import ChainUnreachable

SECONDS = 20
TO = "0x" + "11" * 20


@pytest.fixture
async def paced(found, tmp_path):
    """A node that mines when told to."""
    async with Anvil(found.anvil, tmp_path / "chain", save_seconds=3600) as running:
        await running.rpc("evm_setAutomine", False)
        yield running


@pytest.fixture
async def world(paced):
    """A bad node in front of it; who calls is what ``caller`` says."""
    told = SimpleNamespace(caller="pool", node=paced)
    async with (
        BadNode(lambda: paced.url, lambda _port: told.caller) as told.bad,
        NodeRpc(f"http://127.0.0.1:{told.bad.port}", timeout=SECONDS) as told.rpc,
    ):
        yield told


async def mine(node, blocks=1):
    for _ in range(blocks):
        await node.rpc("evm_mine")


async def next_block(node):
    """Wait until a block has come by itself."""
    before = await node.rpc("eth_blockNumber")
    async with asyncio.timeout(SECONDS):
        while await node.rpc("eth_blockNumber") == before:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def height(rpc) -> int:
    return int(await rpc.call("eth_blockNumber"), 16)


def made(nonce: int):
    return derive("pool").sign_transaction(
        {
            "chainId": 31337,
            "nonce": nonce,
            "to": TO,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 1,
        }
    )


def signed(nonce: int) -> str:
    return made(nonce).raw_transaction.to_0x_hex()


async def sent(rpc, nonce: int) -> str:
    return await rpc.call("eth_sendRawTransaction", signed(nonce))


async def receipt(rpc, tx: str):
    return await rpc.call("eth_getTransactionReceipt", tx)


async def balance(rpc) -> int:
    return int(await rpc.call("eth_getBalance", TO, "latest"), 16)


@asynccontextmanager
async def socket(world):
    async with connect(f"ws://127.0.0.1:{world.bad.port}", proxy=None) as line:

        async def ask(method, *params):
            await line.send(
                json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
            )
            return await told()

        async def told():
            async with asyncio.timeout(SECONDS):
                return json.loads(await line.recv())

        yield SimpleNamespace(ask=ask, told=told)


def number_of(message) -> int:
    return int(message["params"]["result"]["number"], 16)


# ------------------------------------------------------------------------------------ no fault


@pytest.mark.chain
async def test_without_a_fault_everything_passes(world):
    await mine(world.node, 3)
    tx = await sent(world.rpc, 0)
    await mine(world.node)
    assert await height(world.rpc) == 4
    assert (await receipt(world.rpc, tx))["status"] == "0x1"
    with pytest.raises(NodeRefused, match="nonce too low"):
        await sent(world.rpc, 0)


@pytest.mark.chain
async def test_a_batch_and_a_subscription_pass(world):
    async with socket(world) as line:
        subscription = (await line.ask("eth_subscribe", "newHeads"))["result"]
        await mine(world.node)
        head = await line.told()
        assert head["params"]["subscription"] == subscription
        assert number_of(head) == 1
        assert (await line.ask("eth_chainId"))["result"] == hex(31337)
    assert await world.rpc.batch([("eth_chainId", ()), ("eth_blockNumber", ())]) == [
        hex(31337),
        hex(1),
    ]


# ----------------------------------------------------------------------------------------- lag


@pytest.mark.chain
async def test_a_lagging_node_stays_then_follows_at_its_distance_and_catches_up(world):
    await mine(world.node, 5)
    await world.bad.set(Lag(2))
    seen = []
    for _ in range(4):
        await mine(world.node)
        seen.append(await height(world.rpc))
    assert seen == [5, 5, 6, 7]
    await world.bad.clear(Lag(2))
    assert await height(world.rpc) == 9


@pytest.mark.chain
async def test_a_lagging_node_has_no_receipt_no_balance_and_no_block_of_what_it_has_not_seen(world):
    await mine(world.node)
    await world.bad.set(Lag(3))
    tx = await sent(world.rpc, 0)
    await mine(world.node)
    head = await world.node.rpc("eth_getBlockByNumber", "latest", False)
    assert await receipt(world.rpc, tx) is None
    assert (await world.rpc.call("eth_getTransactionByHash", tx))["blockNumber"] is None
    assert await balance(world.rpc) == 0
    assert (
        await world.rpc.call("eth_getTransactionCount", derive("pool").address, "latest") == "0x0"
    )
    assert await world.rpc.call("eth_getBlockByNumber", head["number"], False) is None
    assert await world.rpc.call("eth_getBlockByHash", head["hash"], False) is None
    assert await world.rpc.call("eth_getLogs", {"fromBlock": head["number"]}) == []
    with pytest.raises(NodeRefused, match="unknown block"):
        await world.rpc.call("eth_getLogs", {"blockHash": head["hash"]})
    await mine(world.node, 3)
    assert (await receipt(world.rpc, tx))["status"] == "0x1"
    assert await balance(world.rpc) == 1


@pytest.mark.chain
async def test_a_lagging_node_tells_subscribers_late_and_all_of_it_once_it_is_healed(world):
    async with socket(world) as line:
        await line.ask("eth_subscribe", "newHeads")
        await world.bad.set(Lag(2))
        await mine(world.node, 3)
        assert number_of(await line.told()) == 1
        # what comes next is the answer to a question, not another head
        assert (await line.ask("eth_chainId"))["id"] == 7
        await world.bad.clear(Lag(2))
        assert [number_of(await line.told()) for _ in range(2)] == [2, 3]


@pytest.mark.chain
async def test_a_fault_may_be_for_one_caller_alone(world):
    await world.bad.set(Lag(5, caller="worker-1"))
    await mine(world.node)
    assert await height(world.rpc) == 1
    world.caller = "worker-1"
    assert await height(world.rpc) == 0


blocks = st.integers(0, 50)


@given(view=blocks, block=blocks)
def test_no_answer_of_a_lagging_node_is_of_a_newer_block(view, block):
    for method, field in (
        ("eth_getTransactionReceipt", "blockNumber"),
        ("eth_getBlockByHash", "number"),
    ):
        shown = answered({"method": method}, {"result": {field: hex(block)}}, view)["result"]
        assert (shown is None) == (block > view)
    number = answered({"method": "eth_blockNumber"}, {"result": hex(block)}, view)["result"]
    assert int(number, 16) == min(block, view)


@given(
    view=blocks,
    method=st.sampled_from(
        ["eth_call", "eth_estimateGas", "eth_getBalance", "eth_getBlockByNumber"]
    ),
    tag=st.sampled_from([None, "latest", "safe"]),
)
def test_what_asks_for_the_newest_block_is_asked_at_the_view(view, method, tag):
    before = [] if method == "eth_getBlockByNumber" else ["x"]
    params = [*before, *([] if tag is None else [tag])]
    assert asked({"method": method, "params": params}, view)["params"] == [*before, hex(view)]


@given(view=blocks, block=blocks)
def test_a_block_named_by_number_is_beyond_exactly_when_it_is_newer(view, block):
    call = {"method": "eth_call", "params": [{}, hex(block)]}
    assert is_beyond(call, view) == (block > view)
    logs = {"method": "eth_getLogs", "params": [{"fromBlock": hex(block)}]}
    assert is_beyond(logs, view) == (block > view)
    assert not is_beyond({"method": "eth_call", "params": [{}, "latest"]}, view)


# ------------------------------------------------------------------- refusing, dropping, losing


@pytest.mark.chain
async def test_an_overloaded_node_says_429_and_when_to_come_back(world):
    await world.bad.set(TooManyRequests(every=2, retry_after=7))
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [await client.post(world.rpc.url, json=body) for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 429, 200, 429]
    assert answers[1].headers["Retry-After"] == "7"
    async with socket(world) as line:
        told = [await line.ask("eth_chainId") for _ in range(2)]
    assert [each.get("error", {}).get("code") for each in told] == [None, 429]


@pytest.mark.chain
async def test_a_dropped_transaction_is_answered_with_its_hash_and_gone(world):
    await world.bad.set(DropTransactions(every=2))
    kept, dropped = [await sent(world.rpc, nonce) for nonce in (0, 1)]
    assert dropped == made(1).hash.to_0x_hex()
    await mine(world.node)
    assert (await receipt(world.rpc, kept))["status"] == "0x1"
    assert await receipt(world.rpc, dropped) is None
    assert await world.node.rpc("eth_getTransactionByHash", dropped) is None


@pytest.mark.chain
async def test_a_lost_answer_was_obeyed(world):
    await world.bad.set(LoseAnswers())
    with pytest.raises(ChainUnreachable):
        await sent(world.rpc, 0)
    await mine(world.node)
    assert await balance(world.rpc) == 1


@pytest.mark.chain
async def test_a_lost_answer_on_a_socket_never_comes_and_the_rest_does(world):
    await world.bad.set(LoseAnswers("eth_chainId"))
    async with socket(world) as line:
        asking = asyncio.create_task(line.ask("eth_chainId"))
        await asyncio.wait([asking], timeout=0.3)
        assert not asking.done()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert (await line.ask("eth_blockNumber"))["result"] == "0x0"


@pytest.mark.chain
async def test_a_node_that_is_gone_takes_the_connections_with_it_and_comes_back(world):
    async with socket(world) as line:
        await line.ask("eth_subscribe", "newHeads")
        await world.node.end(signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            await line.told()
    with pytest.raises(ChainUnreachable):
        await height(world.rpc)
    await world.node.restart()
    assert await height(world.rpc) == 0


# ---------------------------------------------------------------------------------- the chain


@pytest.mark.chain
@pytest.mark.parametrize("depth", [1, 5])
async def test_transactions_of_removed_blocks_come_back_to_the_pool(paced, depth):
    hashes = []
    for nonce in range(5):
        hashes.append(await paced.rpc("eth_sendRawTransaction", signed(nonce)))
        await mine(paced)
    old = await paced.rpc("eth_getBlockByNumber", "latest", False)
    assert await reorganise(paced, depth, lose=False) == depth
    new = await paced.rpc("eth_getBlockByNumber", "latest", False)
    assert (new["number"], new["transactions"]) == (old["number"], [])
    assert new["hash"] != old["hash"]
    assert await paced.rpc("eth_getTransactionReceipt", hashes[-1]) is None
    await mine(paced)
    for tx in hashes:
        assert (await paced.rpc("eth_getTransactionReceipt", tx))["status"] == "0x1"


@pytest.mark.chain
async def test_transactions_of_removed_blocks_may_be_lost(paced):
    tx = await paced.rpc("eth_sendRawTransaction", signed(0))
    await mine(paced)
    assert await reorganise(paced, 1, lose=True) == 1
    await mine(paced, 2)
    assert await paced.rpc("eth_getTransactionByHash", tx) is None


@pytest.mark.chain
async def test_gas_is_dear_in_every_block_until_it_is_not(paced):
    await mine(paced)
    keeping = asyncio.create_task(keep_gas_dear(paced, 100))
    fees = []
    async with asyncio.timeout(SECONDS):
        while fees[-3:] != [100 * 10**9] * 3:
            await asyncio.wait([keeping], timeout=0.3)
            await mine(paced)
            head = await paced.rpc("eth_getBlockByNumber", "latest", False)
            fees.append(int(head["baseFeePerGas"], 16))
    keeping.cancel()
    await asyncio.wait([keeping])
    assert max(fees) == 100 * 10**9


@pytest.mark.chain
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_node_ended_and_started_again_has_every_block_and_its_pace(found, tmp_path, number):
    async with Anvil(found.anvil, tmp_path, save_seconds=3600) as node:
        await node.pace(1)
        tx = await node.rpc("eth_sendRawTransaction", signed(0))
        await next_block(node)
        await next_block(node)
        pid = node.pid
        await node.end(number)
        assert node.pid is None
        with pytest.raises(ChainUnreachable):
            await node.rpc("eth_chainId")
        await node.restart()
        assert node.pid not in (None, pid)
        assert (await node.rpc("eth_getTransactionReceipt", tx))["status"] == "0x1"
        await next_block(node)
