"""A way to one endpoint: requests out, answers in, in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

T_co = TypeVar("T_co", covariant=True)

TIMEOUT: Final = 10.0
"""Seconds to wait for an answer."""
BATCH: Final = 100
"""Requests per batch: what public endpoints take."""


@dataclass(frozen=True, slots=True)
class Query(Generic[T_co]):
    """One request; ``read`` turns its JSON result into ours and raises when that is nonsense."""

    method: str
    params: tuple[Any, ...]
    read: Callable[[Any], T_co]


class Link(Protocol):
    """A way to one endpoint."""

    @property
    def name(self) -> str:
        """The endpoint as messages name it: without path and query, which may hold a key."""

    async def exchange(self, queries: Sequence[Query[Any]]) -> list[dict[str, Any]]:
        """Return the response objects, in order; raises EndpointDown."""

    async def close(self) -> None:
        """Release connections; repeatable."""


class SubscribingLink(Link, Protocol):
    """A way that also tells of new blocks by itself."""

    def heads(self) -> AsyncIterator[Any]:
        """Yield the JSON header of each new block until the connection breaks.

        Raises:
            EndpointDown: It broke, or there are no subscriptions.
        """


def shown(url: str) -> str:
    """Name an endpoint without what may be secret: user, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or '?'}{port}"
