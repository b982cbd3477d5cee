"""What the operator of a market decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import BlockNumber, Seconds
from poolhand.settings.chain import ChainSettings
from poolhand.settings.chains import chain_options, chain_settings
from poolhand.settings.load import Option, Settings, flag, size, web_url, whole


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """One market.

    Attributes:
        chain: Where the hub is.
        host, port: Where to listen; port 0: any free one.
        database: URL, as SQLAlchemy has it.
        first_block: Where to begin to read the chain if nothing was read yet.
        most_open: Open orders of one signer in one collection.
        room: Requests that the book holds, open or dead; of each other collection, dead orders.
        retention: Days for which deals whose tasks have ended are kept; 0: for ever.
        most_requests: Of one client in ``rate_window``; 0: any number.
        rate_window: How long requests are counted together.
        challenge_life: How long a challenge may be signed and used.
        max_body: Bytes of a request.
        allow_private: Ask pools at private addresses and by plain http, too: for a network of
            one's own.
        site_url: Of documentation that its pages link to; empty: of none.
    """

    chain: ChainSettings
    host: str = "127.0.0.1"
    port: int = 3050
    database: str = "sqlite:///market.db"
    first_block: BlockNumber = BlockNumber(0)
    most_open: int = 50
    room: int = 20_000
    retention: int = 365
    most_requests: int = 100
    rate_window: Seconds = Seconds(60)
    challenge_life: Seconds = Seconds(300)
    max_body: int = 256 * 1024
    allow_private: bool = False
    site_url: str = ""


MARKET_OPTIONS: Final[tuple[Option, ...]] = (
    Option("host", "POOLHAND_HOST", str, "127.0.0.1", "address to listen on"),
    Option("port", "POOLHAND_MARKET_PORT", whole(0, 65_535), "3050",
           "port to listen on; 0: any free one"),
    Option("database", "POOLHAND_MARKET_DATABASE", str, "sqlite:///market.db",
           "where the book is kept: sqlite:///FILE or postgresql://USER@HOST/NAME"),
    Option("first-block", "POOLHAND_MARKET_FIRST_BLOCK", whole(0), "0",
           "block to begin with in a new database: the hub's first; older deals are not listed"),
    Option("max-open-orders", "POOLHAND_MAX_OPEN_ORDERS", whole(1), "50",
           "open orders of one signer in one collection"),
    Option("max-book-requests", "POOLHAND_MAX_BOOK_REQUESTS", whole(1), "20000",
           "requests in the book that no deal used up, open or dead; of each other collection so "
           "many dead orders"),
    Option("retention", "POOLHAND_MARKET_RETENTION_DAYS", whole(0), "365",
           "days for which deals are kept whose tasks have ended, and twice as long others; 0: for "
           "ever"),
    Option("max-requests", "POOLHAND_MAX_REQUESTS", whole(0), "100",
           "requests of one client in the time of `rate-window`; 0: any number"),
    Option("rate-window", "POOLHAND_RATE_WINDOW", whole(1), "60",
           "seconds in which the requests of one client are counted"),
    Option("challenge-life", "POOLHAND_CHALLENGE_LIFE", whole(1), "300",
           "seconds in which a challenge must be signed and used"),
    Option("max-body", "POOLHAND_MARKET_MAX_BODY", size, "256k", "largest request"),
    Option("allow-private", "POOLHAND_ALLOW_PRIVATE", flag, "false",
           "ask pools at private addresses and by plain http, too"),
    Option("site-url", "POOLHAND_MARKET_SITE_URL", web_url, "",
           "address of documentation that the pages link to; empty: none"),
    *chain_options(),
)  # fmt: skip
"""Every setting of a market."""


def market_settings(found: Settings) -> MarketSettings:
    """Return the typed settings from values of ``MARKET_OPTIONS``.

    Raises:
        BadSetting: Something that does not fit together.
    """
    return MarketSettings(
        chain=chain_settings(found),
        host=found["host"],
        port=found["port"],
        database=found["database"],
        first_block=BlockNumber(found["first-block"]),
        most_open=found["max-open-orders"],
        room=found["max-book-requests"],
        retention=found["retention"],
        most_requests=found["max-requests"],
        rate_window=Seconds(found["rate-window"]),
        challenge_life=Seconds(found["challenge-life"]),
        max_body=found["max-body"],
        allow_private=found["allow-private"],
        site_url=found["site-url"],
    )
