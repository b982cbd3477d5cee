"""Orders from the command line: signed, for sale, taken back, cancelled, and never mixed up."""

from __future__ import annotations

import asyncio
import json
import re
import shlex

import httpx
import pytest

from poolhand.cli.reference import commands
from poolhand.domain.ids import ZERO_ADDRESS, OrderHash
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import CloseOrder
from requester_market import IMAGE, RLC

EXAMPLES = {
    words: (command.epilog or "").partition("Example:")[2].strip()
    for words, command in commands().items()
}
SELLING = [
    words
    for words in EXAMPLES
    if words.split()[0] in ("order", "market")
    or words in ("app publish", "app unpublish", "dataset publish", "dataset unpublish")
]
SELLING = [words for words in SELLING if words not in ("market serve", "market match")]
UNTIL = "still valid on chain until cancelled"


@pytest.fixture
def app(cli, shop):
    """The wallet's own app."""
    found = cli("app", "deploy", IMAGE, "--json").json["address"]
    asyncio.run(shop.sync())
    return found


def ok(ran):
    assert ran.code == 0, ran.out + ran.err
    return ran.json


def test_an_order_is_for_sale_then_not_and_valid_until_it_is_cancelled(cli, shop, app, tmp_path):
    file = tmp_path / "order.json"
    words = ("--price", "0.5", "--volume", "7", "--only-requester", app, "--output", str(file))
    signed = ok(cli("order", "create", "app", app, *words, "--json"))
    assert json.loads(file.read_text()) == signed
    assert (signed["app"], signed["appprice"], signed["requesterrestrict"]) == (
        app,
        "500000000",
        app,
    )
    assert cli("order", "create", "app", app, *words).code == 2  # it overwrites no file
    assert ok(cli("order", "list", "--json"))["orders"] == []

    sold = ok(cli("order", "publish", str(file), "--json"))
    assert (sold["kind"], sold["left"], sold["status"]) == ("app", 7, "open")
    assert ok(cli("order", "publish", str(file), "--json")) == sold  # again changes nothing
    assert ok(cli("order", "list", "--json"))["orders"] == [sold]
    shown = ok(cli("order", "show", sold["hash"], "--json"))
    assert (shown["in_market"], shown["left_on_chain"], shown["appprice"]) == (
        "open",
        7,
        "500000000",
    )
    assert shown["standing"] == "for sale in the market: 7 of 7 tasks left"

    assert ok(cli("order", "show", str(file), "--json")) == shown  # its file tells the same

    gone = ok(cli("order", "unpublish", str(file), "--json"))
    assert gone["unpublished"] == [sold["hash"]]
    assert UNTIL in gone["note"]
    assert gone["valid_on_chain"]
    assert ok(cli("order", "list", "--json"))["orders"] == []
    checked = ok(cli("order", "check", str(file), "--json"))
    assert (checked["usable"], checked["standing"]) == (
        True,
        f"not in the market; {UNTIL}: whoever has it can use the 7 of 7 tasks left",
    )
    shown = ok(cli("order", "show", str(file), "--json"))
    assert (shown["in_market"], shown["standing"]) == (None, checked["standing"])
    unknown = cli("order", "show", sold["hash"], "--json")
    assert (unknown.code, unknown.error["code"]) == (2, "unknown-order")
    assert UNTIL in unknown.error["message"]  # taken out, or never there: a market cannot tell

    again = ok(cli("order", "publish", str(file), "--json"))
    ended = ok(cli("order", "cancel", again["hash"], "--json"))
    assert ended["left_on_chain"] == 0
    assert ended["standing"] == "used up or cancelled on chain: nobody can use it any more"
    assert not ok(cli("order", "check", str(file), "--json"))["usable"]
    shop.book.close(OrderSort.APP, OrderHash.parse(again["hash"]), 7)
    asyncio.run(shop.sync())
    standing = ok(cli("order", "show", again["hash"], "--json"))
    assert (standing["in_market"], standing["left_on_chain"]) == ("canceled", 0)
    assert standing["standing"].startswith("cancelled on chain")


