"""The HTTP face of the files that requesters leave for workers: bring, fetch, take away."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParameter
from starlette.responses import FileResponse

from poolhand.domain.ids import Address
from poolhand.domain.messages import InputRelease, InputUpload, hub_domain
from poolhand.domain.units import UnixSeconds
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock
from poolhand.results.api import drain, uploaded
from poolhand.results.input_shelf import MOST_INPUT, InputShelf, check_input_claim
from poolhand.results.unbought_inputs import LeftInput
from poolhand.transport.asgi import service_router
from poolhand.wire.json_models import AddressText
from poolhand.wire.results_api import StoredInput, input_path

_SHA256 = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]
_Expiry = Annotated[int, Query(ge=0, lt=2**63)]
_Signature = Annotated[str, Header(pattern=r"^0x[0-9a-fA-F]{130}$")]
_BYTES: Final[dict[str, Any]] = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}


def input_routes(shelf: InputShelf, facts: HubFacts, clock: Clock, url: str) -> APIRouter:
    """Return the endpoints.

    Args:
        shelf: Keeps the files.
        facts: Of the hub; binds signatures to it.
        clock: Tells the time.
        url: Under which workers reach this service.
    """
    router, domain = service_router(), hub_domain(facts.chain_id, facts.hub)

    @router.put(
        "/v1/inputs/{owner}/{sha256}", openapi_extra={"requestBody": {"required": True, **_BYTES}}
    )
    async def put_input(
        request: Request,
        owner: AddressText,
        sha256: _SHA256,
        size: Annotated[int, Query(ge=1, le=MOST_INPUT)],
        expiry: _Expiry,
        poolhand_signature: _Signature,
    ) -> StoredInput:
        """Take a file for the workers of a deal to come; answers where they find it.

        ``Poolhand-Signature`` is the owner's EIP-712 ``InputUpload``.
        """
        signer, content = Address.parse(owner), bytes.fromhex(sha256)
        said = InputUpload(domain, signer, content, size, UnixSeconds(expiry))
        body = uploaded(request)
        try:
            check_input_claim(said, _unhex(poolhand_signature), clock.now())
            await shelf.take(said, body)
        finally:
            await drain(body)
        return StoredInput(location=url + input_path(signer, content))

    @router.get("/v1/inputs/{owner}/{sha256}", response_class=Response, responses={200: _BYTES})
    async def get_input(owner: AddressText, sha256: _SHA256) -> Response:
        """Give a file to whoever knows its name, which is on chain where a deal names it."""
        path, _ = shelf.found(LeftInput(Address.parse(owner), bytes.fromhex(sha256)))
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, immutable"}
        return FileResponse(path, headers=headers, media_type="application/octet-stream",
                            filename=f"{sha256}.bin")  # fmt: skip

    @router.delete("/v1/inputs/{owner}/{sha256}", response_class=Response, status_code=204)
    async def delete_input(
        owner: AddressText, sha256: _SHA256, expiry: _Expiry, poolhand_signature: _Signature
    ) -> Response:
        """Take a file away; ``Poolhand-Signature`` is its owner's EIP-712 ``InputRelease``."""
        signer, content = Address.parse(owner), bytes.fromhex(sha256)
        said = InputRelease(domain, signer, content, UnixSeconds(expiry))
        await shelf.drop(check_input_claim(said, _unhex(poolhand_signature), clock.now()))
        return Response(status_code=204)

    return router


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])
