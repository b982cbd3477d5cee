"""One *simulated* session from end to end: launcher, relay, client, service and verifier, all real.

What stands in is the hardware, by a simulated root, and a container, by a thread.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from sms_world import URL
from tee_world import PARAMS, TeeScene

from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.ids import Address
from poolhand.domain.params import DealParams, split_arguments
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.ports.tee import TeeServiceProgram
from poolhand.transport.clock import SystemClock
from poolhand.transport.tee_session_client import HttpTeeSessions
from poolhand.worker.tee.relay import RelayedTask, ServiceRelay
from poolhand.worker.tee.relay_line import (
    RELAY_SOCKET,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    SESSION_VARIABLE,
    RelayRefused,
)
from poolhand.worker.tee.simulated_quoter import SimulatedServiceQuoter
from poolhand.worker.tee.tee_launcher import environment_for

TDX = TeeFramework.TDX
ROOT = SimulatedRoot(UnixSeconds(SystemClock().now() - 60))
OTHER = SimulatedRoot(UnixSeconds(SystemClock().now() - 60))
WORDS = split_arguments(DealParams.parse(PARAMS).args)
APP = TeeServiceProgram("app", "01" * 32, WORDS)
AFTER = TeeServiceProgram("post", "ab" * 32, ("post",))


class AttestedScene(TeeScene):
    """A service whose verifier is the real one, and trusts a simulated root."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.verifier, self.clock = DcapVerifier(None, [ROOT.trust()]), SystemClock()


@pytest.fixture
async def tee(tmp_path):
    async with AttestedScene(tmp_path).open() as made:
        await made.with_secrets()
        yield made


async def relays(tee, *, root=ROOT):
    """Return who makes relays of one session of one task."""
    deal, task_id = await tee.bought()
    enclave, worker = Address.parse((await tee.challenge(task_id)).text), tee.world.workers[0]
    signed = tee.world.owner.sign_authorization(worker.address, task_id, enclave)
    offer = Offer(task_id, deal, 0, Flow.STANDARD, signed, enclave, URL)
    transport = httpx.ASGITransport(tee.app)
    sessions = HttpTeeSessions(URL, TDX, worker, transport=transport)
    session = await sessions.open(offer, worker.address)
    quoter = SimulatedServiceQuoter(root.machine(), TDX)
    task = RelayedTask(task_id, worker.address, enclave)

    def relay(service, program):
        return session, ServiceRelay(task, session, service, program, sessions, quoter)

    return relay


async def told(made, service, folder):
    session, relay = made
    about = {
        SESSION_VARIABLE: session,
        SERVICE_VARIABLE: service,
        RELAY_VARIABLE: str(folder / RELAY_SOCKET),
    }
    async with relay.open_in(folder):
        return await asyncio.to_thread(environment_for, about, bytes([1]) * 32)


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("r")


async def test_each_service_is_told_its_own_by_a_quote_that_was_verified(tee, folder):
    relay = await relays(tee)
    app = await told(relay(Service.APP, APP), Service.APP, folder)
    assert app["IEXEC_REQUESTER_SECRET_1"] == "secret of requester"
    assert "SIGN_TEE_CHALLENGE_PRIVATE_KEY" not in app
    after = await told(relay(Service.POST_COMPUTE, AFTER), Service.POST_COMPUTE, folder)
    assert after["SIGN_TEE_CHALLENGE_PRIVATE_KEY"].startswith("0x")
    assert "IEXEC_REQUESTER_SECRET_1" not in after


@pytest.mark.parametrize(
    ("service", "program"),
    [
        (Service.APP, replace(APP, digest="02" * 32)),
        (Service.APP, replace(APP, command=("other", "words"))),
        (Service.POST_COMPUTE, APP),
        (Service.APP, AFTER),
    ],
)
async def test_another_program_is_told_nothing(tee, folder, service, program):
    relay = await relays(tee)
    with pytest.raises(RelayRefused):
        await told(relay(service, program), service, folder)


async def test_a_root_that_the_service_was_not_told_of_vouches_for_nobody(tee, folder):
    relay = await relays(tee, root=OTHER)
    with pytest.raises(RelayRefused):
        await told(relay(Service.APP, APP), Service.APP, folder)


async def test_nothing_is_told_twice(tee, folder):
    relay = await relays(tee)
    await told(relay(Service.APP, APP), Service.APP, folder)
    with pytest.raises(RelayRefused):
        await told(relay(Service.APP, APP), Service.APP, folder)
