"""The files of the pages: nothing that runs stands in a template, and the library is as it was made."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from market_world import a_market

import poolhand.market.pages as package
from poolhand.market.pages.assets import asset_place, page_assets

HOME = Path(package.__file__).parent
TEMPLATES = sorted((HOME / "templates").glob("*.html"))
VENDORED = {
    "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "hx-sse-4.0.1.min.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
}
"""SHA-256 of ``dist/htmx.min.js`` and ``dist/ext/hx-sse.min.js`` of the npm package htmx.org 4.0.1."""
FORBIDDEN = re.compile(
    r"\|\s*safe|autoescape|Markup|<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:|"
    r"(?:src|href|action)=\"(?:https?:)?//",
    re.IGNORECASE,
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.name)
def test_a_template_escapes_everything_and_holds_nothing_that_runs(template):
    found = FORBIDDEN.search(template.read_text(encoding="utf-8"))
    assert found is None, found


@pytest.mark.parametrize(
    "line",
    [
        "{{ x|safe }}",
        "{{ x | safe }}",
        "{% autoescape false %}",
        "<script>go()</script>",
        '<b style="x">',
        '<b onclick="x">',
        '<script src="//cdn.example/x.js">',
    ],
)
def test_what_a_template_may_not_hold_is_found(line):
    assert FORBIDDEN.search(line)


def test_only_the_frame_lets_text_through_that_is_html_already():
    for file in HOME.rglob("*.py"):
        names = re.findall(r"Markup|__html__|safe\b", file.read_text(encoding="utf-8"))
        assert not names or file.name == "frame.py", file


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_library_is_what_its_makers_published(name):
    assert sha256(page_assets()[name].body).hexdigest() == VENDORED[name]


async def test_files_are_kept_by_browsers_for_good_and_nothing_else_is_served(tmp_path):
    async with a_market(f"sqlite:///{tmp_path / 'market.db'}") as market:
        for name in page_assets():
            answer = await market.http.get(asset_place(name))
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert answer.content == page_assets()[name].body
        for name in ("nothing.js", "..%2fframe.py", "__init__.py"):
            assert (await market.http.get(f"/pages/static/{name}")).status_code == 404
