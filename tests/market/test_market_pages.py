"""Pages: each with an empty and a full book, for what nobody knows, and whatever strangers write."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import partial
from html import unescape

import pytest
from market_world import (
    APP,
    BUYER,
    DATASET,
    HUB,
    POOL,
    POOL_OWNER,
    STRANGER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    request_order,
)

from poolhand.cli.reference import commands
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address
from poolhand.domain.market.profiles import FRESH, PoolProfile
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import EventKind
from poolhand.domain.reward import KITTY
from poolhand.domain.units import NanoRlc
from poolhand.market.api.accounts import MOST_EARNINGS
from poolhand.store.market import pools
from poolhand.wire.market_pools import LivePool

COMMANDS = dict(commands())
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
HOSTILE = "</pre><script>alert(1)</script>\u202e\x1b[2J'\"&"
ESCAPED = "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b[2J&#39;&#34;&amp;"


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


@pytest.fixture
async def bought(market):
    """A market in which something was bought, and something is left."""
    market.chain.deposit(POOL_OWNER.address, 10**12)
    market.chain.deposit(BUYER.address, 10**12)
    await market.mine()
    dataset = dataset_order(price=NanoRlc(5))
    app, pool = app_order(), pool_order(price=NanoRlc(1_500_000_000))
    request = request_order(
        dataset=DATASET, dataset_max_price=NanoRlc(5), volume=3,
        workerpool_max_price=NanoRlc(2_000_000_000), params=HOSTILE.replace("\x1b", "").replace("\u202e", ""),
    )  # fmt: skip
    for order in (app, dataset, pool, request):
        await market.published(order)
    deal = market.match(app, pool, request, 2, dataset)
    for asset, name in ((APP, "Blur"), (DATASET, "Faces"), (POOL, "Barn")):
        market.chain.describe(asset, name, "docker.io/blur:1")
    await market.mine()
    market.orders, market.deal = (app, dataset, pool, request), deal
    market.task = await market.compute(deal)
    return market


async def shown(market, path: str, status: int = 200) -> str:
    answer = await market.http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    return answer.text.replace("\xa0", " ")


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
    text = (await shown(bought, path)).partition('<pre class="text">')[2].partition("</pre>")[0]
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


async def test_a_task_tells_blocks_waits_workers_money_and_the_result(bought):
    text = await shown(bought, f"/pages/tasks/{bought.task}")
    told = ("Initialized by the pool", "A worker contributed", "Finalized", "after 1 s", "agrees")
    for words in (*told, "0.75 RLC", "1.500000005 RLC", 'href="https://results.example/r.zip"'):
        assert words in text, words
    assert str(STRANGER.address) in text


async def test_a_result_that_is_no_address_of_the_web_is_told_and_never_a_link(bought):
    task = bought.chain.initialize(bought.deal, 1)
    link = b'{"location": "javascript:alert(1)"}'
    bought.chain.happen(EventKind.TASK_FINALIZE, task, results=link)
    await bought.mine()
    text = await shown(bought, f"/pages/tasks/{task}")
    assert "javascript:alert(1)" in text
    assert 'href="javascript' not in text


async def test_a_deal_lists_its_tasks_and_links_those_that_began(bought):
    text = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    waiting = task_id(bought.deal.deal_id, 1)
    assert f'href="/pages/tasks/{bought.task}"' in text
    assert str(waiting) in text
    assert f'href="/pages/tasks/{waiting}"' not in text


async def test_a_task_leads_to_what_its_pool_tells_and_a_line_to_type(bought):
    line = f"<code>poolhand task show {bought.task}</code>"
    alone = await shown(bought, f"/pages/tasks/{bought.task}")
    assert line in alone
    assert "own answer" not in alone
    await registered(bought, "https://lab.example", ANSWERS)
    text = await shown(bought, f"/pages/tasks/{bought.task}")
    assert f'href="https://lab.example/v1/tasks/{bought.task}"' in text
    assert line in text


async def test_money_is_told_by_what_its_owner_is_to_the_task(bought):
    failed = bought.chain.initialize(bought.deal, 1)
    bought.chain.happen(EventKind.TASK_CLAIMED, failed)
    bought.chain.seize(POOL_OWNER.address, 450_000_000, failed)
    bought.chain.pay(KITTY, 450_000_000, failed)
    await bought.mine()
    done = await shown(bought, f"/pages/tasks/{bought.task}")
    assert "paid for the task" in done
    assert "was paid" in done
    text = await shown(bought, f"/pages/tasks/{failed}")
    assert "lost stake" in text
    assert "kitty of what nobody claims" in text


async def test_who_must_act_is_told_with_the_line_to_type(market):
    market.chain.create_category(1, "Blink", 1)  # a task of it can be claimed after ten seconds
    for owner in (POOL_OWNER, BUYER):
        market.chain.deposit(owner.address, 10**12)
    await market.mine()
    orders = app_order(), pool_order(category=1), request_order(category=1)
    for order in orders:
        await market.published(order)
    deal = market.match(*orders, 1)
    await market.mine()
    task = market.chain.initialize(deal, 0)
    for _ in range(11):
        await market.mine()
    text = await shown(market, f"/pages/tasks/{task}")
    assert f"<code>poolhand task claim {task}</code>" in text
    assert "`" not in text.split("<main", 1)[1]


async def test_a_deal_tells_category_and_trust_in_words(bought):
    text = await shown(bought, f"/pages/deals/{bought.deal.deal_id}")
    assert "0 · XS" in text
    assert "each task computes up to 5 min" in text
    assert "the word of one worker" in text


async def test_an_account_shows_stake_locks_and_earnings_with_a_plot(bought):
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert "0.75 RLC" in text
    assert '<rect class="earned"' in text
    assert f'href="/pages/tasks/{bought.task}"' in text
    buyer = await shown(bought, f"/pages/accounts/{BUYER.address}")
    assert "requester" in buyer  # one task is open, and locks its price
    assert "1.500000005 RLC" in buyer
    nobody = await shown(bought, "/pages/accounts/0x" + "00" * 19 + "99")
    assert "nothing by tasks" in nobody


async def test_sums_of_a_long_past_are_told_to_be_of_its_newest_part(bought):
    whole = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert '<dd>0.75 RLC</dd><dd class="faint">by tasks</dd>' in whole
    for _ in range(MOST_EARNINGS):
        bought.chain.pay(STRANGER.address, 10**9, bought.task)
    await bought.mine()
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert '<dd>2,000 RLC</dd><dd class="faint">by tasks, since 2023-11-14</dd>' in text


async def test_an_account_can_be_looked_at_while_the_chain_is_out_of_reach(bought):
    bought.chain.outage = True
    text = await shown(bought, f"/pages/accounts/{STRANGER.address}")
    assert "the chain is out of reach" in text
    assert "0.75 RLC" in text


async def test_pools_can_be_looked_at_while_the_chain_is_out_of_reach(bought):
    bought.chain.outage = True
    listed = await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert '"Workers get">–</td>' in listed
    assert "<dt>Workers get</dt><dd>–</dd>" in page
    assert "a share of the price" in page


async def test_a_pool_tells_price_success_time_and_the_line_by_which_to_join(bought):
    for path in ("/pages/pools", f"/pages/pools/{POOL}"):
        text = await shown(bought, path)
        for words in ("Barn", "1.5 RLC", "100 %", "3 s", "99 %"):
            assert words in text, words
    assert f"poolhand worker start --core-url URL --pool-address {POOL}" in text
    assert "not registered here" in text


PROFILE = PoolProfile(POOL, POOL_OWNER.address, "The lab", "In a\nbarn", "", "http://r.test")
LIVE = LivePool(
    version="0.1.0", workers=3, slots=8, busy=5, open_tasks=41, prices={}, highest_trust=7
)
ANSWERS = partial(pools.answered, live=LIVE.model_dump_json())


async def registered(market, url, note=None):
    """Register the pool at a URL; ``note`` is what came of asking it."""
    now = market.clock[0]
    await market.database.write(partial(pools.put, profile=replace(PROFILE, url=url), now=now))
    if note is not None:
        await market.database.write(partial(note, workerpool=POOL, now=now))


async def test_a_registered_pool_tells_its_load_and_is_joined_at_its_own_url(bought):
    await registered(bought, "https://lab.example", ANSWERS)
    listed = await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    for words in ("The lab", "answers", "5 of 8", ">41<", "14 Nov 2023"):
        assert words in listed, words
        assert words in page, words
    assert f"poolhand worker start --core-url https://lab.example --pool-address {POOL}" in page
    assert "In a\nbarn" in page


async def test_a_pool_that_does_not_answer_is_shown_as_unreachable_with_the_reason(bought):
    await registered(bought, "https://lab.example", partial(pools.failed, trouble="no route <b>"))
    assert "unreachable" in await shown(bought, "/pages/pools")
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "does not answer at https://lab.example: no route &lt;b&gt;" in page


async def test_a_pool_that_was_not_seen_for_a_minute_is_unreachable(bought):
    await registered(bought, "https://lab.example", ANSWERS)
    bought.clock[0] += FRESH
    page = await shown(bought, f"/pages/pools/{POOL}")
    assert "unreachable" in page
    assert "not seen for a minute" in page
    assert "5 of 8" in page, "what it told last stays"


async def test_a_url_in_a_line_to_be_pasted_is_one_word_to_a_shell(bought):
    url = "https://lab.example/$(touch${IFS}x);`id`'|\"&"
    await registered(bought, url)
    page = unescape(await shown(bought, f"/pages/pools/{POOL}"))
    line = page.split('<pre class="text">', 1)[1].split("</pre>", 1)[0]
    told = ["poolhand", "worker", "start", "--core-url", url, "--pool-address", str(POOL)]
    assert shlex.split(line)[: len(told)] == told
    assert shlex.split(line)[len(told) :] == ["--hub", str(HUB), "--rpc", "RPC"]


async def test_pools_that_answer_lead_the_list(bought):
    newer = Address(b"\xb2" * 20)
    bought.chain.register(OrderSort.WORKERPOOL, newer, POOL_OWNER.address)
    await bought.mine()

    async def places():
        text = await shown(bought, "/pages/pools")
        return text.index(f"pool-{newer}"), text.index(f"pool-{POOL}")

    later, earlier = await places()
    assert later < earlier
    await registered(bought, "https://lab.example", partial(pools.answered, live=""))
    later, earlier = await places()
    assert earlier < later


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
