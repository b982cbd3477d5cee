"""One rule for every address that a stranger names: data, inputs, images, results, links.

Public addresses only and https only, unless the operator allows more by name. A name is resolved
once, each of its addresses must be allowed, and the connection goes to the very address that was
checked: a second look-up could answer differently.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

import httpx

from poolhand.domain.errors import Refused
from poolhand.transport.addresses import IPAddress, Resolver, is_public, resolve
from poolhand.transport.errors import shown
from poolhand.web.trusted import trusted

PORTS: Final = {"http": 80, "https": 443}
LAST_PORT: Final = 65_535
"""A resolver of the system takes a larger one for what is left of its division."""


class ForbiddenAddress(Refused):
    """This program connects to no such place because a stranger says so."""


@dataclass(frozen=True, slots=True)
class AddressRule:
    """What the operator allows.

    Attributes:
        allow_http: Plain http everywhere, by which anybody on the way can read and alter.
        allow_private: Addresses everywhere that are not public.
        hosts: ``host`` or ``host:port``, lower case, where both are fine.
    """

    allow_http: bool = False
    allow_private: bool = False
    hosts: frozenset[str] = frozenset()

    def place(self, url: str) -> httpx.URL:
        """Read a URL.

        Raises:
            ForbiddenAddress: Its scheme or form is not allowed.
        """
        try:
            place = httpx.URL(url)
            host = place.host
        except (httpx.InvalidURL, UnicodeError) as fault:
            raise ForbiddenAddress(f"it is no URL: {fault}") from fault
        if place.scheme not in PORTS:
            raise ForbiddenAddress(f"scheme {place.scheme[:20]!r} is not one of https and ipfs")
        if place.userinfo:
            raise ForbiddenAddress("it carries a password, which the chain has made public")
        if not host:
            raise ForbiddenAddress("it names no host")
        if place.scheme == "http" and not (self.allow_http or self.names(*_where(place))):
            raise ForbiddenAddress("plain http is not allowed")
        return place

    def names(self, host: str, port: int) -> bool:
        """Tell whether the operator allows a place by name."""
        plain = host.lower()
        return plain in self.hosts or f"{plain}:{port}" in self.hosts

    async def addresses(
        self, host: str, port: int, resolver: Resolver = resolve
    ) -> tuple[IPAddress, ...]:
        """Return where a host is, best first.

        Raises:
            ForbiddenAddress: One of its addresses is not allowed, or there is no such port.
            OSError: It has none.
        """
        if not 0 < port <= LAST_PORT:
            raise ForbiddenAddress(f"{shown(host)} has no port {str(port)[:20]}")
        try:
            found: tuple[IPAddress, ...] = (ip_address(host.strip("[]")),)
        except ValueError:
            found = await resolver(host, port)
        closed = [address for address in found if not is_public(address)]
        if closed and not (self.allow_private or self.names(host, port)):
            raise ForbiddenAddress(f"{host} is at {closed[0]}, which is not a public address")
        if not found:
            raise OSError(f"{host} has no address")
        return found


OPEN_RULE: Final = AddressRule(allow_http=True, allow_private=True)
"""For what the operator has chosen himself."""


def rule_for(*, allow_private: bool, hosts: tuple[str, ...] = ()) -> AddressRule:
    """Return the rule of an operator's settings."""
    return AddressRule(allow_private, allow_private, frozenset(each.lower() for each in hosts))


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests to checked addresses alone; TLS still demands the certificate of the name.

    Args:
        rule: What is allowed.
        resolver: Asked once per request.
        tls: Trusted authorities.
        first: What is allowed for the first request alone, which its sender has chosen himself;
            those that follow go where the answer leads. None: the same.
    """

    def __init__(
        self,
        rule: AddressRule,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        first: AddressRule | None = None,
    ) -> None:
        self._rule, self._resolver = rule, resolver
        self._next = first or rule
        trust = tls or trusted()
        self._inner = httpx.AsyncHTTPTransport(verify=trust, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the next address is tried where one does not take the connection.

        Raises:
            ForbiddenAddress: The place is not allowed.
            httpx.TransportError: No answer.
        """
        rule, self._next = self._next, self._rule
        host, port = _where(rule.place(str(request.url)))
        try:
            addresses = await rule.addresses(host, port, self._resolver)
        except OSError as fault:
            raise httpx.ConnectError(str(fault), request=request) from fault
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, addresses[-1]))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def guarded_client(
    rule: AddressRule,
    *,
    read: float = 30.0,
    resolver: Resolver = resolve,
    tls: ssl.SSLContext | None = None,
    first: AddressRule | None = None,
) -> httpx.AsyncClient:
    """Return a client that minds where it connects, follows no redirect and uses no proxy.

    Args:
        rule: What is allowed.
        read: Seconds between two bytes.
        resolver: Asked once per request.
        tls: Trusted authorities.
        first: As ``CheckedTransport`` takes it.
    """
    return httpx.AsyncClient(
        transport=CheckedTransport(rule, resolver, tls, first),
        timeout=httpx.Timeout(30.0, connect=10.0, read=read),
        trust_env=False,
    )


def _where(place: httpx.URL) -> tuple[str, int]:
    port = PORTS[place.scheme] if place.port is None else place.port
    return place.raw_host.decode("ascii"), port


def _pinned(request: httpx.Request, address: IPAddress) -> httpx.Request:
    """Return a request to one address under the name that was asked for."""
    host = request.url.raw_host.decode("ascii")
    literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=literal, fragment=None),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host.strip("[]")},
    )


async def check_image_registry(
    registry: str, rule: AddressRule, allowed: frozenset[str], resolver: Resolver = resolve
) -> None:
    """Check the registry of an image before the engine is asked to go there.

    Args:
        registry: Host, with its port if any; ``docker.io`` is the engine's own.
        rule: For where it may be.
        allowed: The operator's list; empty: any registry that ``rule`` allows.
        resolver: Asked once.

    Raises:
        ForbiddenAddress: It is not on the list, or at no place that is allowed.
        OSError: It has no address.
    """
    name = registry.lower()
    if allowed and name not in allowed:
        raise ForbiddenAddress(f"{shown(name)} is not among the registries that are allowed here")
    if rule.allow_private or name == "docker.io" or name in allowed:
        return
    host, colon, port = name.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = name, "443"
    await rule.addresses(host, int(port), resolver)
