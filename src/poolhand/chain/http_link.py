"""An endpoint over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from urllib.parse import urljoin

from aiohttp import ClientError, ClientPayloadError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.client_exceptions import ClientConnectorError, InvalidURL

from poolhand import __version__
from poolhand.chain.answers import HttpAnswer, read_answers
from poolhand.chain.batches import Answers, Batches
from poolhand.chain.link import MOST_NODE_ANSWER, NODE_TIMEOUT, NODE_WAS_LATE, Query, message, shown
from poolhand.chain.refusal import EndpointDown

REDIRECTING: Final = frozenset({301, 302, 307, 308})
MOST_REDIRECTS: Final = 3
_READ_SIZE: Final = 256 * 1024


class HttpLink:
    """Implements ``link.Link`` with connections kept open.

    A redirect is followed with the same request, never from https to plain http.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self.batches = Batches(self.name)
        self._url = url
        self._ids = count(1)
        self._session: ClientSession | None = None

    async def exchange(self, queries: Sequence[Query[Any]]) -> Answers:
        """Return the response objects, in order; raises EndpointDown."""
        return await self.batches.send(queries, self._post)

    async def _post(self, queries: Sequence[Query[Any]]) -> Answers:
        """Send one request or one batch; raises EndpointDown or BatchRefused."""
        sent = [next(self._ids) for _ in queries]
        try:
            answer = await self._ask(message(queries, sent).encode())
        except (ClientConnectorError, InvalidURL) as fault:
            raise EndpointDown(self.name, "cannot be connected to", reached=False) from fault
        except TimeoutError as fault:
            raise EndpointDown(self.name, NODE_WAS_LATE, slow=True) from fault
        except (ClientError, OSError) as fault:
            raise EndpointDown(self.name, f"broke off ({type(fault).__name__})") from fault
        return read_answers(queries, sent, answer)

    async def _ask(self, body: bytes) -> HttpAnswer:
        """Post a body, to where the endpoint sends us, too."""
        url = self._url
        async with asyncio.timeout(NODE_TIMEOUT):
            for _ in range(MOST_REDIRECTS + 1):
                async with self._opened().post(url, data=body, allow_redirects=False) as answer:
                    place = answer.headers.get("Location", "")
                    if answer.status in REDIRECTING and place:
                        url = self._redirected(url, place)
                        continue
                    told = answer.headers.get("Retry-After")
                    read = await self._body(answer.content)
                    return HttpAnswer(self.name, answer.status, told, read, time.time())
        raise EndpointDown(self.name, f"redirects more than {MOST_REDIRECTS} times")

    def _redirected(self, url: str, place: str) -> str:
        there = urljoin(url, place)
        if not there.startswith(("http://", "https://")):
            raise EndpointDown(self.name, "redirects to what is no http address")
        if url.startswith("https://") and not there.startswith("https://"):
            raise EndpointDown(self.name, f"redirects to {shown(there)}, without TLS")
        return there

    async def _body(self, content: Any) -> bytes:
        read = bytearray()
        async for chunk in content.iter_chunked(_READ_SIZE):
            read += chunk
            if len(read) > MOST_NODE_ANSWER:
                raise ClientPayloadError(f"more than {MOST_NODE_ANSWER} bytes")
        return bytes(read)

    def _opened(self) -> ClientSession:
        """Return the session; made in the loop that uses it."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(keepalive_timeout=60),
                timeout=ClientTimeout(total=NODE_TIMEOUT),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "User-Agent": f"poolhand/{__version__}",
                },
            )
        return self._session

    async def close(self) -> None:
        """Close the connections; repeatable."""
        if self._session is not None:
            await self._session.close()