def test_a_file_is_shown_though_neither_market_nor_chain_answers_nor_one_is_named(
    cli, shop, app, tmp_path, monkeypatch
):
    file = tmp_path / "order.json"
    ok(cli("order", "create", "app", app, "--volume", "7", "--output", str(file), "--json"))

    async def away(request):
        raise httpx.ConnectError("connection refused", request=request)

    cli.market.http.event_hooks["request"] = [away]
    shown = ok(cli("order", "show", str(file), "--json"))
    assert (shown["left_on_chain"], shown["in_market"]) == (7, None)
    assert "does not answer" in shown["standing"]
    cli.market.chain.outage = True
    shown = ok(cli("order", "show", str(file), "--json"))
    assert (shown["kind"], shown["volume"]) == ("app", "7")
    assert "no RPC endpoint answers" in shown["standing"]
    monkeypatch.setenv("POOLHAND_HOME", str(tmp_path / "nowhere"))
    shown = ok(cli("order", "show", str(file), "--json"))
    assert (shown["kind"], shown["volume"]) == ("app", "7")
    assert "no devnet runs in" in shown["standing"]


def test_what_is_somebody_elses_is_neither_offered_nor_cancelled(cli, shop):
    theirs = asyncio.run(shop.app())
    signed = asyncio.run(shop.sell_app(theirs, RLC))
    for words in (("order", "create", "app"), ("app", "publish")):
        refused = cli(*words, str(theirs), "--json")
        assert (refused.code, refused.error["code"]) == (2, "no-such-asset")
        assert "use its owner's wallet" in refused.error["message"]
    found = ok(cli("market", "orders", "app", "--of", str(theirs), "--json"))["orders"]
    refused = cli("order", "cancel", found[0]["hash"], "--json")
    assert (refused.code, refused.error["code"]) == (2, "not-owner")
    refused = cli("order", "unpublish", found[0]["hash"], "--json")
    assert (refused.code, refused.error["code"]) == (2, "market-refused")
    assert "use the wallet of that address" in refused.error["message"]
    assert ok(cli("order", "list", "--owner", str(signed.order.app), "--json"))["orders"] == []


def test_the_newest_or_all_orders_of_an_app_leave_the_market(cli, shop, app):
    hashes = [
        ok(cli("app", "publish", app, "--price", str(n), "--json"))["hash"] for n in (1, 2, 3)
    ]
    newest = ok(cli("app", "unpublish", app, "--json"))["unpublished"]
    assert len(newest) == 1
    rest = ok(cli("app", "unpublish", app, "--all", "--json"))["unpublished"]
    assert {*newest, *rest} == set(hashes)
    gone = cli("app", "unpublish", app, "--json")
    assert (gone.code, gone.error["code"]) == (2, "market-refused")
    assert (
        UNTIL in cli("app", "publish", app).out + ok(cli("app", "unpublish", app, "--json"))["note"]
    )


def test_a_cancellation_whose_end_was_lost_is_not_sent_twice(cli, shop, app):
    """The program died; the same again finds the transaction."""
    sold = ok(cli("app", "publish", app, "--json"))

    class Crash(BaseException):
        pass

    sent = []

    def die(_sender, _purpose, call):
        if isinstance(call, CloseOrder):
            sent.append(call)
            raise Crash

    cli.market.chain.after_send = die
    with pytest.raises(Crash):
        cli("order", "cancel", sold["hash"])
    cli.market.chain.after_send = None
    found = ok(cli("order", "cancel", sold["hash"], "--json"))
    assert (found["left_on_chain"], bool(found["transaction"])) == (0, True)
    assert len(sent) == 1


