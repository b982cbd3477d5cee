"""Faults of a download that pass, and trying again while they may."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from poolhand.domain.retry_after import PASSING_STATUSES, retry_after
from poolhand.transport.again import Sleep, again
from poolhand.transport.errors import CHECK, DownloadFailed, FetcherLost
from poolhand.web.client import Incoming, NoAnswer

PAUSES_OF_DOWNLOADS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0)
"""Seconds between tries, as long as the time allowed has room for them."""
RENEW: Final = "its owner must give the server a certificate that is valid for its name"
UNKNOWN_HOST_TRIES: Final = 3
"""Tries for a host name that nobody knows: perhaps a hiccup, probably a mistake."""
CLOUDFLARE: Final = frozenset(range(520, 525))
"""Its words for 502, 503 and 504."""
_FOR_EVERYBODY: Final = "its owner must publish the file for everybody, without a login"
_AGAIN: Final = "its owner must publish it again, or the address must be corrected"
LASTING_REFUSALS: Final = {
    401: ("the server wants a login, 401", _FOR_EVERYBODY),
    402: ("the server wants to be paid, 402", _FOR_EVERYBODY),
    403: ("the server does not give it to us, 403", _FOR_EVERYBODY),
    404: ("the server has no such file, 404", _AGAIN),
    410: ("the file is gone for good, 410", _AGAIN),
    451: ("the server may not give it, 451", "its owner must publish it elsewhere"),
}
"""What happened, and what its owner must do: no other time helps."""

_LASTING: Final = (
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,
)
"""Faults of the address itself."""


T = TypeVar("T")


class PassingFault(Exception):
    """What may be over a little later; never leaves the fetcher.

    Attributes:
        wait: Seconds that the server wants to be left alone.
        tries: Most tries that it is worth.
        kind: What it is when it did not pass.
    """

    def __init__(
        self,
        why: str,
        wait: float = 0.0,
        tries: int = len(PAUSES_OF_DOWNLOADS) + 1,
        kind: type[DownloadFailed | FetcherLost] = DownloadFailed,
    ) -> None:
        super().__init__(why)
        self.wait, self.tries, self.kind = wait, tries, kind


def answered(uri: str, answer: Incoming) -> Exception:
    """Return what an answer that is no file means: a passing fault, or one that lasts."""
    status = answer.status
    if status in PASSING_STATUSES | CLOUDFLARE:
        wait = retry_after(answer.headers.get("retry-after"), time.time())
        told = f" and wants to be asked again in {wait:.0f} s" if wait else ""
        return PassingFault(f"the server answered {status}{told}", wait)
    return DownloadFailed(uri, *LASTING_REFUSALS.get(status, (f"the server answered {status}",)))


def broken_off(uri: str, fault: NoAnswer) -> Exception:
    """Return what a failure of the way means."""
    told, causes = str(fault), tuple(_causes(fault.__cause__))
    refused = any(isinstance(each, ssl.SSLError) for each in causes) and "VERIFY" in told
    if refused or isinstance(fault.__cause__, _LASTING):
        return DownloadFailed(uri, told, RENEW if refused else CHECK)
    unknown = any(
        isinstance(each, socket.gaierror) and each.errno == socket.EAI_NONAME for each in causes
    )
    return PassingFault(told, tries=UNKNOWN_HOST_TRIES) if unknown else PassingFault(told)


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


@dataclass(slots=True)
class _Budget:
    """The time that a download has, for all its tries together."""

    seconds: float
    started: float
    waited: float = 0.0
    tries: int = 0

    def next_pause(self, tries: int, fault: PassingFault) -> float | None:
        """Return how long to wait; None where no further try is worth it, or fits."""
        self.tries = tries
        if tries >= min(fault.tries, len(PAUSES_OF_DOWNLOADS) + 1):
            return None
        wait = max(PAUSES_OF_DOWNLOADS[tries - 1], fault.wait)
        spent = max(asyncio.get_running_loop().time() - self.started, self.waited)
        if spent + wait >= self.seconds:
            return None
        self.waited += wait
        return wait


async def patiently(uri: str, fetch: Callable[[], Awaitable[T]], seconds: float, pause: Sleep) -> T:
    """Return what ``fetch`` does, tried again after passing faults while ``seconds`` allow.

    Raises:
        DownloadFailed: It did not pass in time.
        FetcherLost: Nor did one of what downloads for us.
    """
    budget = _Budget(seconds, asyncio.get_running_loop().time())
    try:
        return await again(fetch, PassingFault, budget.next_pause, pause)
    except PassingFault as fault:
        raise fault.kind(uri, _gave_up(str(fault), budget.tries)) from fault


def _gave_up(why: str, tries: int) -> str:
    return f"{why}; tried {tries} times" if tries > 1 else f"{why}; no time is left to try again"
