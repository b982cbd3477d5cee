"""A way to one endpoint: requests out, answers in, in batches."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

T_co = TypeVar("T_co", covariant=True)

NODE_TIMEOUT: Final = 10.0
"""Seconds to wait for an answer."""
NODE_WAS_LATE: Final = f"did not answer within {NODE_TIMEOUT:.0f} s"
REQUESTS_PER_BATCH: Final = 100
"""Requests per batch: what public endpoints take."""
MOST_NODE_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one answer: a batch of logs can be long."""


@dataclass(frozen=True, slots=True)
class Query(Generic[T_co]):
    """One request.

    Attributes:
        read: Turns its JSON result into ours; raises when that is nonsense.
        instead: What to ask an endpoint that does not offer this.
        form: Names what the endpoint may lack where that is not the method; where there is one, an
            endpoint that lacks it has answered.
    """

    method: str
    params: tuple[Any, ...]
    read: Callable[[Any], T_co]
    instead: Query[T_co] | None = None
    form: str = ""

    @property
    def name(self) -> str:
        """What an endpoint offers or lacks."""
        return self.form or self.method


class Link(Protocol):
    """A way to one endpoint."""

    @property
    def name(self) -> str:
        """The endpoint as messages name it: without path and query, which may hold a key."""

    async def exchange(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        """Return the response objects, in order; raises EndpointDown."""

    async def close(self) -> None:
        """Release connections; repeatable."""


@runtime_checkable
class SubscribingLink(Link, Protocol):
    """A way that also tells of new blocks by itself."""

    def heads(self) -> AsyncIterator[Any]:
        """Yield the JSON header of each new block until the connection breaks.

        Raises:
            EndpointDown: It broke, or there are no subscriptions.
        """


def message(queries: Sequence[Query[Any]], ids: Sequence[int]) -> str:
    """Write requests: one object, or an array of several."""
    body = [
        {"jsonrpc": "2.0", "id": number, "method": query.method, "params": query.params}
        for number, query in zip(ids, queries, strict=True)
    ]
    return json.dumps(body if len(body) > 1 else body[0])


def shown(url: str) -> str:
    """Name an endpoint without what may be secret: user, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or '?'}{port}"
