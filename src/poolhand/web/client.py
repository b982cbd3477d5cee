"""HTTP as every client of ours speaks it: what an answer may cost is bounded here, nowhere else.

Whoever answers may be a stranger, or somebody in his place. So a body is counted as it comes and
never inflated; all of it must come within a time, however busily it dribbles; redirects are
followed by hand, each to a place that the caller allows; and a fault of any kind becomes one of two
errors. Asking again is ``transport.again``; which addresses may be reached is ``address_rule``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import httpx

from poolhand.web.trusted import trusted

BODY_READ_SIZE: Final = 256 * 1024
"""Bytes of a body that are awaited before they are told."""
UNENCODED_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "poolhand"}
"""Headers of every request: nothing is inflated here."""
HTTP_FAULTS: Final = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
"""What httpx raises for a peer that fails or an address that is none; a host name that no one may
have (``https://xn--/``, in an order or in a redirect) comes as a UnicodeError."""
WEB_FAULTS: Final = (*HTTP_FAULTS, httpx.StreamError, TimeoutError)
_BEGUN: Final = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)

Visits: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether a URL that a peer names may be visited."""


class NoAnswer(Exception):
    """Nobody answered, or the answer broke off; adapters turn it into an error of their own.

    Attributes:
        begun: Whether the peer may have taken the request all the same.
    """

    def __init__(self, fault: Exception) -> None:
        super().__init__(str(fault) or type(fault).__name__)
        self.begun = isinstance(fault, _BEGUN)


class AnswerTooLarge(Exception):
    """An answer is over its cap of ``most`` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"over {most} bytes")
        self.most = most


