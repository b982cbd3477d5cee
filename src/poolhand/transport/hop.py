"""One request of a download: to an address that was checked, under the name that was asked for."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

import httpx

from poolhand.transport.addresses import IPAddress, Resolver, is_public
from poolhand.transport.errors import ForbiddenUri

PORTS: Final = {"http": 80, "https": 443}
HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "poolhand",
}
TIMES: Final = httpx.Timeout(30.0, connect=10.0)
"""Seconds without any progress; the whole is bounded by the fetcher."""


@dataclass(frozen=True, slots=True)
class HopRules:
    """Whether plain http, and whether addresses that are not public, are fine."""

    allow_http: bool
    allow_private: bool


@asynccontextmanager
async def visit(
    uri: str, url: str, rules: HopRules, resolver: Resolver, tls: ssl.SSLContext
) -> AsyncIterator[httpx.Response]:
    """Send a GET and yield the answer, its body unread; redirects are not followed.

    Args:
        uri: What the order says, for messages.
        url: Where to go now.
        rules: For this hop.
        resolver: Asked once.
        tls: Trusted authorities.

    Raises:
        ForbiddenUri: Scheme, form or address of ``url`` is not allowed.
        httpx.HTTPError, OSError: No answer.
    """
    place = _checked_url(uri, url, rules)
    addresses = await _checked_addresses(uri, place, rules, resolver)
    async with httpx.AsyncClient(
        verify=tls, trust_env=False, follow_redirects=False, timeout=TIMES
    ) as client:
        answer = await _first_answer(client, place, addresses)
        try:
            yield answer
        finally:
            await answer.aclose()


def _checked_url(uri: str, url: str, rules: HopRules) -> httpx.URL:
    try:
        place = httpx.URL(url)
        host = place.host
    except (httpx.InvalidURL, UnicodeError) as fault:
        raise ForbiddenUri(uri, f"it is no URL: {fault}") from fault
    if place.scheme not in PORTS:
        raise ForbiddenUri(uri, f"scheme {place.scheme[:20]!r} is not one of https and ipfs")
    if place.scheme == "http" and not rules.allow_http:
        raise ForbiddenUri(uri, "plain http is not allowed")
    if place.userinfo:
        raise ForbiddenUri(uri, "it carries a password, which the chain has made public")
    if not host:
        raise ForbiddenUri(uri, "it names no host")
    return place


async def _checked_addresses(
    uri: str, place: httpx.URL, rules: HopRules, resolver: Resolver
) -> tuple[IPAddress, ...]:
    host = place.raw_host.decode("ascii")
    try:
        addresses: tuple[IPAddress, ...] = (ip_address(host.strip("[]")),)
    except ValueError:
        addresses = await resolver(host, place.port or PORTS[place.scheme])
    closed = [address for address in addresses if not is_public(address)]
    if closed and not rules.allow_private:
        raise ForbiddenUri(uri, f"{host} is at {closed[0]}, which is not a public address")
    if not addresses:
        raise OSError(f"{host} has no address")
    return addresses


async def _first_answer(
    client: httpx.AsyncClient, place: httpx.URL, addresses: tuple[IPAddress, ...]
) -> httpx.Response:
    """Try the addresses in order; TLS still demands the certificate of the name."""
    host = place.raw_host.decode("ascii")
    for number, address in enumerate(addresses, 1):
        literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        request = client.build_request(
            "GET",
            place.copy_with(host=literal, fragment=None),
            headers=HEADERS | {"Host": place.netloc.decode("ascii")},
            extensions={"sni_hostname": host.strip("[]")},
        )
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(addresses):
                raise
    raise OSError(f"{host} has no address")
