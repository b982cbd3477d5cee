"""Clients that none of us wrote buy: iExec's SDK 8.24.0 and 9.0.0 from npm, against the market.

Both show a task of one contributor only: for more they fail with "value at index 0 unnamed"
(``formatEthersResult`` asks ethers for the names of a list's members), whoever computed it. So
their own words are asked for with trust 1, and ours with trust 10.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from e2e_world import WEB, wait_until
from eth_account import Account
from sdk_project import at_once
from sdk_story import key_in, result_of, tells_story
from sdk_trade import (
    APP_PRICE,
    DATA,
    DATASET_PRICE,
    INPUT,
    KEEPS_TASK,
    POOL_PRICE,
    Trade,
    address_of,
    ask,
    await_pool,
)

from poolhand.devnet.abi import call_data
from poolhand.devnet.artifacts import DEFAULT_CACHE, ensure
from poolhand.devnet.contracts import HUB_INTERFACE
from poolhand.devnet.transactions import SetupStep, sign
from poolhand.domain.hashes import task_id as name_task
from poolhand.domain.ids import Address, DealId
from typed_lines import program, ran, typed_lines

RUNS = "--seconds 60"
"""Arguments of an app that is looked at while it runs; nobody waits for its end."""


def run(trade: Trade, *terms: str) -> dict:
    """Buy one task with ``iexec app run``, from the orders that the market has."""
    ready(trade)
    pool = ("--workerpool", trade.network.info.workerpool)
    return trade.buyer.ok("app", "run", trade.app.address, *pool, "--force", *terms)


def ready(trade: Trade) -> None:
    """Have a buyer with stake, and orders of the app and of the pool in the market."""
    assert all(at_once(lambda: trade.app_order, lambda: trade.pool_order, lambda: trade.buyer))


def download(trade: Trade, task: str, name: str) -> Path:
    """Download a result with our own command."""
    to = str(trade.buyer.folder / name)
    return Path(trade.network.ok("task", "download", task, "--to", to)["result_path"])


@pytest.mark.iexec("app run", "task show", "deal show", "task debug")
def test_it_buys_sees_completed_downloads_and_debugs(trades):
    def check(trade):
        buyer = trade.buyer
        bought = run(trade, "--args", "one two", "--trust", "1", "--watch")
        assert [task["statusName"] for task in bought["tasks"]] == ["COMPLETED"]
        (deal,), task_id = bought["deals"], bought["tasks"][0]["taskid"]
        shown = buyer.ok("task", "show", task_id, "--download", "result.zip")["task"]
        assert (shown["statusName"], shown["results"]["storage"]) == ("COMPLETED", "ipfs")
        assert result_of(buyer.folder / "result.zip") == {"args": ["one", "two"], "read": []}
        ours = download(trade, task_id, "ours")
        assert ours.read_bytes() == (buyer.folder / "result.zip").read_bytes()
        told = buyer.ok("deal", "show", deal["dealid"])["deal"]
        assert told["requester"] == address_of(buyer)
        prices = [int(told[each]["price"]) for each in ("app", "workerpool")]
        assert prices == [APP_PRICE, POOL_PRICE]
        await_pool(trade, task_id)
        told = buyer.ok("task", "debug", task_id, "--logs")
        assert told["onchainData"]["statusName"] == "COMPLETED"
        assert told["offchainData"]["task"]["status"] == "COMPLETED"
        replicates = told["offchainData"]["replicates"]
        (done,) = [each for each in replicates if each["status"] == "COMPLETED"]
        assert done["statusHistory"][0]["status"] == "CREATED"
        assert done["exitCode"] == 0
        assert done["worker"] in str(shown["contributors"])
        said = {"worker": done["worker"], "stdout": "args: one two\n", "stderr": ""}
        assert said in told["appLogs"]

    trades.each(check)


@pytest.mark.iexec("app run", "deal show", "task debug")
def test_it_shows_what_a_running_app_has_printed(trades):
    def check(trade):
        (deal,) = run(trade, "--args", RUNS, "--trust", "1")["deals"]
        (task_id,) = trade.buyer.ok("deal", "show", deal["dealid"])["deal"]["tasks"]
        url = f"{trade.network.info.pool_url}/tasks/{task_id}"
        wait_until(lambda: "COMPUTING" in WEB.get(url).text)
        told = trade.buyer.ok("task", "debug", task_id, "--logs")
        assert told["offchainData"]["task"]["status"] == "RUNNING"
        runs = {each["worker"]: each["status"] for each in told["offchainData"]["replicates"]}
        said = {each["worker"]: each["stdout"] for each in told["appLogs"]}
        assert said
        for worker, printed in said.items():
            assert (runs[worker], printed) == ("COMPUTING", f"args: {RUNS}\n")

    trades.each(check)


@pytest.mark.iexec("app run", "deal show")
def test_a_dataset_and_an_input_file_reach_an_app_on_four_workers(trades):
    def check(trade):
        assert trade.dataset_order
        url = trade.serve(f"sdk-input-{trade.generation}.txt", INPUT)
        data = ("--dataset", trade.dataset.address, "--input-files", url)
        (deal,) = run(trade, *data, "--trust", "10")["deals"]
        told = trade.buyer.ok("deal", "show", deal["dealid"])["deal"]
        assert int(told["dataset"]["price"]) == DATASET_PRICE
        (task_id,) = told["tasks"]
        watched = trade.network.ok("task", "watch", task_id)
        assert (watched["status"], watched["flow"]) == ("COMPLETED", "standard")
        assert len(watched["contributors"]) == 4
        assert {each["status"] for each in watched["replicates"]} == {"COMPLETED"}
        read = [hashlib.sha256(content).hexdigest() for content in (DATA, INPUT)]
        assert result_of(download(trade, task_id, "read"))["read"] == read
        assert "value at index 0 unnamed" in trade.buyer.refused("task", "show", task_id)

    trades.each(check)


@pytest.mark.iexec("app run")
def test_a_result_is_told_to_a_contract(trades):
    def check(trade):
        receiver = "0x" + f"ca11{trade.generation}".rjust(40, "0")
        ask(trade, "anvil_setCode", receiver, KEEPS_TASK)
        terms = ("--args", "--callback 0xbeef", "--callback", receiver, "--trust", "1")
        (task,) = run(trade, *terms, "--watch")["tasks"]
        assert (task["statusName"], task["resultsCallback"]) == ("COMPLETED", "0xbeef")
        kept = ask(trade, "eth_getStorageAt", receiver, "0x0", "latest")
        assert kept == task["taskid"]

    trades.each(check)


@pytest.mark.iexec("order fill", "deal show", "order show")
def test_a_bag_of_five_is_filled_with_published_orders(trades):
    def check(trade):
        buyer = trade.buyer
        orders = ("--app", trade.app_order, "--workerpool", trade.pool_order)
        buyer.ok("order", "init", "--request")
        terms = {"app": trade.app.address, "appmaxprice": str(APP_PRICE), "volume": "5"}
        terms |= {"workerpoolmaxprice": str(POOL_PRICE), "trust": "1"}
        buyer.describe_order("requestorder", terms)
        buyer.ok("order", "sign", "--request")
        filled = buyer.ok("order", "fill", *orders, "--force")
        assert filled["volume"] == "5"
        shown = buyer.ok("deal", "show", filled["dealid"], "--watch")
        assert [task["statusName"] for task in shown["tasks"]] == ["COMPLETED"] * 5
        book = buyer.ok("order", "show", "--app", trade.app_order, "--deals")["apporder"]
        assert filled["dealid"] in [deal["dealid"] for deal in book["deals"]["lastDeals"]]
        assert book["remaining"] <= 95

    trades.each(check)


@pytest.mark.iexec("app request-execution", "order show", "deal show")
def test_a_request_is_matched_by_whoever_serves_the_market(trades):
    def check(trade):
        ready(trade)
        buyer = trade.buyer
        terms = ("--args", "for anybody", "--trust", "1", "--force")
        terms += ("--app-price", str(APP_PRICE), "--workerpool-price", str(POOL_PRICE))
        order = buyer.ok("app", "request-execution", trade.app.address, *terms)["orderHash"]
        trade.await_order("request", order, "filled")
        told = buyer.ok("order", "show", "--request", order, "--deals")["requestorder"]
        (deal,) = told["deals"]["lastDeals"]
        shown = buyer.ok("deal", "show", deal["dealid"], "--watch")
        assert [task["statusName"] for task in shown["tasks"]] == ["COMPLETED"]

    trades.each(check)


@pytest.mark.iexec("task claim", "deal claim", "order fill")
def test_a_task_that_nobody_computed_is_claimed_and_so_is_a_deal(trades):
    def check(trade):
        seller, buyer = trade.seller, trade.buyer
        place = trade.workerpool.address
        terms = ("--price", "0", "--category", trade.no_time, "--volume", "2", "--force")
        order = seller.ok("workerpool", "publish", place, *terms)["orderHash"]
        params = ("--params", '{"iexec_args":"for nobody"}')
        one, other = (trade.fill(order, *params) for _ in range(2))
        initialize(trade, one)
        task_id = str(name_task(DealId.parse(one), 0))
        assert buyer.ok("task", "claim", task_id)["txHash"]
        assert buyer.ok("task", "show", task_id)["task"]["statusName"] == "FAILED"
        assert buyer.ok("deal", "claim", other)["claimed"] == {
            "0": str(name_task(DealId.parse(other), 0))
        }
        told = buyer.refused("task", "claim", task_id)
        assert told == "Cannot claim a task having status FAILED"

    trades.each(check)


def initialize(trade: Trade, deal: str) -> None:
    """Initialize the first task of a deal, as anybody may; the SDK has no command for it."""
    info, hub = trade.network.info, ensure(DEFAULT_CACHE).contract(HUB_INTERFACE)
    data = call_data(hub, "initialize", DealId.parse(deal), 0)
    step = SetupStep("initialize", Address.parse(info.hub), data)
    sender = Account.from_key(key_in(trade.buyer))
    nonce = int(ask(trade, "eth_getTransactionCount", sender.address, "pending"), 16)
    (raw,) = sign(sender, [step], nonce, info.chain_id)
    sent = ask(trade, "eth_sendRawTransaction", raw)
    mined = wait_until(lambda: ask(trade, "eth_getTransactionReceipt", sent))
    assert mined["status"] == "0x1"


def test_the_library_sells_looks_buys_watches_debugs_downloads_and_takes_back(trades):
    trades.each(lambda trade: tells_story(trade, hub=trade.network.info.hub))


@pytest.mark.executes(
    "docs/how-to/buy-with-the-iexec-sdk.md", "import { readFileSync", "node buy.mjs"
)
def test_the_program_of_the_page_buys_as_printed(trades):
    page = "docs/how-to/buy-with-the-iexec-sdk.md"
    assert "node buy.mjs" in typed_lines(page, "In a program")

    def check(trade):
        reader = trade.seller
        assert trade.app
        reader.ok("account", "deposit", "10", "RLC")
        reader.installs_library()
        (reader.folder / "buy.mjs").write_text(program(page, "js"), encoding="utf-8")
        done = reader.node("buy.mjs")
        assert done.code == 0, done
        ran(program(page, "js"))
        ran("node buy.mjs")
        assert "its result is in bought.zip" in done.out
        assert result_of(reader.folder / "bought.zip")["args"] == ["--top", "5"]

    trades.each(check)
