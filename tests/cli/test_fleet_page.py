"""The page of a fleet: for whoever has its token, under its own name, and no foreign page."""

from __future__ import annotations

import httpx
import pytest

from poolhand.cli.fleet_folder import FleetMember
from poolhand.cli.fleet_page import COOKIE, fleet_app
from poolhand.cli.fleet_rows import FleetRow
from poolhand.domain.fleet_money import WalletHolds
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei

TOKEN = "a-token-of-the-test"
SEEN = {"Cookie": f"{COOKIE}={TOKEN}"}
WHO = Address(b"\x01" * 20)
EVIL = "<script>alert(1)</script>"


async def look():
    holds = WalletHolds(WHO, Wei(10**17), NanoRlc(0), NanoRlc(5 * 10**9), NanoRlc(2 * 10**9))
    status = {
        "replicates": [{}],
        "slots": 2,
        "idle_causes": [{"sentence": EVIL, "change": "wait"}],
    }
    first = FleetRow(FleetMember(0, "lab-001", str(WHO)), "computes", status, holds, NanoRlc(7))
    return [first, FleetRow(FleetMember(1, "lab-002", str(WHO)), "no answer")]


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(app=fleet_app("lab", TOKEN, look))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as made:
        yield made


@pytest.mark.parametrize("path", ["/", "/v1/fleet", "/?token=wrong"])
async def test_without_the_token_nothing_is_shown(client, path):
    answer = await client.get(path)
    assert answer.status_code == 401
    assert "lab-001" not in answer.text


async def test_the_address_that_was_printed_opens_it_and_loses_the_token(client):
    led = await client.get(f"/?token={TOKEN}")
    assert (led.status_code, led.headers["location"]) == (303, "/")
    told = led.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=strict" in told
    shown = await client.get("/", headers=SEEN)
    assert shown.status_code == 200
    assert "lab-001" in shown.text
    assert "2 workers: 1 computes, 1 no answer" in shown.text
    assert EVIL not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]


async def test_programs_are_told_the_same(client):
    answer = await client.get("/v1/fleet", headers={"Authorization": f"Bearer {TOKEN}"})
    first, second = answer.json()["workers"]
    assert (first["stake_nrlc"], first["earned_nrlc"], first["held"]) == (5 * 10**9, 7, 1)
    assert (second["state"], second["stake_nrlc"]) == ("no answer", None)
    assert answer.json()["together"]["complete"] is False


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "rebound.example:1"}],
)
async def test_under_a_foreign_name_or_from_a_foreign_page_it_is_refused(client, headers):
    answer = await client.get("/", headers={**SEEN, **headers})
    assert answer.status_code == 403
    assert "lab-001" not in answer.text
