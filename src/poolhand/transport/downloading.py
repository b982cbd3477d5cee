"""Downloads from places that an untrusted order names, into files that are open already.

A URI on chain is a stranger's wish to make this machine connect somewhere and keep what comes
back. So: https and IPFS only, unless the operator allows more; every name is resolved once, each
of its addresses must be public, and the connection goes to the very address that was checked (no
second look-up that could answer differently); redirects are followed by hand under the same rules;
nothing of ours is sent along, no proxy or password of the environment is used; bodies are neither
decompressed nor held in memory, and size and time are bounded as a whole.

Source: spec/peers.md §4.2, attack 8; iExec's gateways and file names: scheduler-protocol.md §6.5.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from poolhand.domain.units import Seconds
from poolhand.transport.address_rule import OPEN_RULE, AddressRule, ForbiddenAddress, guarded_client
from poolhand.transport.addresses import Resolver, resolve
from poolhand.transport.again import Sleep
from poolhand.transport.byte_rate import ByteRate
from poolhand.transport.errors import DownloadFailed, DownloadTooLarge, FileUnwritten, ForbiddenUri
from poolhand.transport.ipfs import ipfs_path
from poolhand.transport.passing import PassingFault, answered, broken_off, patiently
from poolhand.transport.sink import Sink, TooMuch, Unwritten
from poolhand.web.client import AnswerTooLarge, Caps, GoesElsewhere, NoAnswer, opened
from poolhand.web.trusted import trusted

MAX_REDIRECTS: Final = 5
CLOSE_HEADER: Final = {"Connection": "close"}
"""Header: what was checked of one connection holds for no other."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What the operator allows of the network.

    Attributes:
        places: Addresses that may be asked; by plain http anybody on the way can alter an
            unchecked file.
        ipfs_gateways: Tried in order for IPFS; the operator's own choice, so that a gateway (but
            not what it redirects to) may be private and without TLS.
    """

    places: AddressRule = AddressRule()
    ipfs_gateways: tuple[str, ...] = ()


class Downloads(Protocol):
    """Brings what a URI of the network names into an open file."""

    async def download(self, uri: str, descriptor: int, limit: int, timeout: Seconds) -> None:
        """Write it into the file from its start; who cancels this ends it.

        What may pass is tried again while ``timeout`` has room, which is the caller's to keep.

        Raises:
            ForbiddenUri, DownloadTooLarge, DownloadFailed: See ``Fetcher.fetch``.
        """


class WebDownloads:
    """Implements ``Downloads`` in this very process.

    Args:
        rules: What is allowed.
        resolver: Asked once per connection.
        trust: Whose certificates count; None for the usual authorities.
        pause: Lets seconds pass between tries.
        pace: Of all downloads together.
    """

    def __init__(
        self,
        rules: FetchRules,
        resolver: Resolver = resolve,
        trust: ssl.SSLContext | None = None,
        pause: Sleep = asyncio.sleep,
        pace: ByteRate = ByteRate(),
    ) -> None:
        self._rules, self._resolver, self._pause, self._pace = rules, resolver, pause, pace
        self._rule = rules.places
        self._tls = trust or trusted()

    async def download(self, uri: str, descriptor: int, limit: int, timeout: Seconds) -> None:
        """Write what a URI names into an open file, see ``Downloads.download``."""
        content = ipfs_path(uri)

        async def once() -> None:
            if content is not None:
                await self._ipfs(uri, content, descriptor, limit, timeout)
            else:
                await self._web(uri, uri, self._rule, descriptor, limit)

        try:
            await patiently(uri, once, timeout, self._pause)
        except (TooMuch, AnswerTooLarge) as fault:
            raise DownloadTooLarge(uri, limit) from fault
        except Unwritten as fault:
            raise FileUnwritten(uri, str(fault)) from fault
        except OSError as fault:
            raise DownloadFailed(uri, str(fault) or type(fault).__name__) from fault

    async def _ipfs(
        self, uri: str, content: str, descriptor: int, limit: int, timeout: float
    ) -> None:
        """Ask one gateway after the other; raises PassingFault where one may answer later."""
        failures, wait, may_pass = list[str](), 0.0, False
        for gateway in self._rules.ipfs_gateways:
            url = f"{gateway.rstrip('/')}/ipfs/{content}"
            try:
                async with asyncio.timeout(timeout / len(self._rules.ipfs_gateways)):
                    return await self._web(uri, url, OPEN_RULE, descriptor, limit)
            except (PassingFault, TimeoutError) as fault:
                may_pass, wait = True, max(wait, getattr(fault, "wait", 0.0))
                failures.append(f"{gateway}: {fault or type(fault).__name__}")
            except DownloadFailed as fault:
                failures.append(f"{gateway}: {fault}")
        told = "; ".join(failures) or "no IPFS gateway is configured"
        raise PassingFault(told, wait) if may_pass else DownloadFailed(uri, told)

    async def _web(
        self, uri: str, url: str, first: AddressRule, descriptor: int, limit: int
    ) -> None:
        """Follow redirects from ``url`` to a body; ``first`` is for the first hop alone.

        Raises:
            PassingFault: A later try may succeed.
        """
        caps = Caps(limit, seconds=None, redirects=MAX_REDIRECTS)
        http = guarded_client(self._rule, resolver=self._resolver, tls=self._tls, first=first)
        try:
            place = str(first.place(url))
            async with http, opened(http, "GET", place, caps, headers=CLOSE_HEADER) as body:
                if body.status != httpx.codes.OK:
                    raise answered(uri, body)
                sink = Sink(descriptor, limit)
                async for data in body.pieces():  # raw, whatever encoding the server claims
                    sink.write(data)
                    await self._pace.passed(len(data))
                if not sink.size:
                    raise DownloadFailed(uri, "the file is empty")
        except ForbiddenAddress as fault:
            raise ForbiddenUri(uri, str(fault)) from fault
        except GoesElsewhere as fault:
            raise DownloadFailed(uri, str(fault)) from fault
        except NoAnswer as fault:
            raise broken_off(uri, fault) from fault
