"""Plain JSON-RPC for setting a chain up: many calls in one request, errors typed.

The programs of the network use ``poolhand.chain``; this is for deployment and for Anvil's own
methods (mine, set the time, dump), which no production client needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import httpx

from poolhand.domain.errors import Bug, ChainUnreachable
from poolhand.web.trusted import trusted

RpcCall = tuple[str, tuple[Any, ...]]
"""A method and its parameters."""


class NodeRefused(Bug):
    """The node answered a call of ours with an error: what we sent was wrong."""

    def __init__(self, method: str, error: Any) -> None:
        message = error.get("message", error) if isinstance(error, dict) else error
        super().__init__(f"the development node refused {method}: {message}")
        self.method = method


class NodeRpc:
    """An HTTP endpoint of a node; use as an async context manager."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = url
        self._http = httpx.AsyncClient(timeout=timeout, verify=trusted(), trust_env=False)

    async def call(self, method: str, *params: Any) -> Any:
        """Make one call; returns its ``result`` as JSON has it.

        Raises:
            NodeRefused: The node answered with an error.
            ChainUnreachable: It did not answer.
        """
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Sequence[RpcCall]) -> list[Any]:
        """Make calls in one request, in order; returns their results in the same order.

        Raises:
            NodeRefused: The first call that failed; others may have taken effect.
            ChainUnreachable: The node did not answer.
        """
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = sorted(await self._post(body), key=lambda answer: int(answer["id"]))
        for (method, _), answer in zip(calls, answers, strict=True):
            if "error" in answer:
                raise NodeRefused(method, answer["error"])
        return [answer["result"] for answer in answers]

    async def _post(self, body: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not body:
            return []
        try:
            answer = await self._http.post(self.url, json=body)
            answer.raise_for_status()
            found: list[dict[str, Any]] = answer.json()
        except (httpx.HTTPError, ValueError) as fault:
            raise ChainUnreachable(
                f"the node at {self.url} does not answer ({type(fault).__name__}): start it, "
                "or name another endpoint"
            ) from fault
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
