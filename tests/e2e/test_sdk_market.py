"""Clients that none of us wrote sell and look around: iExec's SDK 8.24.0 and 9.0.0 from npm.

Both generations do so side by side. ``test_sdk_buying.py`` buys, ``test_sdk_limits.py`` tries what
cannot work; ``docs/iexec-sdk.md`` is made from ``docs/iexec-sdk.toml``, whose rows name these tests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import sdkpage
from Crypto.Cipher import AES, PKCS1_v1_5
from Crypto.PublicKey import RSA
from Crypto.Util.Padding import pad, unpad
from eth_account import Account
from sdk_project import VERSIONS, at_once, commands_of
from sdk_trade import APP_PRICE, DATASET_PRICE, POOL_PRICE, POOL_VOLUME, address_of

KINDS = ("app", "dataset", "workerpool")
NOBODY_SELLS = 1_000_000
"""A trust that no pool has in the market, so that a request for it stays there."""


@pytest.mark.iexec("init", "info", "wallet create", "wallet import", "wallet show")
def test_a_wallet_is_made_or_imported_and_shows_what_it_holds(trades):
    def check(trade):
        shown = trade.buyer.typed("wallet", "show").json
        assert shown["wallet"]["address"] == address_of(trade.buyer)
        assert float(shown["balance"]["ether"]) > 0.9
        assert int(shown["balance"]["nRLC"]) > 900 * 10**9
        held = trade.seller.get("wallet.json")
        assert held["address"] == Account.from_key(held["privateKey"]).address
        assert trade.seller.ok("info")["hubAddress"] == trade.network.info.hub

    trades.each(check)


@pytest.mark.iexec("account deposit", "account show", "account withdraw")
def test_rlc_is_deposited_shown_and_withdrawn(trades):
    def check(trade):
        buyer, owner = trade.buyer, address_of(trade.buyer)
        before = int(buyer.ok("account", "show")["balance"]["stake"])
        assert buyer.ok("account", "withdraw", "1", "RLC")["amount"] == str(10**9)
        after = int(buyer.ok("account", "show", owner)["balance"]["stake"])
        assert before - after == 10**9
        assert trade.network.ok("account", "show", owner)["stake_nrlc"] == after
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


@pytest.mark.iexec("dataset encrypt", "result generate-encryption-keypair", "result decrypt")
def test_what_the_sdk_encrypts_and_decrypts_is_of_the_form_that_its_keys_open(trades):
    """It asks nobody for any of it: a dataset's key, and results sealed for a beneficiary."""

    def check(trade):
        seller, text = trade.seller, f"told by {trade.generation}".encode()
        seller.ok("dataset", "init", "--encrypted")
        (seller.folder / "datasets" / "original" / "told.txt").write_bytes(text)
        (told,) = seller.ok("dataset", "encrypt")["encryptedFiles"]
        hidden, key = Path(told["encrypted"]).read_bytes(), Path(told["key"]).read_text("ascii")
        assert opened(base64.b64decode(key), hidden) == text
        assert told["checksum"] == "0x" + hashlib.sha256(hidden).hexdigest()
        made = seller.ok("result", "generate-encryption-keypair", "--force")
        public = Path(made["secretPath"]) / made["publicKeyFile"]
        (seller.folder / "encryptedResults.zip").write_bytes(sealed(public.read_bytes(), text))
        result = Path(seller.ok("result", "decrypt", "--force")["resultsPath"])
        with zipfile.ZipFile(result) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {"result": text}

    trades.each(check)


def opened(key: bytes, hidden: bytes) -> bytes:
    """AES-256-CBC, its 16 bytes to begin with before the text."""
    return unpad(AES.new(key, AES.MODE_CBC, hidden[:16]).decrypt(hidden[16:]), 16)


def sealed(public: bytes, text: bytes) -> bytes:
    """A result as an enclave leaves it for whoever has the private key."""
    key, first = bytes(range(32)), bytes(16)
    hidden = AES.new(key, AES.MODE_CBC, first).encrypt(pad(zipped({"result": text}), 16))
    for_owner = PKCS1_v1_5.new(RSA.import_key(public)).encrypt(key)
    return zipped({"aes-key.rsa": for_owner, "iexec_out.zip.aes": first + hidden})


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.iexec("workerpool publish", "workerpool unpublish", "orderbook workerpool")
def test_the_pools_order_is_found_by_anybody_and_withdrawn_by_its_owner(trades):
    def check(trade):
        pool = trade.network.info.workerpool
        order = trade.pool_order
        terms = ("--category", "0", "--min-trust", "10")
        found = trade.buyer.ok("orderbook", "workerpool", pool, *terms)
        mine = [row for row in found["workerpoolOrders"] if row["orderHash"] == order]
        assert [row["price"] for row in mine] == [POOL_PRICE]
        assert 0 < mine[0]["remaining"] <= POOL_VOLUME
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
        for kind in ("app", "workerpool"):  # a command each: see Project.sends_several
            assert f"{kind}order" in seller.ok("order", "cancel", f"--{kind}", "--force")
        trade.await_order("app", hashes["app"], "canceled")
        told = seller.refused("order", "show", "--dataset", hashes["dataset"])
        assert "not found" in str(told)
        shown = seller.ok("order", "show", "--app", hashes["app"])
        assert (shown["apporder"]["status"], shown["apporder"]["remaining"]) == ("canceled", 0)

    trades.each(check)


