"""Orders that carry a token: refused before their bodies are looked at, where it is another."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from starlette.requests import Request

from poolhand.domain.errors import Refused


def bearer_guard(token: str, refusal: Callable[[], Refused]) -> Callable[[Request], None]:
    """Return what raises ``refusal()`` where a request lacks the token."""

    def authorize(request: Request) -> None:
        given = request.headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise refusal()

    return authorize
