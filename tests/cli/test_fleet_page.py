"""The page of a fleet: for whoever has its token, under its own name, and no foreign page."""

from __future__ import annotations

import json

import httpx
import pytest
from fleet_page_world import EVIL, TOKEN, FleetSeen

from poolhand.cli.fleet.sections import sections, title

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def seen():
    return FleetSeen()


@pytest.fixture
async def client(seen):
    transport = httpx.ASGITransport(app=seen.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as made:
        yield made


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"params": {"token": TOKEN}},
        {"headers": {"Cookie": f"token={TOKEN}"}},
        {"headers": {"Authorization": f"Bearer {TOKEN[:-1]}"}},
    ],
)
async def test_without_the_token_nothing_is_told_and_nothing_done(client, seen, how):
    for method, path in (
        ("GET", "/v1/fleet"), ("GET", "/page/live"), ("POST", "/v1/drain"), ("POST", "/v1/resume"),
    ):  # fmt: skip
        answer = await client.request(method, path, **how)
        assert answer.status_code == 401, (method, path)
        assert "lab-001" not in answer.text
        assert "poolhand fleet page" in answer.json()["message"]
    assert seen.given == []


async def test_its_frame_tells_nothing_and_loads_nothing_from_elsewhere(client):
    front = await client.get("/")
    assert front.status_code == 200
    assert "lab-001" not in front.text
    assert "set-cookie" not in front.headers
    policy = front.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in front.text.replace("http-equiv", "")
    for name in ("live.js", "live.css", "colours.css", "poolhand.svg"):
        assert (await client.get(f"/page/static/{name}")).status_code == 200
    assert (await client.get("/page/static/..%2Flive_page.py")).status_code == 404


async def test_programs_are_told_the_same_as_by_the_list(client):
    told = (await client.get("/v1/fleet", headers=BEARER)).json()
    first, second = told["workers"][:2]
    assert (first["stake_nrlc"], first["earned_nrlc"], first["held"]) == (5 * 10**9, 7, 1)
    assert (second["state"], second["stake_nrlc"]) == ("no answer", None)
    assert told["together"]["complete"] is False


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "rebound.example:1"}],
)
async def test_under_a_foreign_name_or_from_a_foreign_page_it_is_refused(client, seen, headers):
    for method, path in (("GET", "/v1/fleet"), ("POST", "/v1/drain")):
        answer = await client.request(method, path, headers={**BEARER, **headers})
        assert answer.status_code == 403
        assert "lab-001" not in answer.text
    assert seen.given == []


async def test_an_order_reaches_all_and_who_did_not_take_it_is_named(client, seen):
    answer = await client.post("/v1/drain", headers=BEARER)
    assert answer.status_code == 200
    assert [each["state"] for each in answer.json()["workers"]] == ["draining"] * 2
    seen.hung = True
    answer = await client.post("/v1/resume", headers=BEARER)
    assert answer.status_code == 503
    assert answer.json()["message"].startswith("1 of 2 workers took it; lab-002: it hangs")
    assert seen.given == ["drain", "resume"]


async def test_its_parts_escape_what_others_wrote_and_lead_to_each_workers_own_page(seen):
    told = await seen.look()
    made = sections(told)
    assert json.dumps(made).count(EVIL) == 0
    assert "&lt;script&gt;" in made["attention"]
    assert 'href="http://127.0.0.1:7/#token=its"' in made["workers"]
    assert "lab-002" in made["attention"]
    assert "no task waits" not in made["attention"]
    assert "skipped" not in made["attention"]
    assert title(told).startswith("1 of ")


async def test_a_fleet_without_workers_has_a_page(seen):
    seen.rows = []
    made = sections(await seen.look())
    assert "It has no workers." in made["head"]
    assert made["workers"] == made["attention"] == ""