def test_an_order_of_which_nothing_is_left_is_not_cancelled_once_more(cli, shop, app, tmp_path):
    file = str(tmp_path / "order.json")
    ok(cli("order", "create", "app", app, "--output", file, "--json"))
    ok(cli("order", "publish", file, "--json"))
    assert ok(cli("order", "cancel", file, "--json"))["transaction"]
    sent = len(cli.market.chain.mined())
    again = ok(cli("order", "cancel", file, "--json"))
    assert (again["transaction"], again["left_on_chain"]) == (None, 0)
    assert "cancelled on chain: nobody can use it any more" in again["standing"]
    assert "transaction" not in cli("order", "cancel", file).out
    assert len(cli.market.chain.mined()) == sent
    shop.book.close(OrderSort.APP, OrderHash.parse(again["hash"]), 1_000_000)
    asyncio.run(shop.sync())
    refused = cli("order", "publish", file, "--json")
    assert refused.code == 2
    assert "where it is used up or cancelled on chain, sign a new one" in refused.error["message"]


def test_lists_of_the_market_are_by_kind_and_best_price_first(cli, shop):
    for price in (3, 1, 2):
        asyncio.run(shop.sell_pool(price * RLC, category=price % 2))
    told = ok(cli("market", "orders", "pool", "--json"))
    assert [each["price_nrlc"] for each in told["orders"]] == [RLC, 2 * RLC, 3 * RLC]
    assert told["count"] == 3
    even = ok(cli("market", "orders", "pool", "--category", "0", "--json"))
    assert [each["price_nrlc"] for each in even["orders"]] == [2 * RLC]
    assert "3 order(s) for sale" in cli("market", "orders", "pool").out
    for words, said in (
        (("orders", "app"), "name it with --of"),
        (("orders", "shoes"), "write app, dataset, pool, request"),
    ):
        refused = cli("market", *words, "--json")
        assert (refused.code, refused.error["code"]) == (2, "not-traded")
        assert said in refused.error["message"]


def test_what_was_sold_is_listed_newest_first_and_by_buyer_pool_and_category(cli, shop, app):
    chain, book, pool = cli.market.chain, shop.book, cli.market.pool
    ok(cli("app", "publish", app, "--json"))
    for price in (2, 3):
        asyncio.run(shop.sell_pool(price * RLC, volume=1))
        ok(cli("run", app, "--no-wait", "--again", "--json"))
    deals = list(chain.state.deals.values())
    for number, deal in enumerate(deals):
        names = [OrderHash(bytes([number + 1, kind] * 16)) for kind in range(4)]
        book.match(tuple(names), deal)
        asyncio.run(shop.sync())
    told = ok(cli("market", "deals", "--json"))
    assert told["count"] == 2
    assert [each["deal_id"] for each in told["deals"]] == [
        str(each.deal_id) for each in deals[::-1]
    ]
    assert [each["workerpool"]["price"] for each in told["deals"]] == [3 * RLC, 2 * RLC]
    read = cli("market", "deals").out
    assert read.index("3 RLC") < read.index("2 RLC")
    assert str(deals[0].deal_id) in read
    buyer = str(cli.market.wallet.address)
    for words, count in (
        (("--requester", buyer), 2),
        (("--requester", app), 0),
        (("--pool", str(pool.workerpool)), 2),
        (("--pool", str(shop.rival)), 0),
        (("--category", "0"), 2),
        (("--category", "1"), 0),
        (("--limit", "10", "--page", "2"), 2),
    ):
        told = ok(cli("market", "deals", *words, "--json"))
        assert told["count"] == count, words
        assert len(told["deals"]) == (0 if "--page" in words else count), words


def test_where_no_market_is_known_it_is_said(cli, monkeypatch):
    hub = str(cli.market.chain.facts.hub)
    refused = cli("order", "list", "--rpc", "http://a", "--hub", hub, "--owner", hub, "--json")
    assert (refused.code, refused.error["code"]) == (2, "no-market-named")


