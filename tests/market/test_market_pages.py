"""Pages: each with an empty and a full book, for what nobody knows, and whatever strangers write."""

from __future__ import annotations

import re
import shlex
import shutil
from html import unescape

import pytest
from market_world import (
    APP,
    BUYER,
    DATASET,
    POOL,
    POOL_OWNER,
    SELLER,
    STRANGER,
    a_market,
    app_order,
    hash_of,
    pool_order,
    request_order,
)
from page_world import ESCAPED, HOSTILE, bought, database_url, shown

from poolhand.cli.reference import commands
from poolhand.domain.ids import TaskId
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import EventKind

COMMANDS = commands()
UNKNOWN = "0x" + "7e" * 32
LISTS = (
    "/pages",
    "/pages/orders/workerpool",
    "/pages/orders/app",
    "/pages/orders/dataset",
    "/pages/orders/request",
    "/pages/deals",
    "/pages/apps",
    "/pages/datasets",
    "/pages/pools",
)
SOURCE = re.compile(r'href="(/[^"]+chainId=31337)"><code>GET')
__all__ = ["bought", "database_url"]


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_of_an_empty_book_says_what_would_stand_there(market, path):
    text = await shown(market, path)
    assert 'class="empty"' in text or "not for sale" in text or "no name" in text


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_of_a_full_book_shows_what_is_in_it(bought, path):
    assert "0x" in (await shown(bought, path)).split("<main", 1)[1].split("<footer", 1)[0]


async def test_the_overview_tells_block_prices_and_the_newest_deal(bought):
    text = await shown(bought, "/pages")
    assert str(bought.deal.deal_id) in text
    assert text.count("1.5 RLC") == 2  # for sale, and paid
    assert "0 · XS" in text


async def test_the_overview_tells_how_tasks_stand_that_are_under_way_and_which_ended(bought):
    def named(text, heading):
        part = text.partition(f'id="{heading}"')[2].partition("</section>")[0]
        return re.findall(
            r'href="/pages/tasks/(0x[0-9a-f]{64})".*?<span class="badge[^>]*>(\w+)', part
        )

    text = await shown(bought, "/pages")
    assert named(text, "under-way") == []
    assert "No task is under way." in text
    assert named(text, "ended") == [(str(bought.task), "completed")]
    task = str(bought.chain.initialize(bought.deal, 1))
    await bought.mine()
    text = await shown(bought, "/pages")
    assert named(text, "under-way") == [(task, "computing")]
    assert named(text, "ended") == [(str(bought.task), "completed")]
    told = (await bought.get("/overview")).json()["tasks"]["underWay"]
    assert [(each["taskid"], each["status"]) for each in told] == [(task, "computing")]
    bought.chain.happen(EventKind.TASK_CLAIMED, TaskId.parse(task))
    await bought.mine()
    text = await shown(bought, "/pages")
    assert named(text, "under-way") == []
    assert sorted(named(text, "ended")) == sorted(
        [(str(bought.task), "completed"), (task, "failed")]
    )


async def test_a_task_of_a_deal_older_than_the_markets_first_block_is_passed_over(
    market, sqlite_file, tmp_path
):
    deal = market.match(app_order(), pool_order(), request_order(), 1)
    await market.mine()
    first = market.follower.at.number + 1
    market.chain.initialize(deal, 0)
    await market.mine()
    url = f"sqlite:///{shutil.copyfile(sqlite_file, tmp_path / 'late.db')}"
    async with a_market(url, market.chain, first_block=first) as late:
        await late.follower.advance()
        assert "No task is under way." in await shown(late, "/pages")


async def test_the_first_page_says_what_this_is_and_where_to_go_on(market):
    text = await shown(market, "/pages")
    assert "Computations are sold here for RLC" in text
    for place in ("apps", "datasets", "pools"):
        assert (
            f'<a href="/pages/{place}">' in text.partition('class="lead"')[2].partition("</p>")[0]
        )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"/pages/apps/{APP}", ["run", str(APP)]),
        (f"/pages/datasets/{DATASET}", ["run", "APP", "--dataset", str(DATASET)]),
        (f"/pages/pools/{POOL}", ["worker", "start", "--pool-address", str(POOL)]),
    ],
)
async def test_a_page_has_the_line_by_which_what_it_shows_is_used(bought, path, words):
    can_be_typed(await shown(bought, path), words)


async def test_an_open_order_has_the_line_by_which_it_is_bought_and_a_request_says_who_serves_it(
    bought,
):
    app, data, pool, request = bought.orders
    for sort, order, words in (
        ("app", app, ["run", str(APP)]),
        ("dataset", data, ["run", "APP", "--dataset", str(DATASET)]),
        ("workerpool", pool, ["run", "APP", "--pool", str(POOL), "--category"]),
    ):
        can_be_typed(await shown(bought, f"/pages/orders/{sort}/{hash_of(order)}"), words)
    text = await shown(bought, f"/pages/orders/request/{hash_of(request)}")
    assert "poolhand market match" in text
    assert "poolhand run" not in text


