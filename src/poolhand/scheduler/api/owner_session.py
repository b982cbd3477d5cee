"""The endpoints by which the pool's owner signs in, and out."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from poolhand.domain.messages import Nonce
from poolhand.scheduler.owner_sessions import SESSION_LIFE, OwnerSessions
from poolhand.transport.asgi import service_router
from poolhand.transport.attempts import Attempts
from poolhand.transport.bearer import given_token
from poolhand.transport.own_site import OwnSite
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.owner_sign_in import (
    OwnerSession,
    SignInChallenge,
    SignInProof,
    typed_sign_in,
)

SIGN_IN: Final = "/v1/owner/sign-in"


def sign_in_routes(sessions: OwnerSessions, attempts: Attempts, site: OwnSite) -> APIRouter:
    """Return the endpoints of whoever has no session yet.

    Args:
        sessions: Gives challenges and reads proofs.
        attempts: Counts them.
        site: Refuses what another site's page asks.
    """
    router = service_router()

    def let_through(request: Request) -> None:
        site.check(request)
        attempts.take(neighbourhood(request.client.host if request.client else ""))

    @router.get(SIGN_IN)
    async def challenge(request: Request) -> SignInChallenge:
        """Give what the pool's owner is to sign (EIP-712) within five minutes, once."""
        let_through(request)
        made = await sessions.challenge()
        return SignInChallenge(
            owner=made.owner,
            workerpool=made.domain.contract,
            chain_id=made.domain.chain_id,
            url=made.url,
            nonce=f"0x{bytes(made.nonce).hex()}",
            expiry=made.expiry,
            typed_data=typed_sign_in(made),
        )

    @router.post(SIGN_IN)
    async def sign_in(request: Request, proof: SignInProof) -> OwnerSession:
        """Open a session for whoever signed as the owner that the chain names."""
        let_through(request)
        nonce, signature = Nonce.parse(proof.nonce), bytes.fromhex(proof.signature[2:])
        token = await sessions.sign_in(nonce, proof.expiry, signature)
        return OwnerSession(token=token, expires_in=SESSION_LIFE)

    return router


def session_routes(sessions: OwnerSessions) -> APIRouter:
    """Return the endpoints of whoever has proved to be the owner: ``transport.bearer`` asks."""
    router = service_router()

    @router.post("/v1/owner/session")
    async def session() -> OwnerSession:
        """Open a further session: for a browser, by whoever runs the pool."""
        return OwnerSession(token=sessions.open(), expires_in=SESSION_LIFE)

    @router.post("/v1/owner/sign-out")
    async def sign_out(request: Request) -> dict[str, bool]:
        """End this session."""
        sessions.close(given_token(request))
        return {"signed_out": True}

    return router
