"""A secret management service as its users see it: secrets pushed, and asked after."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import httpx

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.json_text import parse_json
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.domain.tee.framework import TeeFramework
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, WebAnswer, ask
from poolhand.wire.sms_api import TeeProperties

PUSHING_SECONDS: Final = 30
"""For an answer."""
_CAPS: Final = Caps(65_536, PUSHING_SECONDS)


class SecretNotTaken(Refused):
    """The service does not take a secret; the message says who must act."""


class SecretsDown(Unavailable):
    """The service does not answer."""


class SecretsClient:
    """Asks one service.

    Args:
        http: Client to ask with.
        url: Of the service.
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self.url = http, url.rstrip("/")

    async def has(self, place: SecretPlace) -> bool:
        """Tell whether there is a secret.

        Raises:
            SecretsDown: The service does not answer, or with something else.
        """
        status = await self._status("HEAD", place)
        if status in (200, 204):
            return True
        if status == 404:
            return False
        raise SecretsDown(f"the secret management service at {self.url} answered {status}")

    async def is_simulated(self) -> bool:
        """Tell whether it tells secrets to simulated enclaves, which keep nothing secret.

        A service of no framework, or of another maker's, says nothing of that.

        Raises:
            SecretsDown: It does not answer, or with something else.
        """
        framework = await self._told("/tee/framework")
        if framework is None:
            return False
        try:
            word = TeeFramework(str(parse_json(framework)).lower())
            told = await self._told(f"/tee/properties/{word}")
            return told is not None and TeeProperties.model_validate(parse_json(told)).simulated
        except ValueError as fault:
            raise SecretsDown(
                f"the secret management service at {self.url} does not say sensibly which enclaves "
                "it is for: ask its operator"
            ) from fault

    async def _told(self, path: str) -> bytes | None:
        """Return what a question is answered with; None where nothing is known of it."""
        answer = await self._asked("GET", path)
        if answer.status == 404:
            return None
        if not answer.is_success:
            raise SecretsDown(
                f"the secret management service at {self.url} answered {answer.status}: try again "
                "later"
            )
        return answer.content

    async def push(
        self, place: SecretPlace, value: bytes, signature: bytes, *, change: bool = False
    ) -> None:
        """Put a secret there.

        Args:
            place: Where.
            value: What, UTF-8.
            signature: Of whoever may.
            change: In place of the one that is there.

        Raises:
            SecretNotTaken: The service refuses.
            SecretsDown: It does not answer.
        """
        status = await self._status("PUT" if change else "POST", place, value, signature)
        if status in (200, 204):
            return
        if status >= 500 or status == 429:
            raise SecretsDown(
                f"the secret management service at {self.url} answered {status}: try again later"
            )
        why = _REASONS.get(status, f"it answered {status}").format(place=place)
        raise SecretNotTaken(f"the secret is not taken at {self.url}: {why}")

    async def _status(
        self, method: str, place: SecretPlace, value: bytes = b"", signature: bytes = b""
    ) -> int:
        path, query = address_of(place)
        headers = {"Content-Type": "text/plain"}
        if signature:
            headers["Authorization"] = "0x" + signature.hex()
        answer = await self._asked(method, path, params=query, headers=headers, content=value)
        return answer.status

    async def _asked(self, method: str, path: str, **more: Any) -> WebAnswer:
        try:
            return await ask(self._http, method, self.url + path, _CAPS, **more)
        except (NoAnswer, AnswerTooLarge) as fault:
            raise SecretsDown(
                f"the secret management service at {self.url} does not answer: {fault}"
            ) from fault


_REASONS: Final = {
    401: "your wallet may not set it; whoever owns {place} on chain may",
    404: "there is none to change: push it without --change",
    409: "there is one already of {place}, and it cannot be put in its place",
    413: "it is over 4096 bytes",
}


def address_of(place: SecretPlace) -> tuple[str, dict[str, str]]:
    """Return the path and the query of a secret."""
    owner = str(place.owner)
    if place.kind is SecretKind.WEB3:
        return "/secrets/web3", {"secretAddress": owner}
    if place.kind is SecretKind.WEB2:
        return "/secrets/web2", {"ownerAddress": owner, "secretName": place.name}
    if place.kind is SecretKind.APP:
        return f"/apps/{owner}/secrets", {}
    return f"/requesters/{owner}/secrets/{quote(place.name, safe='')}", {}
