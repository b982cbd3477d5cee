"""The documentation site: whole, without a dead link, and without a word to any other origin."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import docsite
import httppage
import pytest

import poolhand
from headless import SIZES, read_by_everybody, visitor
from poolhand.devnet.documentation import built_site, site_app
from poolhand.transport.asgi import bind, port_of, serve_on

pytestmark = pytest.mark.timeout(600)
READ = {
    "home": "",
    "concepts": "docs/concepts/",
    "decision": "docs/adr/0001-pure-machines-and-a-journal/",
}
"""A page with tables and code, one with diagrams, one of text."""
WITHIN_REACH = """() => [...document.querySelectorAll(".md-typeset__scrollwrap, pre > code")]
    .every((each) => each.scrollWidth <= each.clientWidth || each.tabIndex === 0)"""
"""Whether whatever can be scrolled can be by keyboard: the theme sees to it when a size has changed."""
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page leads to, what it loads, and where in it a link may lead."""

    def __init__(self, text):
        super().__init__()
        self.leads, self.loads, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.anchors |= {told[name] for name in ("id", "name") if told.get(name)}
        if tag == "a" and told.get("href"):
            self.leads.append(told["href"])
        elif tag in LOADED and told.get(LOADED[tag]):
            self.loads.append(told[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "site"
    docsite.build(out)
    return out


@pytest.fixture(scope="module")
def pages(site):
    return {file: Page(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}


def test_every_link_of_the_site_leads_to_a_page_and_an_anchor_that_are_there(site, pages):
    dead, followed = [], 0
    for file, page in pages.items():
        base = site if file.name == "404.html" else file.parent
        for link in (*page.leads, *page.loads):
            parts = urlsplit(link)
            if parts.netloc:
                continue
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            followed += 1
            anchor = unquote(parts.fragment)
            known = pages[target].anchors if target in pages else set()
            if not target.is_file() or (anchor and target in pages and anchor not in known):
                dead.append((file.relative_to(site).as_posix(), link))
    assert dead == []
    assert followed > 5_000


def test_no_page_loads_anything_of_another_origin(site, pages):
    """A link may lead elsewhere, by https alone; it asks nothing until somebody follows it."""
    foreign = {
        (file.relative_to(site).as_posix(), link)
        for file, page in pages.items()
        for link in page.loads
        if urlsplit(link).netloc or urlsplit(link).scheme
    }
    assert foreign == set()
    leads = {link for page in pages.values() for link in page.leads if urlsplit(link).scheme}
    assert {link for link in leads if not link.startswith("https://")} == set()


def test_the_site_shows_every_page_of_the_repository(site):
    placed = [page for section in docsite.sections() for page in section.pages]
    for name in placed:
        path = site / name.removesuffix(".md")
        found = path.parent if path.name == "README" else path
        assert (found / "index.html").is_file(), name
    assert "README.md" in placed
    assert built_site(site) == site
    assert built_site(site / "docs") is None


def test_the_reference_of_python_has_every_name_that_a_program_imports(site):
    text = (site / "docs/reference/python/index.html").read_text(encoding="utf-8")
    shown = set(re.findall(r'id="poolhand\.[a-z_.]+\.(\w+)"', text))
    assert set(poolhand.__all__) <= shown
    assert 'id="poolhand.client.sync_client.Client.run"' in text


def test_the_page_of_the_http_interfaces_is_fresh():
    assert httppage.PAGE.read_text(encoding="utf-8") == httppage.page(), "run `make docs`"


NOWHERE = (
    "[there](no-such-page.md)",
    "[there](#no-such-anchor)",
    "::: poolhand.client.errors.Nil",
)


def test_a_link_or_a_name_that_leads_nowhere_ends_the_build(tmp_path):
    one = (docsite.SiteSection("One", ("STYLE.md",)),)
    docsite.build(tmp_path / "whole", one)
    for text in NOWHERE:
        with pytest.raises(docsite.SiteNotBuilt):
            docsite.build(
                tmp_path / "site",
                one,
                lambda name, text=text: f"{docsite.page_text(name)}\n{text}\n",
            )
        assert not (tmp_path / "site").exists()


@asynccontextmanager
async def served(site):
    listener = bind("127.0.0.1", 0)
    serving = asyncio.create_task(serve_on(site_app(site), listener))
    yield f"http://127.0.0.1:{port_of(listener)}/"
    serving.cancel()
    await asyncio.wait([serving])


@pytest.mark.browser
async def test_everybody_can_read_the_site_and_it_asks_nobody_else(site, tmp_path):
    """Its pictures in each look are kept to be looked at; diagrams are drawn, search finds."""
    asked = set()
    async with served(site) as url, visitor() as opens:
        page = await opens(url)
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        for name, place in READ.items():
            await page.goto(f"{url}{place}")
            if await page.locator("pre.diagram").count():
                await page.wait_for_selector("body[data-diagrams=drawn]")
                assert await page.locator("pre.diagram svg[role=img]").count()
            await page.wait_for_function(WITHIN_REACH)
            await read_by_everybody(page, name, tmp_path, WITHIN_REACH)
        await page.set_viewport_size(SIZES["wide"])
        await page.goto(url)
        await page.get_by_role("button", name="Search").first.click()
        await page.locator("input:focus").fill("finalize")
        await page.get_by_text(re.compile(r"^\d+ results$")).wait_for()
        assert asked == {urlsplit(url).netloc}
