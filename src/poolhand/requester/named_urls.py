"""Addresses that the chain or a pool names: strangers wrote them; a rule says which are visited.

An https address whose host is public, or one at a place that the person has named anyway. Where
the chain itself runs on this machine, this machine's addresses are fine, too: such a chain is a
devnet, and everybody on it is at home here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from poolhand.transport.address_rule import PORTS, AddressRule, ForbiddenAddress
from poolhand.transport.addresses import Resolver
from poolhand.transport.plumbing import is_loopback

_STRANGERS: Final = AddressRule()
"""https at public addresses; its certificate is checked, so no second look-up leads elsewhere."""
_URL: Final = re.compile(r"https?://[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class UrlRule:
    """Which addresses named on chain are visited.

    Attributes:
        resolver: Asked once for a host.
        chain_urls: Endpoints of the chain: if all are this machine's, so may others be.
    """

    resolver: Resolver
    chain_urls: tuple[str, ...] = ()

    async def allows(self, url: str, named: Iterable[str | None] = ()) -> bool:
        """Tell whether to visit ``url``; ``named`` are places that the person named."""
        place = _origin(url)
        if place is None:
            return False
        if place in {_origin(each) for each in named if each}:
            return True
        _, host, port = place
        if is_loopback(host):
            return bool(self.chain_urls) and all(map(_is_here, self.chain_urls))
        try:
            _STRANGERS.place(url)
            await _STRANGERS.addresses(host, port, self.resolver)
        except (ForbiddenAddress, OSError):
            return False
        return True

    async def allows_beside(self, url: str, pool: str) -> bool:
        """Tell whether to visit ``url`` because the pool at ``pool``, which was named, says so.

        Its own host is fine, at any port: a pool and its results are often one machine.
        """
        place, named = _origin(url), _origin(pool)
        beside = place is not None and named is not None and place[1] == named[1]
        return beside or await self.allows(url)


def _is_here(url: str) -> bool:
    place = _origin(url)
    return place is not None and is_loopback(place[1])


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a web address; None for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not host or parts.username is not None:
        return None
    return parts.scheme, host, port or PORTS[parts.scheme]


def is_web_address(text: str) -> bool:
    """Whether a text that somebody put on chain has the form of a web address."""
    return _URL.fullmatch(text) is not None


def described_url(description: str) -> str | None:
    """Return the first web address in a workerpool's description."""
    found = _URL.search(description)
    return found[0].rstrip(".,;)>\"'") if found else None