async def test_an_order_tells_category_and_trust_in_words_and_what_a_pool_offers(bought):
    _, _, pool, request = (hash_of(each) for each in bought.orders)
    text = await shown(bought, f"/pages/orders/workerpool/{pool}")
    for words in ("0 · XS", "computes up to 5", "the word of one worker", "Offers", "any, or none"):
        assert words in text
    assert "Needs" not in text
    assert "Needs" in await shown(bought, f"/pages/orders/request/{request}")


def can_be_typed(page, words):
    """Check the first line of a page that a reader is to type."""
    text = page.partition('<pre class="text">')[2].partition("</pre>")[0]
    typed = shlex.split(unescape(text))
    assert typed[0] == "poolhand"
    assert [each for each in typed if each in words] == words
    noun, *rest = typed[1:]
    command = COMMANDS[noun if noun == "run" else f"{noun} {rest.pop(0)}"]
    told = command.make_context(noun, rest).params
    assert told["hub"] in text
    assert told["rpc"] in ("RPC", ["RPC"])


async def test_an_order_a_deal_and_their_parts_lead_to_one_another(bought):
    app, _, pool, request = map(hash_of, bought.orders)
    text = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    for link in (f"orders/app/{app}", f"orders/workerpool/{pool}", f"orders/request/{request}"):
        assert f'href="/pages/{link}"' in text
        await shown(bought, f"/pages/{link}")
    assert "3.00000001 RLC" in text  # two tasks, pool and dataset


async def test_who_paid_for_a_deal_is_told_where_it_was_not_the_requester(market, bought):
    assert "Paid by" not in await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    orders = app_order(), pool_order(), request_order()
    deal = market.match(*orders, 1, sponsor=POOL_OWNER.address)
    await market.mine()
    text = await shown(market, f"/pages/deals/{deal.deal_id}")
    assert re.search(rf"<dt>Paid by</dt><dd>.*{POOL_OWNER.address}", text)
    assert f"/pages/accounts/{POOL_OWNER.address}" in text


async def test_a_deal_leads_to_no_order_that_the_market_does_not_have(market):
    """Orders need not be published to be matched; what is taken out again is there no more."""
    market.chain.deposit(POOL_OWNER.address, 10**12)
    app, pool, request = app_order(), pool_order(), request_order()
    await market.published(app)
    await market.published(pool)
    deal = market.match(app, pool, request, 1)
    await market.mine()
    await market.unpublish(OrderSort.APP, SELLER, orderHash=str(hash_of(app)))
    text = await shown(market, f"/pages/deals/{deal.deal_id}")
    assert re.findall(r'href="/pages/orders/(\w+)/0x', text) == ["workerpool"]
    for each in (app, pool, request):
        assert str(hash_of(each)) in text
    assert text.count("not in this market") == 2
    for source in map(unescape, SOURCE.findall(text)):
        assert (await market.http.get(source)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/pages/nowhere",
        "/pages/orders/shoe",
        f"/pages/orders/app/{UNKNOWN}",
        f"/pages/deals/{UNKNOWN}",
        f"/pages/tasks/{UNKNOWN}",
        f"/pages/apps/{POOL}",
        f"/pages/pools/{APP}",
        f"/pages/datasets/{UNKNOWN[:42]}",
    ],
)
async def test_what_nobody_knows_has_a_page_that_says_what_to_do(market, path):
    text = await shown(market, path, 404)
    assert "What you can do" in text
    assert "Not found" in text
    assert "taken out is still valid on chain until its owner cancels it" in text


async def test_a_hash_that_is_none_is_refused_with_the_words_of_the_api(market):
    assert "must be a bytes32 hexstring" in await shown(market, "/pages/deals/0x12", 400)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/pages/orders/workerpool?workerpool=0x12", "workerpool is neither"),
        ("/pages/orders/app?minVolume=-1", "greater than or equal to 1"),
        ("/pages/deals?category=many", "category must be a `number`"),
    ],
)
async def test_a_filter_that_cannot_be_read_is_told_above_the_form_it_was_typed_in(
    bought, path, words
):
    text = await shown(bought, path, 400)
    assert words in text
    assert 'class="filters"' in text
    assert "0 open" not in text


async def test_a_filter_narrows_a_book(bought):
    here = str(hash_of(bought.orders[2]))
    assert here in await shown(bought, f"/pages/orders/workerpool?category=0&workerpool={POOL}")
    assert here not in await shown(bought, "/pages/orders/workerpool?category=1")
    assert here not in await shown(bought, f"/pages/orders/workerpool?workerpool={APP}")


@pytest.mark.parametrize(
    "path", ["/pages/orders/app", "/pages/deals", "/pages/apps", "/pages/pools"]
)
async def test_a_part_of_a_list_that_is_gone_leads_back_and_claims_no_empty_list(bought, path):
    text = await shown(bought, f"{path}?pageIndex=7")
    assert f'<a href="{path}">back to its beginning</a>' in text
    assert "No " not in text.split("<main", 1)[1].split("<footer", 1)[0]


async def test_an_order_for_one_buyer_is_in_the_book_that_a_person_sees(bought):
    order = pool_order(requester_restrict=BUYER.address)
    await bought.published(order)
    assert str(hash_of(order)) in await shown(bought, "/pages/orders/workerpool")


