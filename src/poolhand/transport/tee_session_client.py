"""A worker's way to a secret management service: sessions, and secrets that it cannot read.

Source: services-api.md 4.4; nonce and provision are ours.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.replicate.machine import Offer
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.tee.session import Service
from poolhand.domain.tee.session_errors import SessionError, SessionRefused
from poolhand.domain.text import shown
from poolhand.ports.signer import Signer
from poolhand.ports.tee import ProvisionRequest, TeeServiceProgram
from poolhand.transport.address_rule import AddressRule, ForbiddenAddress, guarded_client
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, WebAnswer, ask
from poolhand.wire.sms_api import OpenedSession, Provisioned, TeeProperties, ToldNonce

M = TypeVar("M", bound=BaseModel)
_CAPS: Final = Caps(2 * 1024**2, seconds=60)
MOST_SESSION_NAME: Final = 256


class TeeSessionsDown(Unavailable):
    """The secret management service does not answer, or not sensibly."""


class SecretsRefused(Refused):
    """The secret management service tells nothing to what asks."""


class HttpTeeSessions:
    """Implements ``ports.tee.TeeSessions``.

    Args:
        url: Of the service.
        framework: Of the tasks.
        signer: The worker's wallet.
        rule: Where the service may be: it is the pool that says so.
        transport: Replaces the network in tests (``httpx.ASGITransport``).
    """

    def __init__(
        self,
        url: str,
        framework: TeeFramework,
        signer: Signer,
        rule: AddressRule = AddressRule(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._framework, self._signer = url.rstrip("/"), framework, signer
        self._rule, self._transport = rule, transport

    async def program(self, service: Service) -> TeeServiceProgram:
        """Return what runs before or after an app; see ``TeeSessions.program``."""
        answer = await self._ask("GET", f"/tee/properties/{self._framework}")
        told = self._read(answer, TeeProperties)
        is_before = service is Service.PRE_COMPUTE
        found = told.preComputeProperties if is_before else told.postComputeProperties
        image, _, digest = found.image.partition("@sha256:")
        if not digest:
            raise SecretsRefused(
                f"{shown(found.image, 200)} names no digest: the service's operator"
            )
        return TeeServiceProgram(image, digest, tuple(found.entrypoint.split()))

    async def open(self, offer: Offer, worker: Address) -> str:
        """Have a session made for a task; see ``TeeSessions.open``."""
        body = {
            "chainTaskId": str(offer.task_id),
            "dealId": str(offer.deal_id),
            "taskIndex": offer.index,
            "workerWallet": str(worker),
            "enclaveChallenge": str(offer.enclave),
            "signature": {"value": f"0x{offer.authorization.hex()}"},
        }
        signed = self._signer.sign_session(offer.task_id, offer.enclave)
        headers = {"Authorization": f"0x{signed.hex()}"}
        answer = await self._ask("POST", "/tee/sessions", json=body, headers=headers)
        if not answer.is_success:
            raise SessionRefused(_error(answer))
        told = self._read(answer, OpenedSession).data
        if told is None or not told.sessionId[:MOST_SESSION_NAME].isalnum():
            raise TeeSessionsDown(f"{self._url} tells of no session")
        return told.sessionId[:MOST_SESSION_NAME]

    async def nonce(self, session: str) -> str:
        """Return a fresh nonce; see ``TeeSessions.nonce``."""
        answer = await self._ask("GET", f"/tee/sessions/{session}/nonce")
        return self._read(answer, ToldNonce).nonce

    async def provision(self, session: str, service: Service, asked: ProvisionRequest) -> str:
        """Return what is sealed for a service; see ``TeeSessions.provision``."""
        body = {
            "kind": asked.kind,
            "quote": asked.quote,
            "publicKey": asked.public_key,
            "nonce": asked.nonce,
        }
        path = f"/tee/sessions/{session}/provision/{service}"
        return self._read(await self._ask("POST", path, json=body), Provisioned).sealed

    async def _ask(self, method: str, path: str, **more: Any) -> WebAnswer:
        try:
            async with self._client() as http:
                answer = await ask(http, method, self._url + path, _CAPS, **more)
        except ForbiddenAddress as fault:
            raise SecretsRefused(
                f"{self._url} is not asked for secrets ({fault}): the pool's owner must give a "
                "public https address, or this worker's operator allow this one"
            ) from fault
        except (NoAnswer, AnswerTooLarge) as fault:
            raise TeeSessionsDown(
                f"the secret service at {self._url} gives no answer: {fault}"
            ) from fault
        return answer

    def _read(self, answer: WebAnswer, kind: type[M]) -> M:
        """Read an answer; a service in trouble is away, and any other refusal is final."""
        if answer.status >= 500:
            raise TeeSessionsDown(f"the secret service at {self._url} answers {answer.status}")
        if not answer.is_success:
            raise SecretsRefused(f"the secret service tells nothing ({answer.status})")
        try:
            return kind.model_validate(parse_json(answer.content))
        except (ValueError, ValidationError) as fault:
            raise TeeSessionsDown(f"the secret service at {self._url} answers rubbish") from fault

    def _client(self) -> httpx.AsyncClient:
        """Return a client that minds where it connects."""
        if self._transport is not None:
            return httpx.AsyncClient(transport=self._transport, trust_env=False)
        return guarded_client(self._rule, read=60.0)


def _error(answer: WebAnswer) -> SessionError:
    """Return the code with which a session is refused; an unknown one says that."""
    try:
        return SessionError(parse_json(answer.content)["error"])
    except (ValueError, LookupError, TypeError):
        return SessionError.UNKNOWN_ISSUE
