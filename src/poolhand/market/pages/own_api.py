"""The market's own API, asked as anybody asks it, but without a socket.

Pages have no other source: whatever number stands on one is in an answer of a documented route.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.types import ASGIApp, Message, Scope

from poolhand.domain.errors import Refused, Unavailable

OWN_SCOPE: Final = "poolhand.own"
"""Member of a scope that no request from outside has: the market asks itself."""


class ApiRefusal(Refused):
    """The API has no such thing, or cannot read what was asked; its words are for the reader.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class ApiOutage(Unavailable):
    """Chain or database do not answer at present."""


class OwnApi:
    """Asks the API of one market.

    Args:
        app: The market.
        chain_id: What every question names.
    """

    def __init__(self, app: ASGIApp, chain_id: int) -> None:
        self._app, self._chain_id = app, str(chain_id)

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return an answer.

        Raises:
            ApiRefusal: There is no such thing, or the question cannot be read.
            ApiOutage: Chain or database do not answer.
        """
        asked = {**(query or {}), "chainId": self._chain_id}
        status, body = await self._call(path, urlencode(asked))
        found: dict[str, Any] = json.loads(body)
        if status >= 500:
            raise ApiOutage(str(found.get("error", "")))
        if status >= 400:
            raise ApiRefusal(status, str(found.get("error", "")))
        return found

    async def _call(self, path: str, query: str) -> tuple[int, bytes]:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"accept", b"application/json")],
            "client": None,
            "server": None,
            OWN_SCOPE: True,
        }
        status, parts = 500, list[bytes]()

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return status, b"".join(parts)
