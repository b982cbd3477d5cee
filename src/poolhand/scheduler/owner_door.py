"""Who may ask what is the pool owner's: whoever has a session, or can read the wallet's lock."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from poolhand.domain.errors import Refused
from poolhand.scheduler.owner_sessions import OwnerSessions
from poolhand.transport.bearer import given_token
from poolhand.transport.own_site import OwnSite


class NotTheOwner(Refused):
    """What is asked for is the pool owner's, and nothing proves that it asks."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "this is the pool owner's: sign in at the pool's page /owner, or give it on the pool's "
            "machine, as the user that runs the pool, with the same --locks"
        )


class OwnerDoor:
    """Asks before each request of the owner's.

    Args:
        token: That stands in the lock of the pool's wallet.
        sessions: Of those who signed in.
        site: Refuses what another site's page asks.
    """

    def __init__(self, token: str, sessions: OwnerSessions, site: OwnSite) -> None:
        self._token, self._sessions, self._site = token, sessions, site

    async def authorize(self, request: Request) -> None:
        """Let a request pass; raises NotTheOwner, ForeignHost."""
        self._site.check(request)
        given = given_token(request)
        if hmac.compare_digest(given.encode(errors="replace"), self._token.encode()):
            return
        if not await self._sessions.holds(given):
            raise NotTheOwner
