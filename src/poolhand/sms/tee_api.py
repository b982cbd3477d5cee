"""The HTTP face for confidential tasks: properties, challenges, sessions, and their secrets.

Source: services-api.md 4.4; provision and nonce are ours.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any, Final, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from poolhand.domain.errors import BadHex, Refused
from poolhand.domain.hashes import authorization_hash, challenge_request
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.tee.evidence import MOST_QUOTE, Evidence
from poolhand.domain.tee.framework import EvidenceKind, TeeFramework
from poolhand.domain.tee.sealing import KEY_BYTES
from poolhand.domain.tee.session import environments
from poolhand.domain.tee.session_errors import E, SessionRefused
from poolhand.sms.challenges import TaskChallenges
from poolhand.sms.edge import caller_of
from poolhand.sms.gathering import SecretGathering
from poolhand.sms.measuring import ServiceMeasurements
from poolhand.sms.sessions import OpenSessions, ServiceProof
from poolhand.sms.tasks_on_chain import TasksOnChain, is_of_deal, is_signed_by
from poolhand.transport.described import DescribedRoute, body_told
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire.sms_api import (
    OpenedSession,
    ProvisionAsked,
    Provisioned,
    TeeAuthorization,
    TeeProperties,
    ToldNonce,
    ToldSession,
)

M = TypeVar("M", bound=BaseModel)
MOST_NONCE_TEXT: Final = 64
log = structlog.get_logger()


class NotTheFramework(Refused):
    """This service's framework is another."""

    http_status = 409


class NoSuchProperties(Refused):
    """Nothing is known of that version of a framework."""

    http_status = 404


class ChallengeRefused(Refused):
    """A challenge is given to the owner of the workerpool, for an active task in an enclave."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "not signed by the owner of the workerpool of an active task of this framework"
        )


class TeeFace:
    """Answers for one framework.

    Args:
        chain: Finds tasks.
        challenges: Have keys of enclaves.
        gathering: Finds secrets.
        measurements: Know what services must prove.
        sessions: Open ones.
        properties: Of what runs around apps; None: nothing is known.
        url: Where services prove themselves.
    """

    def __init__(
        self,
        chain: TasksOnChain,
        challenges: TaskChallenges,
        gathering: SecretGathering,
        measurements: ServiceMeasurements,
        sessions: OpenSessions,
        properties: TeeProperties | None,
        url: str,
    ) -> None:
        self._chain, self._challenges, self._gathering = chain, challenges, gathering
        self._measurements, self._sessions = measurements, sessions
        self._properties, self._url = properties, url

    async def framework(self, _: Request) -> Response:
        """Tell which framework this service is for."""
        return JsonAnswer(self._chain.framework.value.upper())

    async def properties(self, request: Request) -> Response:
        """Tell what runs before and after apps of a framework."""
        try:
            asked = TeeFramework(request.path_params["framework"].lower())
        except ValueError:
            raise NoSuchProperties("there is no such framework") from None
        if asked is not self._chain.framework:
            raise NotTheFramework(f"this service is for {self._chain.framework.value.upper()}")
        version, known = request.path_params.get("version"), self._properties
        if known is None or version not in (None, known.teeFrameworkVersion):
            raise NoSuchProperties("nothing is known of that version here")
        return JsonAnswer(known.model_dump(mode="json", exclude_none=True))

    async def challenge(self, request: Request) -> Response:
        """Give the address of a task's enclave, the same each time, to its workerpool's owner."""
        try:
            task_id = TaskId.parse(request.path_params["task_id"])
            task = await self._chain.active(task_id)
        except (BadHex, SessionRefused) as fault:
            raise ChallengeRefused from fault
        message = challenge_request(task_id)
        if not is_signed_by(task.owner, message, request.headers.get("authorization", "")):
            raise ChallengeRefused
        told = await self._challenges.address_of(task_id, caller_of(request.scope))
        return PlainTextResponse(str(told))

    async def open(self, request: Request) -> Response:
        """Open a session for a worker that a workerpool's owner authorized."""
        try:
            name = await self._opened(request)
        except SessionRefused as fault:
            log.info("session_refused", error=str(fault.error))
            status = 401 if fault.error.is_unauthorized else 500
            return JsonAnswer({"error": str(fault.error)}, status)
        told = ToldSession(sessionId=name, secretProvisioningUrl=self._url)
        return JsonAnswer(OpenedSession(data=told).model_dump(mode="json"))

    async def _opened(self, request: Request) -> str:
        asked = await _read(request, TeeAuthorization)
        try:
            task_id, worker = TaskId.parse(asked.chainTaskId), Address.parse(asked.workerWallet)
            enclave = Address.parse(asked.enclaveChallenge)
        except Refused as fault:
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED) from fault
        message = authorization_hash(worker, task_id, enclave)
        if not is_signed_by(worker, message, request.headers.get("authorization", "")):
            raise SessionRefused(E.INVALID_AUTHORIZATION)
        task = await self._chain.active(task_id)
        if not is_of_deal(task_id, task.deal, asked.taskIndex):
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_GET_CHAIN_TASK_FAILED)
        if not is_signed_by(task.owner, message, asked.signature.value):
            raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_INVALID_SIGNATURE)
        if enclave == ZERO_ADDRESS:
            raise SessionRefused(E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_PUBLIC_ENCLAVE_CHALLENGE)
        found = await self._gathering.request_of(task, asked.taskIndex, worker)
        if enclave != await self._challenges.address_of(task_id, ""):
            raise SessionRefused(E.GET_SIGNATURE_TOKENS_FAILED_EMPTY_TEE_CHALLENGE)
        environments(found)  # what lacks is told now, before anything is run
        expected = await self._measurements.of(task)
        return self._sessions.open(task, asked.taskIndex, worker, expected)

    async def nonce(self, request: Request) -> Response:
        """Give a nonce for one proof of a session's service."""
        made = self._sessions.nonce(request.path_params["session_id"])
        return JsonAnswer(ToldNonce(nonce=made).model_dump(mode="json"))

    async def provision(self, request: Request) -> Response:
        """Tell a service of a session its secrets, once, sealed to the key that its quote names."""
        path = request.path_params
        try:
            asked = await _read(request, ProvisionAsked)
        except SessionRefused:
            asked = ProvisionAsked()
        proof = _proof(asked, self._chain.framework.evidence)
        caller = caller_of(request.scope)
        telling = self._sessions.provision(path["session_id"], path["service"], proof, caller)
        sealed = await asyncio.ensure_future(telling)
        told = Provisioned(sealed=b64encode(sealed).decode())
        return JsonAnswer(told.model_dump(mode="json"))


