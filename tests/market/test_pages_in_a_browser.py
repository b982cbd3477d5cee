"""A real browser reads the pages: by mouse and keyboard, live and without scripts, large and small,
in light and dark, judged by axe-core; its pictures of every page are kept to be looked at."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import market_world as world
import pytest
from browser import ServedMarket
from page_world import HOSTILE, confidential, enclaves, news, registered
from playwright.sync_api import sync_playwright

from headless import AXE, SIZES, chromium
from poolhand.devnet.artifacts import DEFAULT_CACHE, keep
from poolhand.domain.units import NanoRlc

pytestmark = pytest.mark.browser
OTHERS = (360, 720, 1100)
LOOKS = [(scheme, size) for scheme in ("light", "dark") for size in SIZES]
PLACES = {
    "overview": "/pages",
    "pool-orders": "/pages/orders/workerpool",
    "request-orders": "/pages/orders/request",
    "order": "/pages/orders/workerpool/{order}",
    "deals": "/pages/deals",
    "deal": "/pages/deals/{deal.deal_id}",
    "task": "/pages/tasks/{task}",
    "confidential-deal": "/pages/deals/{secret_deal.deal_id}",
    "confidential-task": "/pages/tasks/{secret_task}",
    "account": "/pages/accounts/{stranger}",
    "apps": "/pages/apps",
    "app": "/pages/apps/{app}",
    "datasets": "/pages/datasets",
    "dataset": "/pages/datasets/{dataset}",
    "pools": "/pages/pools",
    "pool": "/pages/pools/{pool}",
    "search": "/pages/search",
    "not-found": "/pages/orders/request/{deal.deal_id}",
}
MISSING = "Failed to load resource: the server responded with a status of 404 (Not Found)"
"""What the browser says of such a page itself."""


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A market in which one task of a deal is done, one under way, and a category is hostile."""
    served = ServedMarket(tmp_path_factory.mktemp("market"))
    yield served.do(furnish(served))
    served.stop()


async def furnish(served):
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=served.app), base_url="http://m")
    market = world.Market(
        served.chain, http, served.follower, served.database, served.register, served.pools,
        served.clock,
    )  # fmt: skip
    for owner in (world.POOL_OWNER, world.BUYER):
        served.chain.deposit(owner.address, 10**12)
    served.chain.create_category(1, HOSTILE, 60)
    for asset, name in ((world.APP, "Blur"), (world.DATASET, HOSTILE), (world.POOL, "Barn")):
        served.chain.describe(asset, name, "docker.io/blur:1")
    await market.mine()
    app, pool = world.app_order(), world.pool_order(price=NanoRlc(1_500_000_000))
    params = HOSTILE.replace("\x1b", "").replace("\u202e", "")  # what else a market refuses
    request = world.request_order(volume=2, workerpool_max_price=NanoRlc(2 * 10**9), params=params)
    for order in (app, pool, request):
        await market.published(order)
    deal = market.match(app, pool, request, 2)
    await market.mine()
    task = await market.compute(deal)
    served.chain.initialize(deal, 1)
    await market.mine()
    secret_deal, secret_task = await confidential(market)
    await registered(market, "https://lab.example", enclaves(simulated=True))
    enclave = {"framework": "tdx", "enclave": "0x" + "0e" * 20, "simulated": True}
    served.pools.answers[f"/v1/tasks/{secret_task}"] = news(secret_task, confidential=enclave)
    await market.get(f"/tasks/{secret_task}/pool")
    await served.register.words.ask_some()
    told = {"served": served, "market": market, "deal": deal, "task": task, "url": served.url}
    assets = {"app": world.APP, "dataset": world.DATASET, "pool": world.POOL}
    names = {"order": world.hash_of(pool), "stranger": world.STRANGER.address}
    secret = {"secret_deal": secret_deal, "secret_task": secret_task}
    return SimpleNamespace(**told, **assets, **names, **secret)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=chromium(), chromium_sandbox=False)


