"""Clients that none of us wrote sell and look around: iExec's SDK 8.24.0 and 9.0.0 from npm.

Every command is typed as a user types it, with both generations side by side; what SDK 9 dropped
is tried with 8 alone. ``test_sdk.py`` buys without a market; ``docs/iexec-sdk.md`` is made
from ``docs/iexec-sdk.toml``, whose rows name these tests.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import sdkpage
from sdk_project import VERSIONS, Project, at_once, commands_of
from sdk_trade import APP_PRICE, DATASET_PRICE, POOL_PRICE, Trade, address_of

KINDS = ("app", "dataset", "workerpool")


@pytest.mark.iexec("init", "wallet create", "wallet import", "wallet show")
def test_a_wallet_is_made_or_imported_and_shows_what_it_holds(trades):
    def check(trade):
        shown = trade.buyer.ok("wallet", "show")
        assert shown["wallet"]["address"] == address_of(trade.buyer)
        assert float(shown["balance"]["ether"]) > 0.9
        assert int(shown["balance"]["nRLC"]) == 990 * 10**9
        assert address_of(trade.pool_owner) == trade.network.info.accounts["pool"].address

    trades.each(check)


@pytest.mark.iexec("account deposit", "account show", "account withdraw")
def test_rlc_is_deposited_shown_and_withdrawn(trades):
    def check(trade):
        buyer = trade.buyer  # who has deposited 10 RLC
        assert int(buyer.ok("account", "show")["balance"]["stake"]) == 10 * 10**9
        assert buyer.ok("account", "withdraw", "1", "RLC")["amount"] == str(10**9)
        owner = address_of(buyer)
        assert int(buyer.ok("account", "show", owner)["balance"]["stake"]) == 9 * 10**9
        ours = trade.network.ok("account", "show", owner)
        assert ours["stake_nrlc"] == 9 * 10**9
        buyer.ok("account", "deposit", "1", "RLC")

    trades.each(check)


@pytest.mark.iexec(
    "app init",
    "app deploy",
    "app show",
    "app count",
    "dataset init",
    "dataset deploy",
    "dataset show",
    "dataset count",
    "workerpool init",
    "workerpool deploy",
    "workerpool show",
    "workerpool count",
)
def test_app_dataset_and_workerpool_are_described_deployed_counted_and_shown(trades):
    def check(trade):
        owner = address_of(trade.seller)
        places = [getattr(trade, kind).address for kind in KINDS]
        for kind, place in zip(KINDS, places, strict=True):
            shown, counted = at_once(
                lambda kind=kind, place=place: trade.seller.ok(kind, "show", place),
                lambda kind=kind: trade.seller.ok(kind, "count"),
            )
            assert shown[kind]["owner"] == owner
            assert int(counted["count"]) == 1
        deployed = trade.seller.get("deployed.json")
        chain_id = str(trade.network.info.chain_id)
        assert [deployed[kind][chain_id] for kind in KINDS] == places

    trades.each(check)


@pytest.mark.iexec(
    "app publish", "app unpublish", "dataset publish", "orderbook app", "orderbook dataset"
)
def test_what_is_published_is_in_the_orderbook_until_it_is_unpublished(trades):
    def check(trade):
        found = trade.seller.ok("orderbook", "app", trade.app.address) if trade.app_order else {}
        assert [(row["orderHash"], row["price"]) for row in found["appOrders"]] == [
            (trade.app_order, APP_PRICE)
        ]
        order = trade.dataset_order
        found = trade.buyer.ok("orderbook", "dataset", trade.dataset.address)
        assert [(row["orderHash"], row["price"]) for row in found["datasetOrders"]] == [
            (order, DATASET_PRICE)
        ]
        again = trade.seller.ok("app", "publish", trade.app.address, "--price", "9", "--force")
        gone = trade.seller.ok("app", "unpublish", trade.app.address, "--force")
        assert gone["unpublished"] == again["orderHash"], "the last one published"
        found = trade.buyer.ok("orderbook", "app", trade.app.address)
        assert [row["orderHash"] for row in found["appOrders"]] == [trade.app_order]

    trades.each(check)


@pytest.mark.iexec("workerpool publish", "workerpool unpublish", "orderbook workerpool")
def test_the_pools_order_is_found_by_anybody_and_withdrawn_by_its_owner(trades):
    def check(trade):
        pool = trade.network.info.workerpool
        order = trade.pool_order
        terms = ("--category", "0", "--min-trust", "10")
        found = trade.buyer.ok("orderbook", "workerpool", pool, *terms)
        mine = [row for row in found["workerpoolOrders"] if row["orderHash"] == order]
        assert [(row["price"], row["remaining"]) for row in mine] == [(POOL_PRICE, 50)]
        terms = ("--price", "0", "--category", "1", "--force")
        place = trade.workerpool.address
        made = [trade.seller.ok("workerpool", "publish", place, *terms) for _ in range(2)]
        gone = trade.seller.ok("workerpool", "unpublish", place, "--all", "--force")
        assert sorted(gone["unpublished"]) == sorted(each["orderHash"] for each in made)
        found = trade.buyer.ok("orderbook", "workerpool", place)
        assert found["workerpoolOrders"] == []

    trades.each(check)


@pytest.mark.iexec(
    "order init", "order sign", "order publish", "order show", "order unpublish", "order cancel"
)
def test_orders_are_described_signed_published_shown_unpublished_and_cancelled(trades):
    def check(trade):
        seller, kinds = trade.seller, ("--app", "--dataset", "--workerpool")
        deployed = [getattr(trade, kind).address for kind in KINDS]
        made = seller.ok("order", "init", *kinds)
        assert [made[f"{kind}order"][kind] for kind in KINDS] == deployed
        signed = seller.ok("order", "sign", *kinds)
        published = seller.ok("order", "publish", *kinds, "--force")
        hashes = {kind: published[f"{kind}order"]["orderHash"] for kind in KINDS}
        words = [word for kind in KINDS for word in (f"--{kind}", hashes[kind])]
        shown = seller.ok("order", "show", *words)
        for kind in KINDS:
            assert shown[f"{kind}order"]["order"]["sign"] == signed[f"{kind}order"]["sign"]
            assert shown[f"{kind}order"]["status"] == "open"
        gone = seller.ok("order", "unpublish", "--dataset", hashes["dataset"], "--force")
        assert gone["datasetorder"]["orderHash"] == hashes["dataset"]
        cancelled = seller.ok("order", "cancel", "--app", "--workerpool", "--force")
        assert cancelled.keys() >= {"apporder", "workerpoolorder"}
        told = seller.refused("order", "show", "--dataset", hashes["dataset"])
        assert "not found" in str(told)
        shown = seller.ok("order", "show", "--app", hashes["app"])
        assert (shown["apporder"]["status"], shown["apporder"]["remaining"]) == ("canceled", 0)

    trades.each(check)


@pytest.mark.iexec("order sign", "order publish", "orderbook requester")
def test_a_request_is_published_found_and_unpublished(trades):
    def check(trade):
        buyer, me = trade.buyer, address_of(trade.buyer)
        assert trade.app_order
        made = buyer.ok("order", "init", "--request")
        assert made["requestorder"]["requester"] == me
        terms = {"app": trade.app.address, "appmaxprice": str(APP_PRICE), "volume": "2"}
        poor = {"workerpoolmaxprice": "1"}  # no pool sells for that: the matcher leaves it alone
        buyer.describe_order("requestorder", terms | poor)
        buyer.ok("order", "sign", "--request")
        order = buyer.ok("order", "publish", "--request", "--force")["requestorder"]["orderHash"]
        found = buyer.ok("orderbook", "requester", me)
        assert [row["orderHash"] for row in found["requestOrders"]] == [order]
        buyer.ok("order", "unpublish", "--request", order, "--force")

    trades.each(check)


@pytest.mark.iexec("category init", "category create", "category show", "category count")
def test_categories_are_counted_shown_and_created_by_the_hubs_owner(trades):
    def check(trade):
        made = trade.no_time
        shown, counted = at_once(
            lambda: trade.seller.ok("category", "show", made),
            lambda: trade.seller.ok("category", "count"),
        )
        assert (shown["category"]["name"], shown["category"]["workClockTimeRef"]) == (
            "no time",
            "0",
        )
        assert int(counted["count"]) > int(made) > 4

    trades.each(check)


@pytest.mark.iexec("info", "storage check")
def test_the_hub_is_described_and_no_storage_is_initialized(trades):
    def check(trade):
        seller = trade.seller
        assert seller.ok("info")["hubAddress"] == trade.network.info.hub
        assert seller.ok("storage", "check", "dropbox")["isInitialized"] is False

    trades.each(check)


def run(trade: Trade, *terms: str) -> dict:
    """Buy one task with ``iexec app run``, from the orders that the market has."""
    assert trade.app_order
    assert trade.pool_order
    pool = ("--workerpool", trade.network.info.workerpool)
    return trade.buyer.ok("app", "run", trade.app.address, *pool, "--force", *terms)


def result_of(project: Project, name: str) -> dict:
    with zipfile.ZipFile(project.folder / name) as archive:
        return json.loads(archive.read("result.json"))


@pytest.mark.iexec("app run", "task show", "deal show")
def test_it_buys_from_the_market_sees_completed_and_downloads(trades):
    def check(trade):
        bought = run(trade, "--args", "one two", "--trust", "1", "--watch")
        assert [task["statusName"] for task in bought["tasks"]] == ["COMPLETED"]
        (deal,), task_id = bought["deals"], bought["tasks"][0]["taskid"]
        shown = trade.buyer.ok("task", "show", task_id, "--download", "result.zip")
        assert shown["task"]["statusName"] == "COMPLETED"
        assert result_of(trade.buyer, "result.zip") == {"args": ["one", "two"], "read": []}
        ours = trade.network.ok("task", "download", task_id, "--to", str(trade.buyer.folder / "us"))
        found = (trade.buyer.folder / "result.zip").read_bytes()
        assert Path(ours["result_path"]).read_bytes() == found
        told = trade.buyer.ok("deal", "show", deal["dealid"])["deal"]
        assert told["requester"] == address_of(trade.buyer)
        assert (int(told["app"]["price"]), int(told["workerpool"]["price"])) == (
            APP_PRICE,
            POOL_PRICE,
        )

    trades.each(check)


@pytest.mark.parametrize("generation", VERSIONS)
def test_every_command_of_the_sdk_is_on_its_page(generation):
    rows = sdkpage.commands()
    told = {name for name, each in rows.items() if generation in each.sdk.split()}
    assert commands_of(generation) == told, "docs/iexec-sdk.toml has a row for each"
