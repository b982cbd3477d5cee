"""An endpoint over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.client_exceptions import ClientConnectorError
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint

from poolhand.chain.link import TIMEOUT, Query, shown
from poolhand.chain.refusal import EndpointDown

_BUSY: Final = (429, 503)
_NONSENSE: Final = (ValueError, TypeError, KeyError, AttributeError)


class HttpLink:
    """Implements ``link.Link`` over web3's provider, with connections kept open.

    CCIP-read, by which a contract could send us to any URL, is off.
    """

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self.provider = AsyncHTTPProvider(
            url,
            request_kwargs={"timeout": ClientTimeout(total=TIMEOUT)},
            exception_retry_configuration=None,
        )
        self.provider.global_ccip_read_enabled = False
        self._session: ClientSession | None = None
        self._opening = asyncio.Lock()

    async def exchange(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        """Return the response objects, in order; raises EndpointDown."""
        await self._open()
        try:
            return await self._post(queries)
        except ClientResponseError as fault:
            raise EndpointDown(
                self.name,
                f"answered HTTP {fault.status}",
                retry_after=_retry_after(fault),
                busy=fault.status in _BUSY,
            ) from fault
        except ClientConnectorError as fault:
            raise EndpointDown(self.name, "cannot be connected to", reached=False) from fault
        except (ClientError, TimeoutError, OSError) as fault:
            raise EndpointDown(self.name, f"broke off ({type(fault).__name__})") from fault
        except _NONSENSE as fault:
            raise EndpointDown(self.name, "answers no JSON-RPC") from fault

    async def _open(self) -> None:
        """Give the provider a session that keeps connections; its own closes each after use."""
        async with self._opening:
            if self._session is None:
                connector = TCPConnector(keepalive_timeout=60)
                self._session = ClientSession(raise_for_status=True, connector=connector)
                await self.provider.cache_async_session(self._session)

    async def _post(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        """Send one request or one batch; a batch that is refused whole is sent in halves."""
        asked: list[tuple[RPCEndpoint, Any]] = [
            (RPCEndpoint(query.method), query.params) for query in queries
        ]
        if len(asked) == 1:
            return [dict(await self.provider.make_request(*asked[0]))]
        answers = await self.provider.make_batch_request(asked)
        if isinstance(answers, list):
            if len(answers) != len(queries):
                raise ValueError("a batch with too few answers")
            return [dict(answer) for answer in answers]
        half = len(queries) // 2
        return [*await self._post(queries[:half]), *await self._post(queries[half:])]

    async def close(self) -> None:
        """Close the connections; repeatable."""
        if self._session is not None:
            await self._session.close()


def _retry_after(fault: ClientResponseError) -> float:
    told = fault.headers.get("Retry-After", "") if fault.headers else ""
    return float(told) if told.isdigit() else 0.0
