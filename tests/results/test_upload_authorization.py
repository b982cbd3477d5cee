"""Whose archive is taken, by which signature, and within which limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from results_world import Scene, archive, files_left, refused

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.replicate.machine import Offer
from poolhand.keys.wallet import Wallet
from poolhand.transport.results_client import UploadRefused

# ------------------------------------------------------------------------------------ authorization


async def test_a_deal_that_is_not_on_chain_may_only_be_late(scene):
    offer = await scene.revealed(scene.workers[0])
    answer = await scene.put(scene.workers[0], offer, deal_id="0x" + "11" * 32)
    refused(answer, 503, "not-yet-on-chain")


@pytest.mark.parametrize("index", ["1", "9223372036854775807"])
async def test_a_task_outside_of_the_deal_is_refused(scene, index):
    offer = await scene.revealed(scene.workers[0])
    refused(await scene.put(scene.workers[0], offer, index=index), 403, "not-authorized")


async def test_another_task_of_the_same_deal_is_refused(scene):
    offer = await scene.revealed(scene.workers[0], tasks=2)
    refused(await scene.put(scene.workers[0], offer, index="1"), 403, "not-authorized")


async def test_an_authorization_signed_by_a_stranger_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    stranger = Wallet.from_key(bytes([77] * 32))
    forged = stranger.sign_authorization(worker.address, offer.task_id, Address(bytes(20)))
    mine = Offer(offer.task_id, offer.deal_id, offer.index, offer.flow, forged)
    refused(await scene.put(worker, mine), 403, "not-authorized")


async def test_the_result_of_a_confidential_task_comes_with_its_enclave(scene, tmp_path):
    worker, enclave = scene.workers[0], Address(b"\x0e" * 20)
    offer = await scene.revealed(worker)
    signed = scene.world.owner.sign_authorization(worker.address, offer.task_id, enclave)
    theirs = replace(offer, authorization=signed, enclave=enclave)
    file = tmp_path / "result.zip"
    file.write_bytes(archive())
    other = replace(theirs, enclave=Address(b"\x0f" * 20))
    with pytest.raises(UploadRefused, match="not-authorized"):
        await scene.client(worker).upload(other, file)
    with pytest.raises(UploadRefused, match="not-authorized"):
        await scene.client(worker).upload(replace(theirs, enclave=ZERO_ADDRESS), file)
    assert await scene.client(worker).upload(theirs, file)


async def test_the_authorization_of_another_worker_is_of_no_use(scene):
    worker, thief = scene.workers[:2]
    offer = await scene.revealed(worker)
    refused(await scene.put(thief, offer), 403, "not-authorized")


async def test_a_worker_cannot_hand_in_under_anothers_name(scene):
    worker, thief = scene.workers[:2]
    offer = await scene.revealed(worker)
    answer = await scene.put(thief, offer, worker=str(worker.address))
    assert "signed by" in refused(answer, 403, "not-authorized")


async def test_a_signature_for_another_archive_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    other = scene.upload(worker, offer, archive("43")).request()["headers"]["Poolhand-Signature"]
    upload = scene.upload(worker, offer)
    upload.changes["Poolhand-Signature"] = other
    refused(await scene.http.put(**upload.request()), 403, "not-authorized")


async def test_a_body_that_is_not_the_signed_archive_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    request = scene.upload(worker, offer).request() | {"content": archive(extra="swapped")}
    refused(await scene.http.put(**request), 409, "digest-differs")
    assert files_left(scene) == []


@pytest.mark.parametrize("seconds", [-61, 60 * 60])
async def test_a_stale_or_too_long_signature_is_refused(scene, seconds):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    upload = scene.upload(worker, offer)
    upload.now += seconds
    refused(await scene.http.put(**upload.request()), 403, "upload-expired")


async def test_a_signature_for_another_pool_is_refused(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    upload = scene.upload(worker, offer)
    upload.pool = Address(bytes([5] * 20))
    refused(await scene.http.put(**upload.request()), 403, "not-authorized")


async def test_a_service_of_one_pool_takes_nothing_of_another(tmp_path):
    scene = await Scene(tmp_path / "vault", workerpool=Address(bytes([5] * 20))).open()
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    refused(await scene.put(worker, offer), 403, "other-pool")


@pytest.mark.parametrize(
    "changes",
    [
        {"deal_id": "0x12"},
        {"worker": "me"},
        {"index": "-1"},
        {"expiry": "soon"},
        {"task_id": "0x12"},
        {"index": str(2**70)},
    ],
)
async def test_a_malformed_request_is_answered_400_in_the_common_form(scene, changes):
    offer = await scene.revealed(scene.workers[0])
    answer = await scene.put(scene.workers[0], offer, **changes)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


# ------------------------------------------------------------------------------------------- limits


async def test_a_body_over_the_limit_is_refused_announced_or_not(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    body = bytes(100_001)

    async def chunked():
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    refused(await scene.put(worker, offer, body), 413, "body-too-large")
    request = scene.upload(worker, offer, body).request() | {"content": chunked()}
    refused(await scene.http.put(**request), 413, "body-too-large")
    assert files_left(scene) == []


async def test_an_unreachable_chain_is_503_and_not_a_refusal(scene):
    worker = scene.workers[0]
    offer = await scene.revealed(worker)
    scene.chain.outage = True
    refused(await scene.put(worker, offer), 503, "chain-unreachable")
    refused(await scene.get(offer.task_id), 503, "chain-unreachable")
