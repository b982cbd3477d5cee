"""The worker guide leads to each status, and to places that are there."""

from __future__ import annotations

import re
from pathlib import Path

from poolhand.domain.replicate.status import Status

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "worker-guide.md").read_text(encoding="utf-8")


def anchors(page: str) -> set[str]:
    """Return where a link into a page may lead: its headings, and what it names itself."""
    text = (DOCS / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = (re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)
    return {*slugs, *re.findall(r'<a id="([^"]+)">', text)}


def test_it_leads_to_each_status_once():
    led = re.findall(r"\[`([A-Z_]+)`\]\(statuses\.md#([a-z_]+)\)", GUIDE)
    assert sorted(name for name, _ in led) == sorted(Status)
    assert all(anchor == name.lower() for name, anchor in led)


def test_its_links_lead_to_places_on_their_pages():
    links = re.findall(r"\]\(([\w./-]+\.md)#([\w-]+)\)", GUIDE)
    assert links
    assert [link for link in links if link[1] not in anchors(link[0])] == []


def test_a_place_that_is_not_there_would_be_noticed():
    assert "computed" in anchors("statuses.md")
    assert "computted" not in anchors("statuses.md")
