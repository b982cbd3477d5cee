"""Logins of iExec's result proxy, which the SDK 8 still calls: a token that says whose it is.

Nothing here asks for the token: an archive is given to whoever asks for a result that is public on
chain. The SDK hands it on to a secret store, for programs in enclaves that bring results in their
owner's name.

Source: services-api-2.md C.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from poolhand.domain.ids import Address
from poolhand.transport.asgi import service_router
from poolhand.transport.sign_ins import NotSignedIn, SignIns
from poolhand.wire.json_models import AddressText

RESULTS_SERVICE_NAME: Final = "iExec Result Repository"
"""Under which the SDK knows a results service."""
MOST_PROOF: Final = 10_000
"""Bytes of a proof."""
_HEADER: Final = {"alg": "HS256"}
_PLAIN_TEXT: Final[dict[str, Any]] = {"text/plain": {"schema": {"type": "string"}}}


def token_of(address: Address, secret: bytes) -> str:
    """Return the token of a wallet, a JSON Web Token: always the same, for one secret."""
    signed = f"{_packed(_HEADER)}.{_packed({'aud': str(address)})}"
    return f"{signed}.{_plain(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _packed(members: dict[str, str]) -> str:
    return _plain(json.dumps(members, separators=(",", ":")).encode())


def _plain(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def login_routes(sign_ins: SignIns, secret: Callable[[], bytes]) -> APIRouter:
    """Return the endpoints.

    Args:
        sign_ins: Knows who asks.
        secret: Reads what tokens are signed with; it may wait for a disk.
    """
    router = service_router()

    @router.get("/results/challenge")
    async def challenge(
        address: AddressText, chain_id: Annotated[int | None, Query(alias="chainId", ge=0)] = None
    ) -> dict[str, Any]:
        """Give typed data that a wallet signs to log in."""
        return {"data": sign_ins.challenge(Address.parse(address), chain_id)}

    @router.post(
        "/results/login",
        response_class=Response,  # its media type would be that of faults, too
        responses={200: {"description": "The token.", "content": _PLAIN_TEXT}},
        openapi_extra={"requestBody": {"required": True, "content": _PLAIN_TEXT}},
    )
    async def login(request: Request) -> Response:
        """Log in with `<digest>_<signature>_<address>` as text; answers the wallet's token."""
        address = sign_ins.proved(await _short_text(request))
        return PlainTextResponse(token_of(address, await asyncio.to_thread(secret)))

    return router


async def _short_text(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_PROOF:
            raise NotSignedIn
    return body.decode("ascii", errors="replace").strip()
