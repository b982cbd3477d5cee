"""The service as iExec's SDKs know it: services-api.md 4.1 to 4.3, services-api-2.md B."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak
from sms_world import SmsScene, named

from poolhand.domain.ids import Address
from poolhand.domain.result_key import RESULT_KEY_NAME
from poolhand.domain.sms_secret import PushedSecret, SecretKind, SecretPlace
from poolhand.keys.wallet import Wallet

KINDS = tuple(each for each in SecretKind if each is not SecretKind.CHALLENGE)
FORM = {SecretKind.APP, SecretKind.REQUESTER}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_is_put_there_once_by_whoever_may(scene, kind):
    place, wallet = scene.places()[kind]
    assert await scene.head(place) == 404
    assert (await scene.push(place, "s3cret é", wallet)).status_code == 204
    assert await scene.head(place) == 204
    again = await scene.push(place, "another", wallet)
    same = await scene.push(place, "s3cret é", wallet)
    assert (again.status_code, again.content) == (409, same.content)
    kept = await scene.keepers[0].store.value(place)
    assert kept.value == "s3cret é".encode()


@pytest.mark.parametrize("kind", KINDS)
async def test_all_who_may_not_are_refused_with_the_same_words(scene, kind):
    place, wallet = scene.places()[kind]
    stranger = scene.wallets[5]
    unknown = named(place, owner=Address(b"\x77" * 20))
    refusals = [
        await scene.push(place, "v", stranger),
        await scene.push(place, "v", wallet, signature=""),
        await scene.push(place, "v", wallet, signature="0x" + "11" * 65),
        await scene.push(place, "v", wallet, signature="0xzz"),
        await scene.push(place, "v", wallet, said=unknown),
        await scene.push(unknown, "v", wallet),
    ]
    assert await scene.head(place) == 404
    assert (await scene.push(place, "v", wallet)).status_code == 204
    refusals.append(await scene.push(place, "v", stranger))  # nor does it tell that there is one
    assert {each.status_code for each in refusals} == {401}
    assert len({each.content for each in refusals}) == 1


async def test_a_signature_is_of_one_value_in_one_place(scene):
    requester = scene.world.requester
    place = SecretPlace(SecretKind.REQUESTER, requester.address, "a")
    signature = "0x" + requester.sign_secret(PushedSecret(place, b"one")).hex()
    assert (await scene.push(place, "two", requester, signature=signature)).status_code == 401
    other = named(place, name="b")
    assert (await scene.push(other, "one", requester, signature=signature)).status_code == 401
    assert (await scene.push(place, "one", requester, signature=signature)).status_code == 204


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_signed_is_what_the_sdk_signs(scene, kind):
    place, wallet = scene.places()[kind]
    names = {SecretKind.WEB3: b"", SecretKind.APP: keccak(b"1")}
    name = names.get(kind, keccak(place.name.encode()))
    challenge = keccak(
        keccak(b"IEXEC_SMS_DOMAIN") + bytes(place.owner) + name + keccak("é".encode())
    )
    number = scene.wallets.index(wallet) + 1
    signed = Account.from_key(bytes([number] * 32)).sign_message(encode_defunct(challenge))
    signature = "0x" + signed.signature.hex().removeprefix("0x")
    assert (await scene.push(place, "é", wallet, signature=signature)).status_code == 204


async def test_an_accounts_secret_is_changed_and_no_other_kind(scene):
    for kind, (place, wallet) in scene.places().items():
        changed = await scene.push(place, "b", wallet, "PUT")
        assert changed.status_code == (404 if kind is SecretKind.WEB2 else 405), kind
        await scene.push(place, "a", wallet)
        changed = await scene.push(place, "b", wallet, "PUT")
        assert changed.status_code == (204 if kind is SecretKind.WEB2 else 405), kind
    place, wallet = scene.places()[SecretKind.WEB2]
    assert (await scene.push(place, "b", wallet, "PUT")).status_code == 204  # the same again
    assert (await scene.push(place, "c", scene.wallets[5], "PUT")).status_code == 401
    assert (await scene.keepers[0].store.value(place)).value == b"b"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_has_4096_bytes_at_most(scene, kind):
    place, wallet = scene.places()[kind]
    value = "é" * 2048
    over = await scene.push(place, value + "x", wallet)
    assert over.status_code == 413
    stranger = await scene.push(place, value + "x", scene.wallets[5])
    assert stranger.content == over.content
    assert (await scene.push(place, value, wallet)).status_code == 204


@pytest.mark.parametrize("value", [b"", b"\xff\xfe"])
async def test_what_is_no_text_is_no_secret(scene, value):
    place, wallet = scene.places()[SecretKind.WEB2]
    assert (await scene.push(place, value, wallet)).status_code == 400


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a.b", "a\n"])
async def test_a_requesters_secret_has_a_plain_name(scene, name):
    wallet = scene.world.requester
    place = SecretPlace(SecretKind.REQUESTER, wallet.address, name)
    answer = await scene.push(place, "v", wallet)
    if name:  # without one there is no such path
        assert answer.status_code == 400
        assert answer.json()["error"]
        assert answer.json()["data"] is None
    assert await scene.head(place) == 404


async def test_errors_of_apps_and_requesters_have_the_form_of_iexec(scene):
    for kind, (place, _) in scene.places().items():
        told = (await scene.push(place, "v", scene.wallets[5])).json()
        assert told["code"] == "not-allowed-to-set"
        assert ("error" in told) == (kind in FORM)


async def test_a_question_leaves_nothing_out_and_no_address_is_wrong(scene):
    assert (await scene.http.head("/secrets/web3")).status_code == 400
    assert (await scene.http.head("/secrets/web2?ownerAddress=0x1")).status_code == 400
    assert (await scene.http.head("/secrets/web3?secretAddress=0x12")).status_code == 404
    never = SecretPlace(SecretKind.APP, Address(b"\x05" * 20))
    assert await scene.head(never) == 404


async def test_web_pages_of_anybody_may_ask(scene):
    asked = {"Origin": "https://anybody.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization"}  # fmt: skip
    answer = await scene.http.options("/secrets/web3", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_values_are_not_looked_into(scene):
    wallet = scene.world.requester
    place = SecretPlace(SecretKind.WEB2, wallet.address, RESULT_KEY_NAME)
    assert (await scene.push(place, "oops", wallet)).status_code == 204
    told = (await scene.http.get(f"/v1/result-keys/{wallet.address}")).json()
    assert told["value"] == "oops"
    assert (await scene.http.get(f"/v1/result-keys/{scene.wallets[5].address}")).status_code == 404


async def test_a_key_for_results_that_was_changed_does_not_come_back(scene):
    wallet = scene.world.requester
    place = SecretPlace(SecretKind.WEB2, wallet.address, RESULT_KEY_NAME)
    await scene.push(place, "old", wallet)
    assert (await scene.push(place, "new", wallet, "PUT")).status_code == 204
    assert (await scene.push(place, "old", wallet, "PUT")).status_code == 409
    assert (await scene.push(place, "new", wallet, "PUT")).status_code == 204
    token = named(place, name="token")
    await scene.push(token, "old", wallet)
    for value in ("new", "old"):  # what nobody else has the signature of may
        assert (await scene.push(token, value, wallet, "PUT")).status_code == 204


async def test_stores_of_frameworks_know_nothing_of_one_another(tmp_path):
    made = SmsScene(tmp_path, stores=(("tdx", 1), ("scone", 2)))
    async with made.open():
        wallet = made.world.requester
        place = SecretPlace(SecretKind.WEB2, wallet.address, RESULT_KEY_NAME)
        assert (await made.push(place, "tdx's", wallet)).status_code == 204
        made.start(1)
        assert await made.head(place) == 404
        told = await made.http.get(f"/v1/result-keys/{wallet.address}")
        assert told.json()["value"] == "tdx's"  # keys for results are found wherever they are
        assert (await made.push(place, "scone's", wallet)).status_code == 204
        assert (await made.http.get("/health")).json()["framework"] == "scone"


async def test_who_asks_or_sets_too_often_waits(tmp_path):
    made = SmsScene(tmp_path, most_requests=6, most_changes=2)
    async with made.open():
        wallet = made.world.requester
        place = SecretPlace(SecretKind.REQUESTER, wallet.address, "s")
        others = [await made.push(named(place, name=f"s{n}"), "v", wallet) for n in range(3)]
        assert [each.status_code for each in others] == [204, 204, 429]
        assert (await made.push(place, "v", made.wallets[5])).status_code == 401
        assert [await made.head(place) for _ in range(3)] == [404, 404, 429]
        assert (await made.http.get("/health")).status_code == 200


async def test_a_stranger_does_not_use_up_what_an_address_may_set(tmp_path):
    made = SmsScene(tmp_path, most_changes=1)
    async with made.open():
        wallet = made.world.requester
        place = SecretPlace(SecretKind.REQUESTER, wallet.address, "s")
        for _ in range(3):
            assert (await made.push(place, "v", made.wallets[5])).status_code == 401
        assert (await made.push(place, "v", wallet)).status_code == 204


async def test_who_sells_an_app_may_set_nothing_more(scene):
    place, wallet = scene.places()[SecretKind.APP]
    assert place.owner != wallet.address
    bought = Wallet.from_key(b"\x09" * 32)
    assert (await scene.push(place, "v", bought)).status_code == 401


async def test_version_metrics_and_description_are_told(scene):
    place, wallet = scene.places()[SecretKind.WEB2]
    await scene.push(place, "v", wallet)
    assert (await scene.http.get("/version")).text
    assert (
        'poolhand_sms_pushes_total{outcome="added"} 1.0' in (await scene.http.get("/metrics")).text
    )
    told = (await scene.http.get("/openapi.json")).json()
    assert set(told["paths"]["/secrets/web2"]) == {"head", "post", "put"}
