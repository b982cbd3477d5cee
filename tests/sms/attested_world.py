"""A secret management service that verifies real quotes of a *simulated* root, and a worker's way.

What stands in is the hardware, by a simulated root, and a container, by a thread.
"""

from __future__ import annotations

import asyncio

import httpx
from sms_world import URL
from tee_world import PARAMS, TeeScene, sign32

from poolhand.attestation.simulated_root import SimulatedRoot
from poolhand.attestation.verifier import DcapVerifier
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import Address, ResultDigest
from poolhand.domain.onchain import Contribute
from poolhand.domain.params import DealParams, split_arguments
from poolhand.domain.replicate.machine import Flow, Offer
from poolhand.domain.tee.enclave_signature import enclave_message
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.measurement import measure_service
from poolhand.domain.tee.sealing import public_key_of, report_data
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.ports.tee import TeeServiceProgram
from poolhand.transport.clock import SystemClock
from poolhand.transport.tee_session_client import HttpTeeSessions
from poolhand.worker.tee.relay import RelayedTask, ServiceRelay
from poolhand.worker.tee.relay_line import (
    RELAY_SOCKET,
    RELAY_VARIABLE,
    SERVICE_VARIABLE,
    SESSION_VARIABLE,
)
from poolhand.worker.tee.simulated_quoter import SimulatedServiceQuoter
from poolhand.worker.tee.tee_launcher import environment_for

TDX = TeeFramework.TDX
ROOT = SimulatedRoot(UnixSeconds(SystemClock().now() - 60))
OTHER = SimulatedRoot(UnixSeconds(SystemClock().now() - 60))
WORDS = split_arguments(DealParams.parse(PARAMS).args)
APP = TeeServiceProgram("app", "01" * 32, WORDS)
BEFORE = TeeServiceProgram("pre", "ab" * 32, ("pre",))
AFTER = TeeServiceProgram("post", "ab" * 32, ("post",))
PROGRAMS = {Service.PRE_COMPUTE: BEFORE, Service.APP: APP, Service.POST_COMPUTE: AFTER}
PRIVATE = b"\x05" * 32
RIGHT = ResultDigest(b"\x0a" * 32)


class AttestedScene(TeeScene):
    """A service whose verifier is the real one, and trusts a simulated root."""

    def __init__(self, folder, clock=None) -> None:
        super().__init__(folder)
        self.verifier, self.clock = DcapVerifier(None, [ROOT.trust()]), clock or SystemClock()


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


class Story:
    """One confidential task of one worker: challenge, session, quotes, contribution.

    What is changed of an honest way is what a test says; the rest is whole.
    """

    def __init__(self, tee, task, worker) -> None:
        self.tee, self.task, self.worker = tee, task, worker
        self.machine = ROOT.machine()
        self.enclave = self.session = ""

    @classmethod
    async def begun(cls, tee, worker: int = 0, **bought) -> Story:
        """Buy a task and open a session of it."""
        story = cls(tee, (await tee.bought(**bought))[1], tee.world.workers[worker])
        return await story.reopened()

    async def reopened(self) -> Story:
        """Open a session, or another."""
        self.enclave = (await self.tee.challenge(self.task)).text
        answer = await self.tee.session(self.task, self.enclave, worker=self.worker)
        assert answer.status_code == 200, answer.text
        self.session = answer.json()["data"]["sessionId"]
        return self

    async def proof(self, service, *, program=None, key=PRIVATE, debug=False, **changes):
        """Return what an honest program shows, but for what is changed."""
        session = changes.pop("session", self.session)
        nonce = changes.pop("nonce", None) or await self.tee.nonce(session)
        public = public_key_of(key)
        runs = program or PROGRAMS[service]
        measured = measure_service(TDX, f"sha256:{runs.digest}", runs.command)
        about = report_data(session, service, public, nonce)
        machine = changes.pop("machine", self.machine)
        evidence = machine.evidence(measured, about, debug=debug)
        return {
            "kind": "tdx",
            "quote": f"0x{evidence.quote.hex()}",
            "publicKey": f"0x{public.hex()}",
            "nonce": nonce,
        } | changes

    async def refused(self, service, proof, session="") -> None:
        """Hold that nothing is told."""
        answer = await self.tee.provision(session or self.session, service, proof)
        assert answer.status_code == 401, answer.text
        assert "sealed" not in answer.json()

    async def told(self, service, **changes) -> dict:
        """Return what a service is told that proves itself."""
        key = changes.get("key", PRIVATE)
        proof = await self.proof(service, **changes)
        answer = await self.tee.provision(self.session, service, proof)
        assert answer.status_code == 200, answer.text
        return self.tee.read(answer, self.session, service, proof, key)

    async def contributed(self, worker=None) -> None:
        """Go through what is left of the task: its services, and the contribution on chain."""
        await self.told(Service.APP)
        after = await self.told(Service.POST_COMPUTE)
        await self.contribution(after, worker or self.worker)

    async def contribution(self, after, worker) -> None:
        """Contribute as ``worker`` what this session's last service signs for its own."""
        world, enclave = self.tee.world, Address.parse(self.enclave)
        key = Wallet.from_key(bytes.fromhex(after["SIGN_TEE_CHALLENGE_PRIVATE_KEY"][2:]))
        named = Address.parse(after["SIGN_WORKER_ADDRESS"])
        signed = bytes.fromhex(sign32(key, enclave_message(named, self.task, RIGHT))[2:])
        call = Contribute(
            self.task,
            result_hash(self.task, RIGHT),
            result_seal(worker.address, self.task, RIGHT),
            world.owner.sign_authorization(worker.address, self.task, enclave),
            enclave,
            signed,
        )
        await world.send(worker, call)
