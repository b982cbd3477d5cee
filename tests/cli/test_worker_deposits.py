"""Stake for a worker that runs: it deposits itself, once for each order."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from poolhand.domain.errors import ChainUnreachable

RLC = 10**9


async def test_a_deposit_is_made_by_the_worker_that_runs_and_told(program, operator):
    program.chain.fund(program.node.address, rlc=20 * RLC)
    await program.starts()
    before = program.chain.state.stake_of(program.node.address)
    code, told = await operator.reads("deposit", "1.5")
    assert code == 0
    assert told["deposited_nrlc"] == 3 * RLC // 2
    assert told["stake_nrlc"] == before + 3 * RLC // 2
    assert set(told["transaction"]) == {"tx", "block", "gas", "gas_price_wei"}
    code, shown, _ = await operator.types("deposit", "500 nRLC")
    assert code == 0
    free = before + 3 * RLC // 2 + 500
    assert f"{free // RLC}.5000005 RLC" in shown
    assert program.chain.state.stake_of(program.node.address) == free


async def test_a_deposit_that_is_asked_for_again_by_its_name_is_made_once(program, operator):
    program.chain.fund(program.node.address, rlc=20 * RLC)
    await program.starts()
    asked = [await operator.reads("deposit", "5", "--again", "0123abcd") for _ in range(2)]
    assert [code for code, _ in asked] == [0, 0]
    assert asked[0][1]["transaction"] == asked[1][1]["transaction"]
    assert program.chain.state.rlc_of(program.node.address) == 15 * RLC


async def test_a_deposit_that_is_refused_says_why_in_the_words_of_the_worker(
    program, operator, monkeypatch
):
    await program.starts()
    code, told = await operator.reads("deposit", "1")
    assert (code, told["error"]["code"]) == (2, "balance-too-low")
    assert f"send RLC to {program.node.address}" in told["error"]["message"]
    code, told = await operator.reads("deposit", "0")
    assert (code, told["error"]["code"]) == (2, "nothing-to-deposit")
    code, told = await operator.reads("deposit", "much")
    assert code == 2
    program.chain.gas_price = 1
    program.chain.fund(program.node.address, rlc=RLC)
    code, told = await operator.reads("deposit", "1")
    assert (code, told["error"]["code"]) == (2, "out-of-gas")
    monkeypatch.setenv("POOLHAND_WORKER_TOKEN", "wrong")
    url = json.loads((program.base / "worker.json").read_text())["url"]
    code, told = await operator.reads("deposit", "1", "--url", url, base=False)
    assert (code, told["error"]["code"]) == (2, "no-token")
    assert program.chain.state.rlc_of(program.node.address) == RLC


async def test_a_deposit_whose_end_is_unknown_says_how_to_ask_again(program, operator):
    program.chain.fund(program.node.address, rlc=20 * RLC)
    await program.starts()

    def broadcast_and_lost(*_):
        program.chain.after_send = None
        raise ChainUnreachable("no RPC endpoint answers: check them, or wait")

    program.chain.after_send = broadcast_and_lost
    code, told = await operator.reads("deposit", "5")
    assert (code, told["error"]["code"]) == (4, "chain-unreachable")
    again = told["error"]["message"].partition("`poolhand worker ")[2].partition("`")[0]
    code, told = await operator.reads(*again.split())
    assert (code, told["deposited_nrlc"]) == (0, 5 * RLC)
    assert program.chain.state.rlc_of(program.node.address) == 15 * RLC


async def test_ctrl_c_leaves_the_worker_depositing_and_says_how_to_ask_again(program):
    program.chain.fund(program.node.address, rlc=20 * RLC)
    await program.starts()
    sent = asyncio.Event()
    program.chain.automine, program.chain.after_send = False, lambda *_: sent.set()
    command = [sys.executable, "-m", "poolhand", "worker", "deposit", "5"]
    asking = await asyncio.create_subprocess_exec(
        *command, "--base", str(program.base), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await asyncio.wait_for(sent.wait(), 60)
    asking.send_signal(2)
    _, err = await asking.communicate()
    assert asking.returncode == 130
    assert b"goes on depositing" in err
    assert b"--again " in err
    await program.until(lambda: program.chain.state.rlc_of(program.node.address) == 15 * RLC)