def _proof(asked: ProvisionAsked, kind: EvidenceKind) -> ServiceProof:
    try:
        told = EvidenceKind(asked.kind)
    except ValueError:
        told = kind
    quote, key = _unhex(asked.quote, MOST_QUOTE), _unhex(asked.publicKey, KEY_BYTES)
    if len(key) != KEY_BYTES or asked.kind != told.value:
        quote = b""
    return ServiceProof(Evidence(told, quote), key, asked.nonce[:MOST_NONCE_TEXT])


def _unhex(text: str, most: int) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""
    return raw if len(raw) <= most else b""


async def _read(request: Request, form: type[M]) -> M:
    body = await request.body()
    try:
        return form.model_validate_json(body)
    except ValidationError as fault:
        raise SessionRefused(E.EXECUTION_NOT_AUTHORIZED_EMPTY_PARAMS_UNAUTHORIZED) from fault


def tee_routes(face: TeeFace) -> list[DescribedRoute]:
    """Return the endpoints."""
    signed = {"name": "Authorization", "in": "header", "required": True,
              "schema": {"type": "string"}}  # fmt: skip
    return [
        _route("/tee/framework", face.framework, "GET"),
        _route("/tee/properties/{framework}", face.properties, "GET", response_model=TeeProperties),
        _route("/tee/properties/{framework}/{version}", face.properties, "GET",
               response_model=TeeProperties),
        _route("/tee/challenges/{task_id}", face.challenge, "POST",
               openapi_extra={"parameters": [signed]}),
        _route("/tee/sessions", face.open, "POST", response_model=OpenedSession,
               openapi_extra={"parameters": [signed], **body_told(TeeAuthorization)}),
        _route("/tee/sessions/{session_id}/nonce", face.nonce, "GET", response_model=ToldNonce),
        _route("/tee/sessions/{session_id}/provision/{service}", face.provision, "POST",
               response_model=Provisioned, openapi_extra=body_told(ProvisionAsked)),
    ]  # fmt: skip


def _route(path: str, handler: Any, method: str, **told: Any) -> DescribedRoute:
    more = {"description": handler.__doc__, "responses": ENDPOINT_FAULT_ANSWERS, **told}
    return DescribedRoute(path, handler, method, lambda: more)