async def test_what_strangers_write_does_nothing_on_a_page(bought):
    bought.chain.create_category(1, HOSTILE, 60)
    await bought.mine()
    assert ESCAPED in await shown(bought, "/pages")
    request = hash_of(bought.orders[3])
    for path in (f"/pages/deals/{bought.deal.deal_id}", f"/pages/orders/request/{request}"):
        text = await shown(bought, path)
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize("path", ["/pages/deals", "/pages/orders/app", "/pages/nowhere"])
async def test_what_a_link_brings_is_escaped(market, path):
    name = "appOwner" if "orders" in path else "app"
    answer = await market.http.get(path, params={name: HOSTILE, "q": HOSTILE})
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text


async def test_a_query_that_is_endless_is_dropped(market):
    answer = await market.http.get("/pages", params={"q": "x" * 5_000})
    assert (answer.status_code, answer.headers["location"]) == (303, "/pages")


def singles(market):
    """Return a page of every kind of single thing."""
    return (
        f"/pages/orders/app/{hash_of(market.orders[0])}",
        f"/pages/deals/{market.deal.deal_id}",
        f"/pages/tasks/{market.task}",
        f"/pages/accounts/{STRANGER.address}",
        f"/pages/apps/{APP}",
        f"/pages/datasets/{DATASET}",
        f"/pages/pools/{POOL}",
    )


async def test_every_figure_of_a_page_comes_from_a_documented_route(bought):
    schema = (await bought.http.get("/openapi.json")).json()
    known = {path.partition("{")[0] for path in schema["paths"]}
    for path in (*LISTS, *singles(bought)):
        text = await shown(bought, path)
        sources = [unescape(link) for link in SOURCE.findall(text)]
        assert sources, path
        for source in sources:
            assert any(source.partition("?")[0].startswith(each) for each in known), source
            assert (await bought.http.get(source)).status_code == 200, source


async def test_a_search_leads_to_whatever_has_the_name(bought):
    names = {
        APP: f"/pages/apps/{APP}",
        POOL: f"/pages/pools/{POOL}",
        STRANGER.address: f"/pages/accounts/{STRANGER.address}",
        bought.deal.deal_id: f"/pages/deals/{bought.deal.deal_id}",
        bought.task: f"/pages/tasks/{bought.task}",
        hash_of(bought.orders[2]): f"/pages/orders/workerpool/{hash_of(bought.orders[2])}",
    }
    for name, place in names.items():
        answer = await bought.http.get("/pages/search", params={"q": f" {name} "})
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    deal = (await bought.get(f"/deals/{bought.deal.deal_id}")).json()
    answer = await bought.http.get("/pages/search", params={"q": deal["transactionHash"]})
    assert answer.headers["location"] == f"/pages/deals/{bought.deal.deal_id}"


async def test_a_search_for_nothing_known_or_no_name_at_all_says_what_to_type(market):
    assert "is known here" in await shown(market, f"/pages/search?q={UNKNOWN}", 404)
    assert "0x and 40 digits" in await shown(market, "/pages/search?q=cheap", 400)
    assert "Type the address" in await shown(market, "/pages/search")


async def test_a_task_says_who_can_read_its_result(bought):
    said = await shown(bought, f"/pages/tasks/{bought.task}")
    assert "Anybody who has the link can read it" in said
    assert "Encrypted" not in said


async def test_what_a_fork_took_back_is_on_no_page(bought):
    bought.chain.reorganise(1)
    await bought.mine()
    assert "Finalized" not in await shown(bought, f"/pages/tasks/{bought.task}")
    assert "0.75 RLC" not in await shown(bought, f"/pages/accounts/{STRANGER.address}")


async def test_a_browser_is_led_to_the_pages_and_a_program_is_not(market):
    led = await market.http.get("/", headers={"accept": "text/html,*/*"})
    assert (led.status_code, led.headers["location"]) == (303, "/pages")
    told = await market.http.get("/")
    assert (told.status_code, told.json()["ok"]) == (404, False)
    assert "/pages" in told.json()["error"]
    assert "/docs" in told.json()["error"]


async def test_a_page_that_cannot_be_made_at_present_says_so(market):
    await market.database.write(lambda work: work.exec_driver_sql("DROP TABLE deals"))
    assert "do not answer" in await shown(market, "/pages", 503)


async def test_a_page_counts_once_among_the_requests_of_a_client(tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    async with a_market(url, most_requests=2, rate_window=60) as market:
        for _ in range(2):
            await shown(market, "/pages")
        assert (await market.http.get("/pages")).status_code == 429


async def test_pages_link_to_the_documentation_of_a_market_that_names_one(database_url):
    told = {}
    for url in ("", 'https://docs.example/"><script>'):
        async with a_market(database_url, site_url=url) as market:
            told[url] = (await market.http.get("/pages")).text
    without, linked = told.values()
    assert ">Documentation</a>" not in without
    assert '<a href="https://docs.example/&#34;&gt;&lt;script&gt;">Documentation</a>' in linked