class GoesElsewhere(Exception):
    """An answer leads to a place that is not visited, or too often on."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What one answer may cost: bytes of its body, seconds for all of it, redirects followed.

    ``seconds`` is None where the caller bounds the time of more than one answer.
    """

    size: int
    seconds: float | None
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """An answer that came whole; ``url`` is where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    url: str

    @property
    def is_success(self) -> bool:
        """Whether the peer did what was asked."""
        return 200 <= self.status < 300


class Incoming:
    """An answer whose body is still to come."""

    def __init__(self, answer: httpx.Response, most: int) -> None:
        self._answer, self._most = answer, most
        self.status, self.headers = answer.status_code, answer.headers
        self.url = str(answer.url)

    @property
    def is_success(self) -> bool:
        """Whether the peer does what was asked."""
        return self._answer.is_success

    async def pieces(self, size: int | None = BODY_READ_SIZE) -> AsyncIterator[bytes]:
        """Yield the body as it came on the wire.

        Args:
            size: Bytes that are awaited before they are told; None: each as soon as it comes.

        Raises:
            AnswerTooLarge: It is over its cap, or says that it will be.
        """
        left = self._most
        announced = self.headers.get("content-length", "")
        if self._answer.request.method == "HEAD":
            return
        if announced.isdecimal() and int(announced[:20]) > left and self.is_success:
            raise AnswerTooLarge(self._most)
        async for piece in self._raw(size):
            left -= len(piece)
            if left < 0:
                raise AnswerTooLarge(self._most)
            yield piece

    async def _raw(self, size: int | None) -> AsyncIterator[bytes]:
        if self._answer.is_stream_consumed:  # one that never was on a wire
            yield self._answer.content
            return
        async for piece in self._answer.aiter_raw(size):
            yield piece

    async def content(self, most: int | None = None) -> bytes:
        """Return the body; ``most`` bounds it further (bytes).

        Raises:
            AnswerTooLarge: It is over its cap.
        """
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if most is not None and len(body) > most:
                raise AnswerTooLarge(most)
        return bytes(body)


async def anywhere(url: str) -> bool:  # noqa: ARG001 - the shape of Visits
    """Allow every place."""
    return True


@asynccontextmanager
async def opened(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    caps: Caps,
    *,
    may_visit: Visits = anywhere,
    headers: Mapping[str, str] | None = None,
    **request: Any,
) -> AsyncIterator[Incoming]:
    """Ask, and yield the answer before its body.

    Args:
        http: Whose connections, address rule and time-outs between two bytes are used.
        method: Of HTTP.
        url: What is asked.
        caps: What the answer may cost; the time counts until the context is left.
        may_visit: Asked before a redirect is followed.
        headers: Sent besides ``UNENCODED_HEADERS``.
        request: As ``httpx.AsyncClient.stream`` takes it: ``params``, ``content``.

    Raises:
        NoAnswer: Nobody answers, the answer breaks off or takes too long.
        GoesElsewhere: A redirect leads where nobody may go, or is one too many.
    """
    sent = {**UNENCODED_HEADERS, **(headers or {})}
    try:
        async with asyncio.timeout(caps.seconds), AsyncExitStack() as stack:
            for left in range(caps.redirects, -1, -1):
                answer = await stack.enter_async_context(
                    http.stream(method, url, headers=sent, follow_redirects=False, **request)
                )
                if not (caps.redirects and answer.has_redirect_location):
                    yield Incoming(answer, caps.size)
                    return
                url = str(answer.url.join(answer.headers["location"]))
                if not left or not await may_visit(url):
                    break
            told = f"more than {caps.redirects} redirects" if not left else f"it leads to {url}"
            raise GoesElsewhere(told)
    except WEB_FAULTS as fault:
        raise NoAnswer(fault) from fault


async def ask(
    http: httpx.AsyncClient, method: str, url: str, caps: Caps, **request: Any
) -> WebAnswer:
    """Ask, and return the answer whole; raises as ``opened`` and ``Incoming.content``."""
    async with opened(http, method, url, caps, **request) as incoming:
        content = await incoming.content()
        return WebAnswer(incoming.status, incoming.headers, content, incoming.url)


def ask_now(
    method: str,
    url: str,
    most: int,
    seconds: float,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    connect: float = 5.0,
) -> WebAnswer:
    """Ask a service of this machine from where no event loop runs; no proxy is used.

    Args:
        method: Of HTTP.
        url: What is asked.
        most: Bytes of the answer.
        seconds: For all of it.
        headers: Sent besides ``UNENCODED_HEADERS``.
        json: The body.
        connect: Seconds to connect.

    Raises:
        NoAnswer, AnswerTooLarge: As ``ask``.
    """
    body, until = bytearray(), time.monotonic() + seconds
    times = httpx.Timeout(connect, read=seconds)
    sent = {**UNENCODED_HEADERS, **(headers or {})}
    try:
        with (
            httpx.Client(timeout=times, verify=trusted(), trust_env=False) as http,
            http.stream(method, url, headers=sent, json=json) as answer,
        ):
            for piece in answer.iter_raw():  # as it comes: the time is looked at between two pieces
                body += piece
                if len(body) > most:
                    raise AnswerTooLarge(most)
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer takes too long")
            return WebAnswer(answer.status_code, answer.headers, bytes(body), str(answer.url))
    except WEB_FAULTS as fault:
        raise NoAnswer(fault) from fault


@dataclass(frozen=True, slots=True)
class StreamedLines:
    """An answer that is read line by line while it comes."""

    status: int
    lines: Iterator[bytes]


@contextmanager
def lines_now(
    method: str, url: str, most: int, *, headers: Mapping[str, str] | None = None
) -> Iterator[StreamedLines]:
    """Ask a service of this machine for lines that come for as long as it likes.

    Args:
        method: Of HTTP.
        url: What is asked.
        most: Bytes of one line.
        headers: Sent besides ``UNENCODED_HEADERS``.

    Raises:
        NoAnswer: Nobody answers, or it breaks off.
        AnswerTooLarge: A line is over ``most`` bytes.
    """
    times = httpx.Timeout(5.0, read=None)
    try:
        with (
            httpx.Client(timeout=times, verify=trusted(), trust_env=False) as http,
            http.stream(method, url, headers={**UNENCODED_HEADERS, **(headers or {})}) as answer,
        ):
            yield StreamedLines(answer.status_code, _lines(answer, most))
    except WEB_FAULTS as fault:
        raise NoAnswer(fault) from fault


def _lines(answer: httpx.Response, most: int) -> Iterator[bytes]:
    rest = b""
    for piece in answer.iter_raw():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > most:
            raise AnswerTooLarge(most)
    if rest:
        yield rest