@pytest.fixture
def visit(browser, market):
    """Open pages; whatever the browser complains of fails the test."""
    complaints, contexts, missing = [], [], []

    def open_page(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        page.on("requestfailed", lambda asked: complaints.append(asked.url))
        page.on("dialog", lambda opened: complaints.append(f"a page opened {opened.message}"))
        if page.goto(market.url + path).status == 404:
            missing.append(MISSING)
        return page

    yield open_page
    harmless = [each for each in complaints if "/pages/live" in each]  # cut off by leaving a page
    for context in contexts:
        context.close()
    assert [each for each in complaints if each not in harmless] == missing


@pytest.fixture(scope="module")
def axe():
    return (keep(DEFAULT_CACHE, AXE) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLACES)
def test_every_page_can_be_read_by_everybody_and_fits(visit, market, axe, tmp_path, name):
    page = visit(PLACES[name].format_map(vars(market)), reduced_motion="reduce")
    page.evaluate(axe)
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(SIZES[size])
        found = page.evaluate("() => axe.run()")["violations"]
        told = [(each["id"], [node["html"] for node in each["nodes"]][:2]) for each in found]
        assert told == [], (scheme, size)
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= SIZES[size]["width"], (scheme, size)
        assert is_dark(page) is (scheme == "dark")
        page.screenshot(path=tmp_path / f"{name}-{size}-{scheme}.png", full_page=True)
    for width in OTHERS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width


def is_dark(page) -> bool:
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(map(int, ground[4:-1].split(","))) < 200


def test_from_the_order_to_the_result_by_clicks(visit, market):
    page = visit("/pages")
    page.get_by_role("link", name="Orders", exact=True).first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Workerpool orders"
    page.get_by_role("link", name="Deals", exact=True).click()
    page.locator(f'a[href="/pages/deals/{market.deal.deal_id}"]').click()
    page.locator(f'a[href="/pages/tasks/{market.task}"]').click()
    result = page.get_by_role("link", name="Result")
    assert result.get_attribute("href") == "https://results.example/r.zip"
    assert page.get_by_text("Initialized by the pool").is_visible()
    page.locator(f'a[href="/pages/accounts/{market.stranger}"]').first.click()
    assert page.locator("svg rect.earned").count() == 1


def test_who_wants_to_join_a_pool_is_told_the_line_to_type(visit, market):
    page = visit("/pages")
    page.get_by_role("link", name="Pools", exact=True).click()
    assert page.get_by_role("row", name="The lab").get_by_text("answers").is_visible()
    page.get_by_role("link", name="Join The lab").click()
    line = f"poolhand worker start --core-url https://lab.example --pool-address {market.pool}"
    assert page.get_by_text(line).is_visible()


def test_by_the_keyboard_alone_one_comes_to_the_content_and_to_what_is_searched(visit, market):
    page = visit("/pages/deals")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("() => location.hash") == "#main"
    page.focus("#q")
    page.keyboard.type(str(market.task))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/pages/tasks/{market.task}")


def test_without_scripts_pages_are_read_and_filters_work(visit, market):
    page = visit("/pages/orders/workerpool", java_script_enabled=False)
    page.get_by_label("Category").fill("1")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_text("No open order fits").is_visible()
    page.get_by_role("link", name="Show all").click()
    assert page.locator(f"#order-{market.order}").is_visible()


def test_an_open_page_shows_the_next_block_and_what_it_brought(visit, market):
    page = visit("/pages")
    with page.expect_response(lambda answer: "/pages/live/orders" in answer.url):
        page.goto(market.url + "/pages/orders/workerpool")
    page.get_by_label("Workerpool").fill("typed meanwhile")
    before = page.locator("#pulse").inner_text()
    order = world.pool_order(price=NanoRlc(77), category=1)
    market.served.do(market.market.published(order))
    market.served.do(market.market.mine())
    page.locator(f"#order-{world.hash_of(order)}").wait_for()
    assert page.locator("#pulse").inner_text() != before
    assert page.get_by_label("Workerpool").input_value() == "typed meanwhile"


def test_what_strangers_wrote_is_shown_and_does_nothing(visit, market):
    page = visit(f"/pages/tasks/{market.task}")
    assert "<script>alert(1)</script>" in page.locator("pre").inner_text()
