"""A real browser reads a worker's page: live, by keyboard, large and small, in light and dark,
judged by axe-core; its pictures are kept to be looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import expect

from headless import REFUSED, read_by_everybody, visitor
from lonely_worker import LonelyProgram
from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import UnixSeconds, Wei
from poolhand.worker.pid_file import read

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
async def program(tmp_path):
    made = LonelyProgram(tmp_path)
    made.chain.gas_price = Wei(7 * 10**9)
    made.chain.fund(made.node.address, coin=Wei(10**18))
    yield made
    await made.close()


@pytest.fixture
async def visit():
    async with visitor() as open_page:
        yield open_page


def address_of(program):
    found = read(program.base)
    return f"{found.url}/#token={found.token}"


async def paid(program):
    """Have a task paid, and another computed, a third held back at its start."""
    offer = await program.accepts(trust=1)
    await program.starts()
    await program.until(lambda: program.contribution(offer) is not None)
    await program.until(lambda: program.contribution(offer).status.name == "PROVED")
    program.finalize(offer)
    program.chain.mine(8)


async def test_the_page_can_be_read_by_everybody_and_fits(program, visit, tmp_path):
    machine = tmp_path / "machine.json"
    SimulatedRoot(UnixSeconds(1_800_000_000)).machine().save(machine)
    claims = {"tee": tuple(TeeFramework), "simulated_tee": machine}
    program.settings = replace(program.settings, **claims)
    await paid(program)
    page = await visit(address_of(program))
    await expect(page.locator("#earnings table").first).to_be_visible()
    await expect(page.locator("#facts .badge", has_text="SIMULATED")).to_have_count(3)
    await expect(page.locator("#note")).to_be_empty()
    await read_by_everybody(page, "worker", tmp_path)


async def test_its_token_is_in_no_address_and_no_cookie_and_orders_go_by_keyboard(program, visit):
    await program.starts()
    page = await visit(address_of(program))
    await expect(page.locator("#orders")).to_be_visible()
    assert page.url == read(program.base).url + "/"
    assert await page.context.cookies() == []
    await page.get_by_role("button", name="Pause").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1 .badge")).to_have_text("paused")
    await expect(page.locator("#idle")).to_contain_text("paused on its page")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1 .badge")).not_to_have_text("paused")


async def test_what_others_wrote_is_shown_and_not_run(program, visit):
    await program.accepts(trust=1)
    program.node.runtime.gate.clear()
    await program.starts()
    page = await visit(address_of(program))
    await expect(page.locator("#tasks article")).to_have_count(1)
    await page.evaluate(
        "(words) => fetch('/v1/pause', {method: 'POST', body: JSON.stringify({reason: words}),"
        "headers: {Authorization: 'Bearer ' + sessionStorage.getItem('poolhand-token')}})",
        HOSTILE,
    )
    await expect(page.locator("#idle")).to_contain_text(HOSTILE)
    assert await page.locator("#idle img").count() == 0


async def test_without_the_address_the_page_says_how_to_come_by_it(program, visit):
    await program.starts()
    page = await visit(read(program.base).url)
    await expect(page.locator("#note")).to_contain_text("poolhand worker page")
    await expect(page.locator("#orders")).to_be_hidden()


async def test_a_setting_is_changed_on_the_page_and_a_refusal_stays_to_be_read(program):
    await program.starts()
    async with visitor(but=(REFUSED,)) as visit:
        await changes_settings(program, await visit(address_of(program)))


async def changes_settings(program, page):
    field, reward = page.get_by_label("schedule", exact=True), page.get_by_label("least-reward")
    await reward.fill("0.5")
    await field.fill("someday")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_contain_text("'someday' is no window of a week")
    block = await page.locator("#head .lead").inner_text()
    program.chain.mine()
    await expect(page.locator("#head .lead")).not_to_have_text(block)
    await expect(page.locator("#note")).to_contain_text("'someday' is no window of a week")
    await expect(field).to_have_value("someday")
    await field.fill("Weekdays  22:00-07:00")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_have_text("schedule is set.")
    await expect(page.locator("#settings")).to_contain_text("works 45 h a week")
    await expect(field).to_have_value("Weekdays  22:00-07:00")
    await expect(reward).to_have_value("0.5")
    hidden = page.get_by_label("notify", exact=True)
    await hidden.fill("https://hook.example/5ecret")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_have_text("notify is set.")
    await expect(hidden).to_have_value("")
    assert "5ecret" not in await page.content()
    await field.fill("")
    await page.keyboard.press("Enter")
    await expect(page.locator("#note")).to_have_text("schedule is taken back.")
    await page.get_by_label("upload-rate").fill("1")
    await page.get_by_label("upload-rate").press("Enter")
    await expect(page.locator("#note")).to_contain_text("it must be 0, or at least 16k")
    await expect(page.locator("#note")).to_be_in_viewport(ratio=1)
    await expect(page.get_by_label("upload-rate")).to_be_in_viewport()
    await expect(page.locator("#settings")).to_contain_text("works 168 h a week")
