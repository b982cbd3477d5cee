"""One request of a download: to an address that was checked, under the name that was asked for."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from poolhand.transport.address_rule import AddressRule, CheckedTransport, ForbiddenAddress
from poolhand.transport.addresses import Resolver
from poolhand.transport.errors import ForbiddenUri

HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "poolhand",
}
TIMES: Final = httpx.Timeout(30.0, connect=10.0)
"""Seconds without any progress; the whole is bounded by the fetcher."""


@asynccontextmanager
async def visit(
    uri: str, url: str, rule: AddressRule, resolver: Resolver, tls: ssl.SSLContext
) -> AsyncIterator[httpx.Response]:
    """Send a GET and yield the answer, its body unread; redirects are not followed.

    Args:
        uri: What the order says, for messages.
        url: Where to go now.
        rule: For this hop.
        resolver: Asked once.
        tls: Trusted authorities.

    Raises:
        ForbiddenUri: Scheme, form or address of ``url`` is not allowed.
        httpx.HTTPError, OSError: No answer.
    """
    try:
        place = rule.place(url)
        async with (
            httpx.AsyncClient(
                transport=CheckedTransport(rule, resolver, tls),
                trust_env=False,
                follow_redirects=False,
                timeout=TIMES,
            ) as client,
            client.stream("GET", place, headers=HEADERS) as answer,
        ):
            yield answer
    except ForbiddenAddress as fault:
        raise ForbiddenUri(uri, str(fault)) from fault
