"""A worker's client against the service itself: sessions, nonces and secrets."""

from __future__ import annotations

import json
from base64 import b64decode

import httpx
import pytest
from sms_world import URL
from tee_world import PROPERTIES, TeeScene

from poolhand.domain.ids import Address
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.sealing import open_sealed, public_key_of, report_data
from poolhand.domain.tee.session import Service
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.ports.tee import ProvisionRequest
from poolhand.transport.tee_session_client import HttpTeeSessions, SecretsRefused, TeeSessionsDown

PRIVATE = b"\x05" * 32


@pytest.fixture
async def tee(tmp_path):
    async with TeeScene(tmp_path).open() as made:
        await made.with_secrets()
        yield made


def client(tee, answers=None):
    transport = httpx.MockTransport(answers) if answers else httpx.ASGITransport(tee.app)
    return HttpTeeSessions(URL, TeeFramework.TDX, tee.world.workers[0], transport=transport)


async def offered(tee):
    deal, task = await tee.bought()
    enclave, worker = Address.parse((await tee.challenge(task)).text), tee.world.workers[0]
    signed = tee.world.owner.sign_authorization(worker.address, task, enclave)
    return Offer(task, deal, 0, Flow.STANDARD, signed, enclave, URL), worker.address


async def test_a_worker_gets_what_its_program_alone_opens(tee):
    sessions, (offer, worker) = client(tee), await offered(tee)
    session = await sessions.open(offer, worker)
    nonce = await sessions.nonce(session)
    proof = await tee.proof(session, Service.POST_COMPUTE, nonce=nonce)
    asked = ProvisionRequest("tdx", proof["quote"], proof["publicKey"], nonce)
    sealed = await sessions.provision(session, Service.POST_COMPUTE, asked)
    about = report_data(session, Service.POST_COMPUTE, public_key_of(PRIVATE), nonce)
    told = json.loads(open_sealed(PRIVATE, b64decode(sealed), about))
    assert told["SIGN_WORKER_ADDRESS"] == str(worker)
    with pytest.raises(SecretsRefused):
        await sessions.provision(session, Service.POST_COMPUTE, asked)


async def test_what_runs_around_an_app_is_told_by_its_digest(tee):
    found = await client(tee).program(Service.PRE_COMPUTE)
    assert (found.image, found.digest, found.command) == ("pre", "ab" * 32, ("pre",))
    after = await client(tee).program(Service.POST_COMPUTE)
    assert after.command == ("post",)


async def test_a_session_is_refused_by_its_code(tee):
    offer, _ = await offered(tee)
    with pytest.raises(SessionRefused) as refused:
        await client(tee).open(offer, tee.world.workers[1].address)
    assert refused.value.error is SessionError.INVALID_AUTHORIZATION


@pytest.mark.parametrize("content", [b"", b"[]", b'{"error":"SOMETHING_NEW"}', b"\xff"])
async def test_an_unknown_refusal_is_one_all_the_same(tee, content):
    offer, worker = await offered(tee)
    sessions = client(tee, lambda _: httpx.Response(401, content=content))
    with pytest.raises(SessionRefused) as refused:
        await sessions.open(offer, worker)
    assert refused.value.error is SessionError.UNKNOWN_ISSUE


@pytest.mark.parametrize(("status", "content"), [(503, b""), (200, b"rubbish"), (200, b"{}")])
async def test_a_service_in_trouble_is_away(tee, status, content):
    sessions = client(tee, lambda _: httpx.Response(status, content=content))
    with pytest.raises(TeeSessionsDown):
        await sessions.program(Service.PRE_COMPUTE)


async def test_an_image_without_a_digest_is_not_run(tee):
    told = PROPERTIES.model_dump(mode="json")
    told["preComputeProperties"]["image"] = "pre:latest"
    sessions = client(tee, lambda _: httpx.Response(200, json=told))
    with pytest.raises(SecretsRefused, match="no digest"):
        await sessions.program(Service.PRE_COMPUTE)
