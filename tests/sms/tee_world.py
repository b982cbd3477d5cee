"""Confidential tasks at a secret management service: a deal, its worker, and quotes of programs."""

from __future__ import annotations

import json
from base64 import b64decode

import httpx
from sms_world import URL, SmsScene

from poolhand.domain.hashes import authorization_hash, challenge_request, eip191_hash, task_id
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Initialize
from poolhand.domain.params import split_arguments
from poolhand.domain.tee.evidence import (
    Attested,
    QuotePolicy,
    QuoteReport,
    TcbStatus,
    check_report,
)
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.tee.measurement import Measurement, measure_service
from poolhand.domain.tee.refusal import AttestationRefused, RefusalReason
from poolhand.domain.tee.sealing import open_sealed, public_key_of, report_data
from poolhand.domain.tee.session import Service
from poolhand.domain.units import UnixSeconds
from poolhand.sms.assembly import TeeWorld, assemble
from poolhand.sms.bulk_datasets import NoContentFiles
from poolhand.transport.clock import ManualClock, SystemEntropy
from poolhand.wire.sms_api import TeeProperties, TeeStageProperties

TDX = TeeFramework.TDX
STAGE = "sha256:" + "ab" * 32
PROPERTIES = TeeProperties(
    teeFramework="TDX",
    teeFrameworkVersion="1",
    preComputeProperties=TeeStageProperties(
        image=f"pre@{STAGE}", fingerprint=measure_service(TDX, STAGE, ("pre",)).fingerprint,
        entrypoint="pre",
    ),
    postComputeProperties=TeeStageProperties(
        image=f"post@{STAGE}", fingerprint=measure_service(TDX, STAGE, ("post",)).fingerprint,
        entrypoint="post",
    ),
)  # fmt: skip
PARAMS = '{"iexec_args":"hello there","iexec_secrets":{"1":"my-secret"}}'


class CountedVerifier:
    """Takes quotes that are a measurement (48 bytes) and report data; counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def verify(self, evidence, policy, report_data, now) -> Attested:
        self.asked += 1
        if len(evidence.quote) != 112 or evidence.kind is not EvidenceKind.TDX:
            raise AttestationRefused(RefusalReason.MALFORMED, "no quote")
        found = Measurement(evidence.kind, evidence.quote[:48], (bytes(48),) * 4, bytes(48))
        attested = Attested(found, TcbStatus.UP_TO_DATE, (), True, UnixSeconds(now + 60))
        report = QuoteReport(attested, bytes(8), evidence.quote[48:])
        return check_report(report, policy, report_data)


class TeeScene(SmsScene):
    """A service with a confidential task that is active on chain."""

    def __init__(self, folder, **settings) -> None:
        super().__init__(folder, **settings)
        self.verifier, self.clock = CountedVerifier(), ManualClock()
        self.files = NoContentFiles()

    def start(self, number: int = 0) -> None:
        world = TeeWorld(
            self.verifier,
            self.clock,
            SystemEntropy(),
            {"tdx": PROPERTIES},
            QuotePolicy(accepts_simulated=True),
            self.files,
        )
        self.app = assemble(self.chain.hub, self.keepers[number:], self.settings, URL, tee=world)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=URL)

    async def bought(self, *, tag=TDX.tag, params=PARAMS, dataset=True, initialize=True):
        """Buy a task and have it initialized; returns (deal id, task id)."""
        orders = self.market.orders(dataset=dataset, tag=tag, params=params)
        receipt = await self.world.send(self.world.requester, orders)
        (deal,) = receipt.deals
        if initialize:
            await self.world.send(self.world.owner, Initialize(((deal, 0),)))
        return deal, task_id(deal, 0)

    async def with_secrets(self) -> None:
        """Have every secret pushed that a task may need."""
        for place, wallet in self.places().values():
            value = f"secret of {place.kind}"
            assert (await self.push(place, value, wallet)).status_code == 204

    async def challenge(self, task, signer=None) -> httpx.Response:
        signature = sign32(signer or self.world.owner, challenge_request(task))
        return await self.http.post(f"/tee/challenges/{task}", headers={"Authorization": signature})

    async def session(self, task, enclave, *, worker=None, owner=None, signer=None, **changes):
        worker, owner = worker or self.world.workers[0], owner or self.world.owner
        message = authorization_hash(worker.address, task, Address.parse(enclave))
        body = {
            "chainTaskId": str(task), "taskIndex": 0, "workerWallet": str(worker.address),
            "enclaveChallenge": enclave, "signature": {"value": sign32(owner, message)},
        } | changes  # fmt: skip
        headers = {"Authorization": sign32(signer or worker, message)}
        return await self.http.post("/tee/sessions", json=body, headers=headers)

    async def opened(self, task=None) -> str:
        """Return a session of a task that has everything."""
        task = task or (await self.bought())[1]
        enclave = (await self.challenge(task)).text
        answer = await self.session(task, enclave)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["sessionId"]

    def code(self, service: Service) -> bytes:
        """Return what a service measures."""
        if service is Service.APP:
            words = split_arguments(json.loads(PARAMS)["iexec_args"])
            return measure_service(TDX, "sha256:" + "01" * 32, words).code
        return measure_service(TDX, STAGE, (service.value.split("-")[0],)).code

    async def proof(self, session, service, *, private=b"\x05" * 32, **changes):
        """Return what an honest program shows, but for what is changed of its quote."""
        nonce = changes.pop("nonce", None) or await self.nonce(session)
        public = public_key_of(private)
        about = report_data(changes.pop("of", session), changes.pop("as_", service), public, nonce)
        quote = changes.pop("code", self.code(Service(service))) + about
        return {"kind": "tdx", "quote": "0x" + quote.hex(), "publicKey": "0x" + public.hex(),
                "nonce": nonce} | changes  # fmt: skip

    async def nonce(self, session) -> str:
        return (await self.http.get(f"/tee/sessions/{session}/nonce")).json()["nonce"]

    async def provision(self, session, service, proof) -> httpx.Response:
        return await self.http.post(f"/tee/sessions/{session}/provision/{service}", json=proof)

    def read(self, answer, session, service, proof, private=b"\x05" * 32) -> dict:
        about = report_data(session, service, public_key_of(private), proof["nonce"])
        return json.loads(open_sealed(private, b64decode(answer.json()["sealed"]), about))


def sign32(wallet, message: bytes) -> str:
    """Sign 32 bytes as an account does (EIP-191)."""
    return "0x" + wallet._Wallet__sign(eip191_hash(message)).hex()
