"""A real browser reads a fleet's page: live, by keyboard, large and small, in light and dark,
judged by axe-core; its pictures are kept to be looked at."""

from __future__ import annotations

import asyncio

import pytest
from fleet_page_world import EVIL, TOKEN, FleetSeen, row
from playwright.async_api import expect

from headless import read_by_everybody, visitor
from poolhand.transport.listen import serve

pytestmark = pytest.mark.browser


@pytest.fixture
async def visit():
    async with visitor() as open_page:
        yield open_page


@pytest.fixture
async def seen():
    """A fleet whose page is served; ``url`` is where."""
    made, ready = FleetSeen(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(made.app(), "127.0.0.1", 0, ready.set_result))
    made.url = f"http://127.0.0.1:{await ready}"
    yield made
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_the_page_can_be_read_by_everybody_and_fits(seen, visit, tmp_path):
    page = await visit(f"{seen.url}/#token={TOKEN}")
    await expect(page.locator("#workers tbody tr")).to_have_count(4)
    await read_by_everybody(page, "fleet", tmp_path)


async def test_its_token_is_in_no_address_and_no_cookie_and_orders_go_by_keyboard(seen, visit):
    page = await visit(f"{seen.url}/#token={TOKEN}")
    await expect(page.locator("#orders")).to_be_visible()
    assert page.url == seen.url + "/"
    assert await page.context.cookies() == []
    await page.get_by_role("button", name="Resume all").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_contain_text("All finish what they hold")
    assert seen.given == ["drain"]


async def test_it_shows_what_changes_and_runs_nothing_that_others_wrote(seen, visit):
    page = await visit(f"{seen.url}/#token={TOKEN}")
    await expect(page.locator("#attention")).to_contain_text(EVIL)
    assert await page.locator("#attention script").count() == 0
    await expect(page.locator("#head")).to_contain_text("1 no answer")
    seen.rows = [row(1, "computes", held=1), row(2, "idle")]
    await expect(page.locator("#head")).not_to_contain_text("no answer")
    await expect(page.locator("#attention")).to_be_empty()
    await expect(page.locator("#workers tbody tr")).to_have_count(2)


async def test_without_the_address_the_page_says_how_to_come_by_it(seen, visit):
    page = await visit(seen.url)
    await expect(page.locator("#note")).to_contain_text(
        "To see what this fleet does, open the address that poolhand fleet page prints."
    )
    await expect(page.locator("#orders")).to_be_hidden()
