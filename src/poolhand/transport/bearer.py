"""Orders that carry a token: refused before their bodies are looked at, where it is another."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from poolhand.domain.errors import Refused


def bearer_guard(token: str, refusal: Callable[[], Refused]) -> Callable[[str], None]:
    """Return a dependency that raises ``refusal()`` where a request lacks the token."""

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        given = authorization.encode(errors="replace")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise refusal()

    return authorize
