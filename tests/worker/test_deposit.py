"""A deposit ordered over a running worker's page: by its owner alone, once, the reserve kept."""

from __future__ import annotations

import asyncio
import re
import signal

import httpx
import pytest

from lonely_worker import LonelyProgram, signal_me
from poolhand.chain.errors import Displaced
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.gas_reserve import REVEAL_GAS
from poolhand.domain.ids import TxHash
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import NANO_PER_RLC
from poolhand.worker.pid_file import read

RLC = NANO_PER_RLC
NAME = "order-0001"
PRICE = 10
SENT = PRICE * 300_000
"""What any transaction takes on the fake chain."""


@pytest.fixture
async def program(tmp_path):
    made = LonelyProgram(tmp_path)
    made.chain.fund(made.node.address, rlc=20 * RLC)
    yield made
    await made.close()


async def orders(program, name=NAME, nrlc=5 * RLC, *, token=None, **body):
    found = read(program.base)
    given = {"Authorization": f"Bearer {token or found.token}"} if token != "" else {}
    members = {"nrlc": nrlc, "name": name, **body}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.post(f"{found.url}/v1/deposit", json=members, headers=given)


async def status_of(program):
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{read(program.base).url}/v1/status")).json()


def stake(program):
    return program.chain.state.stake_of(program.node.address)


def rlc(program):
    return program.chain.state.rlc_of(program.node.address)


def deposits(program):
    return [sent for sent in program.chain.purposes.values() if isinstance(sent.call, Deposit)]


async def test_the_running_worker_turns_rlc_into_stake_and_its_page_shows_it_at_once(program):
    await program.starts()
    before = stake(program)
    answer = await orders(program)
    assert answer.status_code == 200
    told = answer.json()
    assert told["stake_nrlc"] == stake(program) == before + 5 * RLC
    assert told["locked_nrlc"] == 0
    assert re.fullmatch("0x[0-9a-f]{64}", told["transaction"]["tx"])
    assert told["transaction"]["block"] == program.chain.head.number
    assert rlc(program) == 15 * RLC
    assert (await status_of(program))["stake"]["free_nrlc"] == before + 5 * RLC


async def test_who_asks_for_the_wallet_is_told_where_the_worker_takes_orders(program):
    await program.starts()
    told = read(program.base)
    assert program.orders_taken == [(told.url, told.token)]


async def test_without_the_token_nothing_is_deposited(program):
    await program.starts()
    before = stake(program)
    for token in ("", "x", "0" * 64, read(program.base).token[:-1]):
        for body in ({}, {"nrlc": "much"}):
            answer = await orders(program, token=token, **body)
            assert (answer.status_code, answer.json()["code"]) == (401, "no-order-token")
    assert (stake(program), deposits(program)) == (before, [])


async def test_a_repeated_order_deposits_once_and_is_answered_like_the_first(program):
    await program.starts()
    before = stake(program)
    first, *others = await asyncio.gather(*(orders(program) for _ in range(3)))
    assert all(each.json() == first.json() for each in others)
    later = await orders(program)
    assert later.json()["transaction"] == first.json()["transaction"]
    assert stake(program) == before + 5 * RLC


async def test_another_name_or_amount_is_another_deposit(program):
    await program.starts()
    before = stake(program)
    await orders(program)
    await orders(program, "order-0002")
    await orders(program, nrlc=1 * RLC)
    assert stake(program) == before + 11 * RLC


async def test_an_order_cut_off_by_the_end_of_the_worker_is_repeated_and_deposits_once(program):
    await program.starts()
    before, program.chain.automine = stake(program), False
    sent = asyncio.Event()
    program.chain.after_send = lambda *_: sent.set()
    asked = asyncio.create_task(orders(program))
    await asyncio.wait_for(sent.wait(), 30)
    signal_me(signal.SIGTERM)
    await asyncio.wait([asked, program.running])
    await program.ends()
    assert asked.exception() is not None or asked.result().is_server_error
    program.chain.automine = True
    await program.starts()
    answer = await orders(program)
    assert answer.json()["stake_nrlc"] == stake(program) == before + 5 * RLC
    assert len(deposits(program)) == 1


async def test_the_gas_of_reveals_owed_is_not_spent_on_a_deposit(program):
    offer = await program.accepts(trust=10)
    await program.starts()
    await program.until(lambda: program.contribution(offer) is not None)
    program.chain.gas_price = PRICE
    before, least = stake(program), SENT + PRICE * REVEAL_GAS
    program.chain.drain(program.node.address)
    program.chain.fund(program.node.address, coin=least - 1)
    answer = await orders(program)
    assert (answer.status_code, answer.json()["code"]) == (400, "out-of-gas")
    assert "for reveals: send it at least 0.000000000000000001 coins" in answer.json()["message"]
    assert str(program.node.address) in answer.json()["message"]
    assert stake(program) == before
    program.chain.fund(program.node.address, coin=1)
    assert (await orders(program)).status_code == 200
    assert program.chain.state.coin_of(program.node.address) == PRICE * REVEAL_GAS


async def test_more_than_the_wallet_has_outside_the_hub_is_refused_with_what_to_do(program):
    await program.starts()
    answer = await orders(program, nrlc=21 * RLC)
    assert (answer.status_code, answer.json()["code"]) == (400, "balance-too-low")
    message = answer.json()["message"]
    assert "has 20 RLC" in message
    assert message.endswith(f"send RLC to {program.node.address}, or deposit less")


async def test_a_chain_that_is_away_is_told_as_such_and_the_order_can_be_repeated(program):
    await program.starts()
    before = stake(program)

    def away(*_):
        raise ChainUnreachable("no RPC endpoint answers: check them, or wait")

    program.chain.before_send = away
    answer = await orders(program)
    assert (answer.status_code, answer.json()["code"]) == (503, "chain-unreachable")
    program.chain.before_send = None
    assert (await orders(program)).status_code == 200
    assert stake(program) == before + 5 * RLC


@pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 409)])
async def test_a_wallet_that_was_used_elsewhere_deposits_at_the_second_try(program, times, status):
    await program.starts()
    before = stake(program)
    faults = [Displaced("a deposit", 7, TxHash(bytes(32)))] * times

    def displaced(*_):
        if faults:
            raise faults.pop()

    program.chain.before_send = displaced
    assert (await orders(program)).status_code == status
    assert stake(program) == before + (5 * RLC if status == 200 else 0)


async def test_a_node_that_lags_behind_the_receipt_does_not_make_the_stake_look_old(program):
    await program.starts()
    before, program.chain.lag = stake(program), 2
    asked = asyncio.create_task(orders(program))
    await program.until(asked.done)
    assert asked.result().json()["stake_nrlc"] == before + 5 * RLC


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"nrlc": 0}, "nothing-to-deposit"),
        ({"nrlc": -1}, "invalid-request"),
        ({"nrlc": True}, "invalid-request"),
        ({"nrlc": "5"}, "invalid-request"),
        ({"nrlc": 1.5}, "invalid-request"),
        ({"nrlc": 2**63}, "invalid-request"),
        ({"name": ""}, "invalid-request"),
        ({"name": "a:b" * 5}, "invalid-request"),
        ({"name": None}, "invalid-request"),
    ],
)
async def test_what_is_no_deposit_is_refused_and_nothing_is_sent(program, body, code):
    await program.starts()
    answer = await orders(program, **{"nrlc": RLC, "name": NAME, **body})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert deposits(program) == []
