"""Anvil starts, goes on where it stopped, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import psutil
import pytest

from poolhand.devnet.node import Anvil, NodeDied
from poolhand.domain.errors import ChainUnreachable

pytestmark = pytest.mark.chain

ORPHAN = """
import asyncio, sys
from pathlib import Path
from poolhand.devnet.node import Anvil

async def main():
    async with Anvil(Path(sys.argv[1]), Path(sys.argv[2])) as node:
        await node.rpc("anvil_setBalance", "0x" + "11" * 20, "0x7")
        await node.rpc("evm_mine")
        print(node.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def gone(pid):
    async with asyncio.timeout(60):
        # a grandchild's end is told to nobody
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_answers_on_loopback_and_is_gone_afterwards(found, tmp_path):
    async with Anvil(found.anvil, tmp_path) as node:
        pid = node.pid
        assert await node.rpc("eth_chainId") == hex(31337)
        listening = psutil.Process(pid).net_connections("tcp")
        assert {each.laddr.ip for each in listening} == {"127.0.0.1"}
    assert not psutil.pid_exists(pid)
    assert node.pid is None
    with pytest.raises(ChainUnreachable):
        await node.rpc("eth_chainId")


async def test_a_chain_that_need_not_be_kept_is_written_when_asked_for_alone(found, tmp_path):
    async with Anvil(found.anvil, tmp_path, save_seconds=None) as node:
        await node.rpc("evm_mine")
    assert not list(tmp_path.glob("*.json"))
    async with Anvil(found.anvil, tmp_path, save_seconds=None) as node:
        await node.rpc("anvil_mine", "0x7")
        await node.save()
        await node.rpc("evm_mine")
    async with Anvil(found.anvil, tmp_path, save_seconds=None) as node:
        assert int(await node.rpc("eth_blockNumber"), 16) == 7


async def test_a_chain_goes_on_where_it_stopped(found, tmp_path):
    async with Anvil(found.anvil, tmp_path) as node:
        first, second, *_ = await node.rpc("eth_accounts")
        order = {"from": first, "to": second, "value": "0x5"}
        sent = await node.rpc("eth_sendTransaction", order)
        await node.rpc("evm_mine")  # automine may not have come to it yet
        port = node.port
    async with Anvil(found.anvil, tmp_path, port=port, block_time=1) as node:
        assert node.port == port
        assert (await node.rpc("eth_getTransactionReceipt", sent))["status"] == "0x1"


async def test_a_taken_port_is_not_insisted_on(found, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        async with Anvil(found.anvil, tmp_path, port=taken) as node:
            assert node.port != taken


async def test_it_ends_and_saves_when_its_program_is_killed(found, tmp_path):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHAN, found.anvil, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    pid = int(await program.stdout.readline())
    program.kill()
    await program.communicate()
    try:
        await gone(pid)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)  # a failure here leaves no process either
        raise
    async with Anvil(found.anvil, tmp_path) as node:
        assert await node.rpc("eth_getBalance", "0x" + "11" * 20, "latest") == "0x7"


async def test_a_killed_anvil_costs_no_more_than_since_the_last_save(found, tmp_path):
    async with Anvil(found.anvil, tmp_path) as node:
        await node.rpc("evm_mine")
        await node.save()
        os.kill(node.pid, signal.SIGKILL)
        await gone(node.pid)
    (tmp_path / "exit.json").write_text('{"block": {')  # cut short while Anvil wrote it
    async with Anvil(found.anvil, tmp_path) as node:
        assert await node.rpc("eth_blockNumber") == "0x1"


async def test_keys_go_to_the_log_of_the_owner_alone(found, tmp_path, capfd):
    async with Anvil(found.anvil, tmp_path) as node:
        assert node.log.stat().st_mode & 0o777 == 0o600
    assert capfd.readouterr() == ("", "")


async def test_a_program_that_ends_at_once_is_told_with_its_log(tmp_path):
    with pytest.raises(NodeDied, match=r"anvil\.log"):
        async with Anvil(tmp_path / "no-such-anvil", tmp_path):
            pass
