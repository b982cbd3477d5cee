"""What everybody may know of a workerpool, and why it sells nothing."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import closing

import pytest

from poolhand.domain.ids import Address
from poolhand.domain.onchain import Withdraw
from poolhand.keys.lock import WalletLock

RLC = 10**9


@pytest.mark.case("E27")
def test_the_workerpools_of_an_owner_are_listed(cli):
    assert "poolhand pool create" in cli("pool", "list").out
    made = [cli("pool", "create", f"mine {n}", "--json").json["address"] for n in range(3)]
    listed = cli("pool", "list", "--json").json["workerpools"]
    assert [each["address"] for each in listed] == made
    assert [each["description"] for each in listed] == ["mine 0", "mine 1", "mine 2"]
    assert len(cli("pool", "list", "--limit", "2", "--json").json["workerpools"]) == 2
    shown = cli("pool", "list").out
    assert all(address in shown for address in made)
    owner = str(cli.market.pool.owner.address)
    (other,) = cli("pool", "list", owner, "--json").json["workerpools"]
    assert other["address"] == str(cli.market.pool.workerpool)


@pytest.mark.case("E27", "E5")
def test_a_pool_tells_what_it_sells_with_its_owners_deposit_and_gas(cli):
    pool = cli.market.pool
    pool.connected = [Address(bytes([n] * 20)) for n in (1, 2)]
    told = cli("pool", "status", "--json").json
    assert told["owner"] == str(pool.owner.address)
    assert (told["workers"], told["sells"], told["problems"]) == (2, True, [])
    assert told["prices_nrlc"] == {"0": 2 * RLC}
    assert told["least_deposit_nrlc"] == 6 * RLC // 10
    assert told["owner_free_nrlc"] >= told["least_deposit_nrlc"]
    shown = cli("pool", "status").out
    for word in ("category 0: 2 RLC", "a task locks at least 0.6 RLC", "sells now"):
        assert word in shown


@pytest.mark.case("E27")
def test_a_process_that_stands_by_tells_its_owner_so(cli):
    """It knows of no worker, and cannot be asked for them: the leader can."""
    pool = cli.market.pool
    pool.stands_by, pool.idle = True, "this process stands by for its pool"
    told = cli("pool", "status", "--json").json
    assert (told["role"], told["leader"], told["sells"]) == ("standby", "another process", False)
    assert told["problems"] == [pool.idle]
    assert "stands by: another process leads" in cli("pool", "status").out


@pytest.mark.case("E5")
def test_why_a_pool_sells_nothing_is_told_by_the_pool_and_by_the_chain(cli):
    pool, hub = cli.market.pool, cli.market.chain
    pool.idle = "deposit \x1b[31mmore"
    assert cli("pool", "status", "--json").json["problems"][0] == "deposit \\x1b[31mmore"
    shown = cli("pool", "status").out
    assert "what keeps it from selling" in shown
    assert "\x1b" not in shown
    pool.idle = None
    all_of_it = Withdraw(hub.state.stake_of(pool.owner.address))
    asyncio.run(hub.sender(pool.owner).send("withdraw", all_of_it))
    (problem,) = cli("pool", "status", "--json").json["problems"]
    assert "0 RLC of free stake" in problem
    assert "poolhand account deposit" in problem


def test_a_pool_that_does_not_answer_or_was_not_named_is_told(cli):
    ran = cli("pool", "status", "--pool-url", "http://nowhere.test", "--json")
    assert (ran.code, ran.error["code"]) == (4, "pool-down")
    hub = str(cli.market.chain.facts.hub)
    keystore = cli("wallet", "show", "--json").json["keystore"]
    chain = ("--rpc", "http://other.test", "--hub", hub, "--wallet", keystore)
    ran = cli("pool", "status", *chain, "--json")
    assert (ran.code, ran.error["code"]) == (2, "no-pool-named")


def test_a_pool_tells_why_its_workers_are_given_no_more_on_80_columns(cli):
    pool = cli.market.pool
    poor = Address(bytes([1] * 20))
    pool.connected = [poor, Address(bytes([2] * 20)), Address(bytes([3] * 20))]
    told = cli("pool", "status", "--json").json
    assert told["idle_workers"] == {"stake too low": 2, "no open task": 1}
    for verb in (("pool", "status"), ("pool", "worker", str(poor))):
        shown = cli(*verb).out
        assert "stake too low" in shown
        assert max(map(len, shown.splitlines())) <= 80


def test_one_worker_is_shown_with_what_would_help_it(cli):
    poor = Address(bytes([1] * 20))
    ran = cli("pool", "worker", str(poor), "--json")
    assert (ran.code, ran.error["code"]) == (2, "pool-refused")
    cli.market.pool.connected = [poor]
    told = cli("pool", "worker", str(poor), "--json").json
    assert told["stake_missing"] == RLC
    (why,) = told["idle"]
    assert why == {"reason": "stake too low", "tasks": 3, "remedy": "deposit RLC as stake"}
    shown = cli("pool", "worker", str(poor)).out
    assert "deposit RLC as stake" in shown
    assert "1 RLC" in shown


MARKET = "http://market.test"


def on_sale(**changes):
    known = {
        "order_hash": "0x" + "11" * 32,
        "category": 0,
        "price": 2 * RLC,
        "trust": 7,
        "volume": 20,
        "remaining": 18,
        "signed_at": 1_700_000_000,
        "for_sale": True,
        "markets": [MARKET],
    }
    return known | changes


def test_what_a_pool_has_in_markets_is_told_with_why_it_is_not_for_sale(cli):
    pool = cli.market.pool
    assert "for sale in no market" in cli("pool", "orders").out
    hidden = on_sale(
        order_hash="0x" + "22" * 32, for_sale=False, markets=[], why_not="no \x1b[31mgas"
    )
    closing = on_sale(for_sale=False, markets=[], why_not="the price is 3 RLC now", closes=True)
    used = on_sale(remaining=0, for_sale=False, markets=[], why_not="it is used up")
    pool.on_sale = {
        "markets": [{"url": MARKET, "trouble": "nobody there", "others": ["0x" + "33" * 32]}],
        "orders": [on_sale(), hidden, closing, used],
        "lacks": {"2": "no worker that is there could do it"},
    }
    told = cli("pool", "orders", "--json").json
    assert [each["for_sale"] for each in told["orders"]] == [True, False, False, False]
    assert told["lacks"] == {"2": "no worker that is there could do it"}
    shown = " ".join(cli("pool", "orders").out.split())
    for words in (
        f"yes, in {MARKET}",
        "18 of 20 tasks",
        "no \\x1b[31mgas (still valid on chain until it is used up or cancelled there)",
        "the price is 3 RLC now (still valid on chain until it is used up or cancelled there; the",
        "pool is cancelling it on chain)",
        "no: it is used up",
        "no more of category 2 is offered: no worker",
        f"{MARKET} does not answer, and is asked again: nobody there",
        "did not sign: it lets it be",
    ):
        assert words in shown


@pytest.mark.parametrize(
    "words", ["drain", "resume", "workers", "excluded", f"message {'0x' + '11' * 20} hello"]
)
def test_what_is_meant_for_a_pool_is_asked_of_no_other_program(cli, monkeypatch, words):
    address = cli("wallet", "show", "--json").json["address"]
    monkeypatch.setattr(sys, "argv", ["poolhand", "worker", "start", "--gpu"])
    with WalletLock(cli.home / "locks", Address.parse(address)) as lock, closing(free()) as asked:
        lock.take_orders(f"http://127.0.0.1:{asked.getsockname()[1]}", "a token")
        ran = cli("pool", *words.split(), "--json")
        with pytest.raises(BlockingIOError):
            asked.accept()
    assert (ran.code, ran.error["code"]) == (2, "holder-is-no-pool")
    assert "`poolhand worker start`" in ran.error["message"]


def free():
    """Listen where a worker's page would, and never answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener
