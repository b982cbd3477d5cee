"""A requester's view of the files that it leaves for workers at a results service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import httpx

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Refused
from poolhand.domain.json_text import parse_json
from poolhand.domain.messages import LOGIN_LIFETIME, InputRelease, InputUpload, hub_domain
from poolhand.domain.text import is_plain, shown
from poolhand.domain.units import UnixSeconds
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock
from poolhand.ports.signer import Signer
from poolhand.transport.results_client import ResultsDown
from poolhand.web.client import BODY_READ_SIZE, AnswerTooLarge, Caps, NoAnswer, WebAnswer, ask
from poolhand.wire.json_models import ServiceFault
from poolhand.wire.results_api import StoredInput, input_path

MOST_INPUT_ANSWER: Final = 4096
"""Bytes of an answer."""
LONGEST_INPUT_UPLOAD: Final = 3600.0
"""Seconds for bringing one file, however slowly it goes."""
_UPLOAD: Final = Caps(MOST_INPUT_ANSWER, seconds=LONGEST_INPUT_UPLOAD)
_SHORT: Final = Caps(MOST_INPUT_ANSWER, seconds=60)


class InputNotLeft(Refused):
    """A results service does not take a file for workers; nothing was paid."""


@dataclass(frozen=True, slots=True)
class InputStation:
    """Leaves files at one results service.

    Attributes:
        http: Whose connections are used.
        url: Of the service.
        signer: Whose the files are.
        facts: Of the hub; binds signatures to it.
        clock: Tells the time.
    """

    http: httpx.AsyncClient
    url: str
    signer: Signer
    facts: HubFacts
    clock: Clock

    async def leave(self, content: bytes) -> str:
        """Bring a file, and return where workers find it.

        Raises:
            InputNotLeft: The service takes no such file; says why.
            ResultsDown: It does not answer, or not sensibly.
        """
        digest, owner = sha256(content).digest(), self.signer.address
        said = InputUpload(self._domain, owner, digest, len(content), self._expiry())
        path = input_path(owner, digest)
        told = await self._ask(
            "PUT", path, said, {"size": str(len(content))}, _pieces(content), len(content)
        )
        try:
            location = StoredInput.model_validate(parse_json(told.content)).location
        except ValueError as fault:
            raise self._down("it answered something else") from fault
        if not location.endswith(path) or not is_plain(location):
            raise self._down("it put the file elsewhere")
        return location

    async def release(self, digest: bytes) -> None:
        """Take a file away, known by its sha256 (32 bytes); repeatable; raises as ``leave``."""
        owner = self.signer.address
        said = InputRelease(self._domain, owner, digest, self._expiry())
        await self._ask("DELETE", input_path(owner, digest), said, {})

    @property
    def _domain(self) -> Domain:
        return hub_domain(self.facts.chain_id, self.facts.hub)

    def _expiry(self) -> UnixSeconds:
        return UnixSeconds(self.clock.now() + LOGIN_LIFETIME)

    async def _ask(
        self,
        method: str,
        path: str,
        said: InputUpload | InputRelease,
        params: dict[str, str],
        content: AsyncIterator[bytes] | None = None,
        size: int = 0,
    ) -> WebAnswer:
        headers = {"Poolhand-Signature": "0x" + self.signer.sign_message(said).hex()}
        if content is not None:
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            answer = await ask(
                self.http,
                method,
                self.url.rstrip("/") + path,
                _SHORT if content is None else _UPLOAD,
                params={**params, "expiry": str(said.expiry)},
                headers=headers,
                content=content,
            )
        except (NoAnswer, AnswerTooLarge) as fault:
            raise self._down(str(fault)) from fault
        if answer.is_success:
            return answer
        why = _why(answer)
        if answer.status >= 500:
            raise self._down(why)
        raise InputNotLeft(
            f"the results service at {shown(self.url, 200)} takes no file for workers ({why}): "
            "name another with --results-url, or send less. Nothing was paid"
        )

    def _down(self, why: str) -> ResultsDown:
        return ResultsDown(
            f"the results service at {shown(self.url, 200)}, which is to keep a file for workers, "
            f"does not ({why}): try later, or name another with --results-url. Nothing was paid"
        )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), BODY_READ_SIZE):
        yield content[start : start + BODY_READ_SIZE]


def _why(answer: WebAnswer) -> str:
    try:
        return shown(ServiceFault.model_validate(parse_json(answer.content)).message, 400)
    except ValueError:
        return f"HTTP {answer.status}"
