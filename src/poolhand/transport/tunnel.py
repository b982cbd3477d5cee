"""One connection of an app to a host that its order asks for and its operator allows: ``CONNECT``.

The app speaks first, and is a stranger: what it says before it is let through is bounded in bytes
and time, and read by h11. A name is looked up once and the connection goes to the very address that
was judged, so that no second answer leads elsewhere. What passes afterwards is not read, but
counted. Requests other than CONNECT are refused: what they ask would go through this process.

Source: RFC 9110, 9.3.6 (CONNECT); RFC 9112, 3.2.3 (its target).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

import h11

from poolhand.domain.network_hosts import UnfitHost, read_host
from poolhand.ports.tunnels import TunnelReport
from poolhand.transport.address_rule import AddressRule, ForbiddenAddress
from poolhand.transport.addresses import IPAddress, Resolver
from poolhand.transport.byte_rate import ByteRate

LONGEST_TUNNEL_HEAD: Final = 8_192
"""Bytes of what an app says before it is let through."""
LONGEST_TUNNEL_REQUEST: Final = 10.0
"""Seconds for all of that."""
LONGEST_TUNNEL_CONNECT: Final = 10.0
"""Seconds for one address to take the connection."""
LONGEST_TUNNEL_LOOK_UP: Final = 20.0
"""Seconds for a name to be looked up."""
LONGEST_TUNNEL_SILENCE: Final = 120.0
"""Seconds without a byte in either direction."""
LONGEST_LINGER: Final = 10.0
"""Seconds without a byte once one of both ends has said all that it has to say."""
_LONGEST_END: Final = 5.0
_HEAD_PIECE: Final = 1024
_PIECE: Final = 64 * 1024
_FAULTS: Final = {
    400: "Bad Request",
    403: "Forbidden",
    405: "Method Not Allowed",
    408: "Request Timeout",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


class ByteBudget:
    """Bytes that all connections of one app may still carry, in both directions together."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, size: int) -> bool:
        """Count bytes; False where there are not so many left."""
        self.left -= size
        return self.left >= 0


