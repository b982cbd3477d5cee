"""A real browser reads the pool owner's page: signs in by a wallet, sees all, decides by keyboard,
large and small, in light and dark, judged by axe-core; its pictures are kept to be looked at."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, PoolWorld, S, first_task, with_tag

from browser_wallet import BrowserWallet
from headless import SIZES, read_by_everybody, visitor
from poolhand.domain.ids import Address
from poolhand.domain.pool_alerts import LONG_WAIT
from poolhand.domain.tag import Tag
from poolhand.domain.tee.evidence import TcbStatus
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.proof import ProvedFramework
from poolhand.domain.units import UnixSeconds
from poolhand.transport.asgi import application, bind, hosts_of, port_of, serve_on
from poolhand.transport.clock import SystemClock
from poolhand.wire.messages import About
from poolhand.wire.pool_owner import ExclusionOrder

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


class Served:
    """A pool with some workers and tasks behind a port, its owner beside it."""

    def __init__(self, world, url, token) -> None:
        self.world, self.url, self.token = world, url, token

    @property
    def owners(self):
        return self.world.scheduler.owners_workers


@asynccontextmanager
async def serving(world):
    listener, up = bind("127.0.0.1", 0), asyncio.Event()
    url, token = f"http://127.0.0.1:{port_of(listener)}", "ab" * 32
    world.scheduler._clock = SystemClock()  # challenges end by the browser's time
    routes = [*world.scheduler.api(url), *world.scheduler.owner_api(url, token)]
    app = application("pool", routes, hosts=hosts_of("127.0.0.1", url))
    task = asyncio.ensure_future(serve_on(app, listener, lambda _: up.set()))
    await up.wait()
    try:
        yield Served(world, url, token)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settles(world, worker, task, seconds):
    """Take a trust-1 task to its end."""
    await worker.reports(task, *TO_COMPUTED[:-1])
    await world.step(seconds)
    await worker.reports(task, *TO_CONTRIBUTED[len(TO_COMPUTED) - 1 :])
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    told = (S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await worker.reports(task, *told)
    await worker.has_stored(task)
    for _ in range(4):
        await world.step()


async def hired(world, name, sandbox):
    worker = world.hire(slots=3)
    worker.name = name
    await worker.arrives()
    await worker.says(About(sandbox, 0))
    return worker


@pytest.fixture
async def served(tmp_path):
    """A pool with a task that nobody can do, some that are done, and some at work."""
    world = PoolWorld(tmp_path)
    await world.start()
    kinds = {"ann-desktop": "gvisor", "lab-7": "vm", "old-laptop": "runc"}
    workers = [await hired(world, name, sandbox) for name, sandbox in kinds.items()]
    level, at = TcbStatus.SW_HARDENING_NEEDED, UnixSeconds(1_800_000_000)
    for worker, framework, simulated in zip(workers, TeeFramework, (False, True), strict=False):
        proof = ProvedFramework(framework, level, is_simulated=simulated, at=at)
        world.scheduler.directory.proves(worker.address, [proof])
    gpu = with_tag(
        world.orders(1, 1), world.owner, world.requester, world.chain.domain, Tag.of(["gpu"])
    )
    world.chain.submit(world.requester.address, gpu)
    await world.step()
    await world.step(LONG_WAIT + 50)
    for seconds in (12, 34, 9):
        task = first_task(await world.deal())
        await world.step()
        (attempt,) = world.offered(task)
        await settles(world, next(w for w in workers if w.address == attempt.worker), task, seconds)
    for _ in range(2):
        await world.deal()
    await world.step()
    await workers[1].pauses("my machine is in use")
    async with serving(world) as made:
        made.workers = workers
        yield made
    await world.stop()


@pytest.fixture
async def visit():
    async with visitor() as open_page:
        yield open_page


async def test_the_owner_signs_in_with_its_wallet_and_out_again(served, visit):
    wallet = BrowserWallet(served.world.owner)
    page = await visit(f"{served.url}/owner", wallet)
    await expect(page.locator("#orders")).to_be_hidden()
    await page.get_by_role("button", name="Sign in with").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1 .badge")).to_have_text("sells")
    assert wallet.signed == [(str(served.world.owner.address).lower(), served.url)]
    await expect(page.locator("#workers tbody tr")).to_have_count(3)
    assert await page.context.cookies() == []
    assert page.url == f"{served.url}/owner"
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#sign-in")).to_be_visible()
    await expect(page.locator("#workers")).to_be_empty()


async def test_without_a_wallet_the_page_says_how_to_come_by_an_address(served, visit):
    page = await visit(f"{served.url}/owner")
    await expect(page.locator("#sign-in")).to_contain_text("poolhand pool page")
    await expect(page.get_by_role("button", name="Sign in with")).to_be_hidden()


async def test_an_address_with_a_token_opens_it_and_the_token_is_in_no_address(served, visit):
    page = await visit(f"{served.url}/owner#token={served.token}")
    await expect(page.locator("#workers tbody tr")).to_have_count(3)
    assert page.url == f"{served.url}/owner"


async def test_workers_are_drained_banned_and_readmitted_by_keyboard(served, visit):
    first, _, last = sorted(served.workers, key=lambda each: each.address)
    page = await visit(f"{served.url}/owner#token={served.token}")
    await page.locator(f"[id='drain-{first.address}']").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#ask")).to_be_visible()
    await page.keyboard.type("too slow")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#workers")).to_contain_text("too slow")
    assert served.world.scheduler.exclusions.of(first.address).reason == "too slow"
    await page.locator(f"[id='ban-{last.address}']").click()
    await page.locator("#ask-text").fill(HOSTILE)
    await page.locator("#ask-yes").click()
    await expect(page.locator("#workers tbody tr")).to_have_count(2)
    await expect(page.locator("#excluded")).to_contain_text(HOSTILE)
    assert await page.locator("#excluded img").count() == 0
    await page.locator("#excluded").get_by_role("button", name="Readmit").first.click()
    await page.locator("#ask-yes").click()
    await expect(page.locator("#excluded tbody tr")).to_have_count(1)


async def test_an_order_that_is_left_orders_nothing_and_one_refused_says_why(served, visit):
    worker = served.workers[0]
    page = await visit(f"{served.url}/owner#token={served.token}")
    await page.locator(f"[id='ban-{worker.address}']").click()
    await page.keyboard.press("Escape")
    await expect(page.locator("#ask")).to_be_hidden()
    assert await page.evaluate("() => document.activeElement.id") == f"ban-{worker.address}"
    assert served.world.scheduler.exclusions.of(worker.address) is None
    await page.locator(f"[id='message-{worker.address}']").click()
    await page.locator("#ask-text").fill("please update")
    await page.locator("#ask-yes").click()
    await expect(page.locator("#note")).to_contain_text("done")
    await served.world.settle()
    assert worker.told[-1].text == "please update"


async def test_the_pool_is_drained_and_sells_again(served, visit):
    page = await visit(f"{served.url}/owner#token={served.token}")
    await page.get_by_role("button", name="Sell nothing new").click()
    await expect(page.locator("h1 .badge")).to_have_text("drains")
    await page.get_by_role("button", name="Sell again").click()
    await expect(page.locator("h1 .badge")).not_to_have_text("drains")


async def test_many_workers_stand_page_by_page(served, visit):
    for _ in range(100):
        await served.world.hire().logs_in()
    page = await visit(f"{served.url}/owner#token={served.token}")
    await expect(page.locator("#workers tbody tr")).to_have_count(100)
    await page.locator("#workers-next").click()
    await expect(page.locator("#workers tbody tr")).to_have_count(3)
    await page.locator("#workers-first").click()
    await expect(page.locator("#workers tbody tr")).to_have_count(100)


async def test_the_page_can_be_read_by_everybody_and_fits(served, visit, tmp_path):
    why = ExclusionOrder(reason="its results differ from all others")
    await served.owners.drain(served.workers[2].address, why)
    await served.owners.ban(Address(bytes([0xBA] * 20)), why)
    page = await visit(f"{served.url}/owner#token={served.token}")
    await expect(page.locator("#excluded tbody tr")).to_have_count(2)
    await expect(page.locator("#workers td .badge", has_text="simulated")).to_have_count(1)
    await expect(page.locator("#workers")).to_contain_text("SWHardeningNeeded")
    await read_by_everybody(page, "page", tmp_path)
    await page.locator(f"[id='ban-{served.workers[0].address}']").click()
    await read_by_everybody(page, "dialog", tmp_path)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Sign out").click()
    await read_by_everybody(page, "sign-in", tmp_path)


async def test_what_is_told_of_an_order_fits_a_small_page(served, visit):
    """It names a worker's whole address, which has no place where a line may end."""
    page = await visit(f"{served.url}/owner#token={served.token}")
    await page.set_viewport_size(SIZES["narrow"])
    await page.locator(f"[id='drain-{served.workers[2].address}']").click()
    await page.locator("#ask-yes").click()
    await expect(page.locator("#note")).to_contain_text(str(served.workers[2].address))
    wide = await page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= SIZES["narrow"]["width"]
