"""The process that downloads and lets apps through, at work: it answers one worker."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_address
from itertools import count
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from poolhand.domain.errors import Malformed
from poolhand.domain.text import repaired
from poolhand.domain.units import Seconds
from poolhand.ports.tunnels import TunnelReport
from poolhand.transport.addresses import IPAddress
from poolhand.transport.again import Sleep
from poolhand.transport.byte_rate import ByteRate
from poolhand.transport.descriptor_line import DescriptorLine
from poolhand.transport.downloading import FetchRules, WebDownloads
from poolhand.transport.errors import (
    CHECK,
    DownloadFailed,
    DownloadTooLarge,
    FileUnwritten,
    ForbiddenUri,
)
from poolhand.transport.plumbing import first_of
from poolhand.transport.tunnel import ByteBudget, Tunnel
from poolhand.wire.fetcher_api import (
    Abandon,
    AreYouThere,
    Fetch,
    Fetched,
    FetcherMessage,
    FetchFault,
    LookedUp,
    LookUp,
    NotFetched,
    OpenTunnel,
    StillHere,
    TunnelClosed,
)

FetcherLine: TypeAlias = DescriptorLine[FetcherMessage]
MOST_CAUSE_TEXT: Final = 1_000
"""Characters that are told of why a file did not come, or a connection ended."""
MOST_HOST_TEXT: Final = 300
"""Characters that are told of where an app wanted to go."""


class FetcherService:
    """Downloads what it is asked for, and lets apps through, many at once.

    Args:
        line: To the worker.
        rules: What is allowed.
        trust: Whose certificates count; None for the usual authorities.
        pause: Lets seconds pass between tries.
    """

    def __init__(
        self,
        line: FetcherLine,
        rules: FetchRules,
        trust: ssl.SSLContext | None = None,
        pause: Sleep = asyncio.sleep,
    ) -> None:
        self._line, self._rule = line, rules.places
        self._rate = 0
        self._pace = ByteRate(lambda: self._rate)
        self._budgets: WeakValueDictionary[int, ByteBudget] = WeakValueDictionary()
        self._downloads = WebDownloads(rules, self._resolve, trust, pause, self._pace)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._names: dict[int, asyncio.Future[LookedUp]] = {}
        self._numbers = count()

    async def serve(self) -> None:
        """Answer until the other end is closed; raises Malformed where it breaks the form."""
        await first_of(self._line.write(), self._read())

    async def _read(self) -> None:
        while (asked := await self._line.receive()) is not None:
            if isinstance(asked, Fetch | OpenTunnel):
                self._begin(asked, self._line.take())
            elif isinstance(asked, Abandon):
                if asked.number in self._tasks:
                    self._tasks[asked.number].cancel()
            elif isinstance(asked, LookedUp):
                if asked.number in self._names:
                    self._names.pop(asked.number).set_result(asked)
            elif isinstance(asked, AreYouThere):
                self._rate = asked.rate
                self._line.put(StillHere())
            else:
                raise Malformed(f"{type(asked).__name__} is no request to a fetcher at work")

    def _begin(self, asked: Fetch | OpenTunnel, descriptor: int) -> None:
        self._rate = asked.rate
        doing = (
            self._fetch(asked, descriptor)
            if isinstance(asked, Fetch)
            else self._let_through(asked, socket.socket(fileno=descriptor))
        )
        task = self._tasks[asked.number] = asyncio.create_task(doing)
        task.add_done_callback(lambda _: self._tasks.pop(asked.number))

    async def _fetch(self, asked: Fetch, descriptor: int) -> None:
        try:
            answer = await self._outcome(asked, descriptor)
        finally:
            os.close(descriptor)  # before the answer: then the worker looks whether it is alone
        self._line.put(answer)

    async def _let_through(self, asked: OpenTunnel, app: socket.socket) -> None:
        report, held = TunnelReport(), app.dup()
        try:
            reader, writer = await asyncio.open_connection(sock=app)
            budget = self._budgets.setdefault(asked.app, ByteBudget(asked.left))
            tunnel = Tunnel(
                reader, writer, asked.hosts, self._rule, self._resolve, budget, self._pace
            )
            report = await tunnel.serve()
        except Exception as fault:  # noqa: BLE001 - a fault of one connection ends that one alone
            report.why = f"{type(fault).__name__}: {fault}"
        finally:
            with held, suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)  # the worker, too, has it open
            app.close()
        self._line.put(closed(asked.number, report))

    async def _outcome(self, asked: Fetch, descriptor: int) -> Fetched | NotFetched:
        seconds = Seconds(asked.milliseconds / 1000)  # type: ignore[arg-type]
        try:
            await self._downloads.download(asked.uri, descriptor, asked.limit, seconds)
        except ForbiddenUri as fault:
            return _not(asked, FetchFault.FORBIDDEN, fault.why, "")
        except DownloadTooLarge:
            return _not(asked, FetchFault.TOO_LARGE, "", "")
        except FileUnwritten as fault:
            return _not(asked, FetchFault.UNWRITTEN, fault.why, "")
        except DownloadFailed as fault:
            return _not(asked, FetchFault.FAILED, fault.why, fault.act)
        except Exception as fault:  # noqa: BLE001 - a fault of one download ends that one alone
            return _not(asked, FetchFault.FAILED, f"{type(fault).__name__}: {fault}", CHECK)
        return Fetched(asked.number)

    async def _resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        """Have the worker look up a name: here nothing can be opened that this would take.

        Raises:
            OSError: The name is unknown.
        """
        number = next(self._numbers)
        answer = self._names[number] = asyncio.get_running_loop().create_future()
        try:
            self._line.put(LookUp(number, host, port))
            told = await answer
        except Malformed as fault:
            raise OSError(f"{host[:80]!r} is no host name") from fault
        finally:
            self._names.pop(number, None)
        if told.is_unknown:
            raise socket.gaierror(socket.EAI_NONAME, told.why)
        if told.why:
            raise OSError(told.why)
        return tuple(ip_address(each) for each in told.addresses)


def closed(number: int, report: TunnelReport) -> TunnelClosed:
    """Return what is told of a connection that is over."""
    host, why = repaired(report.host[:MOST_HOST_TEXT]), repaired(report.why[:MOST_CAUSE_TEXT])
    return TunnelClosed(number, host, report.address, report.up, report.down, why)


def _not(asked: Fetch, outcome: FetchFault, why: str, act: str) -> NotFetched:
    return NotFetched(asked.number, outcome, repaired(why[:MOST_CAUSE_TEXT]), act[:MOST_CAUSE_TEXT])
