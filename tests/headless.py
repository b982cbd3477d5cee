"""Debian's Chromium, headless, what judges pages in it, and the sizes in which they are looked at."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager

from playwright.async_api import async_playwright

from poolhand.devnet.artifacts import DEFAULT_CACHE, Package, keep

AXE = Package(
    "axe-core",
    "4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ("axe.min.js", "LICENSE*"),
)
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = (
    "these tests need Chromium, and this machine has none: `scripts/apt-install Chromium "
    "chromium-headless-shell libatomic1` as root installs it; elsewhere name a program by "
    'CHROMIUM=/path; -m "not browser" leaves these tests out'
)


class NoChromium(Exception):
    """The machine has no browser to drive."""


def chromium() -> str:
    """Return the browser's program."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromium(MISSING)
    return found


LOOKS = [(scheme, size) for scheme in ("light", "dark") for size in SIZES]


REFUSED = "Failed to load resource: the server responded with a status of 400 (Bad Request)"
"""What a browser says of an order that is refused, whatever its page makes of that."""


@asynccontextmanager
async def visitor(but=()):
    """Yield what opens pages; whatever the browser complains of, but for some, fails the test."""
    complaints = []
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium(), chromium_sandbox=False)

        async def open_page(address, wallet=None):
            page = await (await browser.new_context(reduced_motion="reduce")).new_page()
            page.on("console", lambda said: complaints.append(said.text))
            page.on("pageerror", lambda fault: complaints.append(str(fault)))
            page.on("dialog", lambda opened: complaints.append(opened.message))
            if wallet is not None:
                await wallet.put_into(page)
            await page.goto(address)
            return page

        yield open_page
        told = [each for each in complaints if each not in but]
        await browser.close()
    assert told == []


async def read_by_everybody(page, name, folder, settled="() => true"):
    """Hold a page to axe-core and to its width, in each look; its pictures are kept.

    ``settled`` is what the page answers yes to when it has done what a new size makes it do.
    """
    await page.evaluate((keep(DEFAULT_CACHE, AXE) / "axe.min.js").read_text(encoding="utf-8"))
    for scheme, size in LOOKS:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(SIZES[size])
        await page.wait_for_function(settled)
        found = (await page.evaluate("() => axe.run()"))["violations"]
        told = [(each["id"], [node["html"] for node in each["nodes"]][:2]) for each in found]
        assert told == [], (scheme, size)
        wide = await page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= SIZES[size]["width"], (scheme, size)
        await page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=True)