class TunnelRefused(Exception):
    """A connection is not let through; ``status`` is what the app is told (HTTP)."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Tunnel:
    """A connection from its first byte to its last.

    Args:
        reader, writer: To the app.
        hosts: Where it may go.
        rule: Which addresses may be reached.
        resolver: Asked once.
        budget: Of the app.
        pace: At which bytes pass, both ways together; None: at any.
        silence: Seconds without a byte in either direction, after which it is cut.
        request: Seconds for what the app says first.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hosts: Collection[str],
        rule: AddressRule,
        resolver: Resolver,
        budget: ByteBudget,
        pace: ByteRate | None = None,
        silence: float = LONGEST_TUNNEL_SILENCE,
        request: float = LONGEST_TUNNEL_REQUEST,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._hosts, self._rule, self._resolver = hosts, rule, resolver
        self._budget, self._silence, self._request = budget, silence, request
        self._pace = pace or ByteRate()
        self._told = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_TUNNEL_HEAD)
        self.report = TunnelReport()

    async def serve(self) -> TunnelReport:
        """Let it through, or say why not; both ends are closed when this returns."""
        try:
            await self._serve()
        except TunnelRefused as fault:
            self.report.why = fault.why
            await self._refuse(fault)
        except (OSError, EOFError) as fault:
            self.report.why = str(fault) or type(fault).__name__
        finally:
            await _end(self._writer)
        return self.report

    async def _serve(self) -> None:
        try:
            async with asyncio.timeout(self._request):
                target = await self._target()
        except TimeoutError as fault:
            raise TunnelRefused(408, f"no request in {self._request:g} s") from fault
        host, port = self._judged(target)
        there, back = await self._connected(host, port)
        try:
            self._writer.write(
                self._told.send(
                    h11.Response(status_code=200, headers=[], reason=b"Connection established")
                )
                or b""
            )
            await self._carry(there, back, self._told.trailing_data[0])
        finally:
            await _end(back)

    async def _target(self) -> str:
        """Return what the app asks for."""
        while True:
            try:
                event = self._told.next_event()
            except h11.RemoteProtocolError as fault:
                raise TunnelRefused(400, f"no request of HTTP: {fault}") from fault
            if isinstance(event, h11.Request):
                return self._asked(event)
            if event is not h11.NEED_DATA:
                raise TunnelRefused(400, "no request")
            self._told.receive_data(await self._reader.read(_HEAD_PIECE))

    def _asked(self, event: h11.Request) -> str:
        target = event.target.decode("ascii", "replace")
        if event.method != b"CONNECT":
            self.report.host = target[:100]
            raise TunnelRefused(
                405, "apps reach hosts by CONNECT alone: use https, or have the client tunnel http"
            )
        if not isinstance(self._told.next_event(), h11.EndOfMessage):
            raise TunnelRefused(400, "a request of CONNECT has no body")
        return target

    def _judged(self, target: str) -> tuple[str, int]:
        self.report.host = target[:260]
        try:
            host = read_host(target)
        except UnfitHost as fault:
            raise TunnelRefused(403, str(fault)) from fault
        if host not in self._hosts:
            raise TunnelRefused(
                403,
                f"{host} is not among the hosts of this task's order: whoever orders must name it "
                "(--host), and find a worker whose operator allows it",
            )
        self.report.host = host
        name, _, port = host.rpartition(":")
        return name, int(port)

    async def _connected(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(LONGEST_TUNNEL_LOOK_UP):
                found = await self._rule.addresses(host, port, self._resolver)
        except ForbiddenAddress as fault:
            raise TunnelRefused(403, str(fault)) from fault
        except OSError as fault:  # TimeoutError, too
            why = f"{host} was not found: {fault or 'no answer in time'}"
            raise TunnelRefused(502, why) from fault
        why = ""
        for address in found:
            try:
                async with asyncio.timeout(LONGEST_TUNNEL_CONNECT):
                    opened = await _open(address, port)
            except OSError as fault:
                why = str(fault) or "no answer in time"
                continue
            self.report.address = str(address)
            return opened
        raise TunnelRefused(504, f"{host} takes no connection: {why}")

    async def _carry(
        self, there: asyncio.StreamReader, back: asyncio.StreamWriter, first: bytes
    ) -> None:
        """Pass bytes both ways until both ends are silent, one breaks, or there were too many."""
        report = self.report
        try:
            async with asyncio.timeout(self._silence) as limit:
                await _both(
                    self._pass(self._reader, back, limit, report.sent, first),
                    self._pass(there, self._writer, limit, report.got),
                )
        except TimeoutError:
            report.why = f"no byte for {self._silence:g} s"
        except OSError as fault:
            report.why = str(fault) or "broken off"
        except TunnelRefused as fault:
            report.why = fault.why

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        limit: asyncio.Timeout,
        count: Callable[[int], None],
        data: bytes = b"",
    ) -> None:
        now = asyncio.get_running_loop().time
        while data or (data := await source.read(_PIECE)):
            if not self._budget.spend(len(data)):
                raise TunnelRefused(403, "the app has used up the bytes that it may send and get")
            count(len(data))
            target.write(data)
            await target.drain()
            await self._pace.passed(len(data))
            limit.reschedule(now() + self._silence)
            data = b""
        if target.can_write_eof():
            target.write_eof()
        self._silence = min(self._silence, LONGEST_LINGER)
        limit.reschedule(now() + self._silence)

    async def _refuse(self, fault: TunnelRefused) -> None:
        """Tell the app why; one that does not listen is left."""
        text = f"{fault.why}\n".encode("ascii", "backslashreplace")
        head = (
            f"HTTP/1.1 {fault.status} {_FAULTS[fault.status]}\r\nConnection: close\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        with suppress(OSError):
            self._writer.write(head.encode() + text)
            if self._writer.can_write_eof():
                self._writer.write_eof()


async def _both(one: Coroutine[Any, Any, None], other: Coroutine[Any, Any, None]) -> None:
    """Do as ``observe.groups.all_of``, whose package is larger than this process."""
    tasks = asyncio.create_task(one), asyncio.create_task(other)
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close a connection; what its other end does not take in time is dropped."""
    writer.close()
    try:
        async with asyncio.timeout(_LONGEST_END):
            await writer.wait_closed()
    except OSError:  # TimeoutError, too
        writer.transport.abort()


async def _open(address: IPAddress, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an address, by its number: nothing is looked up."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (str(address), port))
        return await asyncio.open_connection(sock=made)
    except BaseException:
        made.close()
        raise