@pytest.mark.parametrize("words", SELLING)
def test_the_example_of_a_seller_works_as_printed(cli, shop, app, tmp_path, monkeypatch, words):
    """Ids of somebody's own stand for those of the reader; files are those of other examples."""
    monkeypatch.chdir(tmp_path)
    if words.startswith("dataset"):
        data = cli("dataset", "deploy", "https://example.com/d", "--checksum", "ab" * 32, "--json")
        app = data.json["address"]
        asyncio.run(shop.sync())
    kind = "dataset" if words.startswith("dataset") else "app"
    if words != "order create":
        ok(cli("order", "create", kind, app, "--output", "app-order.json", "--json"))
    sold = ok(cli(kind, "publish", app, "--json"))["hash"]
    if words == "order unpublish":
        assert OrderHash.parse(sold)
    names = {"0x4f1c3a7b9d2e8f60514233241506f7e8d9cabbcd": app, "0x" + "3d" * 32: sold}
    typed = shlex.split(EXAMPLES[words])[1:]
    ran = cli(*(names.get(word, word) for word in typed))
    assert ran.code == 0, ran.err
    assert ran.out
    assert EXAMPLES[words].startswith(f"poolhand {words}")


def test_a_request_knows_its_deal_and_is_matched_by_whoever_has_it(cli, shop, app, tmp_path):
    """The requester signs; somebody else sends."""
    file, market = tmp_path / "request.json", cli.market
    pool = asyncio.run(shop.sell_pool(RLC))
    ok(cli("app", "publish", app, "--json"))
    words = ("--pool-price", "2", "--tasks", "2", "--args", "x", "--output", str(file))
    told = ok(cli("order", "request", app, *words, "--json"))
    assert ok(cli("order", "publish", str(file), "--json"))["status"] == "open"
    sent = market.chain.state.coin_of(market.wallet.address)
    own = ok(cli("order", "list", "--json"))["orders"]
    assert sorted(each["kind"] for each in own) == ["app", "request"]
    helper = market.pool.owner
    from poolhand.domain.market.requests import MatchQuota
    from poolhand.domain.units import Seconds
    from poolhand.market.matcher import Matcher

    matcher = Matcher(
        market.chain.hub,
        shop.client,
        market.chain.sender(helper),
        MatchQuota(9, Seconds(60)),
        market.clock,
    )
    assert asyncio.run(matcher.round()) == 1
    (deal,) = market.chain.state.deals.values()
    assert str(deal.deal_id) == told["deal_id"]
    assert [str(name) for _, name in deal.tasks()] == told["task_ids"]
    assert (deal.workerpool.address, deal.price) == (pool.order.workerpool, RLC)
    assert market.chain.state.coin_of(market.wallet.address) == sent


def test_an_order_is_for_nobody_in_particular_unless_it_says_so(cli, shop, app):
    told = ok(cli("order", "create", "app", app, "--json"))
    limits = [told[name] for name in ("datasetrestrict", "workerpoolrestrict", "requesterrestrict")]
    assert limits == [str(ZERO_ADDRESS)] * 3


def test_pools_of_the_market_are_told_with_how_they_are(cli, shop):
    pool, owner = cli.market.pool, cli.market.pool.owner
    asyncio.run(shop.sync())
    profile = PoolProfile(
        pool.workerpool, owner.address, "Our lab", "", "http://pool.test", "http://results.test"
    )
    asyncio.run(shop.client.register(profile, owner))
    (told,) = ok(cli("market", "pools", "--json"))["pools"]
    assert (told["name"], told["workerpool"]) == ("Our lab", str(pool.workerpool))
    assert not told["reachable"]
    shown = cli("market", "pools").out
    assert "Our lab" in shown
    assert "http://pool.test" in shown


def test_a_request_tells_people_the_task_that_they_will_watch(cli, app):
    told = cli("order", "request", app, "--tasks", "12").out
    tasks = re.findall(r"^task (\d+) +0x[0-9a-f]{64}$", told, re.MULTILINE)
    assert tasks == [str(index) for index in range(10)]
    assert "2: --json tells all" in told
