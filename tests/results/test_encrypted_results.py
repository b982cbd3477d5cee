"""Results that only their beneficiary reads: keys handed in, archives taken, downloads checked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from results_world import URL, archive, digest_of, refused

from poolhand.domain.ids import ResultDigest
from poolhand.domain.result_key import RESULT_KEY_NAME, ResultKey, ResultKeyText, key_value
from poolhand.keys.result_encryption import encrypt_result, make_keypair
from poolhand.requester import results
from poolhand.requester.results import ResultForged, open_encrypted
from poolhand.results.key_relay import key_relay_routes
from poolhand.results.key_shelf import ResultKeyReplaced, ResultKeyShelf
from poolhand.transport.faults import install_faults
from poolhand.transport.results_client import ResultsDown, result_key_at

PRIVATE, PUBLIC = make_keypair(2048)
OTHER = make_keypair(2048)[1]
PARAMS = '{"iexec_args":"hello","iexec_result_encryption":true}'


def encrypted(folder, offer, content: bytes | None = None, digest=None) -> bytes:
    clear, hidden = folder / "clear.zip", folder / "hidden.zip"
    clear.write_bytes(archive() if content is None else content)
    encrypt_result(clear, hidden, PUBLIC, offer.task_id, digest or digest_of())
    return hidden.read_bytes()


def handed(scene, wallet, value: str, *, method="POST", signer=None, name=RESULT_KEY_NAME):
    signature = (signer or wallet).sign_result_key(ResultKeyText(value))
    return scene.http.request(
        method,
        f"{URL}/secrets/web2",
        params={"ownerAddress": str(wallet.address), "secretName": name},
        headers={"Authorization": "0x" + signature.hex()},
        content=value.encode(),
    )


async def has(scene, owner, name=RESULT_KEY_NAME) -> int:
    asked = {"ownerAddress": str(owner), "secretName": name}
    return (await scene.http.head(f"{URL}/secrets/web2", params=asked)).status_code


async def test_a_key_is_handed_in_found_and_changed_by_its_owner(scene):
    wallet, value = scene.workers[0], key_value(PUBLIC)
    assert await has(scene, wallet.address) == 404
    refused(await handed(scene, wallet, value, method="PUT"), 404, "no-result-key")
    for _ in range(2):  # one whose answer was lost is sent again
        assert (await handed(scene, wallet, value)).status_code == 204
    assert await has(scene, wallet.address) == 204
    assert await has(scene, wallet.address, "another") == 404
    found = await result_key_at(scene.http, URL, wallet.address)
    assert found is not None
    assert found.pem == PUBLIC
    changed = key_value(OTHER)
    refused(await handed(scene, wallet, changed), 409, "result-key-there")
    assert (await handed(scene, wallet, changed, method="PUT")).status_code == 204
    assert (await result_key_at(scene.http, URL, wallet.address)).pem == OTHER
    assert await result_key_at(scene.http, URL, scene.workers[1].address) is None


async def test_nobody_hands_in_a_key_for_another(scene):
    first, second = scene.workers[:2]
    answer = await handed(scene, first, key_value(PUBLIC), signer=second)
    refused(answer, 401, "not-the-keys-owner")
    assert await has(scene, first.address) == 404


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ("x" * 5000, 413, "result-key-too-large"),
        ("not base64!", 400, "malformed"),
        (key_value(PRIVATE), 400, "unfit-result-key"),
        (key_value(b"nothing"), 400, "unfit-result-key"),
    ],
)
async def test_what_is_no_public_key_is_refused(scene, value, status, code):
    refused(await handed(scene, scene.workers[0], value), status, code)


async def test_no_other_secret_is_taken(scene):
    answer = await handed(scene, scene.workers[0], key_value(PUBLIC), name="another")
    refused(answer, 404, "no-result-key")


async def test_keys_are_bounded_and_whoever_has_one_may_change_it(tmp_path, scene):
    shelf = ResultKeyShelf(tmp_path / "keys", most=1)
    first, second = scene.workers[:2]
    keys = [
        ResultKey(each.address, key_value(pem), each.sign_result_key(key_value(pem)))
        for each, pem in ((first, PUBLIC), (second, PUBLIC), (first, OTHER))
    ]
    await shelf.take(keys[0], new=True)
    with pytest.raises(Exception, match="no more"):
        await shelf.take(keys[1], new=True)
    await shelf.take(keys[2], new=False)
    assert await ResultKeyShelf(tmp_path / "keys").found(first.address) == keys[2]


async def test_a_key_that_was_changed_for_another_is_not_put_back_by_whoever_has_seen_it(
    tmp_path, scene
):
    shelf, owner = ResultKeyShelf(tmp_path / "keys"), scene.workers[0]
    old, new = (
        ResultKey(owner.address, key_value(pem), owner.sign_result_key(key_value(pem)))
        for pem in (PUBLIC, OTHER)
    )
    await shelf.take(old, new=True)
    await shelf.take(new, new=False)
    with pytest.raises(ResultKeyReplaced, match="changed for another"):
        await ResultKeyShelf(tmp_path / "keys").take(old, new=False)
    await shelf.take(new, new=False)  # the same again is no change
    assert await shelf.found(owner.address) == new


async def test_a_service_that_gives_another_key_is_not_believed(scene):
    wallet = scene.workers[0]
    assert (await handed(scene, wallet, key_value(PUBLIC))).status_code == 204
    (file,) = (scene.settings.folder / "result-keys").glob("*.json")
    text = await asyncio.to_thread(file.read_text)
    file.write_text(text.replace(key_value(PUBLIC), key_value(OTHER)))
    with pytest.raises(ResultsDown, match="no key of"):
        await scene.client(wallet).key_of(wallet.address)


async def test_an_encrypted_result_is_taken_given_and_opened_by_its_beneficiary(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker, params=PARAMS)
    answer = await scene.put(worker, offer, encrypted(tmp_path, offer))
    assert answer.status_code == 200, answer.text
    view = (await scene.chain.hub.tasks({offer.task_id: ()}))[offer.task_id]
    location = f"{URL}/v1/results/{offer.task_id}"
    kept = await results.download(view, scene.reader(), location, tmp_path, unpack=True)
    assert (kept.encrypted, kept.folder) == (True, None)
    assert open_encrypted(kept.archive, tmp_path / "clear-again.zip", PRIVATE) == digest_of()
    assert (tmp_path / "clear-again.zip").read_bytes() == archive()


async def test_a_result_in_the_clear_is_not_taken_where_it_is_to_be_encrypted(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker, params=PARAMS)
    said = refused(await scene.put(worker, offer), 400, "unsafe-archive")
    assert "asks for an encrypted result" in said


async def test_an_encrypted_archive_of_another_digest_is_not_taken(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker, params=PARAMS)
    body = encrypted(tmp_path, offer, digest=ResultDigest(bytes(32)))
    refused(await scene.put(worker, offer, body), 409, "digest-differs")


async def test_an_encrypted_archive_is_no_result_of_a_deal_that_asks_for_none(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    refused(await scene.put(worker, offer, encrypted(tmp_path, offer)), 400, "unsafe-archive")


async def test_who_encrypted_something_else_is_found_out_by_the_beneficiary(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker, params=PARAMS)
    body = encrypted(tmp_path, offer, archive("another"))
    assert (await scene.put(worker, offer, body)).status_code == 200
    (tmp_path / "down.zip").write_bytes(body)
    with pytest.raises(ResultForged, match="is encrypted in down"):
        open_encrypted(tmp_path / "down.zip", tmp_path / "out.zip", PRIVATE)
    assert not (tmp_path / "out.zip").exists()


async def test_a_download_that_tells_another_digest_than_the_chain_is_not_kept(scene, tmp_path):
    worker = scene.workers[0]
    offer = await scene.revealed(worker, params=PARAMS)
    assert (await scene.put(worker, offer, encrypted(tmp_path, offer))).status_code == 200
    view = (await scene.chain.hub.tasks({offer.task_id: ()}))[offer.task_id]
    told = replace(view, digest=ResultDigest(bytes(32)))
    location = f"{URL}/v1/results/{offer.task_id}"
    with pytest.raises(ResultForged):
        await results.download(told, scene.reader(), location, tmp_path / "down")


async def test_a_service_with_an_sms_keeps_no_key_and_passes_all_on(scene):
    """The SMS answers; what it is asked, and by whose signature, is passed on as it came."""
    asked = []

    def sms(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.headers.get("authorization")))
        return httpx.Response(404 if request.method == "HEAD" else 204)

    app = FastAPI()
    client = partial(httpx.AsyncClient, transport=httpx.MockTransport(sms))
    app.include_router(key_relay_routes("http://sms.test/", client))
    install_faults(app)
    wallet = scene.workers[0]
    scene.http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    async with scene.http:
        assert await has(scene, wallet.address) == 404
        assert (await handed(scene, wallet, key_value(PUBLIC))).status_code == 204
        assert (await has(scene, wallet.address, "another")) == 404
        await scene.http.get(f"{URL}/v1/result-keys/{wallet.address}")
    signature = "0x" + wallet.sign_result_key(ResultKeyText(key_value(PUBLIC))).hex()
    assert asked == [
        ("HEAD", "/secrets/web2", None),
        ("POST", "/secrets/web2", signature),
        ("GET", f"/v1/result-keys/{wallet.address}", None),
    ]
