"""The login that the iExec SDK 8 still calls: a wallet's token, the same at every login."""

from __future__ import annotations

import base64
import json

import pytest
from results_world import URL, Scene

from poolhand.domain.market.challenges import challenge_digest
from poolhand.keys.wallet import Wallet
from poolhand.results.logins import RESULTS_SERVICE_NAME
from signing import sign_digest

WALLET, OTHER = (Wallet.from_key(bytes([number] * 32)) for number in (7, 8))


@pytest.fixture
async def scene(tmp_path):
    made = Scene(tmp_path / "results")
    yield made
    await made.http.aclose()


async def proof(scene, wallet, by=None):
    chain_id = scene.chain.facts.chain_id
    asked = {"address": str(wallet.address), "chainId": chain_id}
    answer = await scene.http.get(f"{URL}/results/challenge", params=asked)
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert told["domain"] == {"name": RESULTS_SERVICE_NAME, "version": "1", "chainId": chain_id}
    digest = challenge_digest(chain_id, told["message"]["challenge"], RESULTS_SERVICE_NAME)
    return f"0x{digest.hex()}_0x{sign_digest(by or wallet, digest).hex()}_{wallet.address}"


async def login(scene, text):
    chain = {"chainId": scene.chain.facts.chain_id}
    headers = {"content-type": "text/plain"}
    return await scene.http.post(
        f"{URL}/results/login", params=chain, content=text, headers=headers
    )


async def test_a_wallet_gets_the_same_token_at_every_login_and_after_a_restart(scene):
    first = await login(scene, await proof(scene, WALLET))
    assert first.status_code == 200, first.text
    assert first.headers["content-type"].startswith("text/plain")
    head, body, _ = first.text.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert claims == {"aud": str(WALLET.address)}
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "HS256"
    assert (await login(scene, await proof(scene, WALLET))).text == first.text
    scene.start()
    assert (await login(scene, await proof(scene, WALLET))).text == first.text
    assert (await login(scene, await proof(scene, OTHER))).text != first.text


async def test_nobody_gets_the_token_of_another_wallet(scene):
    for text in (await proof(scene, WALLET, by=OTHER), "", "x" * 20_000, "0x_0x_0x"):
        answer = await login(scene, text)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")


async def test_a_challenge_grows_old(scene):
    text = await proof(scene, WALLET)
    scene.clock.advance(3599)
    assert (await login(scene, text)).status_code == 200
    scene.clock.advance(1)
    assert (await login(scene, text)).status_code == 401


async def test_a_challenge_grows_old_however_the_clock_is_set(scene):
    text = await proof(scene, WALLET)
    scene.clock.set_by(7200)
    assert (await login(scene, text)).status_code == 200
    scene.clock.set_by(-14_400)
    scene.clock.advance(3600)
    assert (await login(scene, text)).status_code == 401


async def test_a_client_of_another_chain_is_told_so(scene):
    asked = {"address": str(WALLET.address), "chainId": 1}
    answer = await scene.http.get(f"{URL}/results/challenge", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "other-chain")
