"""Downloads from places that an untrusted order names.

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
import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from poolhand.domain.units import Seconds
from poolhand.transport.address_rule import OPEN, AddressRule, ForbiddenAddress, guarded_client
from poolhand.transport.addresses import Resolver, resolve
from poolhand.transport.again import Pause
from poolhand.transport.errors import DownloadFailed, DownloadTooLarge, ForbiddenUri
from poolhand.transport.ipfs import ipfs_path
from poolhand.transport.passing import PassingFault, answered, broken_off, patiently
from poolhand.transport.sink import Sink, TooMuch
from poolhand.transport.trusted import trusted
from poolhand.transport.web import (
    CHUNK,
    AnswerTooLarge,
    Caps,
    GoesElsewhere,
    Incoming,
    NoAnswer,
    opened,
)

MAX_REDIRECTS: Final = 5
ONCE: Final = {"Connection": "close"}
"""Header: what was checked of one connection holds for no other."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What the operator allows.

    Attributes:
        places: Addresses that may be asked; by plain http anybody on the way can alter an
            unchecked file.
        allow_files: Folders below which ``file:`` URIs may read.
        ipfs_gateways: Tried in order for IPFS; the operator's own choice, so that a gateway (but
            not what it redirects to) may be private and without TLS.
    """

    places: AddressRule = AddressRule()
    allow_files: tuple[Path, ...] = ()
    ipfs_gateways: tuple[str, ...] = ()


class SafeFetcher:
    """Implements ``ports.files.Fetcher``.

    Args:
        rules: What is allowed.
        resolver: Asked once per connection.
        trust: Whose certificates count; None for the usual authorities.
        pause: Lets seconds pass between tries.
    """

    def __init__(
        self,
        rules: FetchRules,
        resolver: Resolver = resolve,
        trust: ssl.SSLContext | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._rules, self._resolver, self._pause = rules, resolver, pause
        self._rule = rules.places
        self._tls = trust or trusted()

    async def fetch(self, uri: str, target: str, limit: int, timeout: Seconds) -> str:
        """Stream a file to ``target`` and return its sha256; see ``Fetcher.fetch``.

        What may pass is tried again within the time allowed.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._fetch(uri, Path(target), limit, timeout)
        except TimeoutError as fault:
            raise DownloadFailed(uri, f"not complete after {timeout} s") from fault
        except (TooMuch, AnswerTooLarge) as fault:
            raise DownloadTooLarge(uri, limit) from fault
        except OSError as fault:
            raise DownloadFailed(uri, str(fault) or type(fault).__name__) from fault

    async def _fetch(self, uri: str, target: Path, limit: int, timeout: float) -> str:
        if uri.lower().startswith("file:"):
            return await self._file(uri, target, limit)
        content = ipfs_path(uri)

        async def once() -> str:
            if content is not None:
                return await self._ipfs(uri, content, target, limit, timeout)
            return await self._web(uri, uri, self._rule, target, limit)

        return await patiently(uri, once, timeout, self._pause)

    async def _ipfs(self, uri: str, content: str, target: Path, limit: int, timeout: float) -> str:
        """Ask one gateway after the other; raises PassingFault where one may answer later."""
        failures, wait, may_pass = list[str](), 0.0, False
        for gateway in self._rules.ipfs_gateways:
            url = f"{gateway.rstrip('/')}/ipfs/{content}"
            try:
                async with asyncio.timeout(timeout / len(self._rules.ipfs_gateways)):
                    return await self._web(uri, url, OPEN, target, limit)
            except (PassingFault, TimeoutError) as fault:
                may_pass, wait = True, max(wait, getattr(fault, "wait", 0.0))
                failures.append(f"{gateway}: {fault or type(fault).__name__}")
            except DownloadFailed as fault:
                failures.append(f"{gateway}: {fault}")
        told = "; ".join(failures) or "no IPFS gateway is configured"
        raise PassingFault(told, wait) if may_pass else DownloadFailed(uri, told)

    async def _web(self, uri: str, url: str, first: AddressRule, target: Path, limit: int) -> str:
        """Follow redirects from ``url`` to a body; ``first`` is for the first hop alone.

        Raises:
            PassingFault: A later try may succeed.
        """
        caps = Caps(limit, seconds=None, redirects=MAX_REDIRECTS)
        http = guarded_client(self._rule, resolver=self._resolver, tls=self._tls, first=first)
        try:
            place = str(first.place(url))
            async with http, opened(http, "GET", place, caps, headers=ONCE) as body:
                if body.status != httpx.codes.OK:
                    raise answered(uri, body)
                return await _save(uri, body, target, limit)
        except ForbiddenAddress as fault:
            raise ForbiddenUri(uri, str(fault)) from fault
        except GoesElsewhere as fault:
            raise DownloadFailed(uri, str(fault)) from fault
        except NoAnswer as fault:
            raise broken_off(uri, fault) from fault

    async def _file(self, uri: str, target: Path, limit: int) -> str:
        descriptor = await asyncio.to_thread(_open_allowed, uri, self._rules.allow_files)
        with os.fdopen(descriptor, "rb") as source:
            async with Sink(target, limit) as sink:
                while data := await asyncio.to_thread(source.read, CHUNK):
                    await sink.write(data)
                return await _kept(uri, sink)


async def _save(uri: str, answer: Incoming, target: Path, limit: int) -> str:
    """Store a body as it comes: raw, whatever encoding the server claims."""
    async with Sink(target, limit) as sink:
        async for data in answer.pieces():
            await sink.write(data)
        return await _kept(uri, sink)


async def _kept(uri: str, sink: Sink) -> str:
    if not sink.size:
        raise DownloadFailed(uri, "the file is empty")
    return await sink.keep()


def _open_allowed(uri: str, folders: tuple[Path, ...]) -> int:
    """Open a regular file below one of ``folders`` and return its descriptor.

    Raises:
        ForbiddenUri: It lies elsewhere, wherever its symbolic links lead.
        OSError: It cannot be read.
    """
    try:
        parts = urlsplit(uri)
        real = Path(os.path.realpath(unquote(parts.path)))
    except ValueError as fault:
        raise ForbiddenUri(uri, "it names no file") from fault
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ForbiddenUri(uri, "it names no file of this machine")
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in folders):
        raise ForbiddenUri(uri, "files of this machine are private")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ForbiddenUri(uri, "it is no regular file")
    return descriptor
