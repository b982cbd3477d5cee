"""Keys of encrypted results, where a secret management service keeps them: passed on, both ways.

Workers and older clients ask where results are brought. What passes here is signed by its owner,
and whoever uses it checks that, so that this service could put nothing in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import httpx
from fastapi import APIRouter, Request, Response

from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.result_key import MOST_RESULT_KEY, RESULT_KEY_NAME
from poolhand.results.key_shelf import NoResultKey, ResultKeyTooLarge
from poolhand.transport.asgi import service_router
from poolhand.web.client import AnswerTooLarge, Caps, NoAnswer, ask
from poolhand.wire.json_models import AddressText

RELAYING_SECONDS: Final = 10
"""For an answer of the secret management service."""
_CAPS: Final = Caps(65_536, RELAYING_SECONDS)


class SecretsUnreachable(Unavailable):
    """The secret management service does not answer."""


def key_relay_routes(url: str, client: Callable[[], httpx.AsyncClient]) -> APIRouter:
    """Return the endpoints.

    Args:
        url: Of the secret management service.
        client: Opens what asks it.
    """
    router, relay = service_router(), KeyRelay(url, client)

    @router.get("/v1/result-keys/{owner}", response_class=Response)
    async def get_result_key(request: Request, owner: AddressText) -> Response:
        """Give the key to which results for a beneficiary are encrypted, as it signed it."""
        return await relay.passed_on(request, f"/v1/result-keys/{Address.parse(owner)}")

    @router.head("/secrets/web2", response_class=Response)
    @router.post("/secrets/web2", response_class=Response)
    @router.put("/secrets/web2", response_class=Response)
    async def key_for_results(request: Request) -> Response:
        """Hand in a key for results, change it, or ask whether there is one."""
        if request.query_params.get("secretName") != RESULT_KEY_NAME:
            raise NoResultKey("no secret but the key for results is passed on here")
        return await relay.passed_on(request, "/secrets/web2", await _key_text(request))

    return router


class KeyRelay:
    """Passes requests on to a secret management service.

    Args:
        url: Where it is.
        client: Opens what asks it.
    """

    def __init__(self, url: str, client: Callable[[], httpx.AsyncClient]) -> None:
        self._url, self._client = url.rstrip("/"), client

    async def passed_on(self, request: Request, path: str, body: bytes = b"") -> Response:
        """Return its answer; raises SecretsUnreachable where there is none."""
        headers = {"Content-Type": "text/plain"}
        if "authorization" in request.headers:
            headers["Authorization"] = request.headers["authorization"]
        try:
            async with self._client() as http:
                answer = await ask(
                    http, request.method, self._url + path, _CAPS,
                    params=dict(request.query_params), headers=headers, content=body,
                )  # fmt: skip
        except (NoAnswer, AnswerTooLarge) as fault:
            raise SecretsUnreachable(
                f"the secret management service does not answer ({fault}): try again in a while"
            ) from fault
        kind = "application/json" if answer.content else None
        return Response(answer.content, answer.status, media_type=kind)


async def _key_text(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_RESULT_KEY:
            raise ResultKeyTooLarge(f"a key for results has at most {MOST_RESULT_KEY} bytes")
    return body
