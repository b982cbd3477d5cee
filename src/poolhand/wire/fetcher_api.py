"""What is said between a worker and the process that downloads for it.

No bytes of a file pass: with each ``Fetch`` goes the descriptor of the file to write, with each
``OpenTunnel`` that of an app's connection. Names are looked up by the worker; which of the
addresses may be asked, the process that asks them judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from poolhand.domain.network_hosts import MOST_ALLOWED_HOSTS
from poolhand.wire.fields import FLAG_FIELD, choice, integer, sequence, text
from poolhand.wire.own_line import LineCodec

MAX_FETCHER_FRAME: Final = 131_072
"""Bytes of one message: a long URI, escaped, and room."""
MOST_ADDRESSES: Final = 64
"""Of one name."""
_MOST_NAMES: Final = 10_000

_NUMBER: Final = integer()
_URI: Final = text(MAX_FETCHER_FRAME // 2)
_NAME: Final = text(1_024)
_WORDS: Final = text(8_192)


class FetchFault(StrEnum):
    """Why a file did not come: which of the errors of ``ports.files.Fetcher`` it is."""

    FORBIDDEN = "forbidden"
    TOO_LARGE = "too-large"
    UNWRITTEN = "unwritten"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BeginFetching:
    """The first message: what the operator allows, and the size of the largest file (bytes).

    Answered by ``FetcherReady``.
    """

    allow_http: Annotated[bool, FLAG_FIELD]
    allow_private: Annotated[bool, FLAG_FIELD]
    hosts: Annotated[tuple[str, ...], sequence(_NAME, _MOST_NAMES)]
    ipfs_gateways: Annotated[tuple[str, ...], sequence(_NAME, _MOST_NAMES)]
    most: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class FetcherReady:
    """It is at work; ``bounds`` names what it has given up."""

    bounds: Annotated[tuple[str, ...], sequence(_WORDS, 16)]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Write what a URI names into the file whose descriptor comes with this message.

    Attributes:
        number: Names it from now on; it is never used again.
        limit: Bytes.
        milliseconds: As long as it is worth trying.
        rate: Bytes per second of all downloads together from now on; 0: any.
    """

    number: Annotated[int, _NUMBER]
    uri: Annotated[str, _URI]
    limit: Annotated[int, _NUMBER]
    milliseconds: Annotated[int, _NUMBER]
    rate: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class Abandon:
    """Nobody waits for this file, or connection, any more; answered only if it has been before."""

    number: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file is whole, and closed."""

    number: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class NotFetched:
    """The file did not come; ``why``, and who must ``act`` and how."""

    number: Annotated[int, _NUMBER]
    outcome: Annotated[FetchFault, choice(FetchFault)]
    why: Annotated[str, _WORDS]
    act: Annotated[str, _WORDS]


@dataclass(frozen=True, slots=True)
class OpenTunnel:
    """Let the app at the other end of the connection that comes with this message through.

    Attributes:
        number: Names it from now on; it is never used again.
        app: Names the app, whose connections share what they may carry.
        hosts: Where it may go, ``name:port`` each.
        left: Bytes that the app may still send and get.
        rate: Bytes per second of all downloads and apps together from now on; 0: any.
    """

    number: Annotated[int, _NUMBER]
    app: Annotated[int, _NUMBER]
    hosts: Annotated[tuple[str, ...], sequence(_NAME, MOST_ALLOWED_HOSTS)]
    left: Annotated[int, _NUMBER]
    rate: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """It is over: where it led, bytes from the app and to it, and why it was refused or cut."""

    number: Annotated[int, _NUMBER]
    host: Annotated[str, _NAME]
    address: Annotated[str, _NAME]
    up: Annotated[int, _NUMBER]
    down: Annotated[int, _NUMBER]
    why: Annotated[str, _WORDS]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the system for the addresses of a name; answered by ``LookedUp``."""

    number: Annotated[int, _NUMBER]
    host: Annotated[str, _NAME]
    port: Annotated[int, integer(65_535)]


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The addresses of a name, best first; none: ``why``, and whether nobody knows the name."""

    number: Annotated[int, _NUMBER]
    addresses: Annotated[tuple[str, ...], sequence(_NAME, MOST_ADDRESSES)]
    is_unknown: Annotated[bool, FLAG_FIELD]
    why: Annotated[str, _WORDS]


@dataclass(frozen=True, slots=True)
class AreYouThere:
    """Answered by ``StillHere`` at once, whatever is being downloaded.

    ``rate`` is of all downloads together from now on, as in ``Fetch``.
    """

    rate: Annotated[int, _NUMBER]


@dataclass(frozen=True, slots=True)
class StillHere:
    """It does not hang."""


FetcherMessage: TypeAlias = (
    BeginFetching
    | FetcherReady
    | Fetch
    | Abandon
    | Fetched
    | NotFetched
    | OpenTunnel
    | TunnelClosed
    | LookUp
    | LookedUp
    | AreYouThere
    | StillHere
)
FETCHER_LINE: Final[LineCodec[FetcherMessage]] = LineCodec(
    "fetcher",
    MAX_FETCHER_FRAME,
    (
        BeginFetching,
        FetcherReady,
        Fetch,
        Abandon,
        Fetched,
        NotFetched,
        OpenTunnel,
        TunnelClosed,
        LookUp,
        LookedUp,
        AreYouThere,
        StillHere,
    ),
)
"""How they are written."""
