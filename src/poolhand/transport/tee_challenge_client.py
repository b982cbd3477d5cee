"""A pool's way to a secret management service: which tasks it is for, and the keys of enclaves.

Source: services-api.md 4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httpx
from pydantic import ValidationError

from poolhand.domain.errors import BadHex, Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address, TaskId
from poolhand.domain.json_text import parse_json
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.text import shown
from poolhand.ports.tee import SecretTerms
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, WebAnswer, ask
from poolhand.wire.sms_api import TeeProperties

_CAPS: Final = Caps(64 * 1024, seconds=10)
_SERVER_FAULT: Final = 500


class TeeChallengesDown(Unavailable):
    """The secret management service does not answer a pool, or not sensibly."""


class ChallengeNotGiven(Refused):
    """The secret management service tells a pool nothing."""


class HttpTeeChallenges:
    """Implements ``ports.tee.TeeChallenges``.

    Args:
        http: Client to ask with; where the service is, the pool's owner has said.
        url: Of the service.
        sign: Signs a task for its challenge, as the pool's owner (65 bytes).
    """

    def __init__(self, http: httpx.AsyncClient, url: str, sign: Callable[[TaskId], bytes]) -> None:
        self._http, self._url, self._sign = http, url.rstrip("/"), sign

    async def terms(self) -> SecretTerms:
        """Tell which tasks the service is for; see ``TeeChallenges.terms``."""
        told = self._text(await self._ask("GET", "/tee/framework"), "its framework")
        try:
            framework = TeeFramework(str(parse_json(told)).lower())
            answer = await self._ask("GET", f"/tee/properties/{framework}")
            known = TeeProperties.model_validate(
                parse_json(self._text(answer, "what runs around apps (--tee-properties)"))
            )
        except (ValueError, ValidationError) as fault:
            raise self._rubbish() from fault
        return SecretTerms(framework, known.simulated)

    async def challenge(self, task_id: TaskId) -> Address:
        """Return the address of a task's enclave; see ``TeeChallenges.challenge``."""
        signed = self._sign(task_id)
        headers = {"Authorization": f"0x{signed.hex()}"}
        answer = await self._ask("POST", f"/tee/challenges/{task_id}", headers=headers)
        told = self._text(answer, f"the enclave of task {task_id}")
        try:
            found = Address.parse(told.strip().strip('"'))
        except (BadHex, Refused) as fault:
            raise self._rubbish() from fault
        if found == ZERO_ADDRESS:
            raise self._rubbish()
        return found

    def _text(self, answer: WebAnswer, what: str) -> str:
        if answer.status >= _SERVER_FAULT:
            raise TeeChallengesDown(f"the secret service at {self._url} answers {answer.status}")
        said = answer.content.decode(errors="replace")
        if not answer.is_success:
            raise ChallengeNotGiven(
                f"the secret service at {self._url} does not tell {what} ({answer.status}): "
                f"{shown(said, 200)}"
            )
        return said

    def _rubbish(self) -> TeeChallengesDown:
        return TeeChallengesDown(f"the secret service at {self._url} answers rubbish")

    async def _ask(self, method: str, path: str, **more: Any) -> WebAnswer:
        try:
            return await ask(self._http, method, self._url + path, _CAPS, **more)
        except (NoAnswer, AnswerTooLarge) as fault:
            raise TeeChallengesDown(
                f"the secret service at {self._url} gives no answer: {fault}"
            ) from fault