@pytest.mark.iexec("order sign", "order publish", "orderbook requester", "app request-execution")
def test_requests_are_published_found_and_unpublished(trades):
    def check(trade):
        buyer, me = trade.buyer, address_of(trade.buyer)
        assert trade.app_order
        made = buyer.ok("order", "init", "--request")
        assert made["requestorder"]["requester"] == me
        terms = {"app": trade.app.address, "appmaxprice": str(APP_PRICE), "volume": "2"}
        buyer.describe_order("requestorder", terms | {"trust": str(NOBODY_SELLS)})
        buyer.ok("order", "sign", "--request")
        order = buyer.ok("order", "publish", "--request", "--force")["requestorder"]["orderHash"]
        terms = ("--trust", str(NOBODY_SELLS), "--app-price", str(APP_PRICE), "--force")
        asked = buyer.ok("app", "request-execution", trade.app.address, *terms)["orderHash"]
        found = buyer.ok("orderbook", "requester", me)
        assert {row["orderHash"] for row in found["requestOrders"]} == {order, asked}
        for each in (order, asked):
            buyer.ok("order", "unpublish", "--request", each, "--force")

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


@pytest.mark.iexec("wallet send-RLC", "wallet send-ether", "wallet sweep", "wallet sendRLC")
def test_coin_and_rlc_are_sent_and_swept_from_wallet_to_wallet(trades):
    def check(trade):
        buyer, friend = trade.buyer, trade.holding("friend", trade.fresh_key())
        me, to = address_of(buyer), ("--to", address_of(friend), "--force")
        buyer.ok("wallet", "send-ether", "0.1", "ether", *to)
        buyer.ok("wallet", "send-RLC", "2", "RLC", *to)
        if trade.generation == "8":
            buyer.ok("wallet", "sendRLC", "1", "nRLC", *to)
        before = int(buyer.ok("wallet", "show", me)["balance"]["nRLC"])
        friend.sends_several("wallet", "sweep", "--to", me, "--force")
        after = int(buyer.ok("wallet", "show", me)["balance"]["nRLC"])
        assert after - before == 2 * 10**9 + (trade.generation == "8")

    trades.each(check)


@pytest.mark.iexec("account approve", "account allowance", "account revoke")
def test_another_may_spend_of_an_account_until_that_is_revoked(trades):
    def check(trade):
        buyer, other = trade.buyer, trade.network.info.accounts["requester"].address
        buyer.ok("account", "approve", "7", other)
        assert int(buyer.ok("account", "allowance", other)["amount"], 16) == 7
        buyer.ok("account", "revoke", other)
        assert int(buyer.ok("account", "allowance", other)["amount"], 16) == 0

    trades.each(check)


@pytest.mark.iexec("app transfer", "dataset transfer", "workerpool transfer", "dataset unpublish")
def test_what_is_given_away_is_no_longer_for_sale(trades):
    def check(trade):
        seller, to = trade.seller, ("--to", address_of(trade.buyer), "--force")
        place = trade.another("app", {"name": "to be given away"})
        order = seller.ok("app", "publish", place, "--price", "1", "--force")["orderHash"]
        place = seller.ok("app", "transfer", place, *to)["address"]
        trade.await_order("app", order, "dead")
        assert seller.ok("orderbook", "app", place)["appOrders"] == []
        place = trade.another("dataset", {"name": "to be given away"})
        order = seller.ok("dataset", "publish", place, "--price", "1", "--force")["orderHash"]
        gone = seller.ok("dataset", "unpublish", place, "--force")
        assert gone["unpublished"] == order
        seller.ok("dataset", "transfer", place, *to)
        place = trade.another("workerpool", {"description": "to be given away"})
        seller.ok("workerpool", "transfer", place, *to)
        assert int(trade.buyer.ok("workerpool", "count")["count"]) == 1

    trades.each(check)


@pytest.mark.parametrize("generation", VERSIONS)
def test_every_command_of_the_sdk_is_on_its_page(generation):
    rows = sdkpage.commands()
    told = {name for name, each in rows.items() if generation in each.sdk.split()}
    assert commands_of(generation) == told, "docs/iexec-sdk.toml has a row for each"
