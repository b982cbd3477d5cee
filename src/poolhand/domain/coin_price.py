"""What one coin of the chain is worth in RLC, as somebody's answer on the web tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlsplit

from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.text import shown
from poolhand.domain.units import ALL_RLC, NANO_PER_RLC, NanoRlc, Seconds

_HOW: Final = (
    "write an address and the place of the coin's price in its JSON, or of the coin's and of RLC's "
    "in the same currency: https://prices.example/v1 /ethereum/usd /iexec-rlc/usd"
)
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class PriceFeed:
    """Where the price is read.

    Attributes:
        url: Answers with JSON.
        coin: Place of the coin's price in it (a JSON pointer, RFC 6901).
        rlc: Place of RLC's price in the same currency; empty: that of the coin is in RLC.
    """

    url: str
    coin: str
    rlc: str = ""

    @property
    def host(self) -> str:
        """Whose answer it is; an address may have a key in it, which is shown to nobody."""
        return urlsplit(self.url).hostname or ""


def parse_price_feed(text: str) -> PriceFeed | None:
    """Read ``URL /place [/place]``; None: there is none.

    Raises:
        ValueError: It is none; the message says what to write.
    """
    words = text.split()
    if not words:
        return None
    url, *places = words
    try:
        parts = urlsplit(url)
        is_web = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(_HOW) from None
    if len(places) not in (1, 2) or not all(each.startswith("/") for each in places) or not is_web:
        raise ValueError(_HOW)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError("its address must begin with https://, or be on this computer")
    return PriceFeed(url, *places)


def read_coin_price(feed: PriceFeed, answer: bytes) -> NanoRlc:
    """Return what one coin is worth (nRLC), rounded up.

    Args:
        feed: Tells where in the answer.
        answer: JSON, of whomever.

    Raises:
        Malformed: There is no price above 0, or none that anything costs.
    """
    try:
        told = parse_json(answer, parse_float=Decimal)
    except (ValueError, InvalidOperation) as fault:
        raise Malformed(f"the answer is no JSON: {shown(str(fault), 100)}") from None
    coin = _number(told, feed.coin)
    rate = coin / _number(told, feed.rlc) if feed.rlc else coin
    if not Decimal(1) / NANO_PER_RLC <= rate <= ALL_RLC // NANO_PER_RLC:
        raise Malformed(f"one coin would be worth {rate:.6g} RLC, which cannot be")
    return NanoRlc(int((rate * NANO_PER_RLC).to_integral_value(ROUND_CEILING)))


def _number(told: Any, place: str) -> Decimal:
    """Return the number at a place; one above 0 and of a size that prices have."""
    for word in place.split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        if isinstance(told, dict) and key in told:
            told = told[key]
        elif isinstance(told, list) and key.isdecimal() and int(key[:6]) < len(told):
            told = told[int(key[:6])]
        else:
            raise Malformed(f"the answer has nothing at {shown(place, 60)}")
    try:
        found = Decimal(told) if isinstance(told, (str, int, Decimal)) else None
    except InvalidOperation:
        found = None
    if found is None or isinstance(told, bool) or not found.is_finite():
        raise Malformed(f"what the answer has at {shown(place, 60)} is no number")
    if not Decimal("1e-12") <= found <= Decimal("1e12"):
        raise Malformed(f"what the answer has at {shown(place, 60)} is no price: {found:.6g}")
    return found


def feed_lack(feed: PriceFeed, age: Seconds, why: str) -> str:
    """Say that nothing is taken because nobody knows what gas is worth."""
    return (
        f"what gas is worth is not known: {feed.host} (coin-price-from) told no price within "
        f"{age} s: {why}"
    )
